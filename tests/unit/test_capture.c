/* The capture worker: records, pace, drops, and where a successor goes on; and the pattern. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/capture_rig.h"
#include "tests/unit/clip.h"
#include "workers/capture/capture.h"
#include "workers/capture/source.h"
#include "workers/media/barcode.h"
#include "workers/media/scale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SIDE 96
#define I420 13824 /* bytes of such an image */

/* ---- the pattern ---- */

static struct source *open_pattern(const char *name, int64_t seed)
{
	struct capture_config config = {.pattern_size = "96x96", .pattern_fps = 10, .seed = seed};
	struct source *source = NULL;
	char why[512] = "";
	snprintf(config.source, sizeof(config.source), "%s", name);
	if (source_open(&source, &config, (struct source_host){0}, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	return source;
}

static void a_frame_is_a_function_of_its_index(void **state)
{
	uint8_t a[I420], b[I420];
	(void)state;
	struct source *straight = open_pattern("pattern:", 1);
	for (uint64_t i = 0; i < 100; i++) {
		struct source *jumped = open_pattern("pattern:96x96@10", 1);
		struct source *other = open_pattern("pattern:", 2);
		const struct source_mark mark = {.next = i};
		struct source_item item_a, item_b;
		assert_int_equal(jumped->table->resume(jumped, &mark), 0);
		assert_int_equal(other->table->resume(other, &mark), 0);
		assert_int_equal(straight->table->peek(straight, &item_a), 0);
		assert_int_equal(jumped->table->peek(jumped, &item_b), 0);
		assert_memory_equal(&item_a, &item_b, sizeof(item_a));
		assert_int_equal(item_a.index, i);
		assert_int_equal(item_a.pts, i * NS_PER_S / 10);
		assert_int_equal(straight->table->take(straight, a), 0);
		assert_int_equal(jumped->table->take(jumped, b), 0);
		assert_memory_equal(a, b, I420);
		assert_int_equal(pattern_read_number(a, SIDE, SIDE, SIDE), i);
		assert_int_equal(other->table->take(other, b), 0);
		assert_memory_not_equal(a, b, I420);
		source_close(jumped);
		source_close(other);
	}
	source_close(straight);
}

static void one_shape_at_a_time_for_two_seconds(void **state)
{
	int shown[8] = {0}, before = -1;
	(void)state;
	struct source *source = open_pattern("pattern:", 5);
	for (uint64_t i = 0; i < 400; i++) {
		struct source_item item;
		assert_int_equal(source->table->peek(source, &item), 0);
		if (i % 20)
			assert_int_equal(item.label, before);
		before = item.label;
		assert_in_range(item.label, 0, 3);
		assert_non_null(source->info.labels[item.label]);
		shown[item.label]++;
		assert_int_equal(source->table->take(source, NULL), 0);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(shown[i], 100);
	assert_null(source->info.labels[4]);
	source_close(source);
}

static void a_bad_pattern_is_refused(void **state)
{
	static const char *const bad[] = {
		"pattern:97x96",    "pattern:96x95",
		"pattern:94x96",    "pattern:96x96@0",
		"pattern:96x96@x",  "pattern:96x",
		"pattern:x",	    "pattern:96x96@30x",
		"pattern:@241",	    "",
		"pattern:99999x96",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct capture_config config = {.pattern_size = "96x96", .pattern_fps = 10};
		struct source *source = NULL;
		char why[512] = "";
		snprintf(config.source, sizeof(config.source), "%s", bad[i]);
		assert_int_equal(
			source_open(&source, &config, (struct source_host){0}, why, sizeof(why)),
			TROUPE_E_CONFIG);
		assert_non_null(strstr(why, "source"));
	}
}

/* ---- the worker ---- */

#define PATTERN "source=pattern:96x96@30\npattern_frames=40\nseed=9\n"

static void every_frame_has_its_record(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE, SIDE, false);
	struct worker *w = rig_worker(ledger, &capture_table, RIG_CAPTURE, PATTERN "pace=max");
	struct source *source = open_pattern("pattern:96x96@30", 9);
	uint8_t before[THUMB_SIZE] = {0}, thumb[THUMB_SIZE], image[I420];
	for (uint64_t i = 0; i < 40; i++) {
		struct source_item item;
		const struct slot_record *record = rig_capture(ledger, w);
		assert_non_null(record);
		uint32_t slot = (uint32_t)(record - ledger->records);
		assert_int_equal(source->table->peek(source, &item), 0);
		assert_int_equal(source->table->take(source, image), 0);
		assert_memory_equal(ledger_image(ledger, slot), image, I420);
		scale_luma_to_thumb(image, SIDE, SIDE, SIDE, thumb);
		assert_int_equal(record->seq, i + 1);
		assert_int_equal(record->source_index, i);
		assert_int_equal(record->pts, item.pts);
		assert_int_equal(record->label, item.label + 1);
		assert_int_equal(record->coded_bytes, 0);
		assert_true(record->captured <= record->published && record->captured > 0);
		assert_memory_equal(record->thumb, thumb, THUMB_SIZE);
		assert_memory_equal(record->thumb_before, before, THUMB_SIZE);
		memcpy(before, thumb, THUMB_SIZE);
		rig_pass(ledger);
	}
	assert_null(rig_capture(ledger, w));
	assert_int_equal(worker_turn(w, NULL), TROUPE_E_ENDED);
	assert_int_equal(atomic_load(&ledger->streams[0].ended), 1);
	source_close(source);
	worker_destroy(w);
	assert_true(ledger_quiet(ledger));
	rig_destroy(ledger);
}

static void a_source_that_can_wait_waits(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE, SIDE, false);
	struct worker *w = rig_worker(ledger, &capture_table, RIG_CAPTURE, PATTERN "pace=max");
	for (uint64_t i = 0; i < RIG_AHEAD; i++)
		assert_non_null(rig_capture(ledger, w));
	for (int i = 0; i < 5; i++)
		assert_null(rig_capture(ledger, w));
	rig_pass(ledger);
	assert_int_equal(rig_capture(ledger, w)->source_index, RIG_AHEAD);
	assert_int_equal(atomic_load(&ledger->streams[0].drops[DROP_NO_SLOT]), 0);
	worker_destroy(w);
	rig_destroy(ledger);
}

static void a_successor_goes_on_at_the_next_frame(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE, SIDE, false);
	uint8_t before[THUMB_SIZE] = {0};
	for (uint64_t i = 0; i < 40; i++) {
		/* A new capture for each frame; every third dies with a slot in its hands. */
		struct worker *w =
			rig_worker(ledger, &capture_table, RIG_CAPTURE, PATTERN "pace=max");
		const struct slot_record *record = rig_capture(ledger, w);
		assert_non_null(record);
		assert_int_equal(record->source_index, i);
		assert_memory_equal(record->thumb_before, before, THUMB_SIZE);
		memcpy(before, record->thumb, THUMB_SIZE);
		worker_destroy(w);
		rig_pass(ledger);
		if (i % 3 == 0) {
			uint32_t slot;
			assert_int_equal(ledger_take(ledger, 0, RIG_CAPTURE, &slot), 0);
			memset(ledger_image(ledger, slot), 0xaa, I420);
			ledger->records[slot].source_index = 999;
			assert_int_equal(ledger_abandon(ledger, slot, RIG_CAPTURE), 0);
		}
	}
	rig_destroy(ledger);
}

