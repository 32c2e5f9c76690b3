/* Finds workers that hang. docs/architecture.md, "The supervisor", says what that means. */
#ifndef TROUPE_SUPERVISOR_WATCH_H
#define TROUPE_SUPERVISOR_WATCH_H

#include "supervisor/supervisor.h"

/* What one look at a worker has found. */
struct sight {
	uint64_t progress;
	int64_t due; /* asleep: its next timer; awake: since when */
	bool bell;   /* rung and not answered */
	bool holds;  /* a slot, or (unless it drains) what is owed to its tap */
	bool drains;
	bool stopped; /* by a signal */
};

/* Whether standing still would be wrong just now: it is awake or past its timer, is rung, is
 * stopped, or sleeps for ever over something that is waited for. Who drains and holds no slot any
 * more may be long about its end, which has a deadline of its own. Pure. */
bool watch_should_move(const struct sight *sight, int64_t now);

/* How long the worker may stand still: its own hang_after, or the pipeline's. */
int64_t watch_patience(const struct member *member);

/* Looks at every worker that is prepared, ready or draining, and kills those that hang. Returns
 * when to look again, CLOCK_NEVER: there is nothing to watch until something happens. */
int64_t watch_look(struct supervisor *s, int64_t now);

#endif
