/* What a start finds when segments were being replaced or removed, or were lost; and a catalogue
 * that is made from segments of all sorts. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/index_keep.h"
#include "workers/storer/recording.h"
#include "workers/storer/segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRAMES	 40
#define SEGMENT	 4096 /* bytes, so that there are several */
#define RECODED	 77
#define REPLACED 2
#define CREATED	 1234567

/* 40 frames in four segments. */
static int set_up(void **state)
{
	static char folder[RIG_PATH];
	struct recorder *recorder;

	rig_folder(folder);
	recorder = rig_open(folder, RIG_RUN, SEGMENT);
	for (uint64_t seq = 1; seq <= FRAMES; seq += 2) {
		rig_append(recorder, seq, seq + 1);
		assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	rig_remove(*state);
	return 0;
}

/* ---- a segment that is to replace another one ---- */

static int open_segments(const char *folder)
{
	char path[RIG_PATH + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/segments", folder);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* The row of a frame that is re-coded: a byte longer, and a keyframe. */
static void recode(const struct record *old, uint64_t offset, struct index_row *row)
{
	*row = (struct index_row){.record = *old, .segment = RECODED, .offset = offset};
	row->record.coding = CODING_H264_KEY;
	row->record.coded_bytes = old->coded_bytes + 1;
	row->coded_at = offset + RECORD_HEADER_MAX;
	row->length = record_length(CODING_H264_KEY, row->record.coded_bytes);
}

/* Writes segment RECODED with all frames of segment REPLACED; rows (may be NULL) says where they
 * are. Returns how many. */
static int write_recoded(const char *folder, const char *name, struct index_row *rows)
{
	struct segment_header header = {.number = RECODED,
					.stream = RIG_STREAM,
					.replaces = REPLACED,
					.created_wall = CREATED};
	uint64_t at = SEGMENT_HEADER, to = SEGMENT_HEADER;
	uint8_t bytes[1024], coded_again[RIG_CODED_MAX];
	int segments = open_segments(folder), count = 0;
	int fd = openat(segments, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	struct segment_reader reader;
	struct record record;
	const uint8_t *coded;
	uint32_t length;

	assert_int_equal(segment_open(&reader, segments, REPLACED), 0);
	segment_encode_header(&header, bytes);
	assert_int_equal(pwrite(fd, bytes, SEGMENT_HEADER, 0), SEGMENT_HEADER);
	for (; segment_read(&reader, at, &record, &coded, &length) == 0; at += length) {
		struct index_row row;

		recode(&record, to, &row);
		memcpy(coded_again, coded, record.coded_bytes);
		coded_again[record.coded_bytes] = 0x5a;
		record_encode(&row.record, coded_again, bytes);
		assert_int_equal(pwrite(fd, bytes, row.length, (off_t)to), row.length);
		to += row.length;
		if (rows != NULL)
			rows[count] = row;
		count++;
	}
	segment_close(&reader);
	close(segments);
	close(fd);
	return count;
}

static bool is_there(const char *folder, const char *name)
{
	int segments = open_segments(folder);
	bool there = faccessat(segments, name, F_OK, 0) == 0;

	close(segments);
	return there;
}

/* In which segment each frame lies, and what the recording is like. Returns how many of its frames
 * are re-coded. */
static int expect_frames(const char *folder, uint64_t first, uint64_t last)
{
	struct recording *recording;
	struct verify_report report;
	uint64_t seq = first - 1;
	char why[256], text[RIG_TEXT];
	struct index_row row;
	int recoded = 0;

	assert_int_equal(recording_open(&recording, folder, why, sizeof(why)), 0);
	while (recording_next(recording, RIG_RUN, RIG_STREAM, seq, &row) == 0) {
		uint8_t wanted_coded[RIG_CODED_MAX];
		struct record wanted, record;
		const uint8_t *coded;

		assert_int_equal(row.record.seq, ++seq);
		rig_frame(seq, &wanted, wanted_coded);
		assert_int_equal(recording_read(recording, &row, &record, &coded), 0);
		assert_int_equal(record.ordinal, wanted.ordinal);
		assert_int_equal(record.coding, row.record.coding);
		assert_memory_equal(coded, wanted_coded, wanted.coded_bytes);
		assert_int_equal(row.segment == RECODED, record.coding == CODING_H264_KEY);
		recoded += row.segment == RECODED;
	}
	assert_int_equal(seq, last);
	recording_close(recording);
	assert_int_equal(rig_verify(folder, NULL, &report, text), 0);
	assert_string_equal(text, "");
	return recoded;
}

/* Opens, which is recovery, and goes on with two frames. */
static void open_and_go_on(const char *folder, uint64_t last, uint32_t removed)
{
	struct recorder *recorder = rig_open(folder, RIG_RUN, SEGMENT);
	struct recorder_state state;

	recorder_state(recorder, &state);
	assert_int_equal(state.recovery.removed, removed);
	assert_int_equal(recorder_taken(recorder, 0), last);
	rig_append(recorder, last + 1, last + 2);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
}

static struct index *open_index(const char *folder)
{
	struct index *index;
	char why[256];

	assert_int_equal(index_open_writer(&index, folder, NULL, NULL, NULL, why, sizeof(why)), 0);
	return index;
}

/* What the storer does once the new segment is whole and has its name. */
static void enter_recoded(const char *folder, const struct index_row *rows, int count)
{
	struct index *index = open_index(folder);
	struct index_segment segment;

	assert_int_equal(index_begin(index), 0);
	assert_int_equal(index_segment(index, REPLACED, &segment), 0);
	assert_int_equal(segment.frames, count);
	segment.number = RECODED;
	segment.replaces = REPLACED;
	segment.created_wall = CREATED;
	segment.coding = CODING_H264;
	segment.bytes = rows[count - 1].offset + rows[count - 1].length;
	assert_int_equal(index_set_segment(index, &segment), 0);
	for (int i = 0; i < count; i++)
		assert_int_equal(index_move_frame(index, &rows[i]), 0);
	assert_int_equal(index_doom_segment(index, REPLACED, "keep"), 0); /* no frame is left */
	assert_int_equal(index_commit(index), 0);
	index_close(index);
}

static void lose_index(const char *folder)
{
	char path[RIG_PATH + 32];

	snprintf(path, sizeof(path), "%s/recording.sqlite", folder);
	assert_int_equal(unlink(path), 0);
}

static void expect_state(const char *folder, uint32_t number, enum segment_state state)
{
	struct index *index = open_index(folder);
	struct index_segment segment;

	assert_int_equal(index_segment(index, number, &segment), 0);
	assert_int_equal(segment.state, state);
	index_close(index);
}

static void drafts_are_thrown_away(void **state)
{
	write_recoded(*state, "000077.new", NULL);
	open_and_go_on(*state, FRAMES, 1);
	assert_false(is_there(*state, "000077.new"));
	assert_int_equal(expect_frames(*state, 1, FRAMES + 2), 0);
}

static void what_no_commit_has_seen_is_thrown_away(void **state)
{
	write_recoded(*state, "000077.seg", NULL);
	open_and_go_on(*state, FRAMES, 1);
	assert_false(is_there(*state, "000077.seg"));
	assert_true(is_there(*state, "000002.seg"));
	assert_int_equal(expect_frames(*state, 1, FRAMES + 2), 0);
}

static void the_replaced_one_goes(void **state)
{
	struct index_row rows[FRAMES];
	int count = write_recoded(*state, "000077.seg", rows);

	enter_recoded(*state, rows, count);
	open_and_go_on(*state, FRAMES, 1);
	assert_true(is_there(*state, "000077.seg"));
	assert_false(is_there(*state, "000002.seg"));
	assert_int_equal(expect_frames(*state, 1, FRAMES + 2), count);
	open_and_go_on(*state, FRAMES + 2, 0);
	assert_int_equal(expect_frames(*state, 1, FRAMES + 4), count);
}

/* Somebody took the old one away before the new one was entered: better than nothing. */
static void the_new_one_stays_where_the_old_one_is_lost(void **state)
{
	char path[RIG_PATH];
	int count = write_recoded(*state, "000077.seg", NULL);

	assert_int_equal(unlink(rig_segment(*state, REPLACED, path)), 0);
	recorder_close(rig_open(*state, RIG_RUN, SEGMENT));
	expect_state(*state, 4, SEGMENT_OPEN);
	expect_state(*state, RECODED,
		     SEGMENT_CLOSED); /* only what a storer wrote is gone on with */
	assert_int_equal(expect_frames(*state, 1, FRAMES), count);
}

static void made_anew_the_old_one_wins_while_it_is_whole(void **state)
{
	write_recoded(*state, "000077.seg", NULL);
	lose_index(*state);
	open_and_go_on(*state, FRAMES, 1);
	assert_false(is_there(*state, "000077.seg"));
	assert_int_equal(expect_frames(*state, 1, FRAMES + 2), 0);
}

static void made_anew_the_new_one_wins_where_the_old_one_is_damaged(void **state)
{
	int count = write_recoded(*state, "000077.seg", NULL);
	char path[RIG_PATH];

	rig_flip(rig_segment(*state, REPLACED, path), 64 + 500, 0);
	lose_index(*state);
	open_and_go_on(*state, FRAMES, 1);
	assert_false(is_there(*state, "000002.seg"));
	assert_int_equal(expect_frames(*state, 1, FRAMES + 2), count);
}

static void made_anew_with_the_new_one_alone(void **state)
{
	int count = write_recoded(*state, "000077.seg", NULL);
	char path[RIG_PATH];

	assert_int_equal(unlink(rig_segment(*state, REPLACED, path)), 0);
	lose_index(*state);
	open_and_go_on(*state, FRAMES, 0);
	assert_int_equal(expect_frames(*state, 1, FRAMES + 2), count);
}

/* ---- what is forgotten ---- */

/* The ranges of the stream, as "first-last why" with a comma between them. */
static void forgotten(const char *folder, char *text, size_t size)
{
	struct index *index = open_index(folder);
	struct index_range range = {0};
	size_t used = 0;

	text[0] = 0;
	while (index_next_forgotten(index, RIG_RUN, RIG_STREAM, range.first_seq, &range) == 0) {
		assert_int_equal(range.first_seq, range.first_ordinal);
		assert_int_equal(range.last_seq, range.last_ordinal);
		used += (size_t)snprintf(text + used, size - used, "%s%u-%u %s",
					 used > 0 ? ", " : "", (unsigned)range.first_seq,
					 (unsigned)range.last_seq, range.why);
	}
	index_close(index);
}

/* The first frame of a segment, and that of the one behind it. */
static unsigned first_of(const char *folder, uint32_t segment)
{
	struct index *index = open_index(folder);
	struct index_row row;

	assert_int_equal(index_next_place(index, segment, 0, &row), 0);
	index_close(index);
	return (unsigned)row.record.seq;
}

static void forget(const char *folder, uint32_t segment, const char *why, bool doom_only)
{
	struct index *index = open_index(folder);
	char path[RIG_PATH];

	assert_int_equal(index_begin(index), 0);
	if (doom_only) {
		assert_true(index_doom_segment(index, segment, why) > 0);
	} else {
		assert_true(index_forget_segment(index, segment, why) > 0);
		assert_int_equal(unlink(rig_segment(folder, segment, path)), 0);
	}
	assert_int_equal(index_commit(index), 0);
	index_close(index);
}

static void ranges_that_adjoin_become_one(void **state)
{
	unsigned second = first_of(*state, 2), third = first_of(*state, 3);
	unsigned fourth = first_of(*state, 4);
	char text[128], wanted[128];

	forget(*state, 1, "keep", false);
	snprintf(wanted, sizeof(wanted), "1-%u keep", second - 1);
	forgotten(*state, text, sizeof(text));
	assert_string_equal(text, wanted);
	forget(*state, 3, "keep", false);
	snprintf(wanted, sizeof(wanted), "1-%u keep, %u-%u keep", second - 1, third, fourth - 1);
	forgotten(*state, text, sizeof(text));
	assert_string_equal(text, wanted);
	forget(*state, 2, "keep", false); /* between both */
	snprintf(wanted, sizeof(wanted), "1-%u keep", fourth - 1);
	forgotten(*state, text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void other_reasons_stay_apart(void **state)
{
	unsigned second = first_of(*state, 2), third = first_of(*state, 3);
	char text[128], wanted[128];

	forget(*state, 1, "keep", false);
	forget(*state, 2, "space", false);
	snprintf(wanted, sizeof(wanted), "1-%u keep, %u-%u space", second - 1, second, third - 1);
	forgotten(*state, text, sizeof(text));
	assert_string_equal(text, wanted);
}

/* Nothing of what was ever stored is counted less, and the next frame is the next one. */
static void counts_include_what_is_forgotten(void **state)
{
	struct recorder *recorder;
	struct index_tally tally;

	for (uint32_t segment = 1; segment <= 4; segment++)
		forget(*state, segment, "keep", false);
	recorder = rig_open(*state, RIG_RUN, SEGMENT);
	recorder_tally(recorder, 0, &tally);
	assert_int_equal(tally.frames, FRAMES);
	assert_int_equal(tally.last, FRAMES);
	assert_int_equal(tally.last_ordinal, FRAMES);
	rig_append(recorder, FRAMES + 1, FRAMES + 2);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	assert_int_equal(first_of(*state, 5), FRAMES + 1); /* its number was never used before */
}

static void a_removal_is_finished(void **state)
{
	unsigned second = first_of(*state, 2);
	char text[128], wanted[128], path[RIG_PATH];

	forget(*state, 1, "space", true);
	open_and_go_on(*state, FRAMES, 1);
	assert_int_equal(access(rig_segment(*state, 1, path), F_OK), -1);
	snprintf(wanted, sizeof(wanted), "1-%u space", second - 1);
	forgotten(*state, text, sizeof(text));
	assert_string_equal(text, wanted);
	open_and_go_on(*state, FRAMES + 2, 0);
}

/* Killed when some of its frames had been forgotten: the others follow them for the same reason. */
static void a_removal_is_finished_for_its_reason(void **state)
{
	unsigned second = first_of(*state, 2), third = first_of(*state, 3);
	struct index *index = open_index(*state);
	char text[128], wanted[128];

	assert_int_equal(index_keep_doom(index, 1, 3, "keep"), 3);
	index_close(index);
	index = open_index(*state);
	assert_int_equal(index_keep_doom(index, 2, 3, "space"), 3);
	index_close(index);
	open_and_go_on(*state, FRAMES, 2);
	snprintf(wanted, sizeof(wanted), "1-%u keep, %u-%u space", second - 1, second, third - 1);
	forgotten(*state, text, sizeof(text));
	assert_string_equal(text, wanted);
}

/* From segments alone nobody knows why some are not there; that they are not, is known. */
static void made_anew_the_gaps_are_known(void **state)
{
	unsigned second = first_of(*state, 2), third = first_of(*state, 3);
	unsigned fourth = first_of(*state, 4);
	char text[128], wanted[128];
	struct recorder *recorder;
	struct index_tally tally;

	forget(*state, 1, "keep", false);
	forget(*state, 3, "keep", false);
	lose_index(*state);
	recorder = rig_open(*state, RIG_RUN, SEGMENT);
	recorder_tally(recorder, 0, &tally);
	assert_int_equal(tally.last, FRAMES);
	recorder_close(recorder);
	snprintf(wanted, sizeof(wanted), "1-%u gone, %u-%u gone", second - 1, third, fourth - 1);
	forgotten(*state, text, sizeof(text));
	assert_string_equal(text, wanted);
}

/* ---- segments that somebody took away ---- */

/* Behind the last file of the stream its rows go, and the counts with them. */
static void lost_ends_are_recorded_again(void **state)
{
	unsigned third = first_of(*state, 3);
	struct recorder *recorder;
	char path[RIG_PATH];

	assert_int_equal(unlink(rig_segment(*state, 3, path)), 0);
	assert_int_equal(unlink(rig_segment(*state, 4, path)), 0);
	recorder = rig_open(*state, RIG_RUN, SEGMENT);
	assert_int_equal(recorder_taken(recorder, 0), third - 1);
	rig_append(recorder, third, FRAMES);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	rig_expect(*state, RIG_RUN, FRAMES);
	assert_int_equal(expect_frames(*state, 1, FRAMES), 0);
	assert_int_equal(first_of(*state, 5), third); /* no number is used twice */
}

/* Rows from that of a record on which the end lies in, behind, or just before; and no others. */
static void rows_behind_an_end_are_cut(void **state)
{
	struct index *index = open_index(*state);
	struct index_row row;
	struct index_tally tally;

	assert_int_equal(index_find(index, RIG_RUN, RIG_STREAM, 3, &row), 0);
	uint32_t segment = row.segment;
	uint64_t end = row.offset + row.length;

	assert_int_equal(index_previous_place(index, segment, INT64_MAX, &row), 0);
	uint64_t last = row.record.seq;

	assert_true(last > 5);
	assert_int_equal(index_cut_segment(index, segment, row.offset + row.length), 0);
	assert_int_equal(index_cut_segment(index, segment, row.offset + 1), 1);
	assert_int_equal(index_cut_segment(index, segment, end), (int)(last - 1 - 3));
	assert_int_equal(index_cut_segment(index, segment, 0), 3);
	assert_int_equal(index_cut_segment(index, segment, 0), 0);
	assert_int_equal(index_tally(index, RIG_RUN, RIG_STREAM, &tally), 0);
	assert_int_equal(tally.frames, FRAMES - last);
	index_close(index);
}

/* ---- clocks, and other places ---- */

static void append_at(struct recorder *recorder, uint64_t seq, int64_t captured, int64_t offset)
{
	uint8_t coded[RIG_CODED_MAX];
	struct record record;

	rig_frame(seq, &record, coded);
	record.captured = captured;
	record.captured_wall = captured + offset;
	assert_int_equal(recorder_append(recorder, 0, &record, coded), 0);
}

static int64_t offset_at(const char *folder, uint64_t run, int64_t at)
{
	struct index *index = open_index(folder);
	struct index_clock clock;

	assert_int_equal(index_clock_at(index, run, at, &clock), 0);
	index_close(index);
	return clock.wall_offset;
}

/* How often the clock was set since the first row. */
static int steps_of(const char *folder, uint64_t run)
{
	struct index *index = open_index(folder);
	struct index_clock clock = {.since = INT64_MAX}, before;
	int steps = -1;

	do {
		before = clock;
		assert_int_equal(index_clock_at(index, run, before.since - 1, &clock), 0);
		steps++;
	} while (clock.since < before.since);
	index_close(index);
	return steps - 1;
}

/* Each time the wall clock is set: an hour forth, and back again; drift is none. With the catalogue
 * and from the segments alone. */
static void steps_of_the_clock_are_noted(void **state)
{
	const uint64_t run = RIG_RUN + 1;
	const int64_t hour = 3600 * NS_PER_S;
	struct recorder *recorder = rig_open(*state, run, SEGMENT);
	int64_t base = clock_now() + NS_PER_S, wall = clock_wall() - clock_now();

	append_at(recorder, 1, base + 1, wall);
	append_at(recorder, 2, base + 2, wall + 30 * NS_PER_MS);
	append_at(recorder, 3, base + 3, wall + hour);
	assert_int_equal(recorder_commit(recorder), 0);
	append_at(recorder, 4, base + 5, wall);
	append_at(recorder, 5, base + 4, wall + hour); /* came late */
	append_at(recorder, 6, base + 6, wall);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	for (int made = 0; made < 2; made++) {
		int64_t first = offset_at(*state, run, base + 2) - wall;

		assert_true(first < 50 * NS_PER_MS && first > -50 * NS_PER_MS);
		assert_int_equal(offset_at(*state, run, base + 3), wall + hour);
		assert_int_equal(offset_at(*state, run, base + 4), wall + hour);
		assert_int_equal(offset_at(*state, run, base + 5), wall);
		assert_int_equal(steps_of(*state, run), 2);
		if (made == 0)
			lose_index(*state);
		recorder_close(rig_open(*state, run, SEGMENT));
	}
}

static void goes_on_elsewhere(void **state)
{
	char other[RIG_PATH], *folder = *state;

	snprintf(other, sizeof(other), "%s.moved", folder);
	assert_int_equal(rename(folder, other), 0);
	open_and_go_on(other, FRAMES, 0);
	rig_expect(other, RIG_RUN, FRAMES + 2);
	assert_int_equal(expect_frames(other, 1, FRAMES + 2), 0);
	assert_int_equal(rename(other, folder), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(drafts_are_thrown_away),
		TEST(what_no_commit_has_seen_is_thrown_away),
		TEST(the_replaced_one_goes),
		TEST(the_new_one_stays_where_the_old_one_is_lost),
		TEST(made_anew_the_old_one_wins_while_it_is_whole),
		TEST(made_anew_the_new_one_wins_where_the_old_one_is_damaged),
		TEST(made_anew_with_the_new_one_alone),
		TEST(ranges_that_adjoin_become_one),
		TEST(other_reasons_stay_apart),
		TEST(counts_include_what_is_forgotten),
		TEST(a_removal_is_finished),
		TEST(a_removal_is_finished_for_its_reason),
		TEST(made_anew_the_gaps_are_known),
		TEST(lost_ends_are_recorded_again),
		TEST(rows_behind_an_end_are_cut),
		TEST(steps_of_the_clock_are_noted),
		TEST(goes_on_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