static void frames_a_predecessor_dropped_are_not_captured_again(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE, SIDE, false);
	struct worker *w = rig_worker(ledger, &capture_table, RIG_CAPTURE, PATTERN "pace=max");
	assert_int_equal(rig_capture(ledger, w)->source_index, 0);
	worker_destroy(w);
	atomic_fetch_add(&ledger->streams[0].drops[DROP_NO_SLOT], 2);
	atomic_fetch_add(&ledger->streams[0].drops[DROP_DEVICE], 3);
	w = rig_worker(ledger, &capture_table, RIG_CAPTURE, PATTERN "pace=max");
	const struct slot_record *record = rig_capture(ledger, w);
	assert_int_equal(record->seq, 2);
	assert_int_equal(record->source_index, 6);
	assert_int_equal(record->drops_before[DROP_NO_SLOT], 2);
	assert_int_equal(record->drops_before[DROP_DEVICE], 3);
	assert_int_equal(record->drops_total[DROP_DEVICE], 3);
	record = rig_capture(ledger, w);
	assert_int_equal(record->drops_before[DROP_DEVICE], 0);
	assert_int_equal(record->drops_total[DROP_DEVICE], 3);
	worker_destroy(w);
	rig_destroy(ledger);
}

static void what_a_person_says_is_the_label(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE, SIDE, false);
	struct worker *w = rig_worker(ledger, &capture_table, RIG_CAPTURE, PATTERN "pace=max");
	atomic_store(&ledger->streams[0].label, 17);
	assert_int_equal(rig_capture(ledger, w)->label, 17);
	atomic_store(&ledger->streams[0].label, 0);
	assert_in_range(rig_capture(ledger, w)->label, 1, 4);
	atomic_store(&ledger->header->n_labels, 1); /* a pipeline that does not know the shapes */
	assert_int_equal(rig_capture(ledger, w)->label, 0);
	worker_destroy(w);
	rig_destroy(ledger);
}

