/* H.264 in and out: what goes in comes out, with its number and its time; key pictures come when
 * they are due; any bytes are borne. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/media/barcode.h"
#include "workers/media/draw.h"
#include "workers/media/h264.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH  320
#define HEIGHT 240
#define I420   ((size_t)WIDTH * HEIGHT * 3 / 2)
#define FRAMES 40
#define STEP   (NS_PER_S / 10)

/* One access unit, kept. */
struct unit {
	uint8_t *data;
	size_t size;
	uint64_t id;
	int64_t pts, dts;
	bool key;
};

struct stage {
	const struct h264_module *h264;
	uint8_t i420[I420];
	struct unit units[FRAMES];
	int n_units;
};

static int set_up(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	char why[256] = "";
	*state = stage;
	int rc = stage ? h264_load(&stage->h264, why, sizeof(why)) : -1;
	if (rc < 0)
		print_error("%s\n", why);
	return rc;
}

static void drop_units(struct stage *stage)
{
	for (int i = 0; i < stage->n_units; i++)
		free(stage->units[i].data);
	stage->n_units = 0;
}

static int tear_down(void **state)
{
	drop_units(*state);
	free(*state);
	return 0;
}

/* A picture that tells its number; black above, white below, so that a wrong range is seen. */
static void paint(struct stage *stage, uint64_t number)
{
	struct canvas canvas = {CANVAS_I420, stage->i420, WIDTH, HEIGHT};
	draw_box(&canvas, 0, 0, WIDTH, HEIGHT / 2, (struct colour){0, 0, 0});
	draw_box(&canvas, 0, HEIGHT / 2, WIDTH, HEIGHT / 2, (struct colour){255, 255, 255});
	draw_disc(&canvas, 40 + (int32_t)(number * 5), 200, 20, (struct colour){230, 20, 30});
	barcode_draw(&canvas, number);
}

static const struct h264_settings usual = {
	.width = WIDTH,
	.height = HEIGHT,
	.gop_ns = NS_PER_S,
	.quality = 20,
	.preset = "veryfast",
	.threads = 1,
};

static struct h264_encoder *encoder_of(const struct stage *stage,
				       const struct h264_settings *settings)
{
	struct h264_encoder *encoder;
	char why[256] = "";
	int rc = stage->h264->encoder_create(&encoder, settings, why, sizeof(why));
	if (rc < 0)
		fail_msg("%s", why);
	return encoder;
}

static void keep_packets(struct stage *stage, struct h264_encoder *encoder, int last)
{
	struct h264_packet packet;
	int rc;
	while ((rc = stage->h264->encoder_take(encoder, &packet)) == 0) {
		struct unit *unit = &stage->units[stage->n_units++];
		*unit = (struct unit){malloc(packet.size), packet.size, packet.id,
				      packet.pts,	   packet.dts,	packet.key};
		assert_non_null(unit->data);
		memcpy(unit->data, packet.data, packet.size);
	}
	assert_int_equal(rc, last);
}

/* All pictures, number i at times[i], or every STEP. */
static void encode(struct stage *stage, const struct h264_settings *settings, const int64_t *times)
{
	struct h264_encoder *encoder = encoder_of(stage, settings);
	drop_units(stage);
	for (uint64_t i = 0; i < FRAMES; i++) {
		paint(stage, i + 1);
		int64_t pts = times ? times[i] : (int64_t)i * STEP;
		assert_int_equal(stage->h264->encoder_put(encoder, stage->i420, pts, i + 1), 0);
		keep_packets(stage, encoder, TROUPE_E_AGAIN);
	}
	assert_int_equal(stage->h264->encoder_end(encoder), 0);
	keep_packets(stage, encoder, TROUPE_E_ENDED);
	stage->h264->encoder_destroy(encoder);
	assert_int_equal(stage->n_units, FRAMES);
}

static struct h264_decoder *decoder_of(const struct stage *stage)
{
	struct h264_decoder *decoder;
	char why[256] = "";
	int rc = stage->h264->decoder_create(&decoder, why, sizeof(why));
	if (rc < 0)
		fail_msg("%s", why);
	return decoder;
}

