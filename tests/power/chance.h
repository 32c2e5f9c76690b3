/* Random numbers that follow from a seed (splitmix64), for tests that must be repeatable. */
#ifndef TROUPE_TESTS_POWER_CHANCE_H
#define TROUPE_TESTS_POWER_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
	uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
	uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 … n - 1 */
static inline uint64_t chance_below(struct chance *chance, uint64_t n)
{
	return chance_next(chance) % n;
}

static inline bool chance_hits(struct chance *chance, unsigned of_thousand)
{
	return chance_below(chance, 1000) < of_thousand;
}

#endif