static void pace_waits_for_its_time_and_survives(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE, SIDE, false);
	_Atomic int64_t *origin = &ledger->streams[0].pace_origin;
	struct worker *w = rig_worker(ledger, &capture_table, RIG_CAPTURE, PATTERN);
	int64_t due, begin = clock_now();
	rig_capture_when_due(ledger, w); /* the first is due at once, and sets the pace */
	int64_t first = atomic_load(origin);
	assert_true(first >= begin && first <= clock_now());
	/* An hour on: nothing is due until then. */
	atomic_store(origin, first + 3600 * NS_PER_S);
	worker_destroy(w);
	w = rig_worker(ledger, &capture_table, RIG_CAPTURE, PATTERN);
	assert_int_equal(worker_turn(w, &due), 0);
	assert_int_equal(due, first + 3600 * NS_PER_S + NS_PER_S / 30);
	/* An hour late: it goes on from now, and does not hurry to catch up. */
	atomic_store(origin, first - 3600 * NS_PER_S);
	begin = clock_now();
	assert_int_equal(rig_capture_when_due(ledger, w)->source_index, 1);
	assert_true(atomic_load(origin) + NS_PER_S / 30 >= begin);
	worker_destroy(w);
	rig_destroy(ledger);
}

#define LIVE "source=pattern:96x96@100\nlive=yes\n"

static void a_live_source_drops_what_finds_no_slot(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE, SIDE, true);
	struct stream_row *stream = &ledger->streams[0];
	struct worker *w = rig_worker(ledger, &capture_table, RIG_CAPTURE, LIVE);
	atomic_store(&stream->pace_origin, clock_now() - NS_PER_S / 2); /* 50 frames are due */
	while (atomic_load(&stream->drops[DROP_NO_SLOT]) < 20)
		worker_turn(w, NULL);
	assert_int_equal(ledger_last_seq(ledger, 0, NULL), RIG_SLOTS);
	rig_pass(ledger);
	const struct slot_record *record = rig_capture_when_due(ledger, w);
	/* On a slow machine some may be lost for lateness too; every one is in the record. */
	uint64_t dropped = record->drops_total[DROP_NO_SLOT] + record->drops_total[DROP_DEVICE];
	assert_int_equal(record->seq, RIG_SLOTS + 1);
	assert_true(record->drops_before[DROP_NO_SLOT] >= 20);
	assert_int_equal(record->source_index, RIG_SLOTS + dropped);
	worker_destroy(w);
	rig_destroy(ledger);
}

/* At its end it needs no slot, which it might wait for in vain and at full speed. */
static void a_live_source_ends_in_a_full_pool(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE, SIDE, true);
	struct worker *w =
		rig_worker(ledger, &capture_table, RIG_CAPTURE, LIVE "pattern_frames=40\n");
	atomic_store(&ledger->streams[0].pace_origin, clock_now() - NS_PER_S / 2);
	int rc = 0;
	for (int i = 0; i < 100 && rc != TROUPE_E_ENDED; i++)
		rc = worker_turn(w, NULL);
	assert_int_equal(rc, TROUPE_E_ENDED);
	assert_int_equal(atomic_load(&ledger->streams[0].ended), 1);
	assert_int_equal(ledger_last_seq(ledger, 0, NULL), RIG_SLOTS);
	assert_int_equal(atomic_load(&ledger->streams[0].drops[DROP_NO_SLOT]), 40 - RIG_SLOTS);
	worker_destroy(w);
	rig_destroy(ledger);
}

static void a_live_source_goes_by_while_nobody_looks(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE, SIDE, true);
	struct stream_row *stream = &ledger->streams[0];
	struct worker *w = rig_worker(ledger, &capture_table, RIG_CAPTURE, LIVE);
	atomic_store(&stream->pace_origin, clock_now() - 10 * NS_PER_S);
	const struct slot_record *record = rig_capture_when_due(ledger, w);
	assert_int_equal(record->seq, 1);
	assert_true(record->drops_before[DROP_DEVICE] >= 1000);
	assert_int_equal(record->source_index, record->drops_before[DROP_DEVICE]);
	worker_destroy(w);
	rig_destroy(ledger);
}

