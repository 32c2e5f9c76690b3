/* H.264 that is stored as it came, between a real ledger and a real recording: what becomes a
 * record of H.264 and what a JPEG, when it is committed, and what is left of it after a death or
 * power failure. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/seats.h"
#include "tests/unit/disk_faults.h"
#include "tests/unit/recording_rig.h"
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
#define SLOTS  40

struct stage {
	char folder[RIG_PATH];
	char rows[256];
	struct ledger ledger;
	uint8_t capture, processor;
	struct worker *storer;
};

static void start_storer(struct stage *stage, int takes)
{
	char why[256] = "";
	int seat = seat_assign(&stage->ledger, "storer", 1);
	if (worker_create(&stage->storer, &storer_table, &stage->ledger, (uint8_t)seat, 0,
			  stage->rows, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(worker_turn(stage->storer, NULL), takes);
}

static void stop_storer(struct stage *stage, int wanted)
{
	assert_int_equal(worker_destroy(stage->storer), wanted);
	stage->storer = NULL;
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
	snprintf(stage.rows, sizeof(stage.rows),
		 "folder=%s/rec\ncommit_interval=10s\ncommit_bytes=1\nlock_wait=0s\n",
		 stage.folder);
	assert_int_equal(ledger_create(&stage.ledger, &plan), 0);
	stage.capture = (uint8_t)seat_assign(&stage.ledger, "capture." RIG_STREAM, 1);
	stage.processor = (uint8_t)seat_assign(&stage.ledger, "processor.1", 1);
	assert_int_equal(owner_take(&stage.ledger.streams[0].owner, stage.capture), 0);
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

/* ---- frames in letters ---- */

/* K key unit, u unit that lacks nothing, b unit that lacks one frame, c that lacks two, j a frame
 * without a unit, d a unit behind a dropped frame, o one that is owed to nobody. */
static void publish(struct stage *stage, const char *frames)
{
	for (const char *letter = frames; *letter; letter++) {
		uint64_t seq = ledger_last_seq(&stage->ledger, 0, NULL) + 1;
		uint32_t slot;
		assert_int_equal(ledger_take(&stage->ledger, 0, stage->capture, &slot), 0);
		memset(ledger_image(&stage->ledger, slot), (int)seq, WIDTH * HEIGHT * 3 / 2);
		memset(ledger_coded(&stage->ledger, slot), *letter, 10);
		stage->ledger.records[slot] = (struct slot_record){
			.captured = clock_now(),
			.captured_wall = clock_wall(),
			.pts = (int64_t)seq * NS_PER_S,
			.dts = (int64_t)seq,
			.coded_bytes = *letter == 'j' ? 0 : 10,
			.coded_at_source = *letter == 'K'   ? CODED_KEY_UNIT
					   : *letter == 'j' ? CODED_NOT
							    : CODED_UNIT,
			.lacks = *letter == 'b'	  ? 1
				 : *letter == 'c' ? 2
						  : 0,
			.drops_before = {*letter == 'd'},
		};
		atomic_store(&stage->ledger.streams[0].taps_on, *letter != 'o');
		assert_int_equal(ledger_publish(&stage->ledger, slot, stage->capture), 0);
	}
}

/* Processors have finished all that is queued. */
static void finish(struct stage *stage)
{
	uint32_t slot;
	while (ledger_claim(&stage->ledger, stage->processor, &slot) == 0)
		assert_int_equal(ledger_finish_frame(&stage->ledger, slot, stage->processor), 0);
}

/* What the recording has, in letters: K and u as they came, J a JPEG; a unit must be the frame's.
 */
static void expect_recorded(const struct stage *stage, const char *wanted)
{
	struct recording *recording;
	struct index_row row;
	struct record record;
	const uint8_t *coded;
	char path[RIG_PATH + 8], why[256], got[SLOTS + 1] = "";
	uint64_t seq = 0;
	snprintf(path, sizeof(path), "%s/rec", stage->folder);
	assert_int_equal(recording_open(&recording, path, why, sizeof(why)), 0);
	while (recording_next(recording, RIG_RUN, RIG_STREAM, seq, &row) == 0) {
		static const char letters[N_CODINGS + 1] = "JuK";
		seq = row.record.seq;
		assert_int_equal(recording_read(recording, &row, &record, &coded), 0);
		got[strlen(got)] = letters[record.coding];
		if (record.coding == CODING_JPEG)
			continue;
		assert_int_equal(record.dts, record.seq);
		assert_int_equal(record.coded_bytes, 10);
	}
	recording_close(recording);
	assert_string_equal(got, wanted);
}

static int turn(struct stage *stage)
{
	return worker_turn(stage->storer, NULL);
}

static uint64_t settled(const struct stage *stage)
{
	return atomic_load(&stage->ledger.streams[0].settled);
}

/* ---- tests ---- */

static void stores_what_holds(void **state)
{
	struct stage *stage = *state;
	publish(stage, "uKuujuuKudKuouKuu");
	finish(stage);
	while (turn(stage) > 0)
		continue;
	stop_storer(stage, 0);
	expect_recorded(stage, "JKuuJJJKuJKuJKuu");
	assert_true(ledger_quiet(&stage->ledger));
}

