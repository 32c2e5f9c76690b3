/* What it costs to keep a pipeline, to start it and to ask it. */
#ifndef TROUPE_TOOLS_BENCH_OPERATE_H
#define TROUPE_TOOLS_BENCH_OPERATE_H

#include "tools/bench/bench.h"
#include "tools/bench/rig.h"

/* Everything about the pipeline that is looked at. */
struct operate {
	struct bench *bench;
	struct rig rig;
	double share;			  /* of what is done in row->seconds; 1: all of it */
	struct samples resident, private; /* MB, of the supervisor */
};

/* Starts a program of ours (or "/…") and waits for its end. 0 and ms, or an error that it has
 * explained; TROUPE_E_AGAIN. */
int operate_command(struct bench *bench, const char *const argv[], double *ms);

/* `troupe up -d` and `troupe down`, again and again, and what the journal says of it. */
int operate_starts(struct operate *operate, const char *config, int times);

/* Asks the running pipeline, and kills workers of it. `looked` is called every now and then. */
int operate_asks(struct operate *operate, int (*looked)(struct operate *operate));
int operate_kills(struct operate *operate, int times, int (*looked)(struct operate *operate));

/* A pipeline of that name has ended and left a journal of 10,000 lines. */
#define OPERATE_PAST "past"
int operate_make_past(struct operate *operate);

/* What `troupe top` takes on a terminal. */
int operate_top(struct operate *operate);

/* So many of them in the time that there is, at least `least`. */
int operate_times(const struct operate *operate, int times, int least);

#endif
