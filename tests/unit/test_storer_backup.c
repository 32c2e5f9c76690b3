/* Backups: the copy is a recording that holds the same, whatever happens to the recording
 * meanwhile, and until it is finished the one before it is as good as ever. */
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/backup.h"
#include "workers/storer/repair.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRAMES 40
#define ALL    80

struct places {
	char from[RIG_PATH], to[RIG_PATH];
	struct recorder *recorder; /* of `from` */
};

static void append(struct places *places, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq += 4) {
		rig_append(places->recorder, seq, seq + 3);
		assert_int_equal(recorder_commit(places->recorder), 0);
	}
}

static int set_up(void **state)
{
	static struct places places;

	rig_folder(places.from);
	rig_folder(places.to);
	places.recorder = rig_open(places.from, RIG_RUN, 4096);
	append(&places, 1, FRAMES);
	*state = &places;
	return 0;
}

static int tear_down(void **state)
{
	struct places *places = *state;

	recorder_close(places->recorder);
	rig_remove(places->from);
	rig_remove(places->to);
	return 0;
}

/* What happens while it is copied: at the call number `at`. */
struct meanwhile {
	struct places *places;
	int calls, at;
	void (*happens)(struct places *places); /* NULL: it is told to end */
};

static bool going(void *arg, uint64_t done, uint64_t total)
{
	struct meanwhile *meanwhile = arg;

	(void)done;
	(void)total;
	if (++meanwhile->calls != meanwhile->at)
		return true;
	if (meanwhile->happens != NULL)
		meanwhile->happens(meanwhile->places);
	return meanwhile->happens != NULL;
}

static int try_backup(struct places *places, struct meanwhile *meanwhile,
		      struct backup_report *report)
{
	const struct backup_options options = {.from = places->from,
					       .to = places->to,
					       .going = meanwhile != NULL ? going : NULL,
					       .arg = meanwhile};
	char why[1024] = "";
	int rc = backup_make(&options, report, why, sizeof(why));

	assert_true(rc == 0 || *why != 0);
	if (rc < 0)
		print_message("%s\n", why);
	return rc;
}

static struct backup_report backup(struct places *places)
{
	struct backup_report report;

	assert_int_equal(try_backup(places, NULL, &report), 0);
	return report;
}

static void expect_copy(const struct places *places, uint64_t rows)
{
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(places->to, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.rows, rows);
}

static void expect_same(const struct places *places)
{
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(places->to, places->from, &report, text), 0);
	assert_string_equal(text, "");
}

static void only_what_is_new(void **state)
{
	struct places *places = *state;
	struct backup_report first = backup(places), second;

	assert_int_equal(first.copied_bytes, first.bytes);
	expect_same(places);
	append(places, FRAMES + 1, FRAMES + 8);
	second = backup(places);
	assert_int_equal(second.copied_bytes, second.bytes - first.bytes);
	expect_same(places);
	assert_int_equal(backup(places).copied_bytes, 0);
	rig_expect(places->to, RIG_RUN, FRAMES + 8);
}

/* Retention takes the last segment that is copied away. */
static void forget_newest_closed(struct places *places)
{
	struct index *index = recorder_index(places->recorder);
	char path[RIG_PATH];

	assert_int_equal(index_begin(index), 0);
	assert_true(index_doom_segment(index, 3, "keep") > 0);
	assert_int_equal(index_commit(index), 0);
	assert_int_equal(unlink(rig_segment(places->from, 3, path)), 0);
}

static void segment_vanishes(void **state)
{
	struct places *places = *state;
	struct meanwhile meanwhile = {.places = places, .at = 1, .happens = forget_newest_closed};
	struct backup_report report;
	char path[RIG_PATH];

	assert_int_equal(try_backup(places, &meanwhile, &report), 0);
	assert_int_equal(report.snapshots, 2);
	assert_int_equal(report.missing, 0);
	assert_true(access(rig_segment(places->to, 3, path), F_OK) < 0);
	expect_same(places);
}

/* What was copied once goes from the copy too. */
static void segment_is_forgotten(void **state)
{
	struct places *places = *state;
	char path[RIG_PATH];

	backup(places);
	forget_newest_closed(places);
	assert_int_equal(backup(places).removed, 1);
	assert_true(access(rig_segment(places->to, 3, path), F_OK) < 0);
	expect_same(places);
}

static void segment_is_missing(void **state)
{
	struct places *places = *state;
	struct backup_report report;
	char path[RIG_PATH];

	assert_int_equal(unlink(rig_segment(places->from, 2, path)), 0);
	report = backup(places);
	assert_int_equal(report.missing, 1);
	assert_int_equal(report.snapshots, 2);
}

/* Ended at every place where it can be: the one before stays valid, the next one goes on. */
static void interrupted_anywhere(void **state)
{
	struct places *places = *state;
	struct backup_report report;
	int at = 0, rc;

	backup(places);
	append(places, FRAMES + 1, ALL);
	do {
		struct meanwhile meanwhile = {.places = places, .at = ++at};

		rc = try_backup(places, &meanwhile, &report);
		assert_true(rc == 0 || rc == TROUPE_E_CLOSED);
		expect_copy(places, rc == 0 ? ALL : FRAMES);
	} while (rc < 0);
	assert_true(at > 2);
	expect_same(places);
}

