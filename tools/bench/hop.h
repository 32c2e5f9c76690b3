/* The hop of a frame from its maker to a taker, by several mechanisms under the same conditions. */
#ifndef TROUPE_TOOLS_BENCH_HOP_H
#define TROUPE_TOOLS_BENCH_HOP_H

#include "tools/bench/bench.h"
#include "tools/bench/hop_sample.h"

/* The frames: 1080p I420, in so many slots. */
#define HOP_WIDTH      1920
#define HOP_HEIGHT     1080
#define HOP_FRAME_SIZE (HOP_WIDTH * HOP_HEIGHT * 3 / 2)
#define HOP_SLOTS      32

#define HOP_RECEIVERS_MAX 2

struct hop_setting {
	int fps;
	int sender_cpu, receiver_cpu; /* -1: wherever the kernel likes */
	int receivers;
	int64_t hold; /* receiver 0 keeps each frame up to so long, see hop_hold; ns */
	int64_t span; /* measure for so long, ns */
};

struct hop_samples {
	struct hop_sample *list;
	size_t n, room;
};

/* What is published so soon after the start does not count: pages are still being mapped, links
 * made. Shorter when the whole measurement is. */
static inline int64_t hop_warm_up(const struct hop_setting *setting)
{
	int64_t most = 400 * NS_PER_MS;
	return setting->span < most ? setting->span : most;
}

/* Adds what it measured to `out`. 0 or an error, explained. */
typedef int hop_measure_fn(struct bench *bench, const struct hop_setting *setting,
			   struct hop_samples *out);

hop_measure_fn hop_pipeline; /* the real thing: hop_pipeline.c */
hop_measure_fn hop_futex;    /* hop_plain.c: one futex between two processes; one receiver */
hop_measure_fn hop_push;     /* hop_plain.c: ZeroMQ PUSH/PULL of a descriptor */

int hop_samples_add(struct hop_samples *samples, const struct hop_sample *sample);
void hop_samples_finish(struct hop_samples *samples);

/* hop_idle.c: work conservation beside the hop. */
int hop_idle(struct bench *bench, int64_t span, int rounds);

#endif
