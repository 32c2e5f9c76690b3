/* The oracle itself: a whole recording is green, and each planted fault turns it red, by the right
 * words. */
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRAMES 40

/* A recording of 40 frames in several segments, and its twin from another run. */
struct twins {
	char one[RIG_PATH];
	char two[RIG_PATH];
};

typedef void change_fn(struct record *record, uint8_t *coded);

/* Writes the frames, each as `change` (may be NULL) leaves it; frames it sets ordinal 0 in are left
 * out. */
static void record_all(const char *folder, uint64_t run, change_fn *change)
{
	struct recorder *recorder = rig_open(folder, run, 4096);

	for (uint64_t seq = 1; seq <= FRAMES; seq++) {
		uint8_t coded[RIG_CODED_MAX];
		struct record record;

		rig_frame(seq, &record, coded);
		if (change != NULL)
			change(&record, coded);
		if (record.ordinal > 0)
			assert_int_equal(recorder_append(recorder, 0, &record, coded), 0);
		if (seq % 4 == 0)
			assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
}

static int set_up(void **state)
{
	static struct twins twins;

	rig_folder(twins.one);
	rig_folder(twins.two);
	record_all(twins.one, RIG_RUN, NULL);
	*state = &twins;
	return 0;
}

static int tear_down(void **state)
{
	const struct twins *twins = *state;

	rig_remove(twins->one);
	rig_remove(twins->two);
	return 0;
}

/* Verifies and wants exactly one fault, with these words in it. */
static void expect_fault(const char *folder, const char *against, const char *words)
{
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(folder, against, &report, text), 0);
	if (report.faults != 1 || strstr(text, words) == NULL)
		fail_msg("wanted one fault with '%s', got %d:\n%s", words, (int)report.faults,
			 text);
}

/* The same where one plant makes several faults. */
static void expect_faults(const char *folder, const char *words, const char *more)
{
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(folder, NULL, &report, text), 0);
	if (report.faults != 2 || strstr(text, words) == NULL || strstr(text, more) == NULL)
		fail_msg("wanted '%s' and '%s', got %d:\n%s", words, more, (int)report.faults,
			 text);
}

static void whole_is_green(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(twins->one, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.faults, 0);
	assert_int_equal(report.records, FRAMES);
	assert_int_equal(report.rows, FRAMES);
	assert_int_equal(report.streams, 1);
	assert_in_range(report.segments, 3, 10);
}

