/* Swapping a worker for another program while frames flow: docs/architecture.md, "Succession". */
#ifndef TROUPE_SUPERVISOR_SWAP_H
#define TROUPE_SUPERVISOR_SWAP_H

#include "supervisor/reap.h"
#include "supervisor/supervisor.h"

/* Begins a swap. 0: the answer comes later, to `asker`; else an error with `why`. */
int swap_begin(struct member *m, const Troupe__SwapRequest *request, const struct asker *asker,
	       uint64_t id, char *why, size_t why_size);

/* The same by a reload: with the rows and the program of another section. It is over when the stage
 * is SWAP_NONE; then the member has that section, or has not and `outcome` (SWAP_OUTCOME bytes, to
 * stay until then) says why. */
#define SWAP_OUTCOME 1024
struct swap_reload {
	const struct section *section;
	int handed_fd;	  /* a listening socket, the swap's from now on; 0: the member's stays */
	int *replaced_fd; /* is the member's former one then; to stay until it is over */
	int64_t probation;
	char *outcome;
};
int swap_begin_reload(struct member *m, const struct swap_reload *how, const struct asker *asker,
		      uint64_t id, char *why, size_t why_size);

/* Goes on with every swap where it can; called after everything that happens. Returns when to look
 * again at the latest. */
int64_t swap_advance(struct supervisor *s, int64_t now);

/* The worker is about to be stopped. A newcomer that is on probation stays what it is: to be told
 * to end is no fault. Any other newcomer is sent away. Without a swap it does nothing. */
void swap_cancel(struct member *m, const char *why);

/* Whether it is the newcomer of a swap. */
bool swap_is_newcomer(const struct part *part);

/* The rows with which the part's next process starts. */
const struct section *swap_section(const struct part *part);
int swap_handed_fd(const struct part *part);

/* The part has said who it is: one that plays another role is sent away. */
void swap_part_said_hello(struct part *part);

/* Its program cannot be started. Returns whether nothing is to follow. */
bool swap_not_spawned(struct part *part);

/* What follows when the process of a part has ended. */
enum follows {
	FOLLOWS_AS_EVER, /* what its life says */
	FOLLOWS_AT_ONCE, /* the member's program, and it counts for nothing */
	FOLLOWS_NOBODY,
};

/* `finished`: it was a source that has ended. */
enum follows swap_part_ended(struct part *part, bool finished, const struct ending *end,
			     const char *words);

#endif
