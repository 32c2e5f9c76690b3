/* The parts of `troupe export` that need no recording: when frames are shown, which units of H.264
 * go where, and files that appear whole. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/film_clock.h"
#include "tools/troupe/outfile.h"
#include "workers/media/annexb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- times ---- */

static struct record frame(uint64_t run, int64_t captured_ms, int64_t wall_ms)
{
	return (struct record){.run = run,
			       .captured = captured_ms * NS_PER_MS,
			       .captured_wall = wall_ms * NS_PER_MS};
}

static int64_t next_ms(struct film_clock *clock, struct record record)
{
	return film_clock_next(clock, &record) / NS_PER_MS;
}

static void frames_are_as_far_apart_as_captured(void **state)
{
	(void)state;
	struct film_clock clock = {0};
	assert_int_equal(film_clock_last(&clock), 40 * NS_PER_MS);
	assert_int_equal(next_ms(&clock, frame(1, 500, 9000)), 0);
	assert_int_equal(next_ms(&clock, frame(1, 533, 9033)), 33);
	/* The wall clock was set back an hour: within a run it does not count. */
	assert_int_equal(next_ms(&clock, frame(1, 600, 9100 - 3600000)), 100);
	assert_int_equal(film_clock_last(&clock), 50 * NS_PER_MS);
	/* Another run has another monotonic clock. */
	clock = (struct film_clock){0};
	assert_int_equal(next_ms(&clock, frame(1, 500000, 9000)), 0);
	assert_int_equal(next_ms(&clock, frame(2, 7, 12000)), 3000);
	assert_int_equal(film_clock_last(&clock), NS_PER_S);
}

static void time_always_goes_on(void **state)
{
	(void)state;
	struct film_clock clock = {0};
	struct record record = frame(1, 500, 9000);
	assert_int_equal(film_clock_next(&clock, &record), 0);
	assert_true(film_clock_next(&clock, &record) > 0);
	int64_t before = clock.now;
	record = frame(2, 0, 1000);
	assert_true(film_clock_next(&clock, &record) > before);
}

static void pauses_can_be_cut(void **state)
{
	(void)state;
	struct film_clock clock = {.cut = 2 * NS_PER_S};
	assert_int_equal(next_ms(&clock, frame(1, 0, 0)), 0);
	assert_int_equal(next_ms(&clock, frame(1, 40, 40)), 40);
	assert_int_equal(next_ms(&clock, frame(1, 60040, 60040)), 2040);
	assert_int_equal(next_ms(&clock, frame(2, 5, 99060040)), 4040);
}

/* ---- H.264 ---- */

static void units_go_where_they_belong(void **state)
{
	(void)state;
	/* A delimiter, parameter sets behind start codes of four and three bytes, a key picture. */
	static const uint8_t unit[] = {0, 0, 0,	   1, 9, 0xf0, 0, 0, 0,	   1, 0x67, 5, 6, 0,
				       0, 1, 0x68, 7, 0, 0,    0, 1, 0x65, 8, 0,    3, 0};
	static const uint8_t parameters[] = {0, 0, 0, 1, 0x67, 5, 6, 0, 0, 0, 1, 0x68, 7};
	static const uint8_t picture[] = {0, 0, 0, 1, 0x65, 8, 0, 3};
	uint8_t out[ANNEXB_ROOM(sizeof(unit))];
	assert_int_equal(annexb_copy(unit, sizeof(unit), ANNEXB_PARAMETERS, out),
			 sizeof(parameters));
	assert_memory_equal(out, parameters, sizeof(parameters));
	assert_int_equal(annexb_copy(unit, sizeof(unit), ANNEXB_PICTURE, out), sizeof(picture));
	assert_memory_equal(out, picture, sizeof(picture));
}

static void any_bytes_are_no_harm(void **state)
{
	(void)state;
	uint8_t bytes[64];
	srand(7);
	for (int i = 0; i < 20000; i++) {
		size_t size = (size_t)rand() % sizeof(bytes);
		for (size_t at = 0; at < size; at++)
			bytes[at] = (uint8_t)(rand() % 3);
		uint8_t *out = malloc(ANNEXB_ROOM(size));
		assert_non_null(out);
		size_t all = annexb_copy(bytes, size, ANNEXB_PARAMETERS, out);
		all += annexb_copy(bytes, size, ANNEXB_PICTURE, out);
		assert_true(all <= ANNEXB_ROOM(size));
		free(out);
	}
}

/* ---- files ---- */

