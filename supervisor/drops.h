/* Frames that the sources had to drop, told to the journal: with reasons and counts, at most one
 * line a second and stream. */
#ifndef TROUPE_SUPERVISOR_DROPS_H
#define TROUPE_SUPERVISOR_DROPS_H

#include "ipc/slots/layout.h"

#include <stdint.h>

struct supervisor;

/* What was told of each stream so far, and when last. */
struct drops {
	struct {
		uint64_t count[N_DROP_REASONS];
		int64_t said;
	} told[STREAMS_MAX];
};

/* Called after everything that happens; returns when to look again. */
int64_t drops_advance(struct supervisor *s, int64_t now);

/* Tells what is left, however shortly after the last line. */
void drops_tell_rest(struct supervisor *s);

#endif
