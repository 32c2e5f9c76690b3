/* A growing list of measured values and its order statistics. */
#ifndef TROUPE_TOOLS_BENCH_SAMPLES_H
#define TROUPE_TOOLS_BENCH_SAMPLES_H

#include <stddef.h>

struct samples {
	double *values; /* the heap's; in the order they were added until a statistic sorts them */
	size_t n, room;
};

/* A zeroed struct is an empty list. 0 or TROUPE_E_MEMORY. */
int samples_add(struct samples *samples, double value);
void samples_finish(struct samples *samples);

/* The value below which a share (0..1) of all lie, between two of them by distance; NAN: none.
 * Sorts. */
double samples_quantile(struct samples *samples, double share);

#endif
