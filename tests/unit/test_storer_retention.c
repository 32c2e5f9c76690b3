/* A recording that is kept within its limits: what goes, in which order, and what a death in
 * between leaves. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/index_keep.h"
#include "workers/storer/retention.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SEGMENT_BYTES UINT64_C(4096)
#define FRAMES	      200

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

static int end_segment(void *arg, uint32_t segment)
{
	return recorder_end_segment(arg, segment);
}

/* Frames 1 … FRAMES in many segments, the last one open. */
static struct recorder *fill(const char *folder)
{
	struct recorder *recorder = rig_open(folder, RIG_RUN, SEGMENT_BYTES);

	for (uint64_t seq = 1; seq <= FRAMES; seq += 4) {
		rig_append(recorder, seq, seq + 3);
		assert_int_equal(recorder_commit(recorder), 0);
	}
	return recorder;
}

static struct retention *keep(struct recorder *recorder, int64_t bytes)
{
	struct retention *retention;
	const struct retention_options options = {.index = recorder_index(recorder),
						  .segments = recorder_segments(recorder),
						  .run = RIG_RUN,
						  .all = {.bytes = bytes},
						  .end = end_segment,
						  .arg = recorder};

	assert_int_equal(retention_create(&retention, &options), 0);
	assert_int_equal(retention_stream(retention, RIG_STREAM, (struct keep_limit){0}), 0);
	return retention;
}

/* Works until all holds, or nothing can go. */
static struct retention_state work(struct retention *retention)
{
	struct retention_state state;
	int64_t next;

	do {
		next = retention_tick(retention, false);
		retention_state(retention, &state);
		assert_int_equal(state.error, 0);
	} while (next == 0 || state.going != 0);
	return state;
}

/* What all of it takes, as retention counts. */
static uint64_t all_bytes(struct recorder *recorder)
{
	struct retention *retention = keep(recorder, INT64_MAX);
	uint64_t bytes = work(retention).bytes;

	retention_destroy(retention);
	return bytes;
}

