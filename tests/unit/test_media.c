/* JPEG, scaling, drawing and the barcode. */
#include "ipc/base/errors.h"
#include "workers/media/barcode.h"
#include "workers/media/draw.h"
#include "workers/media/glyphs.h"
#include "workers/media/jpeg.h"
#include "workers/media/scale.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH  320
#define HEIGHT 240
#define LUMA   76800  /* bytes of such a plane, */
#define I420   115200 /* and of all three */

static const struct colour red = {230, 20, 30}, grey = {128, 128, 128}, white = {255, 255, 255};

/* A picture with soft and hard edges in all planes. */
static uint8_t *picture(void)
{
	uint8_t *i420 = malloc(I420);
	assert_non_null(i420);
	struct canvas canvas = {CANVAS_I420, i420, WIDTH, HEIGHT};
	for (int32_t y = 0; y < HEIGHT; y++)
		draw_box(&canvas, 0, y, WIDTH, 1,
			 (struct colour){(uint8_t)y, 100, (uint8_t)(255 - y)});
	draw_disc(&canvas, 100, 90, 60, red);
	draw_triangle(&canvas, 230, 90, 50, white);
	draw_text(&canvas, 10, 160, 3, white, "Abc 123");
	return i420;
}

static double psnr(const uint8_t *a, const uint8_t *b, size_t size)
{
	double sum = 0;
	for (size_t i = 0; i < size; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	return sum > 0 ? 10 * log10(255.0 * 255.0 * (double)size / sum) : 99;
}

struct codec {
	struct jpeg_encoder *encoder;
	struct jpeg_decoder *decoder;
};

static int open_codec(void **state)
{
	struct codec *codec = calloc(1, sizeof(*codec));
	if (!codec)
		return -1;
	codec->encoder = jpeg_encoder_create();
	codec->decoder = jpeg_decoder_create();
	*state = codec;
	return codec->encoder && codec->decoder ? 0 : -1;
}

static int close_codec(void **state)
{
	struct codec *codec = *state;
	jpeg_encoder_destroy(codec->encoder);
	jpeg_decoder_destroy(codec->decoder);
	free(codec);
	return 0;
}

/* ---- JPEG ---- */

/* As a camera sends it: each row of chroma, none between the columns; or none at all. */
static void encode_as(const uint8_t *i420, int subsampling, unsigned char **jpeg,
		      unsigned long *size)
{
	tjhandle handle = tjInitCompress();
	uint8_t *chroma = malloc(LUMA);
	assert_non_null(chroma);
	for (int y = 0; y < HEIGHT; y++) { /* twice the rows: U, then V */
		size_t from = (size_t)(y / 2) * (WIDTH / 2), to = (size_t)y * (WIDTH / 2);
		memcpy(chroma + to, i420 + LUMA + from, WIDTH / 2);
		memcpy(chroma + LUMA / 2 + to, i420 + LUMA + LUMA / 4 + from, WIDTH / 2);
	}
	const unsigned char *planes[3] = {i420, chroma, chroma + LUMA / 2};
	assert_int_equal(tjCompressFromYUVPlanes(handle, planes, WIDTH, NULL, HEIGHT, subsampling,
						 jpeg, size, 95, 0),
			 0);
	free(chroma);
	tjDestroy(handle);
}

static void jpeg_of_any_camera(void **state)
{
	struct codec *codec = *state;
	static const int as[] = {TJSAMP_422, TJSAMP_GRAY};
	uint8_t *i420 = picture();
	for (size_t i = 0; i < sizeof(as) / sizeof(as[0]); i++) {
		unsigned char *jpeg = NULL;
		unsigned long size = 0;
		const uint8_t *again;
		uint32_t width, height;
		encode_as(i420, as[i], &jpeg, &size);
		assert_int_equal(
			jpeg_decode_any(codec->decoder, jpeg, size, &again, &width, &height), 0);
		assert_int_equal(width, WIDTH);
		assert_int_equal(height, HEIGHT);
		assert_true(psnr(i420, again, as[i] == TJSAMP_GRAY ? LUMA : I420) > 35);
		assert_int_equal(jpeg_decode_any(codec->decoder, jpeg, 40, &again, &width, &height),
				 TROUPE_E_CORRUPT);
		tjFree(jpeg);
	}
	free(i420);
}

static void jpeg_keeps_the_picture(void **state)
{
	static const struct {
		uint32_t quality;
		double psnr;
	} steps[] = {{30, 28}, {50, 30}, {85, 34}, {100, 42}};
	struct codec *codec = *state;
	uint8_t *i420 = picture(), back[I420];
	size_t smaller = 0;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const uint8_t *jpeg;
		size_t size;
		uint32_t width, height;
		assert_int_equal(jpeg_encode_i420(codec->encoder, i420, WIDTH, HEIGHT,
						  steps[i].quality, &jpeg, &size),
				 0);
		assert_int_equal(
			jpeg_decode_i420(codec->decoder, jpeg, size, back, I420, &width, &height),
			0);
		assert_int_equal(width, WIDTH);
		assert_int_equal(height, HEIGHT);
		assert_true(psnr(i420, back, LUMA) > steps[i].psnr);
		assert_true(psnr(i420 + LUMA, back + LUMA, I420 - LUMA) > steps[i].psnr);
		assert_true(size > smaller); /* better costs more */
		smaller = size;
	}
	free(i420);
}

