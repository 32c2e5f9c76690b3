/* One frame's hop, as the bench's processor and the baselines write it down. */
#ifndef TROUPE_TOOLS_BENCH_HOP_SAMPLE_H
#define TROUPE_TOOLS_BENCH_HOP_SAMPLE_H

#include "ipc/base/clock.h"

#include <stdint.h>

struct hop_sample {
	int64_t published, claimed, ended; /* monotonic ns; ended: the taker is through with it */
	uint32_t receiver;
	uint32_t cpu, sender_cpu; /* where the taker woke up; where the maker rang */
	uint32_t reserved;
};

/* How long receiver 0 keeps frame `index` when it is to be busy: evenly spread over 0 … most, and
 * the same in every mechanism. */
static inline int64_t hop_hold(uint64_t index, int64_t most)
{
	uint64_t mixed = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return (int64_t)((double)(mixed >> 40) / (double)(1 << 24) * (double)most);
}

#endif
