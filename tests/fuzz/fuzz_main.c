/* Drives a fuzz target without libFuzzer: every seed as it is, then ROUNDS random mutations of the
 * seeds.
 *
 *     fuzz_message [ROUNDS [FIRST]]      round FIRST is repeated exactly by "fuzz_message 1 FIRST"
 *     fuzz_message --seeds FOLDER        writes the seeds as files: the corpus for libFuzzer
 */
#include "tests/fuzz/fuzz.h"
#include "tests/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROUNDS = 20000,
	SIZE_MAX_MUTATED = 4096,
};

static size_t count_seeds(void)
{
	size_t n = 0, size;
	for (uint8_t *seed; (seed = fuzz_seed(n, &size)); n++)
		free(seed);
	return n;
}

/* One small change. Returns the new size; there is room for SIZE_MAX_MUTATED. */
static size_t mutate(uint8_t *bytes, size_t size, uint64_t *random)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x08, 0x12};
	uint32_t what = sample_random(random), value = sample_random(random);
	size_t at = size ? sample_random(random) % size : 0;
	size_t count = 1 + value % 16;
	switch (size ? what % 6 : 4) {
	case 0:
		bytes[at] ^= (uint8_t)(1u << value % 8);
		return size;
	case 1:
		bytes[at] = edges[value % sizeof(edges)];
		return size;
	case 2: /* cut off */
		return at;
	case 3: /* take some out */
		count = count < size - at ? count : size - at;
		memmove(bytes + at, bytes + at + count, size - at - count);
		return size - count;
	case 4: /* put some in */
		count = count < SIZE_MAX_MUTATED - size ? count : SIZE_MAX_MUTATED - size;
		memmove(bytes + at + count, bytes + at, size - at);
		for (size_t i = 0; i < count; i++)
			bytes[at + i] = (uint8_t)sample_random(random);
		return size + count;
	default: /* say some twice */
		count = count < size - at ? count : size - at;
		count = count < SIZE_MAX_MUTATED - size ? count : SIZE_MAX_MUTATED - size;
		memmove(bytes + at + count, bytes + at, size - at);
		return size + count;
	}
}

/* The input lies in a block of its exact size, so that AddressSanitizer sees a read behind it. */
static void run(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);
	if (!exact)
		abort();
	memcpy(exact, bytes, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static void run_round(uint64_t round, size_t seeds)
{
	uint64_t random = round * UINT64_C(0x9e3779b97f4a7c15) + 1;
	uint8_t bytes[SIZE_MAX_MUTATED];
	size_t size;
	sample_random(&random);
	uint8_t *seed = fuzz_seed(sample_random(&random) % seeds, &size);
	size = size < sizeof(bytes) ? size : sizeof(bytes);
	memcpy(bytes, seed, size);
	free(seed);
	for (uint32_t n = 1 + sample_random(&random) % 8; n > 0; n--)
		size = mutate(bytes, size, &random);
	run(bytes, size);
}

static int write_seeds(const char *folder, size_t seeds)
{
	for (size_t i = 0; i < seeds; i++) {
		char path[512];
		size_t size;
		snprintf(path, sizeof(path), "%s/seed-%03zu", folder, i);
		uint8_t *seed = fuzz_seed(i, &size);
		FILE *file = fopen(path, "wbe");
		if (!file || fwrite(seed, 1, size, file) != size || fclose(file) != 0) {
			perror(path);
			free(seed);
			return 1;
		}
		free(seed);
	}
	return 0;
}

int main(int argc, char **argv)
{
	size_t seeds = count_seeds();
	if (seeds == 0)
		return 1;
	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return write_seeds(argv[2], seeds);
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : ROUNDS;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	for (size_t i = 0; i < seeds; i++) {
		size_t size;
		uint8_t *seed = fuzz_seed(i, &size);
		run(seed, size);
		free(seed);
	}
	for (uint64_t round = first; round < first + rounds; round++)
		run_round(round, seeds);
	printf("%zu seeds, %llu mutations from round %llu\n", seeds, (unsigned long long)rounds,
	       (unsigned long long)first);
	return 0;
}