/* Frames behind `gone` are there, and the catalogue says that those up to it went. */
static void expect_gone(const char *folder, uint64_t gone)
{
	struct verify_report report;
	struct index_range range;
	struct index_row row;
	struct index *index;
	char text[RIG_TEXT], why[256];

	assert_int_equal(rig_verify(folder, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.rows, FRAMES - gone);
	assert_int_equal(index_open(&index, folder, why, sizeof(why)), 0);
	assert_int_equal(index_next(index, RIG_RUN, RIG_STREAM, 0, &row), 0);
	assert_int_equal(row.record.seq, gone + 1);
	assert_int_equal(index_next_forgotten(index, RIG_RUN, RIG_STREAM, 0, &range), 0);
	assert_true(range.first_seq == 1 && range.last_seq == gone);
	assert_true(range.first_ordinal == 1 && range.last_ordinal == gone);
	assert_int_equal(index_next_forgotten(index, RIG_RUN, RIG_STREAM, 1, &range),
			 TROUPE_E_ENDED);
	index_close(index);
}

static void oldest_goes_until_the_limit_holds(void **state)
{
	struct recorder *recorder = fill(*state);
	uint64_t all = all_bytes(recorder);
	struct retention *retention = keep(recorder, (int64_t)(all - 3 * SEGMENT_BYTES));
	struct retention_state kept = work(retention);
	struct index_tally tally;
	char path[RIG_PATH];

	assert_true(kept.gone > 0 && kept.gone_frames > 0);
	assert_true(kept.bytes <= all - 3 * SEGMENT_BYTES);
	assert_false(kept.exhausted);
	for (uint32_t number = 1; number <= kept.gone; number++)
		assert_int_equal(access(rig_segment(*state, number, path), F_OK), -1);
	assert_int_equal(access(rig_segment(*state, (uint32_t)kept.gone + 1, path), F_OK), 0);
	recorder_tally(recorder, 0, &tally);
	assert_int_equal(tally.frames, FRAMES); /* stored they were */
	retention_destroy(retention);
	recorder_close(recorder);
	expect_gone(*state, kept.gone_frames);
	/* Who comes next counts on from there. */
	recorder = rig_open(*state, RIG_RUN, SEGMENT_BYTES);
	recorder_tally(recorder, 0, &tally);
	assert_true(tally.frames == FRAMES && tally.last == FRAMES);
	recorder_close(recorder);
}

/* With a limit below what must stay, the newest is left, then ended, and goes when it has a
 * successor. */
static void newest_stays_until_it_has_a_successor(void **state)
{
	struct recorder *recorder = fill(*state);
	uint32_t last = (uint32_t)index_highest_segment(recorder_index(recorder));
	struct retention *retention = keep(recorder, 1);
	struct retention_state kept = work(retention);

	assert_int_equal(kept.gone, last - 1);
	rig_append(recorder, FRAMES + 1, FRAMES + 4);
	assert_int_equal(recorder_commit(recorder), 0);
	for (int i = 0; i < 100 && kept.gone < last; i++) {
		usleep(20000); /* it looks again after a while only */
		(void)retention_tick(retention, true);
		kept = work(retention);
	}
	assert_int_equal(kept.gone, last);
	assert_int_equal(kept.segments, 1);
	retention_destroy(retention);
	recorder_close(recorder);
}

/* ---- ages ---- */

#define LONG_AGO INT64_C(1000000000000) /* wall: 1970 */

static struct retention_state work_by_age(struct recorder *recorder, int64_t age)
{
	struct retention *retention;
	struct retention_state state;
	const struct retention_options options = {.index = recorder_index(recorder),
						  .segments = recorder_segments(recorder),
						  .run = RIG_RUN,
						  .all = {.age = age},
						  .end = end_segment,
						  .arg = recorder};

	assert_int_equal(retention_create(&retention, &options), 0);
	assert_int_equal(retention_stream(retention, RIG_STREAM, (struct keep_limit){0}), 0);
	state = work(retention);
	retention_destroy(retention);
	return state;
}

/* By the clock on the wall all of it is decades old, in this boot and in an earlier one; by the
 * monotonic clock it is as old as the machine is up, or as the other boot lasted. */
static void by_the_clock_on_the_wall_it_would_go(void **state)
{
	struct recorder *recorder = fill(*state);
	int64_t up = clock_now();
	char sql[160];

	snprintf(sql, sizeof(sql), "UPDATE frames SET captured = %lld + seq, captured_wall = %lld",
		 (long long)up, (long long)LONG_AGO);
	rig_sql(*state, sql);
	assert_int_equal(work_by_age(recorder, 3600 * NS_PER_S).gone, 0);
	rig_sql(*state, "UPDATE runs SET boot = 'another'");
	assert_int_equal(work_by_age(recorder, 3600 * NS_PER_S).gone, 0);
	rig_sql(*state, "UPDATE runs SET boot = ''");
	assert_int_equal(work_by_age(recorder, 3600 * NS_PER_S).gone, 0);
	/* The other way round: the wall clock says that it is from this very moment. */
	recorder_close(recorder);
	recorder = rig_open(*state, RIG_RUN + 1, SEGMENT_BYTES);
	snprintf(sql, sizeof(sql),
		 "UPDATE frames SET captured = 1, captured_wall = %lld; "
		 "UPDATE runs SET boot = (SELECT boot FROM runs WHERE run = %llu)",
		 (long long)clock_wall(), (unsigned long long)RIG_RUN + 1);
	rig_sql(*state, sql);
	assert_true(work_by_age(recorder, up / 2).gone > 10);
	recorder_close(recorder);
}

/* ---- deaths in between: what the next start finds ---- */

static void expect_finished(const char *folder, uint64_t gone)
{
	char path[RIG_PATH];

	recorder_close(rig_open(folder, RIG_RUN, SEGMENT_BYTES));
	assert_int_equal(access(rig_segment(folder, 1, path), F_OK), -1);
	expect_gone(folder, gone);
}

static uint64_t frames_of_first(struct recorder *recorder)
{
	struct index_segment segment;

	assert_int_equal(index_segment(recorder_index(recorder), 1, &segment), 0);
	return segment.frames;
}

static void death_between_two_transactions(void **state)
{
	struct recorder *recorder = fill(*state);
	uint64_t gone = frames_of_first(recorder);

	assert_int_equal(index_keep_doom(recorder_index(recorder), 1, 3, "keep"), 3);
	recorder_close(recorder);
	expect_finished(*state, gone);
}

static void death_before_unlinking(void **state)
{
	struct recorder *recorder = fill(*state);
	uint64_t gone = frames_of_first(recorder);

	assert_int_equal(index_keep_doom(recorder_index(recorder), 1, 1000, "space"), gone);
	recorder_close(recorder);
	expect_finished(*state, gone);
}

static void death_after_unlinking(void **state)
{
	struct recorder *recorder = fill(*state);
	uint64_t gone = frames_of_first(recorder);
	char path[RIG_PATH];

	assert_int_equal(index_keep_doom(recorder_index(recorder), 1, 1000, "keep"), gone);
	recorder_close(recorder);
	assert_int_equal(unlink(rig_segment(*state, 1, path)), 0);
	expect_finished(*state, gone);
}

/* One that a predecessor left doomed while we run, and one that is not there any more. */
static void takes_what_others_left(void **state)
{
	struct recorder *recorder = fill(*state);
	uint64_t gone = frames_of_first(recorder);
	struct retention *retention;

	assert_int_equal(index_keep_doom(recorder_index(recorder), 1, 1000, "keep"), gone);
	retention = keep(recorder, INT64_MAX);
	assert_int_equal(work(retention).gone, 1);
	assert_int_equal(index_keep_doom(recorder_index(recorder), 1, 9, "keep"), TROUPE_E_STATE);
	assert_int_equal(index_keep_forget(recorder_index(recorder), 1, "keep"), 0);
	retention_destroy(retention);
	recorder_close(recorder);
	expect_finished(*state, gone);
}

static void open_segment_never_goes(void **state)
{
	struct recorder *recorder = fill(*state);
	struct recorder_state is;

	rig_append(recorder, FRAMES + 1, FRAMES + 1);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_state(recorder, &is);
	assert_int_equal(index_keep_doom(recorder_index(recorder), is.segment, 9, "keep"),
			 TROUPE_E_STATE);
	/* Ended, with a frame that waits and without one, it is another one's turn. */
	assert_int_equal(recorder_end_segment(recorder, is.segment), 0);
	assert_true(index_keep_doom(recorder_index(recorder), is.segment, 99, "keep") > 0);
	rig_append(recorder, FRAMES + 2, FRAMES + 2);
	assert_int_equal(recorder_end_segment(recorder, is.segment + 1), 0);
	assert_int_equal(recorder_commit(recorder), 0);
	assert_int_equal(index_keep_doom(recorder_index(recorder), is.segment + 1, 99, "keep"), 1);
	recorder_close(recorder);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(oldest_goes_until_the_limit_holds),
		TEST(newest_stays_until_it_has_a_successor),
		TEST(by_the_clock_on_the_wall_it_would_go),
		TEST(death_between_two_transactions),
		TEST(death_before_unlinking),
		TEST(death_after_unlinking),
		TEST(takes_what_others_left),
		TEST(open_segment_never_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
