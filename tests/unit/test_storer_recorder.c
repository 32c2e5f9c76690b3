/* Writing, dying and going on: the recorder, its recovery, and readers beside it. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/recording.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int set_up(void **state)
{
	static char folder[RIG_PATH];

	rig_folder(folder);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	rig_remove(*state);
	return 0;
}

static void expect_clean(const char *folder)
{
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(folder, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.faults, 0);
	assert_int_equal(report.uncommitted, 0);
	assert_int_equal(report.rows, report.records);
}

static void writes_and_reads(void **state)
{
	rig_write(*state, RIG_RUN, 1, 100, 7);
	rig_expect(*state, RIG_RUN, 100);
	rig_write(*state, RIG_RUN, 101, 150, 50);
	rig_expect(*state, RIG_RUN, 150);
	rig_write(*state, RIG_RUN + 1, 1, 10, 1);
	rig_expect(*state, RIG_RUN, 150);
	rig_expect(*state, RIG_RUN + 1, 10);
	expect_clean(*state);
}

static void refuses_a_number_twice(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	uint8_t coded[RIG_CODED_MAX];
	struct record record;

	rig_append(recorder, 1, 3);
	rig_frame(3, &record, coded);
	assert_int_equal(recorder_append(recorder, 0, &record, coded), TROUPE_E_EXISTS);
	assert_int_equal(recorder_commit(recorder), 0);
	rig_frame(2, &record, coded);
	assert_int_equal(recorder_append(recorder, 0, &record, coded), TROUPE_E_EXISTS);
	recorder_close(recorder);
	rig_expect(*state, RIG_RUN, 3);
}

static void starts_new_segments(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 4096);
	char path[RIG_PATH];

	for (uint64_t seq = 1; seq <= 60; seq += 3) {
		rig_append(recorder, seq, seq + 2);
		assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	assert_int_equal(access(rig_segment(*state, 4, path), F_OK), 0);
	for (uint32_t number = 1; number <= 4; number++)
		assert_in_range(rig_size(rig_segment(*state, number, path)), 64, 4096 + 3 * 512);
	rig_expect(*state, RIG_RUN, 60);
	expect_clean(*state);
}

/* What a death between the last append and its commit leaves is whole, so it is kept. */
static void keeps_whole_records_without_rows(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	struct index_tally tally;
	struct recorder_state found;

	rig_append(recorder, 1, 5);
	assert_int_equal(recorder_commit(recorder), 0);
	rig_append(recorder, 6, 9);
	recorder_close(recorder);
	rig_expect(*state, RIG_RUN, 5);
	recorder = rig_open(*state, RIG_RUN, 64000000);
	recorder_state(recorder, &found);
	assert_int_equal(found.recovery.rows_added, 4);
	recorder_tally(recorder, 0, &tally);
	assert_int_equal(tally.last, 9);
	assert_int_equal(tally.frames, 9);
	rig_append(recorder, 10, 12);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	rig_expect(*state, RIG_RUN, 12);
	expect_clean(*state);
}

/* The segment ends anywhere within its last record, whether the index has a row for that or not. */
static void cuts_half_a_record(void **state)
{
	char path[RIG_PATH], scratch[RIG_PATH];
	uint64_t four, five;

	rig_write(*state, RIG_RUN, 1, 4, 4);
	four = rig_size(rig_segment(*state, 1, path));
	rig_write(*state, RIG_RUN, 5, 5, 1);
	five = rig_size(path);
	for (uint64_t size = four; size < five; size++) {
		for (int row = 0; row < 2; row++) {
			char sql[256], cut[RIG_PATH];
			struct recorder *recorder;
			struct index_tally tally;

			rig_folder(scratch);
			rig_copy(*state, scratch);
			assert_int_equal(truncate(rig_segment(scratch, 1, cut), (off_t)size), 0);
			snprintf(sql, sizeof(sql),
				 "DELETE FROM frames WHERE seq = 5; UPDATE segments SET bytes = "
				 "%d, frames = 4; UPDATE streams SET frames = 4, last_seq = 4, "
				 "last_ordinal = 4",
				 (int)four);
			if (row == 0)
				rig_sql(scratch, sql);
			recorder = rig_open(scratch, RIG_RUN, 64000000);
			recorder_tally(recorder, 0, &tally);
			assert_int_equal(tally.last, 4);
			assert_int_equal(tally.frames, 4);
			assert_int_equal(rig_size(cut), four);
			rig_append(recorder, 5, 6);
			assert_int_equal(recorder_commit(recorder), 0);
			recorder_close(recorder);
			rig_expect(scratch, RIG_RUN, 6);
			rig_remove(scratch);
		}
	}
}

