/* The journal: every event of a pipeline's life as one JSON line, appended to STATE/journal.jsonl
 * with its monotonic and wall time. What `ps` and a post-mortem know comes from here. */
#ifndef TROUPE_SUPERVISOR_JOURNAL_H
#define TROUPE_SUPERVISOR_JOURNAL_H

#include <jansson.h>
#include <stdint.h>

/* X(NAME, text) */
#define JOURNAL_EVENTS(X)                                                                          \
	X(UP, "up")                                                                                \
	X(SPAWN, "spawn")                                                                          \
	X(READY, "ready")                                                                          \
	X(DYING, "dying")                                                                          \
	X(SUCCEED, "succeed")                                                                      \
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
	X(LIMIT, "limit")                                                                          \
	X(DOWN, "down")

enum journal_event {
#define JOURNAL_ENUM(name, text) JOURNAL_##name,
	JOURNAL_EVENTS(JOURNAL_ENUM)
#undef JOURNAL_ENUM
};

struct journal {
	int fd; /* -1: nothing is written */
	uint64_t run;
};

/* Opens the file for appending. A pipeline without a journal still runs: an error is the caller's
 * to say. */
int journal_open(struct journal *journal, const char *state_folder, uint64_t run);
void journal_close(struct journal *journal);

/* Appends one line; `details` (may be NULL) is taken over and its members are put beside the times.
 * Never waits; a line that cannot be written is lost. */
void journal_write(struct journal *journal, enum journal_event event, const char *worker,
		   json_t *details);

#endif
