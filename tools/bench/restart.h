/* How long a pipeline is without a worker that was killed. */
#ifndef TROUPE_TOOLS_BENCH_RESTART_H
#define TROUPE_TOOLS_BENCH_RESTART_H

#include "tools/bench/bench.h"
#include "tools/bench/rig.h"

#include <netinet/in.h>

/* A pipeline with one worker that is killed again and again. */
struct restart {
	struct rig rig;
	const char *folder; /* on the file system of the recording */
	const char *worker; /* "processor.1" */
	bool spare;	    /* a standby waits beside it */
	bool queued;	    /* it is killed at a moment when a frame is QUEUED */
	size_t memory;	    /* bytes that it has grown to before it is killed */

	/* of the kill under way */
	uint8_t seat;		    /* of the one that is killed */
	int64_t killed;		    /* when, monotonic ns */
	uint64_t settled;	    /* highest number that was in the recording then */
	int pidfd;		    /* of the one that is killed */
	int64_t dead;		    /* when the kernel had torn its memory down; 0: not yet */
	struct sockaddr_in address; /* of the display */
	int http;		    /* the connection that asks it */
};

/* Looks whether the successor has done what it is there for since the kill: when (monotonic ns), 0:
 * not yet, or an error. Never waits. */
typedef int64_t restart_done_fn(struct restart *restart);

restart_done_fn restart_claimed;   /* a processor has claimed a frame */
restart_done_fn restart_committed; /* a storer has settled a frame */
restart_done_fn restart_answered;  /* a display has answered a request made after the kill */

/* Asks a display and waits for its answer. Without a viewer it sleeps from its beginning on, and
 * nothing else shows that it has come so far. */
int restart_greet(struct restart *restart);

/* A port of 127.0.0.1 that nobody listens on now, or an error. */
int restart_free_port(void);

/* One kill, in ns. */
struct restart_times {
	int64_t took; /* from the kill until the successor has done what it is there for */
	int64_t dead; /* from the kill until the dead one's memory is gone */
	int64_t bare; /* of a bare start just before the kill */
	int64_t sync; /* of a bare write and fdatasync just before that */
};

/* Kills the worker once it, and its spare, are ready, and measures until `done`. */
int restart_once(struct restart *restart, restart_done_fn *done, struct restart_times *times);

/* ns from here to the first instruction of main() of a small static program started by vfork and
 * exec; or an error. */
int64_t restart_bare(void);

/* ns that a page written to a new file in the folder takes to be on its disk; or an error. A storer
 * waits for several of these before it has committed anything. */
int64_t restart_sync(const char *folder);

#endif