/* Pictures come in the order of their numbers and look like what was painted. */
static void expect_pictures(struct stage *stage, struct h264_decoder *decoder, int last,
			    uint64_t *number)
{
	struct h264_picture picture;
	int rc;
	while ((rc = stage->h264->decoder_take(decoder, &picture)) == 0) {
		assert_int_equal(picture.id, ++*number);
		assert_int_equal(picture.width, WIDTH);
		assert_int_equal(picture.height, HEIGHT);
		assert_false(picture.damaged);
		assert_int_equal(pattern_read_number(picture.i420, WIDTH, WIDTH, HEIGHT), *number);
		paint(stage, *number);
		for (int y = 60; y < HEIGHT; y += 50) {
			const size_t at = (size_t)y * WIDTH + WIDTH - 20;
			assert_in_range(abs(picture.i420[at] - stage->i420[at]), 0, 6);
		}
	}
	assert_int_equal(rc, last);
}

static void decode_all(struct stage *stage)
{
	struct h264_decoder *decoder = decoder_of(stage);
	uint64_t number = 0;
	for (int i = 0; i < stage->n_units; i++) {
		const struct unit *unit = &stage->units[i];
		assert_int_equal(
			stage->h264->decoder_put(decoder, unit->data, unit->size, unit->id), 0);
		expect_pictures(stage, decoder, TROUPE_E_AGAIN, &number);
	}
	assert_int_equal(stage->h264->decoder_end(decoder), 0);
	expect_pictures(stage, decoder, TROUPE_E_ENDED, &number);
	assert_int_equal(number, FRAMES);
	stage->h264->decoder_destroy(decoder);
}

static void pictures_come_back(void **state)
{
	struct stage *stage = *state;
	encode(stage, &usual, NULL);
	for (int i = 0; i < FRAMES; i++) {
		assert_int_equal(stage->units[i].id, i + 1);
		assert_int_equal(stage->units[i].pts, i * STEP);
		assert_int_equal(stage->units[i].dts, i * STEP);
	}
	decode_all(stage);
}

static void pictures_that_change_places_come_back(void **state)
{
	struct stage *stage = *state;
	struct h264_settings settings = usual;
	bool changed = false;
	settings.reorder = true;
	encode(stage, &settings, NULL);
	for (int i = 1; i < FRAMES; i++) {
		changed |= stage->units[i].pts < stage->units[i - 1].pts;
		assert_true(stage->units[i].dts > stage->units[i - 1].dts);
		assert_true(stage->units[i].dts <= stage->units[i].pts);
	}
	assert_true(changed);
	decode_all(stage);
}

static void key_pictures_come_by_time(void **state)
{
	struct stage *stage = *state;
	int64_t times[FRAMES], last = 0;
	for (int i = 0; i < FRAMES; i++) /* ever slower: 0, 10, 30, 60 … ms */
		times[i] = (int64_t)i * (i + 1) / 2 * 10 * NS_PER_MS;
	encode(stage, &usual, times);
	assert_true(stage->units[0].key);
	for (int i = 1; i < FRAMES; i++) {
		assert_int_equal(stage->units[i].pts, times[i]);
		if (times[i] - last >= usual.gop_ns)
			assert_true(stage->units[i].key);
		if (stage->units[i].key)
			last = times[i];
	}
	decode_all(stage);
}

/* Times of a recording are what a source said. */
static void times_that_stand_still_are_borne(void **state)
{
	struct stage *stage = *state;
	int64_t times[FRAMES];
	for (int i = 0; i < FRAMES; i++)
		times[i] = i < 10 ? 5 : i < 20 ? INT64_MAX - i : i < 30 ? INT64_MIN + i : -i;
	encode(stage, &usual, times);
	for (int i = 0; i < FRAMES; i++)
		assert_int_equal(stage->units[i].pts, times[i]);
	decode_all(stage);
}

/* The types of the units within an access unit, as bits. */
static uint32_t kinds_in(const uint8_t *data, size_t size)
{
	uint32_t kinds = 0;
	for (size_t i = 0; i + 3 < size; i++)
		if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1)
			kinds |= UINT32_C(1) << (data[i + 3] & 31);
	return kinds;
}

#define KIND_IDR (UINT32_C(1) << 5)
#define KIND_SPS (UINT32_C(1) << 7)
#define KIND_PPS (UINT32_C(1) << 8)