/* Garbage of any kind behind the committed end goes, however much it looks like a record. */
static void cuts_a_torn_record(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	struct recorder_state found;
	struct index_tally tally;
	char path[RIG_PATH];
	uint64_t end;

	rig_append(recorder, 1, 2);
	assert_int_equal(recorder_commit(recorder), 0);
	end = rig_size(rig_segment(*state, 1, path));
	rig_append(recorder, 3, 5);
	recorder_close(recorder);
	rig_flip(path, end + 300, 3); /* within frame 3: 4 and 5 are whole but come too late */
	recorder = rig_open(*state, RIG_RUN, 64000000);
	recorder_state(recorder, &found);
	assert_int_equal(found.recovery.rows_added, 0);
	assert_true(found.recovery.bytes_cut > 0);
	recorder_tally(recorder, 0, &tally);
	assert_int_equal(tally.last, 2);
	rig_append(recorder, 3, 5);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	rig_expect(*state, RIG_RUN, 5);
	expect_clean(*state);
}

static void survives_a_segment_being_born(void **state)
{
	char path[RIG_PATH];

	rig_write(*state, RIG_RUN, 1, 3, 3);
	for (int size = 0; size < 64; size += 21) {
		int fd = open(rig_segment(*state, 2, path), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, size), 0);
		close(fd);
		recorder_close(rig_open(*state, RIG_RUN, 64000000));
		assert_int_equal(access(path, F_OK), -1);
	}
	rig_write(*state, RIG_RUN, 4, 6, 3);
	rig_expect(*state, RIG_RUN, 6);
	expect_clean(*state);
}

static void remake_index(const char *folder, bool damaged)
{
	char path[RIG_PATH + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/recording.sqlite", folder);
	if (!damaged) {
		assert_int_equal(unlink(path), 0);
		return;
	}
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd,
			       "this is not a database, and long enough to be seen as such\n"
			       "this is not a database, and long enough to be seen as such\n",
			       118),
			 118);
	close(fd);
}

static void makes_the_index_again(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 4096);

	for (uint64_t seq = 1; seq <= 40; seq += 4) {
		rig_append(recorder, seq, seq + 3);
		assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	rig_write(*state, RIG_RUN + 5, 1, 8, 8);
	for (int damaged = 0; damaged < 2; damaged++) {
		remake_index(*state, damaged != 0);
		recorder_close(rig_open(*state, RIG_RUN + 5, 4096));
		rig_expect(*state, RIG_RUN, 40);
		rig_expect(*state, RIG_RUN + 5, 8);
		expect_clean(*state);
	}
}

/* Without its index a recording loses nothing but the damaged record itself. */
static void steps_over_damage_when_remaking(void **state)
{
	struct recorder *recorder;
	struct recorder_state found;
	struct index_tally tally;
	char path[RIG_PATH];

	rig_write(*state, RIG_RUN, 1, 10, 10);
	rig_flip(rig_segment(*state, 1, path), 64 + 400 * 3, 0);
	remake_index(*state, false);
	recorder = rig_open(*state, RIG_RUN, 64000000);
	recorder_state(recorder, &found);
	assert_int_equal(found.recovery.rows_added, 9);
	assert_int_equal(found.recovery.damaged, 1);
	recorder_tally(recorder, 0, &tally);
	assert_int_equal(tally.last, 10);
	recorder_close(recorder);
}

static void forgets_rows_behind_the_files(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 4096);
	char path[RIG_PATH];
	struct index_tally tally;

	for (uint64_t seq = 1; seq <= 40; seq += 4) {
		rig_append(recorder, seq, seq + 3);
		assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	assert_int_equal(unlink(rig_segment(*state, 4, path)), 0);
	recorder = rig_open(*state, RIG_RUN, 4096);
	recorder_tally(recorder, 0, &tally);
	assert_in_range(tally.last, 1, 39);
	rig_append(recorder, tally.last + 1, 40);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	rig_expect(*state, RIG_RUN, 40);
	expect_clean(*state);
}

