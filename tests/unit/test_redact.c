/* What people may see of a URL. */
#include "ipc/base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text, *shown;
} cases[] = {
	{"", ""},
	{"clip.avi", "clip.avi"},
	{"rtsp://cam:554/live", "rtsp://cam:554/live"},
	{"rtsp://[fe80::1]:554/live", "rtsp://[fe80::1]:554/live"},
	{"rtsp://[fe80::1]/live", "rtsp://[fe80::1]/live"},
	{"rtsp://user:secret@cam:554/live", "rtsp://***@cam:554/live"},
	{"rtsp://user@cam/live", "rtsp://***@cam/live"},
	{"rtsp://user:sec:ret@cam/live", "rtsp://***@cam/live"},
	{"rtsp://user:sec@ret@cam/live", "rtsp://***@cam/live"},
	/* Characters that should have been written as %XX: nobody can say where it ends. */
	{"rtsp://user:sec/ret@cam/live", "rtsp://***"},
	{"rtsp://user:sec?ret@cam/live", "rtsp://***"},
	{"rtsp://user:sec#ret@cam/live", "rtsp://***"},
	{"rtsp://user:sec ret@cam/live", "rtsp://***"},
	{"rtsp://user:sec\"ret@cam/live", "rtsp://***"},
	{"http://cam/v?token=secret", "http://cam/v?token=***"},
	{"http://cam/v?a=secret&b=secret;c=secret", "http://cam/v?a=***&b=***;c=***"},
	{"http://cam/v?secret", "http://cam/v?***"},
	{"http://cam/v?", "http://cam/v?"},
	{"http://cam/v?a=", "http://cam/v?a=***"},
	{"http://cam/v?a=&secret&", "http://cam/v?a=***&***&"},
	{"http://cam/v#secret", "http://cam/v#***"},
	{"http://cam?key=sec?ret", "http://cam?key=***?***"},
	{"http://user:secret@cam/v?token=secret", "http://***@cam/v?token=***"},
	{"http://cam/v?mail=me@secret", "http://***"},
	{"cannot open rtsp://a:secret@cam/x: it is away",
	 "cannot open rtsp://***@cam/x: it is away"},
	{"stream.cam1.source=rtsp://a:secret@cam/", "stream.cam1.source=rtsp://***@cam/"},
	{"\"http://a:secret@b/\" and <http://c:secret@d>", "\"http://***@b/\" and <http://***@d>"},
	{"http://a/?x=1://secret@b", "http://***"},
	{"://user:secret@cam", "://***@cam"},
	{"://", "://"},
};

static void test_secrets_are_hidden_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[256];
		assert_ptr_equal(redact(cases[i].text, out, sizeof(out)), out);
		assert_string_equal(out, cases[i].shown);
	}
}

/* Nothing of a secret may come in because there is no room for the stars. */
static void test_any_size_of_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t size = 1; size < 64; size++) {
			char out[64];
			memset(out, 'x', sizeof(out));
			redact(cases[i].text, out, size);
			assert_null(strstr(out, "secr"));
			assert_int_equal(strncmp(out, cases[i].shown, size - 1), 0);
			assert_true(strlen(out) < size);
		}
	}
	char none = 'x';
	redact("rtsp://user:secret@cam/", &none, 0);
	assert_int_equal(none, 'x');
}

static void test_in_place_leaves_no_byte_of_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256] = {0};
		size_t length = strlen(cases[i].text);
		memcpy(text, cases[i].text, length);
		redact_in_place(text);
		assert_true(strlen(text) <= length);
		assert_int_equal(strncmp(text, cases[i].shown, strlen(text)), 0);
		for (size_t k = strlen(text); k < length; k++)
			assert_int_equal(text[k], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets_are_hidden_and_nothing_else),
		cmocka_unit_test(test_any_size_of_room),
		cmocka_unit_test(test_in_place_leaves_no_byte_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