static void jpeg_is_the_same_every_time(void **state)
{
	struct codec *codec = *state;
	struct jpeg_encoder *other = jpeg_encoder_create();
	uint8_t *i420 = picture();
	const uint8_t *a, *b;
	size_t a_size, b_size;
	assert_int_equal(jpeg_encode_i420(codec->encoder, i420, WIDTH, HEIGHT, 85, &a, &a_size), 0);
	/* The other encoder has a history: a larger and a smaller picture. */
	assert_int_equal(jpeg_encode_i420(other, i420, WIDTH / 2, HEIGHT, 20, &b, &b_size), 0);
	assert_int_equal(jpeg_encode_i420(other, i420, WIDTH, HEIGHT, 85, &b, &b_size), 0);
	assert_int_equal(a_size, b_size);
	assert_memory_equal(a, b, a_size);
	jpeg_encoder_destroy(other);
	free(i420);
}

static void jpeg_takes_rgb(void **state)
{
	struct codec *codec = *state;
	uint8_t rgb[33 * 17 * 3], luma[33 * 17];
	struct canvas canvas = {CANVAS_RGB24, rgb, 33, 17};
	const uint8_t *jpeg;
	size_t size;
	uint32_t width, height;
	draw_box(&canvas, 0, 0, 33, 17, red);
	assert_int_equal(jpeg_encode_rgb(codec->encoder, rgb, 33, 17, 90, &jpeg, &size), 0);
	assert_int_equal(
		jpeg_decode_gray(codec->decoder, jpeg, size, luma, sizeof(luma), &width, &height),
		0);
	assert_int_equal(width, 33);
	assert_int_equal(height, 17);
	for (size_t i = 0; i < sizeof(luma); i++)
		assert_in_range(luma[i], 81 - 4, 81 + 4); /* 0.299 R + 0.587 G + 0.114 B */
}

static void jpeg_refuses_what_it_cannot(void **state)
{
	struct codec *codec = *state;
	uint8_t *i420 = picture(), back[I420];
	const uint8_t *jpeg;
	size_t size;
	uint32_t width, height;
	struct jpeg_encoder *encoder = codec->encoder;
	assert_int_equal(jpeg_encode_i420(encoder, i420, 33, 24, 85, &jpeg, &size),
			 TROUPE_E_ARGUMENT);
	assert_int_equal(jpeg_encode_i420(encoder, i420, 0, 24, 85, &jpeg, &size),
			 TROUPE_E_ARGUMENT);
	assert_int_equal(jpeg_encode_i420(encoder, i420, 32, 24, 0, &jpeg, &size),
			 TROUPE_E_ARGUMENT);
	assert_int_equal(jpeg_encode_i420(encoder, i420, 32, 24, 101, &jpeg, &size),
			 TROUPE_E_ARGUMENT);
	assert_int_equal(jpeg_encode_i420(encoder, i420, WIDTH, HEIGHT, 85, &jpeg, &size), 0);
	assert_int_equal(
		jpeg_decode_i420(codec->decoder, jpeg, size, back, I420 - 1, &width, &height),
		TROUPE_E_OVERSIZED);
	/* Cut anywhere it is damaged, never half a picture. */
	for (size_t cut = 0; cut + 2 < size; cut += 97) {
		int rc = jpeg_decode_i420(codec->decoder, jpeg, cut, back, I420, &width, &height);
		assert_int_equal(rc, TROUPE_E_CORRUPT);
	}
	assert_int_equal(jpeg_size(codec->decoder, i420, I420, &width, &height), TROUPE_E_CORRUPT);
	jpeg_encoder_destroy(NULL);
	jpeg_decoder_destroy(NULL);
	free(i420);
}

