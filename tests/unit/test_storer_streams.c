/* Several streams in one recording: each in segments of its own, whatever becomes of the others,
 * and H.264, whose segments begin with a keyframe. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/disk_faults.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define STREAMS 3
#define GOP	5

static const char *const names[STREAMS] = {"cam1", "cam2", "cam3"};

static int set_up(void **state)
{
	static char folder[RIG_PATH];

	*disk_faults() = (struct disk_faults){0};
	rig_folder(folder);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	*disk_faults() = (struct disk_faults){0};
	rig_remove(*state);
	return 0;
}

static void make_frame(int stream, uint64_t seq, struct record *record, uint8_t *coded)
{
	rig_frame(seq, record, coded);
	memset(record->stream, 0, NAME_SIZE);
	memcpy(record->stream, names[stream], strlen(names[stream]));
	coded[0] = (uint8_t)stream;
}

/* The same as it comes from a camera that codes by itself. */
static void make_unit(int stream, uint64_t seq, struct record *record, uint8_t *coded)
{
	make_frame(stream, seq, record, coded);
	record->coding = seq % GOP == 1 ? CODING_H264_KEY : CODING_H264;
	record->dts = record->pts - 80 * NS_PER_MS;
}

typedef void make_fn(int stream, uint64_t seq, struct record *record, uint8_t *coded);

static struct recorder *open_streams(const char *folder, int64_t segment_bytes, int count)
{
	struct recorder *recorder = rig_open(folder, RIG_RUN, segment_bytes);

	for (int i = 1; i < count; i++)
		assert_int_equal(recorder_add_stream(recorder, names[i], 64, 48, 25, 1), i);
	return recorder;
}

static int append(struct recorder *recorder, make_fn *make, int stream, uint64_t seq)
{
	uint8_t coded[RIG_CODED_MAX];
	struct record record;

	make(stream, seq, &record, coded);
	return recorder_append(recorder, stream, &record, coded);
}

/* All streams go on to frame `last`. */
static void append_all(struct recorder *recorder, int count, uint64_t last)
{
	for (int i = 0; i < count; i++)
		for (uint64_t seq = recorder_taken(recorder, i) + 1; seq <= last; seq++)
			assert_int_equal(append(recorder, make_frame, i, seq), 0);
}

static void expect_stream(const char *folder, make_fn *make, int stream, uint64_t last)
{
	struct recording *recording;
	struct index_row row;
	uint64_t seq = 0;
	char why[256];

	assert_int_equal(recording_open(&recording, folder, why, sizeof(why)), 0);
	while (recording_next(recording, RIG_RUN, names[stream], seq, &row) == 0) {
		uint8_t wanted_coded[RIG_CODED_MAX];
		struct record wanted, record;
		const uint8_t *coded;

		make(stream, ++seq, &wanted, wanted_coded);
		assert_int_equal(recording_read(recording, &row, &record, &coded), 0);
		rig_same(&record, coded, &wanted, wanted_coded);
		assert_int_equal(row.record.coding, wanted.coding);
		assert_int_equal(row.coded_at, row.offset + record_header(wanted.coding));
	}
	assert_int_equal(seq, last);
	recording_close(recording);
}

static void expect_clean(const char *folder)
{
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(folder, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.uncommitted, 0);
}

/* ---- segments ---- */

