/* The contents of frames under stress. */
#include "tests/stress/pattern.h"

uint64_t pattern_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t frame_key(uint32_t stream, uint64_t seq)
{
	uint64_t state = ((uint64_t)stream + 1) << 48 ^ seq;
	return pattern_random(&state);
}

static uint64_t image_word(uint64_t key, uint32_t i)
{
	return key + i * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t view_word(uint64_t image)
{
	return image ^ UINT64_C(0x5555555555555555);
}

static uint64_t coded_word(uint64_t image)
{
	return image * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

uint32_t pattern_coded_words(uint32_t stream, uint64_t seq)
{
	return 1 + (uint32_t)(frame_key(stream, seq) % CODED_WORDS);
}

static void store(uint8_t *area, uint32_t i, uint64_t value)
{
	__atomic_store_n((uint64_t *)(void *)area + i, value, __ATOMIC_RELAXED);
}

static uint64_t load(const uint8_t *area, uint32_t i)
{
	return ((const uint64_t *)(const void *)area)[i];
}

void pattern_write_image(uint8_t *image, uint32_t stream, uint64_t seq, uint32_t first,
			 uint32_t last)
{
	uint64_t key = frame_key(stream, seq);
	for (uint32_t i = first; i < last; i++)
		store(image, i, image_word(key, i));
}

void pattern_process(const uint8_t *image, uint8_t *view, uint8_t *coded, uint32_t coded_words)
{
	for (uint32_t i = 0; i < VIEW_WORDS; i++)
		store(view, i, view_word(load(image, i)));
	for (uint32_t i = 0; i < coded_words; i++)
		store(coded, i, coded_word(load(image, i)));
}

bool pattern_image_is(const uint8_t *image, uint32_t stream, uint64_t seq)
{
	uint64_t key = frame_key(stream, seq);
	for (uint32_t i = 0; i < IMAGE_WORDS; i++)
		if (load(image, i) != image_word(key, i))
			return false;
	return true;
}

bool pattern_view_is(const uint8_t *view, uint32_t stream, uint64_t seq)
{
	uint64_t key = frame_key(stream, seq);
	for (uint32_t i = 0; i < VIEW_WORDS; i++)
		if (load(view, i) != view_word(image_word(key, i)))
			return false;
	return true;
}

bool pattern_coded_is(const uint8_t *coded, uint32_t stream, uint64_t seq)
{
	uint64_t key = frame_key(stream, seq);
	for (uint32_t i = 0; i < pattern_coded_words(stream, seq); i++)
		if (load(coded, i) != coded_word(image_word(key, i)))
			return false;
	return true;
}

void pattern_copy(uint8_t *to, const uint8_t *from, uint32_t words)
{
	uint64_t *out = (void *)to;
	const uint64_t *in = (const void *)from;
	for (uint32_t i = 0; i < words; i++)
		out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED);
}
