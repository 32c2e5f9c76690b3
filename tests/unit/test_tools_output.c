/* Tables and units as people see them. */
#include "tools/troupe/output.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void bytes_have_units(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {{0, "0 B"},		 {999, "999 B"},	 {1000, "1.0 kB"},
		    {1449, "1.4 kB"},	 {999400, "999 kB"},	 {999600, "1.0 MB"},
		    {81000000, "81 MB"}, {1400000000, "1.4 GB"}, {UINT64_MAX, "18447 PB"}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[32];
		assert_string_equal(human_bytes(rows[i].bytes, out, sizeof(out)), rows[i].text);
	}
}

static void spans_have_units(void **state)
{
	(void)state;
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {{-1, "0 s"},
		    {400 * NS_PER_MS, "0.4 s"},
		    {12 * NS_PER_S, "12 s"},
		    {190 * NS_PER_S, "3 min 10 s"},
		    {7500 * NS_PER_S, "2 h 5 min"},
		    {INT64_C(86400) * 3 * NS_PER_S, "3 days"}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[32];
		assert_string_equal(human_span(rows[i].ns, out, sizeof(out)), rows[i].text);
	}
}

static void columns_are_aligned(void **state)
{
	(void)state;
	static const char *const headings[] = {"NAME", ">N", "LAST"};
	char *text = NULL;
	size_t size = 0;
	FILE *out = tmpfile();
	assert_non_null(out);
	struct table *table = table_create(headings, 3);
	table_cell(table, PAINT_GOOD, "a");
	table_cell(table, PAINT_NONE, "%d", 1);
	table_cell(table, PAINT_NONE, "x");
	table_cell(table, PAINT_BAD, "größer");
	table_cell(table, PAINT_NONE, "%d", 1234);
	table_cell(table, PAINT_NONE, "yy");
	assert_int_equal(table_print(table, out), 0);
	table_destroy(table);
	rewind(out);
	FILE *copy = open_memstream(&text, &size);
	for (int c = fgetc(out); c != EOF; c = fgetc(out))
		fputc(c, copy);
	fclose(copy);
	fclose(out);
	/* no colour: not a terminal */
	assert_string_equal(text, "NAME       N  LAST\n"
				  "a          1  x\n"
				  "größer  1234  yy\n");
	free(text);
}

static void no_table_is_an_error(void **state)
{
	(void)state;
	table_cell(NULL, PAINT_NONE, "nothing happens");
	assert_int_equal(table_print(NULL, stdout), TROUPE_E_MEMORY);
	table_destroy(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_units),
		cmocka_unit_test(spans_have_units),
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(no_table_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
