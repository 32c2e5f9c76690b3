/* The life of a worker: one pure function (state, event, now) -> (state, actions). It does no input
 * or output, asks no clock and rolls no dice; the supervisor does what it says. */
#ifndef TROUPE_SUPERVISOR_LIFE_H
#define TROUPE_SUPERVISOR_LIFE_H

#include <stdbool.h>
#include <stdint.h>

/* X(NAME, text) */
#define LIFE_STATES(X)                                                                             \
	X(DOWN, "stopped")	/* no process, none wanted */                                      \
	X(STARTING, "starting") /* spawned, not ready */                                           \
	X(PREPARED, "prepared") /* a standby that waits to be told to take charge */               \
	X(READY, "ready")                                                                          \
	X(DRAINING, "draining")	  /* was asked to finish what it holds and end */                  \
	X(STOPPING, "stopping")	  /* was sent SIGTERM */                                           \
	X(KILLING, "killing")	  /* was sent SIGKILL; its end is not confirmed yet */             \
	X(BACK_OFF, "back-off")	  /* no process, will be started at `until` */                     \
	X(GAVE_UP, "gave up")	  /* no process; died too often */                                 \
	X(NO_DEVICE, "no device") /* no process; what it reads from is gone, and may come back */  \
	X(FINISHED, "finished")	  /* no process; its source has ended */

/* X(NAME, text) */
#define LIFE_EVENTS(X)                                                                             \
	X(START, "start")	/* a person or the start of the pipeline wants it */               \
	X(PREPARED, "prepared") /* a standby has opened all of its own */                          \
	X(CHARGE, "charge")	/* a standby is told to take charge */                             \
	X(READY, "ready")	/* that very pid said so */                                        \
	X(FINISHED, "finished") /* it said that its source has ended */                            \
	X(DRAIN, "drain")	/* end in good order and stay down */                              \
	X(RESTART, "restart")	/* end in good order and start again */                            \
	X(DYING, "dying")	/* its end has begun, and another has taken its place */           \
	X(TERM, "term")		/* end soon and stay down */                                       \
	X(KILL, "kill")		/* it hangs: end now and start again */                            \
	X(EXIT, "exit")		/* the kernel has confirmed its end */                             \
	X(TIMER, "timer")	/* `until` has come */                                             \
	X(DEVICE, "device")	/* what it reads from is back */                                   \
	X(SPAWN_FAILED, "spawn failed")

enum life_state {
#define LIFE_STATE_ENUM(name, text) LIFE_##name,
	LIFE_STATES(LIFE_STATE_ENUM)
#undef LIFE_STATE_ENUM
		N_LIFE_STATES
};

enum life_event_kind {
#define LIFE_EVENT_ENUM(name, text) EVENT_##name,
	LIFE_EVENTS(LIFE_EVENT_ENUM)
#undef LIFE_EVENT_ENUM
		N_LIFE_EVENTS
};

/* What is to be done now; a set. */
enum life_action {
	ACTION_SPAWN = 1,
	ACTION_DRAIN = 2,      /* tell it on its pipe */
	ACTION_TERM = 4,       /* SIGTERM */
	ACTION_KILL = 8,       /* SIGKILL (and SIGCONT) to its group */
	ACTION_GIVE_UP = 16,   /* say so, loudly */
	ACTION_RESTARTED = 32, /* with SPAWN or BACK_OFF: a start that nobody asked for; count it */
};

struct life_limits {
	int64_t max_restarts;
	int64_t restart_window, backoff, backoff_max, ready_timeout, drain_timeout,
		term_timeout; /* ns */
};

struct life {
	enum life_state state;
	bool again; /* after its end: start again */
	bool said_finished;
	int64_t since;	      /* of the state */
	int64_t until;	      /* when TIMER is due, CLOCK_NEVER */
	int64_t ready_since;  /* 0: not yet ready */
	int64_t window_start; /* of the window in which restarts are counted */
	int64_t restarts;     /* in the window */
	int64_t streak;	      /* restarts without a healthy spell between them: what backs off */
};

struct life_event {
	enum life_event_kind kind;
	bool clean;   /* EXIT: with code 0 */
	bool excused; /* EXIT: it was asked to, or the restart shall not count */
	bool final;   /* EXIT, SPAWN_FAILED: nothing follows, whatever it was to be */
	bool absent;  /* EXIT, SPAWN_FAILED: its device is gone, which is not its death to count */
	double dice;  /* EXIT, SPAWN_FAILED: 0..1, for the jitter */
};

/* A life that has not begun. */
struct life life_new(int64_t now);

/* One step: changes *life and returns a set of enum life_action. An event that means nothing in the
 * state changes nothing. */
unsigned life_step(struct life *life, const struct life_event *event,
		   const struct life_limits *limits, int64_t now);

/* What would follow if it ended now by its own fault, which is not known yet. */
enum life_verdict {
	LIFE_AT_ONCE,
	LIFE_LATER, /* after a back-off */
	LIFE_NEVER_AGAIN,
};

/* *heir is the life of its successor, with this death counted. */
enum life_verdict life_judge(const struct life *life, const struct life_limits *limits, int64_t now,
			     struct life *heir);

/* A spare that takes over goes on with what was counted against those before it. */
void life_inherit(struct life *heir, const struct life *from);

/* The death that was counted against it turned out not to be its predecessor's fault. */
void life_excuse(struct life *heir);

/* How long the n-th restart of a streak (from 0) waits: nothing, then backoff × 2^(n-1) but at most
 * backoff_max, less up to a quarter by `dice`. */
int64_t life_backoff(const struct life_limits *limits, int64_t n, double dice);

/* Whether there is a process in this state. */
bool life_has_process(enum life_state state);

const char *life_state_text(enum life_state state);
const char *life_event_text(enum life_event_kind kind);

#endif
