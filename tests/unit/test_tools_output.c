/* Tables and units as people see them. */
#include "tools/troupe/output.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/progress.h"

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

static void progress_fits_the_terminal(void **state)
{
	(void)state;
	static const struct {
		uint64_t done, total;
		const char *unit;
		int64_t elapsed;
		int columns;
		const char *text;
	} rows[] = {
		{5, 10, "frames", 0, 60,
		 "copy  [##############..............]  50 %  5 of 10 frames"},
		{500000, 2000000, NULL, 3 * NS_PER_S, 60,
		 "copy  [###...........]  25 %  500 kB of 2.0 MB, 9.0 s left"},
		{500, 2000, "frames", 2 * NS_PER_S, 75,
		 "copy  [###..........]  25 %  500 of 2000 frames, 250 frames/s, 6.0 s "
		 "left"},
		{12, 10, "frames", NS_PER_S, 30, "copy 100 %  10 of 10 frames"},
		{0, 0, NULL, NS_PER_S, 12, "copy   0 % "},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[PROGRESS_TEXT + 64];
		assert_string_equal(progress_text("copy", rows[i].done, rows[i].total, rows[i].unit,
						  rows[i].elapsed, rows[i].columns, out,
						  sizeof(out)),
				    rows[i].text);
		assert_true(strlen(out) < (size_t)rows[i].columns);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_units),
		cmocka_unit_test(spans_have_units),
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(no_table_is_an_error),
		cmocka_unit_test(progress_fits_the_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
