/* What there is of a stream between two times: when frames were recorded, and what happened. Told
 * as finely as a screen can show it, so it costs as little for a year as for a minute. */
#ifndef TROUPE_WORKERS_STORER_TIMELINE_H
#define TROUPE_WORKERS_STORER_TIMELINE_H

#include "schemas/playback.pb-c.h"
#include "workers/storer/recording.h"

#define TIMELINE_STEPS	600 /* the range is told in so many parts */
#define TIMELINE_SPANS	(TIMELINE_STEPS + 1)
#define TIMELINE_EVENTS 2000

struct timeline; /* heap; its message points into it */

/* TROUPE_E_ARGUMENT: the range is none; TROUPE_E_MEMORY, or what the catalogue says. */
int timeline_make(struct timeline **timeline, struct recording *recording, const char *stream,
		  int64_t wall, int64_t until);
Troupe__Timeline *timeline_message(struct timeline *timeline);
void timeline_destroy(struct timeline *timeline); /* NULL is fine */

#endif