static void each_has_segments_of_its_own(void **state)
{
	struct recorder *recorder = open_streams(*state, 2000, STREAMS);
	struct index_segment segment = {0};
	struct recording *recording;
	uint64_t frames[STREAMS] = {0};
	char why[256];

	for (uint64_t seq = 2; seq <= 40; seq += 2) {
		append_all(recorder, seq > 20 ? 2 : STREAMS, seq); /* the third one ends */
		assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	expect_clean(*state);
	assert_int_equal(recording_open(&recording, *state, why, sizeof(why)), 0);
	while (recording_next_segment(recording, segment.number, &segment) == 0) {
		int stream = segment.stream[3] - '1';
		char path[RIG_PATH];

		assert_int_equal(rig_size(rig_segment(*state, segment.number, path)),
				 segment.bytes);
		assert_int_equal(segment.first_wall, (int64_t)(frames[stream] + 1) * 1000 + 2);
		frames[stream] += segment.frames;
		assert_int_equal(segment.last_wall, (int64_t)frames[stream] * 1000 + 2);
		assert_int_equal(segment.coding, CODING_JPEG);
		assert_int_equal(segment.state,
				 segment.bytes >= 2000 ? SEGMENT_CLOSED : SEGMENT_OPEN);
	}
	recording_close(recording);
	for (int i = 0; i < STREAMS; i++) {
		assert_int_equal(frames[i], i == 2 ? 20 : 40);
		expect_stream(*state, make_frame, i, frames[i]);
	}
}

/* A stream that is not there any more leaves no segment that could still grow. */
static void left_segments_are_closed(void **state)
{
	struct recorder *recorder = open_streams(*state, 64000000, STREAMS);
	struct index_segment segment;
	struct recording *recording;
	char why[256];

	append_all(recorder, STREAMS, 3);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	recorder = open_streams(*state, 64000000, 1);
	append_all(recorder, 1, 5);
	assert_int_equal(recorder_commit(recorder), 0);
	assert_int_equal(recording_open(&recording, *state, why, sizeof(why)), 0);
	for (uint32_t number = 1; number <= STREAMS; number++) {
		assert_int_equal(recording_next_segment(recording, number - 1, &segment), 0);
		assert_int_equal(segment.state, number == 1 ? SEGMENT_OPEN : SEGMENT_CLOSED);
	}
	recording_close(recording);
	recorder_close(recorder);
	recorder = open_streams(*state, 64000000, STREAMS); /* and back again, in new ones */
	append_all(recorder, STREAMS, 7);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	for (int i = 0; i < STREAMS; i++)
		expect_stream(*state, make_frame, i, 7);
	expect_clean(*state);
}

/* ---- a disk that fails for one of them ---- */

/* Whichever segment's sync fails: what the others synced waits where it is, the one's frames are
 * taken again, and in the end all is there once. */
static void one_sync_fails(void **state)
{
	struct recorder *recorder = open_streams(*state, 64000000, STREAMS);
	uint64_t last = 2;

	append_all(recorder, STREAMS, last);
	assert_int_equal(recorder_commit(recorder), 0);
	for (int bad = 0; bad < STREAMS; bad++) {
		append_all(recorder, STREAMS, last + 3);
		*disk_faults() =
			(struct disk_faults){.fdatasync_errno = EIO, .fdatasync_only = bad + 1};
		assert_int_equal(recorder_commit(recorder), TROUPE_E_IO);
		assert_int_equal(disk_faults()->fdatasyncs, STREAMS);
		assert_int_equal(recorder_pending(recorder, NULL), 3 * (STREAMS - 1));
		for (int i = 0; i < STREAMS; i++) {
			struct index_tally tally;

			recorder_tally(recorder, i, &tally);
			assert_int_equal(tally.last, last);
			assert_int_equal(recorder_taken(recorder, i), i == bad ? last : last + 3);
		}
		*disk_faults() = (struct disk_faults){0};
		if (bad == 0) /* what is pending alone */
			assert_int_equal(recorder_commit(recorder), 0);
		last += 4;
		append_all(recorder, STREAMS, last);
		assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	for (int i = 0; i < STREAMS; i++)
		expect_stream(*state, make_frame, i, last);
	expect_clean(*state);
}

/* Killed after a sync of one of them has failed, nothing was settled; all is there once. */
static void one_sync_fails_and_then_death(void **state)
{
	for (int bad = 0; bad < STREAMS; bad++) {
		struct recorder *recorder = open_streams(*state, 64000000, STREAMS);
		uint64_t last = recorder_taken(recorder, 0);

		append_all(recorder, STREAMS, last + 4);
		*disk_faults() =
			(struct disk_faults){.fdatasync_errno = EIO, .fdatasync_only = bad + 1};
		assert_int_equal(recorder_commit(recorder), TROUPE_E_IO);
		*disk_faults() = (struct disk_faults){0};
		recorder_close(recorder);
		recorder = open_streams(*state, 64000000, STREAMS);
		for (int i = 0; i < STREAMS; i++) /* what had been synced was found whole */
			assert_int_equal(recorder_taken(recorder, i), i == bad ? last : last + 4);
		append_all(recorder, STREAMS, last + 5);
		assert_int_equal(recorder_commit(recorder), 0);
		recorder_close(recorder);
	}
	for (int i = 0; i < STREAMS; i++)
		expect_stream(*state, make_frame, i, UINT64_C(5) * STREAMS);
	expect_clean(*state);
}

/* Killed between the syncs of two segments: what was written is there, and there once. */
static void killed_between_syncs(void **state)
{
	for (int at = 1; at <= STREAMS + 1; at++) {
		uint64_t last = 3 * (uint64_t)at;
		struct recorder *recorder;
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			recorder = open_streams(*state, 64000000, STREAMS);
			append_all(recorder, STREAMS, last);
			*disk_faults() = (struct disk_faults){.fdatasync_dies = at};
			_exit(recorder_commit(recorder) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (at <= STREAMS)
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		else
			assert_int_equal(status, 0);
		recorder = open_streams(*state, 64000000, STREAMS);
		for (int i = 0; i < STREAMS; i++)
			assert_int_equal(recorder_taken(recorder, i), last);
		recorder_close(recorder);
	}
	for (int i = 0; i < STREAMS; i++)
		expect_stream(*state, make_frame, i, UINT64_C(3) * (STREAMS + 1));
	expect_clean(*state);
}

static void one_append_fails(void **state)
{
	struct recorder *recorder = open_streams(*state, 64000000, STREAMS);

	append_all(recorder, STREAMS, 2);
	*disk_faults() = (struct disk_faults){.pwrite_errno = ENOSPC, .pwrite_first = 100};
	assert_int_equal(append(recorder, make_frame, 1, 3), TROUPE_E_NO_SPACE);
	*disk_faults() = (struct disk_faults){0};
	assert_int_equal(append(recorder, make_frame, 2, 3), 0);
	assert_int_equal(recorder_commit(recorder), 0);
	append_all(recorder, STREAMS, 4);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	for (int i = 0; i < STREAMS; i++)
		expect_stream(*state, make_frame, i, 4);
	expect_clean(*state);
}

/* ---- recovery ---- */

/* Each stream's end is found by itself: one is whole, one is torn, one has nothing. */
static void ends_of_all_are_found(void **state)
{
	struct recorder *recorder = open_streams(*state, 64000000, STREAMS);
	struct recorder_state found;
	char path[RIG_PATH];
	uint64_t size;

	append_all(recorder, STREAMS, 3);
	assert_int_equal(recorder_commit(recorder), 0);
	size = rig_size(rig_segment(*state, 2, path));
	append_all(recorder, 2, 6);
	recorder_close(recorder);
	rig_flip(path, size + 400, 2); /* within frame 4 of the second one, or 5 */
	recorder = open_streams(*state, 64000000, STREAMS);
	recorder_state(recorder, &found);
	assert_in_range(found.recovery.rows_added, 3, 4);
	assert_true(found.recovery.bytes_cut > 0);
	assert_int_equal(recorder_taken(recorder, 0), 6);
	assert_in_range(recorder_taken(recorder, 1), 3, 4);
	assert_int_equal(recorder_taken(recorder, 2), 3);
	append_all(recorder, STREAMS, 8);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	for (int i = 0; i < STREAMS; i++)
		expect_stream(*state, make_frame, i, 8);
	expect_clean(*state);
}

/* Several segments may be born at once; a power loss may leave them empty or with a wrong header.
 */
static void several_are_born_at_once(void **state)
{
	struct recorder *recorder = open_streams(*state, 64000000, 1);
	char path[RIG_PATH];

	append_all(recorder, 1, 2);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	recorder = open_streams(*state, 64000000, STREAMS);
	append_all(recorder, STREAMS, 2);
	recorder_close(recorder);
	assert_int_equal(truncate(rig_segment(*state, 2, path), 10), 0);
	rig_flip(rig_segment(*state, 3, path), 30, 1);
	recorder = open_streams(*state, 64000000, STREAMS);
	assert_int_equal(recorder_taken(recorder, 0), 2);
	assert_int_equal(recorder_taken(recorder, 1), 0);
	assert_int_equal(recorder_taken(recorder, 2), 0);
	append_all(recorder, STREAMS, 4);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	for (int i = 0; i < STREAMS; i++)
		expect_stream(*state, make_frame, i, 4);
	expect_clean(*state);
}

/* A record of another stream, whole as it may be, is damage. */
static void strange_records_are_no_records(void **state)
{
	struct recorder *recorder = open_streams(*state, 64000000, 2);
	char from[RIG_PATH], to[RIG_PATH];
	uint8_t record[1024];
	ssize_t size;
	int in, out;

	append_all(recorder, 2, 2);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	in = open(rig_segment(*state, 1, from), O_RDONLY | O_CLOEXEC);
	out = open(rig_segment(*state, 2, to), O_WRONLY | O_APPEND | O_CLOEXEC);
	size = pread(in, record, sizeof(record), 64);
	assert_int_equal(write(out, record, (size_t)size), size);
	close(in);
	close(out);
	recorder = open_streams(*state, 64000000, 2);
	append_all(recorder, 2, 4);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	expect_stream(*state, make_frame, 0, 4);
	expect_stream(*state, make_frame, 1, 4);
	expect_clean(*state);
}

/* ---- H.264 ---- */

/* Returns how often a keyframe had to wait for a commit. */
static int commit_each(struct recorder *recorder, uint64_t *seq, uint64_t last, uint64_t every)
{
	int waits = 0;

	for (; *seq <= last; ++*seq) {
		int rc = append(recorder, make_unit, 0, *seq);

		if (rc == TROUPE_E_BUSY) { /* only before a keyframe */
			assert_int_equal(*seq % GOP, 1);
			assert_int_equal(recorder_commit(recorder), 0);
			rc = append(recorder, make_unit, 0, *seq);
			waits++;
		}
		assert_int_equal(rc, 0);
		if (*seq % every == 0)
			assert_int_equal(recorder_commit(recorder), 0);
	}
	return waits;
}

static void segments_begin_with_a_keyframe(void **state)
{
	struct recorder *recorder = open_streams(*state, 2000, 1);
	struct index_segment segment = {0};
	struct recording *recording;
	uint64_t seq = 1, next = 1;
	char why[256];

	assert_true(commit_each(recorder, &seq, 40, 3) > 0);
	commit_each(recorder, &seq, 50, 1);
	recorder_close(recorder);
	recorder = open_streams(*state, 2000, 1); /* amidst a group of pictures */
	commit_each(recorder, &seq, 53, 1);
	recorder_close(recorder);
	recorder = open_streams(*state, 2000, 1);
	commit_each(recorder, &seq, 78, 7);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	expect_stream(*state, make_unit, 0, 78);
	expect_clean(*state);
	assert_int_equal(recording_open(&recording, *state, why, sizeof(why)), 0);
	while (recording_next_segment(recording, segment.number, &segment) == 0) {
		struct index_row row;

		assert_int_equal(segment.coding, CODING_H264);
		assert_int_equal(recording_find(recording, RIG_RUN, names[0], next, &row), 0);
		assert_int_equal(row.segment, segment.number);
		assert_int_equal(row.record.coding, CODING_H264_KEY);
		next += segment.frames;
		assert_int_equal(segment.state, next <= 78 ? SEGMENT_CLOSED : SEGMENT_OPEN);
	}
	assert_true(segment.number > 3);
	recording_close(recording);
}

/* What one segment is re-coded to may lie in another; its own end is found like any other. */
static void units_are_recovered(void **state)
{
	struct recorder *recorder = open_streams(*state, 64000000, 1);
	uint64_t seq = 1;
	char path[RIG_PATH];

	commit_each(recorder, &seq, 12, 4);
	for (; seq <= 14; seq++)
		assert_int_equal(append(recorder, make_unit, 0, seq), 0);
	recorder_close(recorder);
	rig_segment(*state, 1, path);
	assert_int_equal(truncate(path, (off_t)rig_size(path) - 20), 0);
	recorder = open_streams(*state, 64000000, 1);
	assert_int_equal(recorder_taken(recorder, 0), 13);
	seq = 14;
	commit_each(recorder, &seq, 20, 4);
	recorder_close(recorder);
	expect_stream(*state, make_unit, 0, 20);
	expect_clean(*state);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_has_segments_of_its_own),
		TEST(left_segments_are_closed),
		TEST(one_sync_fails),
		TEST(one_sync_fails_and_then_death),
		TEST(killed_between_syncs),
		TEST(one_append_fails),
		TEST(ends_of_all_are_found),
		TEST(several_are_born_at_once),
		TEST(strange_records_are_no_records),
		TEST(segments_begin_with_a_keyframe),
		TEST(units_are_recovered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
