/* The error list: numbers that never clash, names, texts, and what errno becomes. */
#include "ipc/base/errors.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	int code;
	const char *name;
	const char *text;
} list[] = {
#define LIST_ROW(name, code, text) {(code), #name, (text)},
	TROUPE_ERRORS(LIST_ROW)
#undef LIST_ROW
};

static const size_t n_list = sizeof(list) / sizeof(list[0]);

static void test_every_code_has_its_own_number_name_and_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_list; i++) {
		assert_true(list[i].code < 0);
		assert_string_equal(error_name(list[i].code), list[i].name);
		assert_string_equal(error_text(list[i].code), list[i].text);
		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(list[i].code, list[k].code);
			assert_string_not_equal(list[i].text, list[k].text);
		}
	}
}

static void test_other_numbers_are_unknown(void **state)
{
	(void)state;
	static const int others[] = {0, 1, -1000, INT32_MIN, INT32_MAX};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_string_equal(error_name(others[i]), "UNKNOWN");
		assert_string_equal(error_text(others[i]), "unknown error");
	}
}

static void test_errno(void **state)
{
	(void)state;
	static const struct {
		int errnum, code;
	} rows[] = {
		{ENOMEM, TROUPE_E_MEMORY},     {EINVAL, TROUPE_E_ARGUMENT},
		{ENOENT, TROUPE_E_NOT_FOUND},  {EEXIST, TROUPE_E_EXISTS},
		{EBUSY, TROUPE_E_BUSY},	       {EADDRINUSE, TROUPE_E_BUSY},
		{EAGAIN, TROUPE_E_AGAIN},      {EPIPE, TROUPE_E_CLOSED},
		{ENOSPC, TROUPE_E_NO_SPACE},   {EDQUOT, TROUPE_E_NO_SPACE},
		{EACCES, TROUPE_E_DENIED},     {EROFS, TROUPE_E_DENIED},
		{ETIMEDOUT, TROUPE_E_TIMEOUT}, {EIO, TROUPE_E_IO},
		{EXDEV, TROUPE_E_SYSTEM},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(error_from_errno(rows[i].errnum), rows[i].code);
	/* Whatever the kernel says, it is an error of the list. */
	for (int errnum = 0; errnum < 200; errnum++)
		assert_string_not_equal(error_name(error_from_errno(errnum)), "UNKNOWN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_has_its_own_number_name_and_text),
		cmocka_unit_test(test_other_numbers_are_unknown),
		cmocka_unit_test(test_errno),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