static void die(struct places *places)
{
	(void)places;
	_exit(7);
}

/* The same by dying, which leaves everything as it is. */
static void killed_anywhere(void **state)
{
	struct places *places = *state;
	int at = 0, status = 0;

	backup(places);
	append(places, FRAMES + 1, ALL);
	do {
		struct meanwhile meanwhile = {.places = places, .at = ++at, .happens = die};
		struct backup_report report;
		pid_t child = fork();

		if (child == 0)
			_exit(try_backup(places, &meanwhile, &report) == 0 ? 0 : 1);
		assert_true(child > 0 && waitpid(child, &status, 0) == child);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
		expect_copy(places, WEXITSTATUS(status) == 0 ? ALL : FRAMES);
	} while (WEXITSTATUS(status) != 0);
	assert_true(at > 2);
	backup(places);
	expect_same(places);
}

/* What the recording has lost to damage, and the copy still has, is not thrown away with it. */
static void damage_is_not_followed(void **state)
{
	struct places *places = *state;
	const struct repair_options options = {.folder = places->from};
	struct repair_report repaired;
	struct backup_report report;
	char path[RIG_PATH], kept[RIG_PATH + 32], why[1024];

	backup(places);
	recorder_close(places->recorder);
	rig_segment(places->from, 2, path);
	rig_flip(path, rig_size(path) / 2, 1);
	assert_int_equal(repair_recording(&options, &repaired, why, sizeof(why)), 0);
	assert_int_equal(repaired.forgotten, 1);
	places->recorder = rig_open(places->from, RIG_RUN + 1, 4096);
	report = backup(places);
	assert_int_equal(report.kept, 1);
	snprintf(kept, sizeof(kept), "%s/kept/000002.seg", places->to);
	assert_int_equal(access(kept, F_OK), 0);
	expect_copy(places, FRAMES - 1);
}

/* What a power loss took from the recording's end, and what came instead. */
static void end_was_written_anew(void **state)
{
	struct places *places = *state;
	struct backup_report report;
	char path[RIG_PATH];
	uint32_t last = 1;

	backup(places);
	while (access(rig_segment(places->to, last + 1, path), F_OK) == 0)
		last++;
	rig_segment(places->to, last, path);
	rig_flip(path, rig_size(path) - 20, 1);
	append(places, FRAMES + 1, FRAMES + 4);
	report = backup(places);
	assert_true(report.copied > 0);
	expect_same(places);
}

static void damage_is_told(void **state)
{
	struct places *places = *state;
	char path[RIG_PATH];

	rig_segment(places->from, 2, path);
	rig_flip(path, rig_size(path) / 2, 1);
	assert_int_equal(backup(places).damaged, 1);
}

static void refuses_what_is_no_backup(void **state)
{
	struct places *places = *state;
	struct places swapped = {.recorder = NULL};
	struct backup_report report;
	char path[RIG_PATH * 2];

	/* Something else is in it. */
	snprintf(path, sizeof(path), "%s/letter", places->to);
	close(open(path, O_CREAT | O_WRONLY, 0644));
	assert_int_equal(try_backup(places, NULL, &report), TROUPE_E_EXISTS);
	assert_int_equal(unlink(path), 0);
	/* A recording. */
	memcpy(swapped.from, places->to, RIG_PATH);
	memcpy(swapped.to, places->from, RIG_PATH);
	backup(places);
	assert_int_equal(try_backup(&swapped, NULL, &report), TROUPE_E_EXISTS);
	/* The backup of another recording. */
	rig_folder(swapped.from);
	memcpy(swapped.to, places->to, RIG_PATH);
	rig_write(swapped.from, RIG_RUN + 5, 1, 4, 4);
	assert_int_equal(try_backup(&swapped, NULL, &report), TROUPE_E_EXISTS);
	rig_remove(swapped.from);
	expect_same(places);
	/* Itself, and nothing. */
	memcpy(swapped.from, places->from, RIG_PATH);
	memcpy(swapped.to, places->from, RIG_PATH);
	assert_int_equal(try_backup(&swapped, NULL, &report), TROUPE_E_EXISTS);
	snprintf(swapped.from, sizeof(swapped.from), "/nowhere");
	assert_int_equal(try_backup(&swapped, NULL, &report), TROUPE_E_NOT_FOUND);
}

/* One writer: a storer in the copy, or another backup. */
static void refuses_while_it_is_written(void **state)
{
	struct places *places = *state;
	struct backup_report report;
	struct recorder *other;

	backup(places);
	other = rig_open(places->to, RIG_RUN, 4096);
	assert_int_equal(try_backup(places, NULL, &report), TROUPE_E_BUSY);
	recorder_close(other);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(only_what_is_new),
		TEST(segment_vanishes),
		TEST(segment_is_forgotten),
		TEST(segment_is_missing),
		TEST(interrupted_anywhere),
		TEST(killed_anywhere),
		TEST(damage_is_not_followed),
		TEST(end_was_written_anew),
		TEST(damage_is_told),
		TEST(refuses_what_is_no_backup),
		TEST(refuses_while_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
