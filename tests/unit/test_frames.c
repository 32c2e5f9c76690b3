/* Pictures out of a recording of H.264 as cameras send it: forwards, backwards and at random, where
 * pictures change places between their coding and their showing, and where something is damaged. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/media/barcode.h"
#include "workers/media/h264.h"
#include "workers/storer/frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH  192
#define HEIGHT 192
#define I420   ((size_t)WIDTH * HEIGHT * 3 / 2)
#define FRAMES 75
#define STEP   (40 * NS_PER_MS)
#define GOP    (NS_PER_S)

struct unit {
	uint8_t *data;
	size_t size;
	int64_t dts;
	bool key;
};

struct stage {
	char folder[RIG_PATH];
	const struct h264_module *h264;
	uint8_t i420[I420];
	struct unit units[FRAMES + 1]; /* by number */
	struct recorder *recorder;
	struct frames *frames;
};

static int set_up(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	char why[256] = "";

	rig_folder(stage->folder);
	*state = stage;
	if (h264_load(&stage->h264, why, sizeof(why)) < 0)
		print_error("%s\n", why);
	return stage->h264 ? 0 : -1;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;

	frames_close(stage->frames);
	recorder_close(stage->recorder);
	for (int i = 0; i <= FRAMES; i++)
		free(stage->units[i].data);
	rig_remove(stage->folder);
	free(stage);
	return 0;
}

static void paint(struct stage *stage, uint64_t number)
{
	struct canvas canvas = {CANVAS_I420, stage->i420, WIDTH, HEIGHT};

	draw_box(&canvas, 0, 0, WIDTH, HEIGHT, (struct colour){90, 90, 90});
	draw_disc(&canvas, (int32_t)(number * 2), 80, 30, (struct colour){240, 240, 20});
	barcode_draw(&canvas, number);
}

static void keep_packets(struct stage *stage, struct h264_encoder *encoder)
{
	struct h264_packet packet;

	while (stage->h264->encoder_take(encoder, &packet) == 0) {
		struct unit *unit = &stage->units[packet.id];

		*unit = (struct unit){malloc(packet.size), packet.size, packet.dts, packet.key};
		memcpy(unit->data, packet.data, packet.size);
	}
}

static void encode(struct stage *stage, bool reorder)
{
	const struct h264_settings settings = {.width = WIDTH,
					       .height = HEIGHT,
					       .gop_ns = GOP,
					       .quality = 20,
					       .threads = 1,
					       .reorder = reorder};
	struct h264_encoder *encoder;
	char why[256];

	assert_int_equal(stage->h264->encoder_create(&encoder, &settings, why, sizeof(why)), 0);
	for (uint64_t i = 1; i <= FRAMES; i++) {
		paint(stage, i);
		assert_int_equal(
			stage->h264->encoder_put(encoder, stage->i420, (int64_t)i * STEP, i), 0);
		keep_packets(stage, encoder);
	}
	assert_int_equal(stage->h264->encoder_end(encoder), 0);
	keep_packets(stage, encoder);
	stage->h264->encoder_destroy(encoder);
}

/* As they came from a camera: in the order in which they are shown. */
static void record(struct stage *stage)
{
	stage->recorder = rig_open(stage->folder, RIG_RUN, 1 << 30);
	for (uint64_t seq = 1; seq <= FRAMES; seq++) {
		const struct unit *unit = &stage->units[seq];
		uint8_t rubbish[RIG_CODED_MAX];
		struct record frame;

		rig_frame(seq, &frame, rubbish);
		frame.width = WIDTH;
		frame.height = HEIGHT;
		frame.coding = unit->key ? CODING_H264_KEY : CODING_H264;
		frame.dts = unit->dts;
		frame.coded_bytes = (uint32_t)unit->size;
		assert_int_equal(recorder_append(stage->recorder, 0, &frame, unit->data), 0);
	}
	assert_int_equal(recorder_commit(stage->recorder), 0);
}

static void open_frames(struct stage *stage)
{
	char why[256] = "";

	if (frames_open(&stage->frames, stage->folder, why, sizeof(why)) < 0)
		fail_msg("%s", why);
}

