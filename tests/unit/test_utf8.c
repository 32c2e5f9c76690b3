/* What of a stranger's words a terminal may get. */
#include "ipc/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text, *tamed;
} cases[] = {
	{"", ""},
	{"plain, with\ttabs", "plain, with\ttabs"},
	{"Gr\303\274\303\237e \342\202\254 \360\237\216\255",
	 "Gr\303\274\303\237e \342\202\254 \360\237\216\255"},
	{"\033[2Jgone", "?[2Jgone"},
	{"\033]0;title\007", "?]0;title?"},
	{"one\r\ntwo\b\177", "one??two??"},
	/* CSI as one character, by UTF-8 and as a byte. */
	{"a\302\2332Jb", "a?2Jb"},
	{"a\2332Jb", "a?2Jb"},
	{"\302\240stays", "\302\240stays"},
	/* Who turns the direction of writing. */
	{"a\342\200\256b\342\201\246c\342\200\250d", "a?b?c?d"},
	{"\342\200\234quoted\342\200\235", "\342\200\234quoted\342\200\235"},
	/* No UTF-8: what begins and does not end, what is too long, surrogates, too large. */
	{"\303", "?"},
	{"\303\033[2J", "??[2J"},
	{"\342\202", "??"},
	{"\300\257", "??"},
	{"\340\200\257", "???"},
	{"\355\240\200", "???"},
	{"\364\220\200\200\365", "?????"},
	{"\371\237\227\241", "????"}, /* as if 0xf9 began four bytes */
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];
		snprintf(text, sizeof(text), "%s", cases[i].text);
		assert_string_equal(utf8_tame(text), cases[i].tamed);
		assert_string_equal(utf8_tame(text), cases[i].tamed);
	}
}

static void test_zeroes_within(void **state)
{
	char bytes[] = "a\0b\302\233\0";
	(void)state;
	assert_int_equal(utf8_tame_bytes(bytes, 6), 5);
	assert_memory_equal(bytes, "a?b??", 5);
}

/* Messages have their empty texts in memory that nobody may write. */
static void test_nothing_is_written_where_all_is_well(void **state)
{
	static const char fixed[] = "";
	union {
		const char *from;
		char *to;
	} both = {.from = fixed};
	(void)state;
	assert_string_equal(utf8_tame(both.to), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_zeroes_within),
		cmocka_unit_test(test_nothing_is_written_where_all_is_well),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
