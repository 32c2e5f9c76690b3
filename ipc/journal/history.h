/* What is known of a pipeline's past, as a fold over the lines of its journal: each line is taken
 * once, in order, and nothing else is looked at. The supervisor folds each line as it writes it;
 * `troupe history`, and who adopts a pipeline, fold the same lines from the files. So all know the
 * same.
 *
 * Times are monotonic ns of the run that they belong to, walls ns since 1970. One thread. */
#ifndef TROUPE_IPC_JOURNAL_HISTORY_H
#define TROUPE_IPC_JOURNAL_HISTORY_H

#include "ipc/journal/events.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXITS_KEPT	  8
#define CAUSE_SIZE	  96
#define EXIT_WORDS_SIZE	  256
#define HISTORY_NAME_SIZE 64
/* Processes of one worker that may be ready at a time: one that plays, one that drains, one that is
 * about to take over, and one more for a line that was lost. */
#define HISTORY_READY_MAX 4

/* The end of one process. */
struct exit_note {
	int64_t time, wall, lived;
	int32_t pid;
	uint32_t incarnation;
	uint32_t turn; /* in which it came to play its worker, from 1; 0: it stood by */
	enum exit_kind kind;
	int signal;   /* that it died of, 0: none */
	bool fault;   /* its own */
	bool ready;   /* it had been */
	bool core;    /* it left a core dump */
	bool excused; /* does not count against the worker's restarts */
	char cause[CAUSE_SIZE];
	char words[EXIT_WORDS_SIZE]; /* its last */
};

/* What adds up, of one run or of several. */
struct tally {
	uint64_t lives;			      /* processes that were started */
	uint64_t failed;		      /* starts that came to no process */
	uint64_t restarts;		      /* starts that nobody asked for */
	uint64_t exits;			      /* processes that have ended, and of those … */
	uint64_t faults;		      /* … by a fault of their own, */
	uint64_t excused;		      /* … without its being counted against them */
	uint64_t gave_up;		      /* times */
	uint64_t swaps;			      /* that succeeded */
	uint64_t swaps_failed;		      /* that left the old program */
	uint64_t repairs;		      /* deaths that somebody ready has followed */
	int64_t repair_total, repair_longest; /* from such a death until then, ns */
	int64_t played;			      /* somebody was ready, ns */
	int64_t broken;			      /* nobody was, after a death, ns */
};

struct worker_history {
	char name[HISTORY_NAME_SIZE];
	struct tally now, before; /* of this run, of those before it (HISTORY_ALL) */
	uint32_t incarnation;	  /* the highest number given out in this run */
	uint32_t turn;		  /* likewise */
	int64_t repair_last;	  /* how long the last repair took, 0: none yet */
	int64_t played_since;	  /* somebody has been ready since then, 0: nobody is */
	int64_t broken_since;	  /* nobody is ready since a death at that time, 0: no */
	bool gave_up;		  /* now */
	int32_t ready[HISTORY_READY_MAX];
	uint32_t n_ready;
	struct exit_note exits[EXITS_KEPT]; /* in the order of their ends: (n_exits - 1) % … */
	uint32_t n_exits;
	struct exit_note last_played, last_standby; /* by their turns; pid 0: none */
};

/* Which lines count. */
enum history_scope {
	HISTORY_LATEST, /* of the run that the last line belongs to */
	HISTORY_RUN,	/* of the run that `run` says from the start */
	HISTORY_ALL,
};

struct history {
	enum history_scope scope;
	uint64_t run;	 /* of the last line that counts */
	uint64_t newest; /* of the last line, whether it counts or not */
	uint64_t runs;	 /* that were seen */
	int64_t time;	 /* of the last line that counts */
	int64_t wall;
	int64_t up_time, up_wall; /* of the run's beginning */
	int32_t pid;		  /* of its supervisor */
	bool stopping;		  /* it was told to end: nobody is missed from then on */
	bool ended;		  /* it has, with … */
	int exit_code;
	uint64_t lost; /* lines that could not be written, as far as the journal says so */
	struct worker_history **workers; /* in the order in which they first appeared */
	size_t n_workers, room;
};

void history_init(struct history *history, enum history_scope scope, uint64_t run);
void history_finish(struct history *history);

/* Takes one line. What it does not know, and what is not as it should be, changes nothing. 0 or
 * TROUPE_E_MEMORY. */
int history_fold(struct history *history, const json_t *line);

/* NULL: nothing is known of one of that name. */
const struct worker_history *history_worker(const struct history *history, const char *name);

/* Of all the runs that count. */
struct tally worker_tally(const struct worker_history *worker);

/* Mean time to repair in ns, 0: nothing was repaired yet. */
int64_t tally_repair_mean(const struct tally *tally);

/* The part of the time in which somebody was ready, of the time in which somebody should have been:
 * 1 - unavailability. Time after a stop, a scaling down or a device that is gone counts neither
 * way. `now`: what still lasts, lasts until then. Negative: it has not played yet. */
double worker_availability(const struct worker_history *worker, int64_t now);

/* ---- the fold as lines (history_lines.c) ----
 *
 * A journal that begins anew, or has lost lines, goes on with the fold as it stands: one line of
 * the event "history" for the pipeline and one for each worker. Who folds them has what was known
 * when they were written, whatever came before. */

/* What goes into such a line beside the times, a new reference; NULL: out of memory. */
json_t *history_pipeline_json(const struct history *history);
json_t *history_worker_json(const struct worker_history *worker);
json_t *tally_json(const struct tally *tally);

/* Takes what such a line has. */
void history_pipeline_set(struct history *history, const json_t *fold);
void history_worker_set(struct worker_history *worker, const json_t *fold);

/* An exit's own fields, in its line and in that of a fold. */
json_t *exit_json(const struct exit_note *note);
void exit_from_json(const json_t *from, struct exit_note *note);

/* The wall time of a line, ns since 1970; 0: it has none. */
int64_t journal_wall(const json_t *line);

#endif