/* ---- scaling ---- */

static void assert_colour(const uint8_t *rgb, struct colour colour)
{
	assert_true(abs(rgb[0] - colour.red) <= 4);
	assert_true(abs(rgb[1] - colour.green) <= 4);
	assert_true(abs(rgb[2] - colour.blue) <= 4);
}

static void a_view_has_the_colours_of_the_image(void **state)
{
	static const uint32_t sizes[][2] = {
		{WIDTH, HEIGHT}, {160, 120}, {101, 77}, {1, 1}, {640, 480}};
	static const struct colour colours[] = {
		{230, 20, 30}, {20, 200, 40}, {30, 40, 220}, {255, 255, 255}, {0, 0, 0}};
	enum {
		N_SIZES = sizeof(sizes) / sizeof(sizes[0]),
		N_COLOURS = sizeof(colours) / sizeof(colours[0])
	};
	struct scaler *scaler = scaler_create();
	uint8_t *i420 = malloc(I420), *rgb = malloc((size_t)640 * 480 * 3);
	struct canvas canvas = {CANVAS_I420, i420, WIDTH, HEIGHT};
	(void)state;
	for (size_t i = 0; i < (size_t)N_COLOURS * N_SIZES; i++) {
		struct colour colour = colours[i / N_SIZES];
		const uint32_t *size = sizes[i % N_SIZES];
		size_t last = ((size_t)size[0] * size[1] - 1) * 3;
		draw_box(&canvas, 0, 0, WIDTH, HEIGHT, colour);
		assert_int_equal(
			scale_i420_to_rgb(scaler, i420, WIDTH, HEIGHT, rgb, size[0], size[1]), 0);
		assert_colour(rgb, colour);
		assert_colour(rgb + last, colour);
	}
	assert_int_equal(scale_i420_to_rgb(scaler, i420, 31, 24, rgb, 4, 4), TROUPE_E_ARGUMENT);
	assert_int_equal(scale_i420_to_rgb(scaler, i420, 32, 24, rgb, 0, 4), TROUPE_E_ARGUMENT);
	scaler_destroy(scaler);
	scaler_destroy(NULL);
	free(i420);
	free(rgb);
}

static void a_view_is_the_mean_of_what_it_covers(void **state)
{
	(void)state;
	struct scaler *scaler = scaler_create();
	uint8_t i420[32 * 32 * 3 / 2], rgb[2 * 2 * 3];
	struct canvas canvas = {CANVAS_I420, i420, 32, 32};
	draw_box(&canvas, 0, 0, 32, 32, (struct colour){0, 0, 0});
	draw_box(&canvas, 0, 0, 8, 16, white); /* half of the top left quarter */
	assert_int_equal(scale_i420_to_rgb(scaler, i420, 32, 32, rgb, 2, 2), 0);
	assert_in_range(rgb[0], 124, 131);
	for (int i = 3; i < 12; i++)
		assert_int_equal(rgb[i], 0);
	scaler_destroy(scaler);
}

/* What a thumbnail is by definition: box by box, pixel by pixel. */
static uint8_t plain_mean(const uint8_t *luma, uint32_t width, uint32_t height, uint32_t index)
{
	uint32_t x = index % THUMB_WIDTH, y = index / THUMB_WIDTH, sum = 0, count = 0;
	uint32_t left = x * width / THUMB_WIDTH, right = (x + 1) * width / THUMB_WIDTH;
	uint32_t top = y * height / THUMB_HEIGHT, bottom = (y + 1) * height / THUMB_HEIGHT;
	for (uint32_t row = top; row < bottom; row++) {
		for (uint32_t column = left; column < right; column++, count++)
			sum += luma[row * width + column];
	}
	assert_true(count > 0);
	return count ? (uint8_t)((sum + count / 2) / count) : 0;
}