static void another_size_than_the_stream_is_refused(void **state)
{
	(void)state;
	struct ledger *ledger = rig_create(SIDE + 2, SIDE, false);
	struct worker *w;
	char why[512];
	assert_int_equal(worker_create(&w, &capture_table, ledger, RIG_CAPTURE, 0, PATTERN, why,
				       sizeof(why)),
			 TROUPE_E_CONFIG);
	rig_destroy(ledger);
}

/* A damaged frame is counted once, though the capture dies between it and the next. */
static void a_damaged_frame_is_counted_once(void **state)
{
	static const struct clip clip = {.codec = "mjpeg",
					 .format = "avi",
					 .width = 320,
					 .height = 240,
					 .fps = 10,
					 .frames = 12,
					 .damage_at = RIG_AHEAD};
	(void)state;
	char path[] = "/tmp/troupe-capture-XXXXXX", lines[128];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(clip_write(path, &clip), 0);
	snprintf(lines, sizeof(lines), "source=file:%s\npace=max\n", path);
	struct ledger *ledger = rig_create(320, 240, false);
	_Atomic uint64_t *damaged = &ledger->streams[0].drops[DROP_DAMAGED];
	struct worker *w = rig_worker(ledger, &capture_table, RIG_CAPTURE, lines);
	for (int i = 0; i < RIG_AHEAD; i++)
		assert_non_null(rig_capture(ledger, w));
	assert_int_equal(atomic_load(damaged), 0);
	assert_null(rig_capture(ledger, w)); /* looks ahead, meets the damage, waits for a slot */
	assert_int_equal(atomic_load(damaged), 1);
	worker_destroy(w);
	rig_pass(ledger);
	w = rig_worker(ledger, &capture_table, RIG_CAPTURE, lines);
	const struct slot_record *record = rig_capture(ledger, w);
	assert_int_equal(record->source_index, RIG_AHEAD + 1);
	assert_int_equal(record->drops_before[DROP_DAMAGED], 1);
	assert_int_equal(atomic_load(damaged), 1);
	worker_destroy(w);
	rig_destroy(ledger);
	unlink(path);
}

/* ---- probing ---- */

static void probing_says_what_comes(void **state)
{
	(void)state;
	struct capture_config config = {.source = "pattern:640x480@25",
					.pattern_size = "96x96",
					.pattern_fps = 30,
					.pattern_frames = 7};
	char text[512] = "", why[256];
	FILE *out = fmemopen(text, sizeof(text), "w");
	assert_non_null(out);
	assert_int_equal(capture_table.probe(&config, out, why, sizeof(why)), 0);
	fclose(out);
	assert_string_equal(text, "width=640\nheight=480\nfps_num=25\nfps_den=1\nlive=0\nframes=7\n"
				  "labels=circle,square,triangle,cross\n");
	strcpy(config.source, "/nowhere/x.avi");
	assert_int_equal(capture_table.probe(&config, stdout, why, sizeof(why)),
			 TROUPE_E_NOT_FOUND);
	assert_string_equal(why, "cannot open /nowhere/x.avi: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_a_function_of_its_index),
		cmocka_unit_test(one_shape_at_a_time_for_two_seconds),
		cmocka_unit_test(a_bad_pattern_is_refused),
		cmocka_unit_test(every_frame_has_its_record),
		cmocka_unit_test(a_source_that_can_wait_waits),
		cmocka_unit_test(a_successor_goes_on_at_the_next_frame),
		cmocka_unit_test(frames_a_predecessor_dropped_are_not_captured_again),
		cmocka_unit_test(what_a_person_says_is_the_label),
		cmocka_unit_test(pace_waits_for_its_time_and_survives),
		cmocka_unit_test(a_live_source_drops_what_finds_no_slot),
		cmocka_unit_test(a_live_source_ends_in_a_full_pool),
		cmocka_unit_test(a_live_source_goes_by_while_nobody_looks),
		cmocka_unit_test(another_size_than_the_stream_is_refused),
		cmocka_unit_test(a_damaged_frame_is_counted_once),
		cmocka_unit_test(probing_says_what_comes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