static int enter_folder(void **state)
{
	char name[] = "/tmp/test_tools_export.XXXXXX";
	*state = mkdtemp(name) ? strdup(name) : NULL;
	return *state ? chdir(*state) : -1;
}

static int leave_folder(void **state)
{
	char *name = *state;
	int rc = chdir("/");
	rc = rc == 0 ? rmdir(name) : rc; /* nothing is left in it */
	free(name);
	return rc;
}

static void write_text(const char *name, const char *text)
{
	FILE *file = fopen(name, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void expect_text(const char *name, const char *text)
{
	char read[64] = "";
	FILE *file = fopen(name, "re");
	assert_non_null(file);
	assert_non_null(fgets(read, sizeof(read), file));
	fclose(file);
	assert_string_equal(read, text);
}

static void files_appear_whole(void **state)
{
	(void)state;
	struct outfile out;
	char why[512] = "";
	assert_int_equal(outfile_create(&out, "a.mp4", false, false, why, sizeof(why)), 0);
	write_text(out.part, "new");
	assert_int_equal(access("a.mp4", F_OK), -1);
	assert_int_equal(outfile_commit(&out, why, sizeof(why)), 0);
	outfile_discard(&out);
	expect_text("a.mp4", "new");
	assert_int_equal(outfile_create(&out, "a.mp4", false, false, why, sizeof(why)),
			 TROUPE_E_EXISTS);
	assert_non_null(strstr(why, "--force"));
	/* What is given up leaves what was there. */
	assert_int_equal(outfile_create(&out, "a.mp4", false, true, why, sizeof(why)), 0);
	write_text(out.part, "half");
	outfile_discard(&out);
	expect_text("a.mp4", "new");
	assert_int_equal(outfile_create(&out, "a.mp4", false, true, why, sizeof(why)), 0);
	write_text(out.part, "newer");
	assert_int_equal(outfile_commit(&out, why, sizeof(why)), 0);
	expect_text("a.mp4", "newer");
	assert_int_equal(unlink("a.mp4"), 0);
}

/* Somebody made it while ours was being made. */
static void who_was_first_stays(void **state)
{
	(void)state;
	struct outfile out;
	char why[512] = "";
	assert_int_equal(outfile_create(&out, "./b.csv", false, false, why, sizeof(why)), 0);
	write_text("b.csv", "theirs");
	assert_true(outfile_commit(&out, why, sizeof(why)) < 0);
	outfile_discard(&out);
	expect_text("b.csv", "theirs");
	assert_int_equal(unlink("b.csv"), 0);
}

static void folders_take_the_place_of_empty_ones(void **state)
{
	(void)state;
	struct outfile out;
	char why[512] = "", path[PATH_MAX + 16];
	assert_int_equal(mkdir("c", 0700), 0);
	assert_int_equal(outfile_create(&out, "c/", true, false, why, sizeof(why)),
			 TROUPE_E_EXISTS);
	assert_int_equal(outfile_create(&out, "c/", true, true, why, sizeof(why)), 0);
	snprintf(path, sizeof(path), "%s/x", out.part);
	write_text(path, "x");
	assert_int_equal(outfile_commit(&out, why, sizeof(why)), 0);
	expect_text("c/x", "x");
	assert_int_equal(outfile_create(&out, "c/", true, true, why, sizeof(why)), TROUPE_E_EXISTS);
	assert_non_null(strstr(why, "not empty"));
	assert_int_equal(outfile_create(&out, "c", false, true, why, sizeof(why)), TROUPE_E_EXISTS);
	assert_int_equal(outfile_create(&out, "c/x", true, true, why, sizeof(why)),
			 TROUPE_E_EXISTS);
	assert_int_equal(outfile_create(&out, "no/x", false, true, why, sizeof(why)),
			 TROUPE_E_NOT_FOUND);
	assert_int_equal(unlink("c/x"), 0);
	assert_int_equal(outfile_create(&out, "d", true, false, why, sizeof(why)), 0);
	snprintf(path, sizeof(path), "%s/x", out.part);
	write_text(path, "x");
	outfile_discard(&out);
	assert_int_equal(rmdir("c"), 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_as_far_apart_as_captured),
		cmocka_unit_test(time_always_goes_on),
		cmocka_unit_test(pauses_can_be_cut),
		cmocka_unit_test(units_go_where_they_belong),
		cmocka_unit_test(any_bytes_are_no_harm),
		IN_FOLDER(files_appear_whole),
		IN_FOLDER(who_was_first_stays),
		IN_FOLDER(folders_take_the_place_of_empty_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
