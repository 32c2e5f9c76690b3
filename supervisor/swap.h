/* Swapping a worker for another program while frames flow, and scaling a pool. */
#ifndef TROUPE_SUPERVISOR_SWAP_H
#define TROUPE_SUPERVISOR_SWAP_H

#include "supervisor/reap.h"
#include "supervisor/supervisor.h"

/* Begins a swap to `exec` ("": the program of the config). 0: the answer comes later, to `asker`;
 * else an error with `why`. */
int swap_begin(struct member *m, const char *exec, const struct asker *asker, uint64_t id,
	       char *why, size_t why_size);

/* A part became ready, or its process ended. The latter returns true when it has seen to what
 * follows. */
void swap_part_ready(struct part *part);
bool swap_part_ended(struct part *part, const struct ending *end, const char *words);

/* Makes a pool `count` workers large. */
int scale(struct supervisor *s, const char *name, uint32_t count, char *why, size_t why_size);

#endif
