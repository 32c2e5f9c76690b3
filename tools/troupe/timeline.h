/* When the frames of a film are shown: as far apart as they were captured. */
#ifndef TROUPE_TOOLS_TROUPE_TIMELINE_H
#define TROUPE_TOOLS_TROUPE_TIMELINE_H

#include "workers/storer/recording.h"

#include <stdbool.h>
#include <stdint.h>

struct timeline {
	int64_t cut; /* no pause is longer, ns; 0: all are as long as they were */
	bool begun;
	int64_t now; /* of the last frame, ns since the first */
	int64_t step;
	uint64_t run;
	int64_t captured, wall;
};

/* The time of the next frame, ns since the first one, always more than that of the one before.
 * Within a run the monotonic clock says how much; from run to run only the wall clock can. */
int64_t timeline_next(struct timeline *timeline, const struct record *record);

/* How long the last frame is shown: as long as the one before it, but not for a pause. */
int64_t timeline_last(const struct timeline *timeline);

#endif
