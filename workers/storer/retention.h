/* Keeps a recording within its limits, in steps between two commits: finds out what goes next
 * (keep.h), and lets it go so that a death anywhere leaves what the next start goes on from:
 *
 *   mark it doomed, committed — unlink — sync the folder — forget its rows, some at a time,
 * committed
 *
 * One segment at a time. A recorder's index and folder are used, on the recorder's thread. */
#ifndef TROUPE_WORKERS_STORER_RETENTION_H
#define TROUPE_WORKERS_STORER_RETENTION_H

#include "workers/storer/index.h"
#include "workers/storer/keep.h"

struct retention;

/* Ends an open segment, so that its stream begins another one. */
typedef int retention_end_fn(void *arg, uint32_t segment);

struct retention_options {
	struct index *index;
	int segments; /* descriptor of segments/ */
	uint64_t run; /* ours */
	struct keep_limit all;
	int64_t events;	    /* ns */
	int64_t free_floor; /* bytes; in effect at most a tenth of the disk */
	retention_end_fn *end;
	void *arg;
};

/* What it says about itself. */
struct retention_state {
	bool limited;	     /* else all is kept, and what follows is not looked at */
	size_t segments;     /* that there are and are not doomed */
	uint64_t bytes;	     /* of those, and of the catalogue where there is a limit for all */
	int64_t free, floor; /* bytes of the disk, and how much of them is to stay */
	uint64_t gone, gone_bytes, gone_frames; /* since retention_create */
	uint32_t going;				/* the segment that is going now; 0: none */
	enum keep_why why;			/* of the last one that went */
	bool low;				/* the disk is at its floor */
	bool exhausted;				/* a limit is exceeded, and nothing can go for it */
	int error;				/* of the last try, 0: it went well */
	int64_t longest; /* ns: of one transaction or other step that cannot be divided */
};

int retention_create(struct retention **retention, const struct retention_options *options);
void retention_destroy(struct retention *retention); /* NULL is fine */

/* A stream that is recorded now, and its own limits. */
int retention_stream(struct retention *retention, const char *name, struct keep_limit limit);

/* One step, whatever the time: looks what goes next, or does something for what is going. */
int retention_step(struct retention *retention);

/* Works for a few milliseconds at most, or for one step if that takes longer; for longer where more
 * comes than goes, so that a limit holds. `grown`: there was a
 * commit since the last call. Returns when it wants to be called again, monotonic ns. */
int64_t retention_tick(struct retention *retention, bool grown);

/* Lets the segment that is going go to the end; what cannot be is left to the next start. */
void retention_finish(struct retention *retention);

void retention_state(const struct retention *retention, struct retention_state *state);

/* "its age", "the bytes kept", "the space left". */
const char *retention_why(enum keep_why why);

#endif