static void twins_are_green(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report;
	char text[RIG_TEXT];

	record_all(twins->two, RIG_RUN + 9, NULL);
	assert_int_equal(rig_verify(twins->one, twins->two, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.compared, FRAMES);
	assert_int_equal(report.compared_bypassed, 0);
	assert_int_equal(report.run, RIG_RUN);
	assert_int_equal(report.against_run, RIG_RUN + 9);
}

/* ---- planted in one recording ---- */

static void flipped_bit_anywhere(void **state)
{
	const struct twins *twins = *state;
	char path[RIG_PATH];
	uint64_t size = rig_size(rig_segment(twins->one, 2, path));

	for (uint64_t at = 0; at < size; at += 61) {
		struct verify_report report;
		char text[RIG_TEXT];

		rig_flip(path, at, at % 8);
		assert_int_equal(rig_verify(twins->one, NULL, &report, text), 0);
		assert_true(report.faults > 0);
		assert_non_null(strstr(text, "segment 000002"));
		rig_flip(path, at, at % 8);
	}
	assert_int_equal(size, rig_size(path));
}

static void append_bytes(const char *path, const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

/* Adds frame `seq` once more behind the end of a segment. */
static void store_again(const char *folder, uint32_t segment, uint64_t seq)
{
	uint8_t coded[RIG_CODED_MAX], bytes[1024];
	struct record record;
	char path[RIG_PATH];

	rig_frame(seq, &record, coded);
	record_encode(&record, coded, bytes);
	append_bytes(rig_segment(folder, segment, path), bytes,
		     record_length(record.coding, record.coded_bytes));
}

static void frame_stored_twice(void **state)
{
	const struct twins *twins = *state;

	store_again(twins->one, 1, 5);
	expect_fault(twins->one, NULL, "cam1 frame 5 of run 1700000000123: stored twice");
}

static uint32_t last_segment(const char *folder)
{
	char path[RIG_PATH];
	uint32_t number = 1;

	while (access(rig_segment(folder, number + 1, path), F_OK) == 0)
		number++;
	return number;
}

static void frame_stored_twice_at_the_end(void **state)
{
	const struct twins *twins = *state;

	store_again(twins->one, last_segment(twins->one), 7);
	expect_fault(twins->one, NULL, "cam1 frame 7 of run 1700000000123: stored twice");
}

/* Of a crash, not of a fault: the next start takes care of it. */
static void uncommitted_tail_is_no_fault(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report;
	char text[RIG_TEXT], path[RIG_PATH];

	store_again(twins->one, last_segment(twins->one), FRAMES + 1);
	append_bytes(rig_segment(twins->one, last_segment(twins->one), path),
		     (const uint8_t *)"half a record", 13);
	assert_int_equal(rig_verify(twins->one, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.uncommitted, 1);
	assert_int_equal(report.rows, FRAMES);
}

static void skip_one(struct record *record, uint8_t *coded)
{
	(void)coded;
	if (record->seq == 17)
		record->ordinal = 0;
}

static void frame_skipped(void **state)
{
	const struct twins *twins = *state;

	record_all(twins->two, RIG_RUN, skip_one);
	expect_fault(twins->two, NULL,
		     "cam1 frame 18 of run 1700000000123: is the stream's number 18, but the one "
		     "before it is 16");
}

static void row_missing(void **state)
{
	const struct twins *twins = *state;

	rig_sql(twins->one, "DELETE FROM frames WHERE seq = 40");
	expect_faults(twins->one, "cam1 frame 40 of run 1700000000123: in segment",
		      "its row says frames 40, its frames say 39");
}

static void row_orphaned(void **state)
{
	const struct twins *twins = *state;

	rig_sql(twins->one,
		"INSERT INTO frames SELECT run, stream, 41, 41, 77, offset, length, coding, "
		"coded_at, coded_bytes, "
		"width, "
		"height, pts, captured, captured_wall, published, claimed, finished, stored, "
		"source_index, label, prediction, probability, model_version, motion, "
		"drops_no_slot, "
		"drops_device, drops_damaged, drops_size, bypassed, quarantined FROM frames WHERE "
		"seq = 40");
	expect_faults(twins->one, "its row points to segment 000077, which does not exist",
		      "its row says frames 40, its frames say 41");
}

static void row_astray(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report;
	char text[RIG_TEXT];

	rig_sql(twins->one, "UPDATE frames SET offset = offset + 8 WHERE seq = 40");
	assert_int_equal(rig_verify(twins->one, NULL, &report, text), 0);
	assert_true(report.faults > 0);
	assert_non_null(strstr(text, "within another record"));
}

static void row_changed(void **state)
{
	const struct twins *twins = *state;

	rig_sql(twins->one, "UPDATE frames SET label = 'star' WHERE seq = 12");
	expect_fault(twins->one, NULL, "differ in label");
}

/* Whatever a record, or another row, can vouch for. */
static void every_column(void **state)
{
	static const char *const plants[] = {
		"UPDATE frames SET run = run + 1 WHERE seq = 12",
		"UPDATE frames SET stream = 'cam9' WHERE seq = 12",
		"UPDATE frames SET ordinal = ordinal + 1 WHERE seq = 12",
		"UPDATE frames SET segment = segment + 1 WHERE seq = 12",
		"UPDATE frames SET length = length + 8 WHERE seq = 12",
		"UPDATE frames SET coding = 2 WHERE seq = 12",
		"UPDATE frames SET coded_at = coded_at + 1 WHERE seq = 12",
		"UPDATE frames SET coded_bytes = coded_bytes + 1 WHERE seq = 12",
		"UPDATE frames SET width = width + 1 WHERE seq = 12",
		"UPDATE frames SET height = height + 1 WHERE seq = 12",
		"UPDATE frames SET pts = pts + 1 WHERE seq = 12",
		"UPDATE frames SET captured = captured + 1 WHERE seq = 12",
		"UPDATE frames SET captured_wall = captured_wall + 1 WHERE seq = 12",
		"UPDATE frames SET published = published + 1 WHERE seq = 12",
		"UPDATE frames SET claimed = claimed + 1 WHERE seq = 12",
		"UPDATE frames SET finished = finished + 1 WHERE seq = 12",
		"UPDATE frames SET stored = 'when' WHERE seq = 12",
		"UPDATE frames SET source_index = source_index + 1 WHERE seq = 12",
		"UPDATE frames SET prediction = NULL WHERE seq = 12",
		"UPDATE frames SET probability = probability + 1e-15 WHERE seq = 12",
		"UPDATE frames SET model_version = model_version + 1 WHERE seq = 12",
		"UPDATE frames SET motion = motion * 2 WHERE seq = 12",
		"UPDATE frames SET drops_no_slot = drops_no_slot + 1 WHERE seq = 12",
		"UPDATE frames SET drops_device = drops_device + 1 WHERE seq = 12",
		"UPDATE frames SET drops_damaged = drops_damaged + 1 WHERE seq = 12",
		"UPDATE frames SET drops_size = drops_size + 1 WHERE seq = 12",
		"UPDATE frames SET bypassed = 1 WHERE seq = 12",
		"UPDATE frames SET quarantined = 1 WHERE seq = 12",
		"UPDATE segments SET stream = 'cam9' WHERE segment = 2",
		"UPDATE segments SET state = 'ajar' WHERE segment = 2",
		"UPDATE segments SET coding = 1 WHERE segment = 2",
		"UPDATE segments SET replaces = 1 WHERE segment = 2",
		"UPDATE segments SET created_wall = created_wall + 1 WHERE segment = 2",
		"UPDATE segments SET bytes = bytes - 8 WHERE segment = 2",
		"UPDATE segments SET bytes = bytes + 8 WHERE segment = 2",
		"UPDATE segments SET frames = frames + 1 WHERE segment = 2",
		"UPDATE segments SET first_wall = first_wall + 1 WHERE segment = 2",
		"UPDATE segments SET last_wall = last_wall + 1 WHERE segment = 2",
		"DELETE FROM segments WHERE segment = 2",
		"UPDATE streams SET frames = frames + 1",
		"UPDATE streams SET bypassed = bypassed + 1",
		"UPDATE streams SET quarantined = quarantined + 1",
		"UPDATE streams SET last_seq = last_seq + 1",
		"UPDATE streams SET last_ordinal = last_ordinal + 1",
		"DELETE FROM streams",
		"DELETE FROM runs",
		"INSERT INTO forgotten VALUES (1700000000123, 'cam1', 12, 12, 12, 12, 'keep', 0)",
		"INSERT INTO forgotten VALUES (1700000000123, 'cam1', 41, 43, 41, 43, 'keep', 0)",
		"INSERT INTO forgotten VALUES (1700000000123, 'cam9', 1, 2, 1, 2, 'keep', 0)",
		"UPDATE events SET run = run + 1",
		"UPDATE events SET stream = 'cam9'",
		"UPDATE events SET kind = 'lable' WHERE kind = 'label'",
		"UPDATE events SET what = 'star' WHERE kind = 'label'",
		"UPDATE events SET last_seq = 41",
		"UPDATE events SET begun = begun - 1",
		"UPDATE events SET ended = ended + 1",
		"UPDATE events SET ended_wall = ended_wall + 1",
		"UPDATE events SET begun_wall = begun_wall + 100000000000",
		"UPDATE events SET frames = 41",
		"UPDATE events SET open = 7",
	};
	const struct twins *twins = *state;

	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		struct verify_report report;
		char text[RIG_TEXT];

		rig_remove(twins->two);
		assert_int_equal(mkdir(twins->two, 0755), 0);
		rig_copy(twins->one, twins->two);
		rig_sql(twins->two, plants[i]);
		rig_verify(twins->two, NULL, &report, text);
		if (report.faults == 0)
			fail_msg("not found: %s", plants[i]);
	}
}

/* Two frames of one stream in the wrong order: equal sums, wrong story. */
static void frames_out_of_order(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report;
	char text[RIG_TEXT];

	rig_sql(twins->one, "UPDATE frames SET seq = 1000 WHERE seq = 20;"
			    "UPDATE frames SET seq = 20 WHERE seq = 21;"
			    "UPDATE frames SET seq = 21 WHERE seq = 1000;");
	assert_int_equal(rig_verify(twins->one, NULL, &report, text), 0);
	assert_non_null(strstr(text, "cam1 frame 21 of run 1700000000123: lies before frame 20"));
}

static void segment_missing(void **state)
{
	const struct twins *twins = *state;
	char path[RIG_PATH];

	assert_int_equal(unlink(rig_segment(twins->one, 2, path)), 0);
	expect_fault(twins->one, NULL, "segment 000002: its file is not there");
}

static void segment_cut(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report;
	char path[RIG_PATH], text[RIG_TEXT];
	uint64_t size = rig_size(rig_segment(twins->one, 2, path));

	assert_int_equal(truncate(path, (off_t)size - 1), 0);
	assert_int_equal(rig_verify(twins->one, NULL, &report, text), 0);
	assert_int_equal(report.faults, 2); /* the record, and the row that lost it */
	assert_non_null(strstr(text, "ends too early"));
}

static void no_recording(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(twins->two, NULL, &report, text), TROUPE_E_NOT_FOUND);
	assert_int_equal(report.faults, 1);
	assert_non_null(strstr(text, "no recording in"));
}

/* ---- planted in one of two ---- */

static void change_coded(struct record *record, uint8_t *coded)
{
	if (record->seq == 9)
		coded[record->coded_bytes - 1] ^= 1;
}

static void change_label(struct record *record, uint8_t *coded)
{
	(void)coded;
	if (record->seq == 9)
		strcpy(record->label, "star");
}

static void change_pts(struct record *record, uint8_t *coded)
{
	(void)coded;
	if (record->seq == 9)
		record->pts++;
}

static void change_prediction(struct record *record, uint8_t *coded)
{
	(void)coded;
	if (record->seq == 9)
		strcpy(record->prediction, "");
}

static void drop_last(struct record *record, uint8_t *coded)
{
	(void)coded;
	if (record->seq == FRAMES)
		record->ordinal = 0;
}

static void results_differ(void **state)
{
	static const struct {
		change_fn *change;
		const char *words;
	} plants[] = {
		{change_coded, "cam1 frame 9: the two recordings differ in its coded bytes"},
		{change_label, "cam1 frame 9: the two recordings differ in its label"},
		{change_pts, "cam1 frame 9: the two recordings differ in its pts"},
		{change_prediction, "cam1 frame 9: the two recordings differ in its prediction"},
		{drop_last, "cam1 frame 40: in 'this recording', but not in"},
	};
	const struct twins *twins = *state;

	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		record_all(twins->two, RIG_RUN + i, plants[i].change);
		expect_fault(twins->one, twins->two, plants[i].words);
	}
	expect_fault(twins->two, twins->one, "cam1 frame 40: in '/");
}

