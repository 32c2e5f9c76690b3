/* The storer between a real ledger and a real recording, turn by turn: what it takes, when it
 * settles, what it does when the disk refuses, and what a successor finds. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/seats.h"
#include "tests/unit/disk_faults.h"
#include "tests/unit/recording_rig.h"
#include "workers/media/jpeg.h"
#include "workers/storer/recording.h"
#include "workers/storer/storer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH  32
#define HEIGHT 16
#define SLOTS  16
#define CODED  "not a jpeg, but what the processor made"

struct stage {
	char folder[RIG_PATH];
	char rows[256];
	struct ledger ledger;
	uint8_t capture, processor;
	struct worker *storer;
};

/* A new storer; `takes` frames wait for it. */
static void start_storer(struct stage *stage, int takes)
{
	char why[256] = "";
	int seat = seat_assign(&stage->ledger, "storer", 1);

	assert_true(seat > 0);
	if (worker_create(&stage->storer, &storer_table, &stage->ledger, (uint8_t)seat, 0,
			  stage->rows, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(worker_turn(stage->storer, NULL), takes);
}

static int set_up(void **state)
{
	static struct stage stage;
	static const char *const taps[] = {"storer"};
	const struct stream_plan stream = {.name = RIG_STREAM,
					   .n_slots = SLOTS,
					   .width = WIDTH,
					   .height = HEIGHT,
					   .view_width = 8,
					   .view_height = 8,
					   .fps_num = 25,
					   .fps_den = 1,
					   .quality = 80,
					   .taps_on = 1};
	const struct ledger_plan plan = {.pipeline = "test",
					 .run = RIG_RUN,
					 .hang_after = NS_PER_S,
					 .bypass_after = 3600 * NS_PER_S,
					 .n_streams = 1,
					 .streams = &stream,
					 .n_taps = 1,
					 .taps = taps};

	memset(&stage, 0, sizeof(stage));
	*disk_faults() = (struct disk_faults){0};
	rig_folder(stage.folder);
	/* Commits come by drain and by slots running low only, so that each test says when. */
	snprintf(stage.rows, sizeof(stage.rows),
		 "folder=%s/rec\ncommit_interval=10s\nlock_wait=0s\nkeep_free=0\n", stage.folder);
	assert_int_equal(ledger_create(&stage.ledger, &plan), 0);
	snprintf(stage.ledger.header->labels[1], NAME_SIZE, "circle");
	atomic_store(&stage.ledger.header->n_labels, 2);
	stage.capture = (uint8_t)seat_assign(&stage.ledger, "capture." RIG_STREAM, 1);
	stage.processor = (uint8_t)seat_assign(&stage.ledger, "processor.1", 1);
	start_storer(&stage, 0);
	*state = &stage;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;

	*disk_faults() = (struct disk_faults){0};
	worker_destroy(stage->storer);
	ledger_finish(&stage->ledger);
	rig_remove(stage->folder);
	return 0;
}

static const char *recording_folder(const struct stage *stage)
{
	static char path[RIG_PATH + 8];

	snprintf(path, sizeof(path), "%s/rec", stage->folder);
	return path;
}

/* One captured frame; its planes are all `seq`. */
static void publish(struct stage *stage, uint64_t seq)
{
	struct slot_record *record;
	uint32_t slot;

	assert_int_equal(ledger_take(&stage->ledger, 0, stage->capture, &slot), 0);
	memset(ledger_image(&stage->ledger, slot), (int)seq, WIDTH * HEIGHT * 3 / 2);
	record = &stage->ledger.records[slot];
	*record = (struct slot_record){
		.source_index = seq - 1,
		.ordinal = {seq},
		.pts = (int64_t)seq,
		.captured = clock_now(),
		.captured_wall = clock_wall(),
		.label = seq % 2 == 0 ? 1 : 0,
		.drops_before = {(uint32_t)seq},
	};
	assert_int_equal(ledger_publish(&stage->ledger, slot, stage->capture), 0);
}

static uint32_t hold(struct stage *stage)
{
	uint32_t slot;

	assert_int_equal(ledger_claim(&stage->ledger, stage->processor, &slot), 0);
	return slot;
}

static void finish(struct stage *stage, uint32_t slot)
{
	struct slot_record *record = &stage->ledger.records[slot];

	memcpy(ledger_coded(&stage->ledger, slot), CODED, sizeof(CODED));
	record->coded_bytes = sizeof(CODED);
	record->finished = clock_now();
	record->prediction = 1;
	record->probability = 0.5f;
	record->model_version = 3;
	ledger_finish_frame(&stage->ledger, slot, stage->processor);
}

static void flow(struct stage *stage, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		publish(stage, seq);
		finish(stage, hold(stage));
	}
}

static void stop_storer(struct stage *stage, int wanted)
{
	assert_int_equal(worker_destroy(stage->storer), wanted);
	stage->storer = NULL;
}

static struct stream_row *row_of(struct stage *stage)
{
	return &stage->ledger.streams[0];
}

/* Frames 1 … last are in the recording, in order and whole. */
static void expect_recorded(const struct stage *stage, uint64_t last)
{
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(recording_folder(stage), NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.rows, last);
}

static void takes_and_settles(void **state)
{
	struct stage *stage = *state;
	struct recording *recording;
	struct index_row row;
	struct record record;
	const uint8_t *coded;
	char why[256];

	flow(stage, 1, 5);
	assert_int_equal(worker_turn(stage->storer, NULL), 5);
	assert_int_equal(ledger_count(&stage->ledger, 0, PHASE_DONE), 5); /* taken is not kept */
	assert_int_equal(atomic_load(&row_of(stage)->stored), 0);
	stop_storer(stage, 0);
	assert_true(ledger_quiet(&stage->ledger));
	assert_int_equal(atomic_load(&row_of(stage)->stored), 5);
	assert_int_equal(atomic_load(&row_of(stage)->settled), 5);
	expect_recorded(stage, 5);
	assert_int_equal(recording_open(&recording, recording_folder(stage), why, sizeof(why)), 0);
	assert_int_equal(recording_find(recording, RIG_RUN, RIG_STREAM, 4, &row), 0);
	assert_int_equal(recording_read(recording, &row, &record, &coded), 0);
	assert_memory_equal(coded, CODED, sizeof(CODED));
	assert_int_equal(record.coded_bytes, sizeof(CODED));
	assert_string_equal(record.label, "circle");
	assert_string_equal(record.prediction, "circle");
	assert_int_equal(record.model_version, 3);
	assert_int_equal(record.ordinal, 4);
	assert_int_equal(record.drops_before[0], 4);
	assert_int_equal(record.marks, 0);
	assert_true(row.stored >= record.published);
	recording_close(recording);
}

/* Waits for nothing once slots run low. */
static void commits_when_slots_run_low(void **state)
{
	struct stage *stage = *state;

	flow(stage, 1, 8);
	assert_int_equal(worker_turn(stage->storer, NULL), 8);
	assert_int_equal(atomic_load(&row_of(stage)->settled), 0);
	flow(stage, 9, 14);
	assert_int_equal(worker_turn(stage->storer, NULL), 6);
	assert_int_equal(atomic_load(&row_of(stage)->settled), 14);
	assert_true(ledger_quiet(&stage->ledger));
}

static void commits_in_time(void **state)
{
	struct stage *stage = *state;
	int64_t due;

	stop_storer(stage, 0);
	snprintf(stage->rows, sizeof(stage->rows),
		 "folder=%s/rec\ncommit_interval=20ms\nkeep_free=0\n", stage->folder);
	start_storer(stage, 0);
	flow(stage, 1, 2);
	assert_int_equal(worker_turn(stage->storer, &due), 2);
	assert_in_range(due, 1, clock_now() + 20 * NS_PER_MS);
	while (clock_now() < due)
		poll(NULL, 0, clock_poll_ms(clock_now(), due));
	assert_int_equal(worker_turn(stage->storer, &due), 0);
	assert_int_equal(atomic_load(&row_of(stage)->settled), 2);
	assert_int_equal(due, CLOCK_NEVER);
}

/* A bypassed frame has no coded area: the storer makes one of the image, the same a processor
 * would. */
static void encodes_bypassed_frames(void **state)
{
	struct stage *stage = *state;
	uint8_t image[WIDTH * HEIGHT * 3 / 2];
	struct jpeg_encoder *encoder = jpeg_encoder_create();
	struct recording *recording;
	struct index_row row;
	struct record record;
	const uint8_t *coded, *wanted;
	size_t wanted_size;
	uint32_t held;
	char why[256];

	publish(stage, 1);
	held = hold(stage);
	stage->ledger.records[held].coded_bytes = 7; /* the holder got so far */
	stage->ledger.header->bypass_after = 0;
	assert_int_equal(worker_turn(stage->storer, NULL), 1);
	stop_storer(stage, 0);
	assert_int_equal(ledger_count(&stage->ledger, 0, PHASE_DONE), 1); /* still the holder's */
	finish(stage, held);
	assert_true(ledger_quiet(&stage->ledger));
	assert_int_equal(atomic_load(&row_of(stage)->stored_bypassed), 1);
	assert_int_equal(atomic_load(&row_of(stage)->stored_quarantined), 0);
	memset(image, 1, sizeof(image));
	assert_int_equal(jpeg_encode_i420(encoder, image, WIDTH, HEIGHT, 80, &wanted, &wanted_size),
			 0);
	assert_int_equal(recording_open(&recording, recording_folder(stage), why, sizeof(why)), 0);
	assert_int_equal(recording_find(recording, RIG_RUN, RIG_STREAM, 1, &row), 0);
	assert_int_equal(recording_read(recording, &row, &record, &coded), 0);
	assert_int_equal(record.coded_bytes, wanted_size);
	assert_memory_equal(coded, wanted, wanted_size);
	assert_int_equal(record.marks, MARK_BYPASSED);
	assert_int_equal(record.finished, 0);
	assert_string_equal(record.prediction, "");
	recording_close(recording);
	jpeg_encoder_destroy(encoder);
}

static void goes_on_where_a_predecessor_ended(void **state)
{
	struct stage *stage = *state;

	flow(stage, 1, 5);
	assert_int_equal(worker_turn(stage->storer, NULL), 5);
	stop_storer(stage, 0);
	flow(stage, 6, 9);
	atomic_store(&row_of(stage)->stored, 0);
	start_storer(stage, 4);
	assert_int_equal(atomic_load(&row_of(stage)->stored), 5); /* absolute, from the recording */
	flow(stage, 10, 12);
	stop_storer(stage, 0); /* a drain takes what was finished before it */
	assert_true(ledger_quiet(&stage->ledger));
	expect_recorded(stage, 12);
}

/* A storer died after the sync and before it settled: nothing is stored twice, no slot is left
 * owed. */
static void settles_what_a_dead_one_had_stored(void **state)
{
	struct stage *stage = *state;
	uint8_t coded[] = CODED;
	struct recorder *recorder;
	int64_t captured, wall;

	flow(stage, 1, 3);
	stop_storer(stage, 0);
	captured = clock_now();
	wall = clock_wall();
	flow(stage, 4, 6);
	recorder = rig_open(recording_folder(stage), RIG_RUN, 64000000);
	for (uint64_t seq = 4; seq <= 5; seq++) {
		struct record record = {.seq = seq,
					.ordinal = seq,
					.coded_bytes = sizeof(coded),
					.captured = captured,
					.captured_wall = wall};

		assert_int_equal(recorder_append(recorder, 0, &record, coded), 0);
	}
	recorder_close(recorder); /* without a commit */
	start_storer(stage, 1);
	assert_int_equal(atomic_load(&row_of(stage)->settled), 5);
	stop_storer(stage, 0);
	assert_true(ledger_quiet(&stage->ledger));
	expect_recorded(stage, 6);
}

/* What was settled never comes back, even when somebody took the recording away in between. */
static void goes_on_in_an_empty_folder(void **state)
{
	struct stage *stage = *state;

	flow(stage, 1, 4);
	stop_storer(stage, 0);
	rig_remove(recording_folder(stage));
	start_storer(stage, 0);
	flow(stage, 5, 7);
	stop_storer(stage, 0);
	assert_true(ledger_quiet(&stage->ledger));
	assert_int_equal(atomic_load(&row_of(stage)->settled), 7);
	assert_int_equal(atomic_load(&row_of(stage)->stored), 3);
}

/* Turns until `settled` reaches `seq`; the disk works, so it ends when the retry time has come. */
static void turn_until_settled(struct stage *stage, uint64_t seq)
{
	while (atomic_load(&row_of(stage)->settled) < seq) {
		int64_t due;

		assert_true(worker_turn(stage->storer, &due) >= 0);
		if (atomic_load(&row_of(stage)->settled) < seq)
			poll(NULL, 0, clock_poll_ms(clock_now(), due));
	}
}

static void full_disk_keeps_the_slots(void **state)
{
	struct stage *stage = *state;
	int64_t due;

	flow(stage, 1, 3);
	assert_int_equal(worker_turn(stage->storer, NULL), 3);
	*disk_faults() = (struct disk_faults){.pwrite_errno = ENOSPC, .pwrite_first = 100};
	flow(stage, 4, 15);
	assert_int_equal(worker_turn(stage->storer, &due), 0);
	assert_true(due < CLOCK_NEVER); /* tries again by itself */
	assert_int_equal(ledger_count(&stage->ledger, 0, PHASE_DONE), 15);
	*disk_faults() = (struct disk_faults){0};
	turn_until_settled(stage, 15);
	assert_true(ledger_quiet(&stage->ledger));
	expect_recorded(stage, 15);
}

/* After a failed sync the frames come out of the slots once more. */
static void failed_sync_takes_the_frames_again(void **state)
{
	struct stage *stage = *state;

	flow(stage, 1, 13);
	disk_faults()->fdatasync_errno = EIO;
	assert_int_equal(worker_turn(stage->storer, NULL), 13);
	assert_int_equal(ledger_count(&stage->ledger, 0, PHASE_DONE), 13);
	assert_int_equal(atomic_load(&row_of(stage)->settled), 0);
	disk_faults()->fdatasync_errno = 0;
	turn_until_settled(stage, 13);
	assert_true(ledger_quiet(&stage->ledger));
	expect_recorded(stage, 13);
}

static void refuses_a_folder_it_cannot_have(void **state)
{
	struct stage *stage = *state;
	struct worker *second;
	char why[256] = "", rows[256];
	int seat = seat_assign(&stage->ledger, "storer", 2);

	snprintf(rows, sizeof(rows), "folder=/proc/nothing\n");
	assert_true(worker_create(&second, &storer_table, &stage->ledger, (uint8_t)seat, 0, rows,
				  why, sizeof(why)) < 0);
	/* In use: the tap is free again, but the first one still has the recording. */
	owner_release(&stage->ledger.taps[0].owner,
		      (uint8_t)atomic_load(&stage->ledger.taps[0].owner));
	assert_int_equal(worker_create(&second, &storer_table, &stage->ledger, (uint8_t)seat, 0,
				       stage->rows, why, sizeof(why)),
			 0);
	assert_int_equal(worker_turn(second, NULL), TROUPE_E_BUSY);
	assert_int_equal(worker_destroy(second), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(takes_and_settles),
		TEST(commits_when_slots_run_low),
		TEST(commits_in_time),
		TEST(encodes_bypassed_frames),
		TEST(goes_on_where_a_predecessor_ended),
		TEST(settles_what_a_dead_one_had_stored),
		TEST(goes_on_in_an_empty_folder),
		TEST(full_disk_keeps_the_slots),
		TEST(failed_sync_takes_the_frames_again),
		TEST(refuses_a_folder_it_cannot_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