static void a_successor_goes_on(void **state)
{
	struct stage *stage = *state;
	publish(stage, "Kuu");
	finish(stage);
	turn(stage);
	stop_storer(stage, 0);
	publish(stage, "ucbu");
	finish(stage);
	start_storer(stage, 4);
	stop_storer(stage, 0);
	expect_recorded(stage, "Kuuuuuu");
	start_storer(stage, 0);
	publish(stage, "ouu");
	finish(stage);
	turn(stage);
	stop_storer(stage, 0);
	expect_recorded(stage, "KuuuuuuJJ");
}

/* In the same order, but not before the last of them is there and finished. */
static void takes_whole_rows(void **state)
{
	struct stage *stage = *state;
	publish(stage, "Kcb");
	finish(stage);
	assert_int_equal(turn(stage), 1);
	assert_int_equal(settled(stage), 1);
	publish(stage, "u");
	assert_int_equal(turn(stage), 0);
	finish(stage);
	assert_int_equal(turn(stage), 3);
	assert_int_equal(settled(stage), 4);
	expect_recorded(stage, "Kuuu");
}

static void half_a_row_is_never_committed(void **state)
{
	struct stage *stage = *state;
	publish(stage, "K");
	finish(stage);
	while (turn(stage) > 0)
		continue;
	assert_int_equal(settled(stage), 1);
	/* A row longer than what is taken in one turn, and the disk gets full in between. */
	publish(stage, "bbbbbbbbbbbbbbbbbbbu");
	finish(stage);
	int taken = turn(stage);
	assert_in_range(taken, 1, 19);
	*disk_faults() = (struct disk_faults){.pwrite_errno = ENOSPC};
	assert_int_equal(turn(stage), 0);
	assert_int_equal(turn(stage), 0);
	assert_int_equal(settled(stage), 1);
	*disk_faults() = (struct disk_faults){0};
	while (settled(stage) < 21) {
		int64_t due;
		assert_true(worker_turn(stage->storer, &due) >= 0);
		poll(NULL, 0, settled(stage) < 21 ? clock_poll_ms(clock_now(), due) : 0);
	}
	expect_recorded(stage, "Kuuuuuuuuuuuuuuuuuuuu");
}

static void what_cannot_be_completed_is_a_jpeg(void **state)
{
	struct stage *stage = *state;
	publish(stage, "Kcbj");
	finish(stage);
	while (turn(stage) > 0)
		continue;
	expect_recorded(stage, "KJJJ");
	publish(stage, "Kb");
	finish(stage);
	while (turn(stage) > 0)
		continue;
	expect_recorded(stage, "KJJJK");
	/* The source is gone, and the pipeline ends. */
	owner_release(&stage->ledger.streams[0].owner, stage->capture);
	stop_storer(stage, 0);
	expect_recorded(stage, "KJJJKJ");
	assert_true(ledger_quiet(&stage->ledger));
}

/* Where a capture goes on, a storer that ends leaves half a row to its successor. */
static void a_drain_leaves_half_a_row(void **state)
{
	struct stage *stage = *state;
	publish(stage, "Kb");
	finish(stage);
	turn(stage);
	stop_storer(stage, 0);
	expect_recorded(stage, "K");
	publish(stage, "u");
	finish(stage);
	start_storer(stage, 2);
	stop_storer(stage, 0);
	expect_recorded(stage, "Kuu");
}

static void bypassed_frames_keep_theirs(void **state)
{
	struct stage *stage = *state;
	publish(stage, "Ku");
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		ledger_step(&stage->ledger, slot, ledger_word(&stage->ledger, slot), CAUSE_BYPASS,
			    &(struct word_args){0}, NULL);
	while (turn(stage) > 0)
		continue;
	stop_storer(stage, 0);
	expect_recorded(stage, "Ku");
}

/* What a dead storer, or a power failure, left behind the last commit. */
static void a_start_enters_whole_rows_only(void **state)
{
	struct stage *stage = *state;
	static const uint32_t lacks[] = {0, 0, 2, 1, 0, 2, 1};
	char folder[RIG_PATH + 8];
	struct record record;
	uint8_t coded[RIG_CODED_MAX];
	stop_storer(stage, 0);
	snprintf(folder, sizeof(folder), "%s/rec", stage->folder);
	struct recorder *recorder = rig_open(folder, RIG_RUN, 1 << 20);
	for (uint64_t seq = 1; seq <= 7; seq++) {
		rig_frame(seq, &record, coded);
		record.coding = seq == 1 ? CODING_H264_KEY : CODING_H264;
		record.lacks = lacks[seq - 1];
		assert_int_equal(recorder_append(recorder, 0, &record, coded), 0);
		if (seq == 1)
			assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	recorder = rig_open(folder, RIG_RUN, 1 << 20);
	assert_int_equal(recorder_taken(recorder, 0), 5);
	assert_true(recorder_links(recorder, 0, 6));
	assert_false(recorder_links(recorder, 0, 7));
	recorder_close(recorder);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(stores_what_holds),
		TEST(a_successor_goes_on),
		TEST(takes_whole_rows),
		TEST(half_a_row_is_never_committed),
		TEST(what_cannot_be_completed_is_a_jpeg),
		TEST(a_drain_leaves_half_a_row),
		TEST(bypassed_frames_keep_theirs),
		TEST(a_start_enters_whole_rows_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
