/* The skeleton's own view of a running worker. Only ipc/worker/ includes this. */
#ifndef TROUPE_IPC_WORKER_WORKER_PRIVATE_H
#define TROUPE_IPC_WORKER_WORKER_PRIVATE_H

#include "ipc/links/loop.h"
#include "ipc/links/message.h"
#include "ipc/slots/alive.h"
#include "ipc/worker/contract.h"
#include "ipc/worker/worker.h"

#define TRACES_KEPT 8 /* last messages, for `inspect` */
#define TRACE_SIZE  200

/* A sleep ends after this long while any slot is not FREE: a bell is never the only cause of
 * progress. */
#define GUARD_INTERVAL (100 * NS_PER_MS)

/* An outbox to the inbox of another seat; the path tells when a successor sits there. */
struct outbox {
	struct link *link;
	char path[LINK_PATH_SIZE];
};

struct watch {
	int fd;
	worker_watch_fn *ready;
	struct worker *worker;
};

#define WATCHES_MAX 64

struct worker {
	const struct worker_table *table;
	struct worker_table as_told; /* what `table` is where the worker plays what it is told */
	void *config;
	void *self; /* the table's state, from open */
	char name[NAME_SIZE];
	char pipeline[NAME_SIZE];
	char state_folder[512], runtime_folder[LINK_PATH_SIZE];
	char control_path[LINK_PATH_SIZE], reports_path[LINK_PATH_SIZE];
	struct ledger *ledger;
	struct seat_row *row;
	uint8_t seat;
	uint32_t number; /* the stream of a source, the tap of a lossless tap */
	int handed_fd;

	bool opened, in_charge, ended;
	struct alive alive;		/* the word of its seat row, until the end */
	bool said_prepared, said_ready; /* as it is said again to who takes it over */
	bool draining, orphan, stop;
	bool alone;	/* nobody supervises: it goes on, and is an orphan at alone_until */
	bool retry_tap; /* the tap said "later": not again before the next tick */
	bool unwanted;	/* a peeker that wants no frames now */
	bool paced;	/* a source whose frames have times to come at */
	bool rung;	/* our bell, which is not yet answered */
	bool rang;	/* another's, just now: the nap comes before anything else */
	int64_t nap_until;
	int64_t orphan_deadline, alone_until;
	pid_t born_of;		   /* who has started it; 0: unknown */
	pid_t adopter;		   /* who has taken it over; 0: nobody */
	int adopter_fd;		   /* its pidfd; -1 */
	struct slot_record record; /* of the frame that a callback looks at: our own copy */
	struct slot_record last_record;
	uint64_t seen[STREAMS_MAX]; /* taps: the last number taken; peekers: the last looked at */

	/* Links; all NULL in the sequential reference. */
	struct links *links;
	struct loop *loop;
	struct link *pipe, *inbox, *reports;
	bool pipe_ready, inbox_ready;
	int signal_fd;
	struct outbox outbox[SEATS_MAX];
	struct asking *asking; /* what it has asked of the recording; NULL: never anything */
	struct watch watches[WATCHES_MAX];
	char traces[TRACES_KEPT][TRACE_SIZE];
	uint32_t n_traces;
};

/* roles.c: everything that can be done now without sleeping; returns how much, or an error. */
int role_turn(struct worker *w, int64_t now, int64_t *due);
/* Sets the bits by which others know whom to wake. Returns whether there is work after all. */
bool role_before_sleep(struct worker *w);
void role_after_sleep(struct worker *w);
/* Owner word of what there is one of, or NULL. */
_Atomic uint64_t *role_owner(struct worker *w);
/* Whether the owner word of a dead owner is now an orphan's. */
bool role_inherit(struct worker *w, _Atomic uint64_t *owner);
/* Whether an orphan has nothing left to wait for. */
bool role_orphan_done(const struct worker *w);
struct frame role_frame(struct worker *w, uint32_t slot, uint64_t word);

/* notes.c: hints to other workers; losing one is harmless. */
void note_announce(struct worker *w, uint32_t slot);
void note_done(struct worker *w, uint32_t slot, uint64_t word);
void notes_close(struct worker *w);

/* supervised.c: the supervisor's death, and the next one. */
/* Whether somebody else than who started us has taken over before we were to be seen. */
bool supervised_too_late(const struct worker *w, pid_t born_of);
/* `born_of`: who started us, 0 unknown. */
void supervised_begin(struct worker *w, pid_t born_of);
/* SIGHUP has come, from that process. */
void supervised_hang_up(struct worker *w, pid_t from);
/* That one supervises us from now on. */
void supervised_by(struct worker *w, pid_t supervisor);
/* Ends the time without a supervisor when it is over. */
void supervised_turn(struct worker *w, int64_t *due);
void supervised_end(struct worker *w);

/* as_told.c: WORKER_TAKES_AS_TOLD. */
/* Sets the table. TROUPE_E_CONFIG, and why is said: the program cannot play that. */
int as_told(struct worker *w, const struct worker_table *table);
/* Takes out of those lines what only the program knows in whose place this one plays. */
void as_told_rows(const struct worker *w, char *lines);

/* pipe_side.c: talk with the supervisor. */
int pipe_side_open(struct worker *w, const char *pipe_path);
void pipe_side_hello(struct worker *w);
void pipe_side_prepared(struct worker *w);
void pipe_side_ready(struct worker *w);
void pipe_side_finished(struct worker *w);
/* Whether a message was heard that may have given the worker something to do. */
bool pipe_side_read(struct worker *w);

/* asking.c: questions to the recording, and what comes back for them. */
/* Takes what is owed, gives back what nobody expects, gives up what is too late; returns how many
 * answers there were. */
int asking_take(struct worker *w, int64_t now);
/* Asks, also for what was asked for just now; and asks again. */
void asking_send(struct worker *w, int64_t now, int64_t *due);
/* "key: value" lines for `inspect`. */
void asking_dump(const struct worker *w, FILE *out);
void asking_answered(struct worker *w, const Troupe__Answer *answer);
/* Answers all that are open with TROUPE_E_CLOSED and gives everything back. */
void asking_end(struct worker *w);

/* create.c */
int worker_prepare(struct worker *w, const char *lines, char *why, size_t why_size);
int worker_open(struct worker *w);
/* Takes charge if that is possible now: 1 in charge (ready has run), 0 not yet, or an error. */
int worker_take_charge(struct worker *w);
void worker_leave(struct worker *w);

#endif