static void key_pictures_carry_their_parameters(void **state)
{
	struct stage *stage = *state;
	encode(stage, &usual, NULL);
	for (int i = 0; i < FRAMES; i++) {
		uint32_t kinds = kinds_in(stage->units[i].data, stage->units[i].size);
		bool all = (kinds & (KIND_IDR | KIND_SPS | KIND_PPS)) ==
			   (KIND_IDR | KIND_SPS | KIND_PPS);
		assert_int_equal(all, stage->units[i].key);
	}
}

static void a_new_beginning_needs_only_its_key(void **state)
{
	struct stage *stage = *state;
	encode(stage, &usual, NULL);
	struct h264_decoder *decoder = decoder_of(stage);
	int key = FRAMES - 1;
	for (int i = 0; i < 5; i++)
		(void)stage->h264->decoder_put(decoder, stage->units[i].data, stage->units[i].size,
					       stage->units[i].id);
	while (!stage->units[key].key)
		key--;
	stage->h264->decoder_reset(decoder);
	uint64_t number = (uint64_t)key;
	for (int i = key; i < FRAMES; i++) {
		const struct unit *unit = &stage->units[i];
		assert_int_equal(
			stage->h264->decoder_put(decoder, unit->data, unit->size, unit->id), 0);
		expect_pictures(stage, decoder, TROUPE_E_AGAIN, &number);
	}
	assert_int_equal(stage->h264->decoder_end(decoder), 0);
	expect_pictures(stage, decoder, TROUPE_E_ENDED, &number);
	assert_int_equal(number, FRAMES);
	stage->h264->decoder_destroy(decoder);
}

static void take_whatever_comes(const struct stage *stage, struct h264_decoder *decoder)
{
	struct h264_picture picture;
	int rc;
	do {
		rc = stage->h264->decoder_take(decoder, &picture);
		assert_true(rc != 0 || picture.i420);
	} while (rc == 0 || rc == TROUPE_E_CORRUPT);
	assert_true(rc == TROUPE_E_AGAIN || rc == TROUPE_E_ENDED);
}

static void garbage_is_borne(void **state)
{
	struct stage *stage = *state;
	encode(stage, &usual, NULL);
	struct h264_decoder *decoder = decoder_of(stage);
	static const uint8_t nothing[64];
	assert_int_equal(stage->h264->decoder_put(decoder, nothing, 0, 1), TROUPE_E_CORRUPT);
	assert_true(stage->h264->decoder_put(decoder, nothing, sizeof(nothing), 1) < 0);
	take_whatever_comes(stage, decoder);
	for (int i = 0; i < FRAMES; i++) {
		struct unit *unit = &stage->units[i];
		for (size_t at = (size_t)i % 7; at < unit->size; at += 61)
			unit->data[at] ^= (uint8_t)(1 << (at % 8));
		(void)stage->h264->decoder_put(decoder, unit->data, unit->size, unit->id);
		take_whatever_comes(stage, decoder);
	}
	assert_int_equal(stage->h264->decoder_end(decoder), 0);
	take_whatever_comes(stage, decoder);
	stage->h264->decoder_destroy(decoder);
}

static void settings_are_checked(void **state)
{
	const struct stage *stage = *state;
	static const struct h264_settings wrong[] = {
		{.width = 3, .height = 2, .gop_ns = 1, .threads = 1},
		{.width = 2, .height = 0, .gop_ns = 1, .threads = 1},
		{.width = 64, .height = 64, .gop_ns = 0, .threads = 1},
		{.width = 64, .height = 64, .gop_ns = 1, .threads = 0},
		{.width = 64, .height = 64, .gop_ns = 1, .threads = 1, .quality = 52},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct h264_encoder *encoder;
		char why[256] = "";
		assert_int_equal(stage->h264->encoder_create(&encoder, &wrong[i], why, sizeof(why)),
				 TROUPE_E_ARGUMENT);
		assert_null(encoder);
		assert_string_not_equal(why, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pictures_come_back),
		cmocka_unit_test(pictures_that_change_places_come_back),
		cmocka_unit_test(key_pictures_come_by_time),
		cmocka_unit_test(times_that_stand_still_are_borne),
		cmocka_unit_test(key_pictures_carry_their_parameters),
		cmocka_unit_test(a_new_beginning_needs_only_its_key),
		cmocka_unit_test(garbage_is_borne),
		cmocka_unit_test(settings_are_checked),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
