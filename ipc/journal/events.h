/* What can happen to a pipeline: the kinds of the journal's lines, and the ways in which a process
 * can end. Each line is a JSON object with t (monotonic ns), wall (UTC), run, event and, where it
 * is about one, worker; what else it has depends on its event. */
#ifndef TROUPE_IPC_JOURNAL_EVENTS_H
#define TROUPE_IPC_JOURNAL_EVENTS_H

/* X(NAME, text) */
#define JOURNAL_EVENTS(X)                                                                          \
	X(UP, "up")                                                                                \
	X(SPAWN, "spawn")                                                                          \
	X(SPAWN_FAILED, "spawn-failed")                                                            \
	X(READY, "ready")                                                                          \
	X(DYING, "dying")                                                                          \
	X(SUCCEED, "succeed")                                                                      \
	X(RESTART, "restart")                                                                      \
	X(EXIT, "exit")                                                                            \
	X(HUNG, "hung")                                                                            \
	X(RECLAIM, "reclaim")                                                                      \
	X(SWAP, "swap")                                                                            \
	X(SCALE, "scale")                                                                          \
	X(GAVE_UP, "gave-up")                                                                      \
	X(QUARANTINE, "quarantine")                                                                \
	X(REPORT, "report")                                                                        \
	X(CONTROL, "control")                                                                      \
	X(DEVICE, "device")                                                                        \
	X(SOURCE, "source")                                                                        \
	X(DROPPED, "log-dropped")                                                                  \
	X(DROPS, "drops")                                                                          \
	X(WRITTEN_OFF, "written-off")                                                              \
	X(SET_ASIDE, "set-aside")                                                                  \
	X(LIMIT, "limit")                                                                          \
	X(ADOPT, "adopt")                                                                          \
	X(UPGRADE, "upgrade")                                                                      \
	X(REST, "rest-for-one")                                                                    \
	X(RELOAD, "reload")                                                                        \
	X(DOWN, "down")                                                                            \
	X(ENDED, "ended")                                                                          \
	X(LOST, "lost")                                                                            \
	X(HISTORY, "history")

enum journal_event {
#define JOURNAL_ENUM(name, text) JOURNAL_##name,
	JOURNAL_EVENTS(JOURNAL_ENUM)
#undef JOURNAL_ENUM
		N_JOURNAL_EVENTS
};

/* X(NAME, text): why a process is no more; the field "kind" of an exit. */
#define EXIT_KINDS(X)                                                                              \
	X(UNKNOWN, "unknown")	  /* nobody could see it */                                        \
	X(ASKED, "asked")	  /* was told to end, and did */                                   \
	X(REPLACED, "replaced")	  /* … because another took its place in a swap */               \
	X(FINISHED, "finished")	  /* its source has ended */                                       \
	X(OUTSIDE, "killed")	  /* by somebody else's SIGKILL */                                 \
	X(MEMORY, "oom")	  /* by the kernel, which was out of memory */                     \
	X(SIGNAL, "signal")	  /* a signal of its own making */                                 \
	X(HUNG, "hung")		  /* by us: it did not get on */                                   \
	X(LATE, "late")		  /* by us: it was not ready, or had not ended, in time */         \
	X(REFUSED, "refused")	  /* by us: it is not what was wanted */                           \
	X(FORBIDDEN, "forbidden") /* by us: it made a system call that it may not, under strict */ \
	X(CODE, "exit")		  /* ended by itself, unasked or with an error */                  \
	X(DEVICE, "device")	  /* its device is gone */

enum exit_kind {
#define EXIT_KIND_ENUM(name, text) EXIT_##name,
	EXIT_KINDS(EXIT_KIND_ENUM)
#undef EXIT_KIND_ENUM
		N_EXIT_KINDS
};

const char *journal_event_text(enum journal_event event);
const char *exit_kind_text(enum exit_kind kind);

/* N_JOURNAL_EVENTS, EXIT_UNKNOWN: there is none of that text. */
enum journal_event journal_event_find(const char *text);
enum exit_kind exit_kind_find(const char *text);

#endif
