/* A bounded set of samples of one class. While there is room all are kept; then a random one gives
 * way to each new one, so that the set leans to what was seen lately and still remembers longer
 * than its size. */
#ifndef TROUPE_WORKERS_TRAINER_SAMPLES_H
#define TROUPE_WORKERS_TRAINER_SAMPLES_H

#include <stdint.h>

struct samples {
	uint32_t count, capacity, features;
	float *rows; /* capacity × features */
};

/* A small seeded generator (splitmix64): the same seed, the same training. */
struct chance {
	uint64_t state;
};

uint64_t chance_next(struct chance *chance);
/* A number below `n`, which must not be 0. */
uint32_t chance_below(struct chance *chance, uint32_t n);

int samples_init(struct samples *samples, uint32_t capacity, uint32_t features);
void samples_finish(struct samples *samples);

/* Copies one sample in. */
void samples_put(struct samples *samples, const float *features, struct chance *chance);

const float *samples_row(const struct samples *samples, uint32_t at);

#endif