static int show(struct stage *stage, uint64_t seq, int64_t *number)
{
	struct frames_picture picture;
	struct index_row row;

	assert_int_equal(
		recording_find(frames_recording(stage->frames), RIG_RUN, RIG_STREAM, seq, &row), 0);
	int rc = frames_show_i420(stage->frames, &row, &picture);
	if (rc == 0) {
		assert_false(picture.damaged);
		assert_int_equal(picture.record.seq, seq);
		*number = pattern_read_number(picture.i420, picture.width, picture.width,
					      picture.height);
	}
	return rc;
}

static void expect(struct stage *stage, uint64_t seq)
{
	int64_t number = -1;

	assert_int_equal(show(stage, seq, &number), 0);
	assert_int_equal(number, seq);
}

static void expect_any_way(struct stage *stage)
{
	for (uint64_t seq = 1; seq <= FRAMES; seq++)
		expect(stage, seq);
	for (uint64_t seq = FRAMES; seq >= 1; seq--)
		expect(stage, seq);
	for (uint64_t i = 1; i <= FRAMES; i++)
		expect(stage, i * 29 % (FRAMES + 1)); /* 76 and 29 have no common divisor */
	for (uint64_t seq = 1; seq <= FRAMES; seq += 7)
		expect(stage, seq);
}

static void any_frame_in_any_order(void **state)
{
	struct stage *stage = *state;

	encode(stage, false);
	record(stage);
	open_frames(stage);
	expect_any_way(stage);
}

static void also_where_pictures_change_places(void **state)
{
	struct stage *stage = *state;

	encode(stage, true);
	record(stage);
	open_frames(stage);
	expect_any_way(stage);
}

/* Decoding times of which none tells that pictures change places, until one is earlier. */
static void also_where_that_is_seen_late(void **state)
{
	struct stage *stage = *state;

	encode(stage, true);
	for (int i = 1; i <= FRAMES; i++)
		stage->units[i].dts += 10 * STEP;
	record(stage);
	open_frames(stage);
	expect_any_way(stage);
}

static void the_newest_frame_while_it_is_recorded(void **state)
{
	struct stage *stage = *state;

	encode(stage, false);
	stage->recorder = rig_open(stage->folder, RIG_RUN, 1 << 30);
	open_frames(stage);
	for (uint64_t seq = 1; seq <= FRAMES; seq++) {
		const struct unit *unit = &stage->units[seq];
		uint8_t rubbish[RIG_CODED_MAX];
		struct record frame;

		rig_frame(seq, &frame, rubbish);
		frame.coding = unit->key ? CODING_H264_KEY : CODING_H264;
		frame.dts = unit->dts;
		frame.coded_bytes = (uint32_t)unit->size;
		assert_int_equal(recorder_append(stage->recorder, 0, &frame, unit->data), 0);
		assert_int_equal(recorder_commit(stage->recorder), 0);
		expect(stage, seq);
	}
}

static void as_jpeg_too(void **state)
{
	struct stage *stage = *state;
	struct frames_picture picture;
	struct index_row row;

	encode(stage, false);
	record(stage);
	open_frames(stage);
	assert_int_equal(
		recording_find(frames_recording(stage->frames), RIG_RUN, RIG_STREAM, 40, &row), 0);
	assert_int_equal(frames_show_jpeg(stage->frames, &row, 80, &picture), 0);
	assert_true(picture.jpeg_bytes > 1000);
	assert_memory_equal(picture.jpeg, "\xff\xd8", 2);
}

/* No picture is better than a wrong one: all that needs what is damaged has none. */
static void no_frame_that_needs_what_is_damaged(void **state)
{
	struct stage *stage = *state;
	struct index_row row;
	char path[RIG_PATH];
	uint64_t damaged = 30, key = damaged;
	int64_t number;

	encode(stage, false);
	record(stage);
	open_frames(stage);
	assert_int_equal(
		recording_find(frames_recording(stage->frames), RIG_RUN, RIG_STREAM, damaged, &row),
		0);
	rig_flip(rig_segment(stage->folder, row.segment, path), row.coded_at + 3, 2);
	while (!stage->units[++key].key)
		continue;
	for (uint64_t seq = 1; seq <= FRAMES; seq++) {
		if (seq < damaged || seq >= key)
			expect(stage, seq);
		else
			assert_int_equal(show(stage, seq, &number), TROUPE_E_CORRUPT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_frame_in_any_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(also_where_pictures_change_places, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(also_where_that_is_seen_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_newest_frame_while_it_is_recorded, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(as_jpeg_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_frame_that_needs_what_is_damaged, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