/* Sizes that no step divides, and boxes higher than 16 bits can sum. */
static void a_thumbnail_is_exact(void **state)
{
	static const struct {
		uint32_t width, height;
	} sizes[] = {{32, 24}, {1922, 1082}, {100, 7002}, {33, 25}};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = (size_t)sizes[i].width * sizes[i].height;
		uint8_t *luma = malloc(size), quick[THUMB_SIZE], plain[THUMB_SIZE];
		for (size_t at = 0; at < size; at++)
			luma[at] = i == 2 ? 255 : (uint8_t)(at * 2654435761U >> 13);
		scale_luma_to_thumb(luma, sizes[i].width, sizes[i].width, sizes[i].height, quick);
		for (uint32_t at = 0; at < THUMB_SIZE; at++)
			plain[at] = plain_mean(luma, sizes[i].width, sizes[i].height, at);
		assert_memory_equal(quick, plain, THUMB_SIZE);
		free(luma);
	}
}

static void motion_is_the_difference_of_thumbnails(void **state)
{
	uint8_t *i420 = picture(), a[THUMB_SIZE], b[THUMB_SIZE];
	struct canvas canvas = {CANVAS_I420, i420, WIDTH, HEIGHT};
	(void)state;
	scale_luma_to_thumb(i420, WIDTH, WIDTH, HEIGHT, a);
	assert_true(thumb_motion(a, a) == 0);
	draw_box(&canvas, 0, 0, WIDTH / 2, HEIGHT, (struct colour){0, 0, 0});
	scale_luma_to_thumb(i420, WIDTH, WIDTH, HEIGHT, a);
	draw_box(&canvas, 0, 0, WIDTH / 2, HEIGHT, white);
	scale_luma_to_thumb(i420, WIDTH, WIDTH, HEIGHT, b);
	assert_true(thumb_motion(a, b) == 0.5F);
	assert_true(thumb_motion(a, b) == thumb_motion(b, a));
	memset(a, 0, sizeof(a));
	memset(b, 255, sizeof(b));
	assert_true(thumb_motion(a, b) == 1);
	free(i420);
}

/* ---- drawing ---- */

static void shapes_are_cut_off_at_the_edges(void **state)
{
	enum { SIDE = 16, SIZE = SIDE * SIDE * 3, GUARD = 64 };
	static const enum canvas_format formats[] = {CANVAS_I420, CANVAS_RGB24};
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		uint8_t memory[GUARD + SIZE + GUARD];
		size_t used = formats[f] == CANVAS_RGB24 ? SIZE : SIZE / 2;
		struct canvas canvas = {formats[f], memory + GUARD, SIDE, SIDE};
		memset(memory, 0xee, sizeof(memory));
		draw_box(&canvas, -100, -100, 300, 300, grey);
		for (int32_t at = -20; at < 40; at += 3) {
			draw_disc(&canvas, at, 8, 9, red);
			draw_triangle(&canvas, 8, at, 9, red);
			draw_cross(&canvas, at, at, 12, white);
			draw_text(&canvas, at, at, 2, white, "Wg\x80");
		}
		for (size_t i = 0; i < GUARD; i++) {
			assert_int_equal(memory[i], 0xee);
			assert_int_equal(memory[GUARD + used + i], 0xee);
		}
	}
}

static void text_is_written_dot_by_dot(void **state)
{
	uint8_t rgb[20 * 10 * 3] = {0};
	struct canvas canvas = {CANVAS_RGB24, rgb, 20, 10};
	(void)state;
	assert_int_equal(draw_text(&canvas, 1, 1, 1, white, "T!"), 2 * GLYPH_ADVANCE);
	for (size_t y = 0; y < GLYPH_HEIGHT; y++) {
		for (size_t x = 0; x < GLYPH_WIDTH; x++) {
			bool ink = glyph_of('T')->rows[y][x] == '#';
			assert_int_equal(rgb[((y + 1) * 20 + x + 1) * 3] == 255, ink);
		}
	}
	assert_ptr_equal(glyph_of('\n'), glyph_of('?'));
	for (int c = '!'; c < '~'; c++) {
		const struct glyph *glyph = glyph_of((char)c), *next = glyph_of((char)(c + 1));
		assert_memory_not_equal(glyph, next, sizeof(*glyph));
	}
}

/* ---- barcode ---- */

static void check_number(struct codec *codec, uint8_t *i420, uint64_t number, uint32_t quality)
{
	struct canvas canvas = {CANVAS_I420, i420, WIDTH, HEIGHT};
	uint8_t luma[LUMA];
	const uint8_t *jpeg;
	size_t size;
	uint32_t width, height;
	barcode_draw(&canvas, number);
	assert_int_equal(pattern_read_number(i420, WIDTH, WIDTH, HEIGHT), number);
	assert_int_equal(
		jpeg_encode_i420(codec->encoder, i420, WIDTH, HEIGHT, quality, &jpeg, &size), 0);
	assert_int_equal(jpeg_decode_gray(codec->decoder, jpeg, size, luma, LUMA, &width, &height),
			 0);
	assert_int_equal(pattern_read_number(luma, WIDTH, WIDTH, HEIGHT), number);
}