static void refuses_a_second_writer(void **state)
{
	const struct recorder_options options = {
		.folder = *state, .pipeline = "other", .run = RIG_RUN, .lock_wait = NS_PER_MS};
	struct recorder *first = rig_open(*state, RIG_RUN, 64000000), *second;
	char why[256] = "", pid[32];

	assert_int_equal(recorder_open(&second, &options, why, sizeof(why)), TROUPE_E_BUSY);
	assert_null(second);
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(why, pid));
	recorder_close(first);
	assert_int_equal(recorder_open(&second, &options, why, sizeof(why)), 0);
	recorder_close(second);
}

static void release_first(void *arg)
{
	struct recorder **first = arg;

	recorder_close(*first);
	*first = NULL;
}

/* The lock is waited for, and what the predecessor committed meanwhile is there. */
static void waits_for_a_draining_writer(void **state)
{
	struct recorder *first = rig_open(*state, RIG_RUN, 64000000), *second;
	const struct recorder_options options = {
		.folder = *state,
		.pipeline = "test",
		.run = RIG_RUN,
		.segment_bytes = 64000000,
		.segment_ns = NS_PER_S,
		.lock_wait = 60 * NS_PER_S,
		.waiting = release_first,
		.arg = &first,
	};
	struct index_tally tally;
	char why[256] = "";

	rig_append(first, 1, 4);
	assert_int_equal(recorder_commit(first), 0);
	assert_int_equal(recorder_open(&second, &options, why, sizeof(why)), 0);
	assert_null(first);
	assert_int_equal(recorder_add_stream(second, RIG_STREAM, 64, 48, 25, 1), 0);
	recorder_tally(second, 0, &tally);
	assert_int_equal(tally.last, 4);
	recorder_close(second);
}

static void reads_while_it_is_written(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 8192);
	struct verify_report report;
	struct recording *recording;
	char why[256], text[RIG_TEXT];
	struct index_tally tally;

	rig_append(recorder, 1, 2);
	assert_int_equal(recorder_commit(recorder), 0);
	assert_int_equal(recording_open(&recording, *state, why, sizeof(why)), 0);
	for (uint64_t seq = 3; seq < 100; seq += 2) {
		rig_append(recorder, seq, seq + 1);
		assert_int_equal(recording_tally(recording, RIG_RUN, RIG_STREAM, &tally), 0);
		assert_int_equal(tally.last, seq - 1); /* what is pending is not there */
		assert_int_equal(recorder_commit(recorder), 0);
		rig_expect(*state, RIG_RUN, seq + 1);
	}
	rig_append(recorder, 101, 105);
	assert_int_equal(rig_verify(*state, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.rows, 100);
	assert_int_equal(report.uncommitted, 5);
	recording_close(recording);
	recorder_close(recorder);
}

/* A writer that is really killed, many times, in the middle of whatever it does. */
static void survives_kills(void **state)
{
	for (int round = 0; round < 30; round++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			struct recorder *recorder = rig_open(*state, RIG_RUN, 16384);
			struct index_tally tally;

			recorder_tally(recorder, 0, &tally);
			for (uint64_t seq = tally.last + 1;; seq++) {
				rig_append(recorder, seq, seq);
				if (seq % 5 == 0)
					recorder_commit(recorder);
			}
		}
		usleep((useconds_t)(round * 1700 % 23000)); /* where it is hit is to vary */
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	recorder_close(rig_open(*state, RIG_RUN, 16384));
	expect_clean(*state);
}

static void says_what_is_no_recording(void **state)
{
	struct recording *recording;
	char why[256] = "", folder[RIG_PATH + 16];

	snprintf(folder, sizeof(folder), "%s/nothing", (char *)*state);
	assert_int_equal(recording_open(&recording, folder, why, sizeof(why)), TROUPE_E_NOT_FOUND);
	assert_non_null(strstr(why, folder));
	rig_write(*state, RIG_RUN, 1, 1, 1);
	rig_sql(*state, "UPDATE schema_version SET version = 99");
	assert_int_equal(recording_open(&recording, *state, why, sizeof(why)), TROUPE_E_SCHEMA);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(writes_and_reads),
		TEST(refuses_a_number_twice),
		TEST(starts_new_segments),
		TEST(keeps_whole_records_without_rows),
		TEST(cuts_half_a_record),
		TEST(cuts_a_torn_record),
		TEST(survives_a_segment_being_born),
		TEST(makes_the_index_again),
		TEST(steps_over_damage_when_remaking),
		TEST(forgets_rows_behind_the_files),
		TEST(refuses_a_second_writer),
		TEST(waits_for_a_draining_writer),
		TEST(reads_while_it_is_written),
		TEST(survives_kills),
		TEST(says_what_is_no_recording),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
