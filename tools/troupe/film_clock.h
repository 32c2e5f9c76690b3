/* When the frames of a film are shown: as far apart as they were captured. */
#ifndef TROUPE_TOOLS_TROUPE_FILM_CLOCK_H
#define TROUPE_TOOLS_TROUPE_FILM_CLOCK_H

#include "workers/storer/recording.h"

#include <stdint.h>

struct film_clock {
	int64_t cut;	 /* no pause is longer, ns; 0: all are as long as they were */
	int64_t now;	 /* of the last frame, ns since the first */
	uint64_t frames; /* so far */
	uint64_t run;
	int64_t captured, wall;
};

/* Time from a frame to a later one: within a run the monotonic clock says how much, from run to run
 * only the wall clock can. Always more than nothing. */
int64_t film_clock_between(const struct record *from, const struct record *to);

/* The time of the next frame, ns since the first one. */
int64_t film_clock_next(struct film_clock *clock, const struct record *record);

/* How long the last frame is shown: as long as frames were on the average, a second at most. */
int64_t film_clock_last(const struct film_clock *clock);

#endif