static void numbers_survive_jpeg(void **state)
{
	uint8_t *i420 = picture();
	uint64_t random = 1;
	for (int bit = 0; bit < 40; bit++) {
		check_number(*state, i420, UINT64_C(1) << bit, 50);
		check_number(*state, i420, BARCODE_NUMBER_MAX >> bit, 50);
	}
	for (int i = 0; i < 200; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		check_number(*state, i420, random >> 24, i % 2 ? 50 : 10);
	}
	check_number(*state, i420, 0, 50);
	free(i420);
}

static void numbers_survive_scaling(void **state)
{
	static const uint32_t sizes[][2] = {{96, 96}, {100, 170}, {1921, 1081}, {240, 320}};
	(void)state;
	uint8_t *i420 = picture();
	struct canvas canvas = {CANVAS_I420, i420, WIDTH, HEIGHT};
	struct scaler *scaler = scaler_create();
	barcode_draw(&canvas, 1034567890123);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		size_t pixels = (size_t)sizes[s][0] * sizes[s][1];
		uint8_t *rgb = malloc(pixels * 3);
		assert_int_equal(scale_i420_to_rgb(scaler, i420, WIDTH, HEIGHT, rgb, sizes[s][0],
						   sizes[s][1]),
				 0);
		for (size_t i = 0; i < pixels; i++) /* green is luma enough */
			rgb[i] = rgb[i * 3 + 1];
		assert_int_equal(pattern_read_number(rgb, sizes[s][0], sizes[s][0], sizes[s][1]),
				 1034567890123);
		free(rgb);
	}
	scaler_destroy(scaler);
	free(i420);
}

static void what_is_no_number_is_not_read(void **state)
{
	uint8_t *i420 = picture();
	struct canvas canvas = {CANVAS_I420, i420, WIDTH, HEIGHT};
	(void)state;
	static const uint8_t flat[] = {0, 16, 235, 255};
	for (size_t i = 0; i < sizeof(flat); i++) {
		memset(i420, flat[i], LUMA);
		assert_int_equal(pattern_read_number(i420, WIDTH, WIDTH, HEIGHT), TROUPE_E_CORRUPT);
	}
	memset(i420, 128, LUMA);
	assert_int_equal(pattern_read_number(i420, WIDTH, WIDTH, HEIGHT), TROUPE_E_MALFORMED);
	/* Any one cell turned over is found. */
	for (int32_t cell = 0; cell < 48; cell++) {
		barcode_draw(&canvas, 123456);
		int32_t x = cell % 24 * WIDTH / 24, y = (22 + cell / 24) * HEIGHT / 24;
		uint8_t turned = i420[(y + 5) * WIDTH + x + 6] > 128 ? 0 : 255;
		draw_box(&canvas, x, y, WIDTH / 24 + 1, HEIGHT / 24,
			 (struct colour){turned, turned, turned});
		assert_int_equal(pattern_read_number(i420, WIDTH, WIDTH, HEIGHT), TROUPE_E_CORRUPT);
	}
	free(i420);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(jpeg_keeps_the_picture, open_codec, close_codec),
		cmocka_unit_test_setup_teardown(jpeg_of_any_camera, open_codec, close_codec),
		cmocka_unit_test_setup_teardown(jpeg_is_the_same_every_time, open_codec,
						close_codec),
		cmocka_unit_test_setup_teardown(jpeg_takes_rgb, open_codec, close_codec),
		cmocka_unit_test_setup_teardown(jpeg_refuses_what_it_cannot, open_codec,
						close_codec),
		cmocka_unit_test(a_view_has_the_colours_of_the_image),
		cmocka_unit_test(a_view_is_the_mean_of_what_it_covers),
		cmocka_unit_test(a_thumbnail_is_exact),
		cmocka_unit_test(motion_is_the_difference_of_thumbnails),
		cmocka_unit_test(shapes_are_cut_off_at_the_edges),
		cmocka_unit_test(text_is_written_dot_by_dot),
		cmocka_unit_test_setup_teardown(numbers_survive_jpeg, open_codec, close_codec),
		cmocka_unit_test(numbers_survive_scaling),
		cmocka_unit_test(what_is_no_number_is_not_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
