/* The journal: every event of a pipeline's life as one JSON line, appended to STATE/journal.jsonl
 * with its monotonic and wall time, and what follows from all of them so far. Whatever `ps` and a
 * post-mortem know comes from here; a new kind of event is a row of ipc/journal/events.h. */
#ifndef TROUPE_SUPERVISOR_JOURNAL_H
#define TROUPE_SUPERVISOR_JOURNAL_H

#include "ipc/journal/history.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Hears each line of the run that the journal is of. */
typedef void journal_hear_fn(void *arg, const json_t *line);

struct journal {
	int fd; /* -1: nothing is written */
	uint64_t run;
	struct history history; /* the fold over all events, written or not */
	char folder[512];
	int64_t limit;	       /* a file of more bytes is rotated, 0: never */
	int64_t room;	       /* bytes until then */
	uint64_t lost;	       /* lines that could not be written and are not said yet */
	bool torn;	       /* the file ends within a line */
	bool behind;	       /* … or lacks lines: the fold as it stands is to be written */
	journal_hear_fn *hear; /* beside the fold, NULL: nobody; set after journal_open */
	void *hearer;
};

/* Opens the file for appending; `limit`: bytes after which it is rotated, 0: never. A pipeline
 * without a journal still runs: an error is the caller's to say. */
int journal_open(struct journal *journal, const char *state_folder, uint64_t run, int64_t limit);
void journal_close(struct journal *journal);

/* Folds, and has heard, what the files have of this run, for one that goes on with it. 0 or an
 * error. */
int journal_resume(struct journal *journal);

/* Folds the event, has it heard and appends its line; `details` (may be NULL) is taken over and its
 * members are put beside the times; texts in it that come from strangers are made by json_text().
 * Never waits for anything but the file system; a line that cannot be written is lost, and counted
 * in the next one that can, behind which the fold is written as it stands. */
void journal_write(struct journal *journal, enum journal_event event, const char *worker,
		   json_t *details);

#endif
