/* Samples of one class in one block of memory. */
#include "workers/trainer/samples.h"

#include "ipc/base/errors.h"

#include <stdlib.h>
#include <string.h>

uint64_t chance_next(struct chance *chance)
{
	uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t chance_below(struct chance *chance, uint32_t n)
{
	return (uint32_t)((chance_next(chance) >> 32) * n >> 32);
}

int samples_init(struct samples *samples, uint32_t capacity, uint32_t features)
{
	*samples = (struct samples){.capacity = capacity, .features = features};
	samples->rows = calloc(capacity, features * sizeof(*samples->rows));
	return samples->rows ? 0 : TROUPE_E_MEMORY;
}

void samples_finish(struct samples *samples)
{
	free(samples->rows);
	*samples = (struct samples){0};
}

void samples_put(struct samples *samples, const float *features, struct chance *chance)
{
	uint32_t at = samples->count < samples->capacity ? samples->count++
							 : chance_below(chance, samples->capacity);
	memcpy(samples->rows + (size_t)at * samples->features, features,
	       samples->features * sizeof(*features));
}

const float *samples_row(const struct samples *samples, uint32_t at)
{
	return samples->rows + (size_t)at * samples->features;
}