static void lose_prediction(struct record *record, uint8_t *coded)
{
	(void)coded;
	if (record->seq % 10 == 0) {
		record->marks = MARK_BYPASSED;
		record->prediction[0] = 0;
		record->model_version = 0;
	} else if (record->seq % 10 == 1) {
		strcpy(record->prediction, "star");
		record->model_version++;
	}
}

static void predictions_that_cannot_be_compared(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report;
	char text[RIG_TEXT];

	record_all(twins->two, RIG_RUN, lose_prediction);
	assert_int_equal(rig_verify(twins->one, twins->two, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.compared, FRAMES);
	assert_int_equal(report.compared_bypassed, 4);
	assert_int_equal(report.compared_models, 4);
}

static void compares_the_run_asked_for(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report = {.run = RIG_RUN, .against_run = RIG_RUN};

	record_all(twins->one, RIG_RUN + 1, change_pts);
	record_all(twins->two, RIG_RUN, NULL);
	expect_fault(twins->one, twins->two, "differ in its pts");
	assert_int_equal(verify_recording(&(struct verify_options){.folder = twins->one,
								   .against = twins->two},
					  &report),
			 0);
	assert_int_equal(report.faults, 0);
}

static void nothing_against_something(void **state)
{
	const struct twins *twins = *state;
	struct verify_report report;
	char text[RIG_TEXT];

	recorder_close(rig_open(twins->one, RIG_RUN + 1, 4096));
	recorder_close(rig_open(twins->two, RIG_RUN, 4096));
	assert_int_equal(rig_verify(twins->one, twins->two, &report, text), 0);
	assert_non_null(strstr(text, "nothing to compare"));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(whole_is_green),
		TEST(twins_are_green),
		TEST(flipped_bit_anywhere),
		TEST(frame_stored_twice),
		TEST(frame_stored_twice_at_the_end),
		TEST(uncommitted_tail_is_no_fault),
		TEST(frame_skipped),
		TEST(row_missing),
		TEST(row_orphaned),
		TEST(row_astray),
		TEST(row_changed),
		TEST(every_column),
		TEST(frames_out_of_order),
		TEST(segment_missing),
		TEST(segment_cut),
		TEST(no_recording),
		TEST(results_differ),
		TEST(predictions_that_cannot_be_compared),
		TEST(compares_the_run_asked_for),
		TEST(nothing_against_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
