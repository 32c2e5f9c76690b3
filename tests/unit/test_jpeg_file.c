/* JPEGs as cameras send them: without tables, with too many bytes, cut short, and not at all. */
#include "ipc/base/errors.h"
#include "workers/media/jpeg.h"
#include "workers/media/jpeg_file.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH  64
#define HEIGHT 48
#define IMAGE  (WIDTH * HEIGHT * 3 / 2)
#define ROOM   16384

struct sample {
	uint8_t whole[ROOM], bare[ROOM]; /* with tables, without */
	size_t whole_size, bare_size;
};

static void fill(struct sample *s)
{
	uint8_t image[IMAGE];
	const uint8_t *jpeg;
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * i / 7);
	struct jpeg_encoder *encoder = jpeg_encoder_create();
	assert_int_equal(jpeg_encode_i420(encoder, image, WIDTH, HEIGHT, 90, &jpeg, &s->whole_size),
			 0);
	assert_true(s->whole_size < ROOM);
	memcpy(s->whole, jpeg, s->whole_size);
	memcpy(s->bare, jpeg, s->whole_size);
	jpeg_encoder_destroy(encoder);
	s->bare_size = s->whole_size;
	for (size_t at = 2; s->bare[at + 1] != 0xda;) {
		size_t length = 2 + ((size_t)s->bare[at + 2] << 8 | s->bare[at + 3]);
		if (s->bare[at + 1] == 0xc4) {
			memmove(s->bare + at, s->bare + at + length, s->bare_size - at - length);
			s->bare_size -= length;
		} else {
			at += length;
		}
	}
}

static void decode(const uint8_t *jpeg, size_t size, uint8_t image[IMAGE])
{
	struct jpeg_decoder *decoder = jpeg_decoder_create();
	uint32_t width, height;
	assert_int_equal(jpeg_decode_i420(decoder, jpeg, size, image, IMAGE, &width, &height), 0);
	jpeg_decoder_destroy(decoder);
}

static void what_was_left_out_is_put_back(void **state)
{
	static struct sample s;
	uint8_t out[ROOM], a[IMAGE], b[IMAGE];
	size_t size;
	(void)state;
	fill(&s);
	assert_true(s.bare_size < s.whole_size);
	assert_int_equal(jpeg_file_copy(s.bare, s.bare_size, out, ROOM, &size), 0);
	assert_int_equal(size, s.bare_size + 420);
	decode(s.whole, s.whole_size, a);
	decode(out, size, b);
	assert_memory_equal(a, b, IMAGE);
	assert_int_equal(jpeg_file_copy(s.bare, s.bare_size, out, s.bare_size + 419, &size),
			 TROUPE_E_OVERSIZED);
}

static void what_is_whole_stays_as_it_is(void **state)
{
	static struct sample s;
	uint8_t out[ROOM];
	size_t size;
	(void)state;
	fill(&s);
	memset(s.whole + s.whole_size, 0, 100); /* as a driver pads */
	memcpy(s.whole + s.whole_size + 50, "\xff\xd9", 2);
	assert_int_equal(jpeg_file_copy(s.whole, s.whole_size + 100, out, ROOM, &size), 0);
	assert_int_equal(size, s.whole_size);
	assert_memory_equal(out, s.whole, size);
	assert_int_equal(jpeg_file_copy(s.whole, s.whole_size + 100, out, s.whole_size, &size), 0);
	assert_int_equal(jpeg_file_copy(s.whole, s.whole_size, out, s.whole_size - 1, &size),
			 TROUPE_E_OVERSIZED);
}

static void what_is_cut_is_damaged(void **state)
{
	static struct sample s;
	uint8_t out[ROOM];
	(void)state;
	fill(&s);
	for (size_t n = 0; n < s.whole_size; n++) {
		/* Exactly as much memory as there are bytes: reading on would be seen. */
		uint8_t *cut = malloc(n + 1);
		size_t size;
		memcpy(cut, s.whole, n);
		assert_int_equal(jpeg_file_copy(cut, n, out, ROOM, &size), TROUPE_E_CORRUPT);
		free(cut);
	}
}

static void anything_may_come(void **state)
{
	static struct sample s;
	(void)state;
	fill(&s);
	struct jpeg_decoder *decoder = jpeg_decoder_create();
	srandom(7);
	for (int i = 0; i < 2000; i++) {
		uint8_t out[ROOM];
		size_t size;
		struct jpeg_picture picture;
		uint8_t *copy = malloc(s.bare_size);
		assert_non_null(copy);
		memcpy(copy, s.bare, s.bare_size);
		for (int k = 0; k < 1 + i % 8; k++)
			copy[(size_t)random() % s.bare_size] = (uint8_t)random();
		if (jpeg_file_copy(copy, s.bare_size, out, ROOM, &size) == 0)
			(void)jpeg_decode_reduced(decoder, out, size, i % 2 ? JPEG_GRAY : JPEG_BGRA,
						  16, 16, &picture);
		free(copy);
	}
	jpeg_decoder_destroy(decoder);
}

static void a_picture_is_decoded_no_larger_than_needed(void **state)
{
	static struct sample s;
	static const uint32_t cases[][4] = {
		{8, 6, 8, 6}, {9, 6, 16, 12}, {33, 1, 64, 48}, {100, 100, 64, 48}};
	(void)state;
	fill(&s);
	struct jpeg_decoder *decoder = jpeg_decoder_create();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jpeg_picture picture;
		assert_int_equal(jpeg_decode_reduced(decoder, s.whole, s.whole_size, JPEG_GRAY,
						     cases[i][0], cases[i][1], &picture),
				 0);
		assert_int_equal(picture.width, cases[i][2]);
		assert_int_equal(picture.height, cases[i][3]);
		assert_int_equal(picture.full_width, WIDTH);
	}
	jpeg_decoder_destroy(decoder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_left_out_is_put_back),
		cmocka_unit_test(what_is_whole_stays_as_it_is),
		cmocka_unit_test(what_is_cut_is_damaged),
		cmocka_unit_test(anything_may_come),
		cmocka_unit_test(a_picture_is_decoded_no_larger_than_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
