/* Any bytes as an access unit of H.264, alone and behind a whole key picture: pictures come out, or
 * errors. The seeds are a few pictures that are coded here. */
#include "ipc/base/errors.h"
#include "tests/fuzz/fuzz.h"
#include "workers/media/h264.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition_)                                                                        \
	do {                                                                                       \
		if (!(condition_))                                                                 \
			abort();                                                                   \
	} while (0)

#define SIDE  96
#define I420  (SIDE * SIDE * 3 / 2)
#define SEEDS 4
#define STEP  40000000
#define TAKEN 64 /* pictures at most that come of two access units */

static const struct h264_module *load(void)
{
	const struct h264_module *h264;
	char why[256];
	REQUIRE(h264_load(&h264, why, sizeof(why)) == 0);
	return h264;
}

/* Whether all of it is there to be read is for the sanitizer to say. */
static unsigned look_at(const struct h264_picture *picture)
{
	size_t size = (size_t)picture->width * picture->height * 3 / 2;
	unsigned sum = 0;
	REQUIRE(size > 0 && picture->width % 2 == 0 && picture->height % 2 == 0);
	for (size_t i = 0; i < size; i += 61)
		sum += picture->i420[i];
	return sum + picture->i420[size - 1];
}

static void take_all(const struct h264_module *h264, struct h264_decoder *decoder)
{
	struct h264_picture picture;
	for (int n = 0; n < TAKEN; n++) {
		int rc = h264->decoder_take(decoder, &picture);
		REQUIRE(rc == 0 || rc == TROUPE_E_AGAIN || rc == TROUPE_E_ENDED ||
			rc == TROUPE_E_CORRUPT || rc == TROUPE_E_UNSUPPORTED ||
			rc == TROUPE_E_MEMORY || rc == TROUPE_E_ARGUMENT);
		if (rc == 0)
			(void)look_at(&picture);
		if (rc == TROUPE_E_AGAIN || rc == TROUPE_E_ENDED)
			return;
	}
}

static void put(const struct h264_module *h264, struct h264_decoder *decoder, const uint8_t *bytes,
		size_t size)
{
	int rc = h264->decoder_put(decoder, bytes, size, size);
	REQUIRE(rc == 0 || rc == TROUPE_E_CORRUPT || rc == TROUPE_E_MEMORY);
	take_all(h264, decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct h264_module *h264 = load();
	struct h264_decoder *decoder;
	char why[256];
	size_t key_size = 0;
	uint8_t *key = fuzz_seed(0, &key_size);
	REQUIRE(h264->decoder_create(&decoder, why, sizeof(why)) == 0);
	put(h264, decoder, bytes, size);
	h264->decoder_reset(decoder);
	put(h264, decoder, key, key_size);
	put(h264, decoder, bytes, size);
	REQUIRE(h264->decoder_end(decoder) == 0);
	take_all(h264, decoder);
	h264->decoder_destroy(decoder);
	free(key);
	return 0;
}

struct seeds {
	uint8_t *data[SEEDS];
	size_t size[SEEDS];
	int n;
};

static void keep_packets(const struct h264_module *h264, struct h264_encoder *encoder,
			 struct seeds *seeds)
{
	struct h264_packet packet;
	while (h264->encoder_take(encoder, &packet) == 0 && seeds->n < SEEDS) {
		seeds->data[seeds->n] = malloc(packet.size);
		REQUIRE(seeds->data[seeds->n] != NULL);
		memcpy(seeds->data[seeds->n], packet.data, packet.size);
		seeds->size[seeds->n++] = packet.size;
	}
}

static const struct seeds *make_seeds(void)
{
	static struct seeds seeds;
	static const struct h264_settings settings = {
		.width = SIDE, .height = SIDE, .gop_ns = INT64_MAX, .quality = 30, .threads = 1};
	const struct h264_module *h264 = load();
	struct h264_encoder *encoder;
	uint8_t i420[I420];
	char why[256];
	if (seeds.n > 0)
		return &seeds;
	REQUIRE(h264->encoder_create(&encoder, &settings, why, sizeof(why)) == 0);
	for (int frame = 0; frame < SEEDS; frame++) {
		for (int i = 0; i < I420; i++)
			i420[i] = (uint8_t)(i * (frame + 3) / 7);
		REQUIRE(h264->encoder_put(encoder, i420, (int64_t)frame * STEP, 0) == 0);
		keep_packets(h264, encoder, &seeds);
	}
	REQUIRE(h264->encoder_end(encoder) == 0);
	keep_packets(h264, encoder, &seeds);
	h264->encoder_destroy(encoder);
	return &seeds;
}

uint8_t *fuzz_seed(size_t i, size_t *size)
{
	const struct seeds *seeds = make_seeds();
	if (i >= (size_t)seeds->n)
		return NULL;
	uint8_t *copy = malloc(seeds->size[i]);
	REQUIRE(copy != NULL);
	memcpy(copy, seeds->data[i], seeds->size[i]);
	*size = seeds->size[i];
	return copy;
}
