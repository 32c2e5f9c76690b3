/* A log line by line: through its earlier files, as it grows, and when it is rotated meanwhile. */
#include "tools/troupe/log_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char folder[64];
	struct log_reader reader;
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	*state = place;
	if (!place)
		return -1;
	snprintf(place->folder, sizeof(place->folder), "/tmp/troupe-test-logs-XXXXXX");
	if (!mkdtemp(place->folder))
		return -1;
	log_reader_init(&place->reader, place->folder, "w");
	return 0;
}

static const char *path_of(const struct place *place, int number, char *out, size_t size)
{
	snprintf(out, size, number ? "%s/w.log.%d" : "%s/w.log", place->folder, number);
	return out;
}

static int teardown(void **state)
{
	struct place *place = *state;
	char path[128];
	log_reader_finish(&place->reader);
	for (int i = 0; i < 10; i++)
		unlink(path_of(place, i, path, sizeof(path)));
	int rc = rmdir(place->folder);
	free(place);
	return rc;
}

static void put(const struct place *place, int number, const char *text)
{
	char path[128];
	FILE *out = fopen(path_of(place, number, path, sizeof(path)), "ae");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

/* What the supervisor does, with `last` earlier files being there. */
static void rotate(const struct place *place, int last)
{
	char from[128], to[128];
	for (int i = last; i >= 0; i--)
		rename(path_of(place, i, from, sizeof(from)),
		       path_of(place, i + 1, to, sizeof(to)));
}

static void expect(struct place *place, const char *text)
{
	assert_true(log_reader_next(&place->reader));
	assert_string_equal(place->reader.text, text);
}

static void expect_none(struct place *place)
{
	assert_false(log_reader_next(&place->reader));
	assert_false(place->reader.has);
}

static void earlier_files_come_first(void **state)
{
	struct place *place = *state;
	put(place, 2, "one\n");
	put(place, 1, "two\nthree\n");
	put(place, 0, "four\n");
	log_reader_begin(&place->reader, 0);
	expect(place, "one");
	expect(place, "two");
	expect(place, "three");
	expect(place, "four");
	expect_none(place);
}

static void a_line_comes_when_it_is_whole(void **state)
{
	struct place *place = *state;
	expect_none(place); /* there is no file yet */
	put(place, 0, "on");
	expect_none(place);
	put(place, 0, "e\ntw");
	expect(place, "one");
	expect_none(place);
	put(place, 0, "o\n");
	expect(place, "two");
	expect_none(place);
}

static void rotation_loses_nothing(void **state)
{
	struct place *place = *state;
	put(place, 0, "one\n");
	expect(place, "one");
	expect_none(place);
	put(place, 0, "two\n"); /* nobody has read it when it is rotated away … */
	rotate(place, 0);
	put(place, 0, "three\n"); /* … twice */
	rotate(place, 1);
	put(place, 0, "four\n");
	expect(place, "two");
	expect(place, "three");
	expect(place, "four");
	expect_none(place);
	/* Between two of its names there is no current file. */
	rotate(place, 2);
	expect_none(place);
	put(place, 0, "five\n");
	expect(place, "five");
	expect_none(place);
}

static void move(const struct place *place, int from, int to)
{
	char old[128], new[128];
	assert_int_equal(rename(path_of(place, from, old, sizeof(old)),
				path_of(place, to, new, sizeof(new))),
			 0);
}

/* In the middle of a rotation one name is nobody's. */
static void a_rotation_that_is_half_done(void **state)
{
	struct place *place = *state;
	put(place, 2, "one\n");
	put(place, 1, "two\n");
	put(place, 0, "three\n");
	log_reader_begin(&place->reader, 0);
	expect(place, "one");
	move(place, 2, 3);
	move(place, 1, 2); /* here it is interrupted */
	expect(place, "two");
	expect_none(place); /* what follows has no name just now that one could know it by */
	move(place, 0, 1);
	put(place, 0, "four\n");
	expect(place, "three");
	expect(place, "four");
	expect_none(place);
}

/* Zeroes hide nothing, and what a terminal would obey is not passed on. */
static void strangers_lines_are_tame(void **state)
{
	static const char wild[] = "zero\0 within\n\033[2J\302\233 \377\n";
	struct place *place = *state;
	char path[128];
	FILE *out = fopen(path_of(place, 0, path, sizeof(path)), "we");
	assert_non_null(out);
	assert_int_equal(fwrite(wild, 1, sizeof(wild) - 1, out), sizeof(wild) - 1);
	fclose(out);
	expect(place, "zero? within");
	expect(place, "?[2J? ?");
	expect_none(place);
}

static void what_has_gone_meanwhile_is_passed_over(void **state)
{
	struct place *place = *state;
	char path[128];
	put(place, 0, "one\n");
	expect(place, "one");
	rotate(place, 0);
	unlink(path_of(place, 1, path, sizeof(path)));
	put(place, 1, "seven\n");
	put(place, 0, "eight\n");
	expect(place, "seven");
	expect(place, "eight");
	expect_none(place);
}

static void lines_are_taken_apart(void **state)
{
	struct place *place = *state;
	put(place, 0,
	    "2026-01-01T00:00:00.000Z info  text\nof a library\n"
	    "2026-01-01T00:00:01.000Z error worse\n");
	expect(place, "text");
	assert_int_equal(place->reader.weight, WEIGHT_INFO);
	assert_string_equal(place->reader.time, "2026-01-01T00:00:00.000Z");
	expect(place, "of a library");
	assert_int_equal(place->reader.weight, WEIGHT_WARN);
	assert_string_equal(place->reader.time, "2026-01-01T00:00:00.000Z");
	expect(place, "worse");
	assert_int_equal(place->reader.weight, WEIGHT_ERROR);
	assert_string_equal(place->reader.time, "2026-01-01T00:00:01.000Z");
}

static void the_end_is_found_from_behind(void **state)
{
	struct place *place = *state;
	char line[32];
	put(place, 1, "earlier\n");
	for (int i = 0; i < 20000; i++) { /* more than a block */
		snprintf(line, sizeof(line), "line %d\n", i);
		put(place, 0, line);
	}
	log_reader_begin_at_end(&place->reader, 15000);
	expect(place, "line 5000");
	log_reader_begin_at_end(&place->reader, 1);
	expect(place, "line 19999");
	expect_none(place);
	log_reader_begin_at_end(&place->reader, 20000); /* as many are there, or one less */
	expect(place, "earlier");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(earlier_files_come_first, setup, teardown),
		cmocka_unit_test_setup_teardown(a_line_comes_when_it_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(rotation_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rotation_that_is_half_done, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers_lines_are_tame, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_gone_meanwhile_is_passed_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lines_are_taken_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_is_found_from_behind, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
