/* What a recording should say and the supervisor alone knows: that the source of a stream was lost,
 * since when and until when, and that a worker died. It is told to whoever plays a tap, on its
 * pipe, and told again to each incarnation, which knows by kind, stream, text and beginning what it
 * has already. So one that is killed loses nothing.
 *
 * What is told is made of the journal's lines, as they are written and, by who goes on with a
 * pipeline, as they are read again: the beginning is the line's time, so whoever tells it tells the
 * same. A supervisor that dies between the line and the telling loses nothing either. */
#ifndef TROUPE_SUPERVISOR_HAPPENINGS_H
#define TROUPE_SUPERVISOR_HAPPENINGS_H

#include "ipc/slots/layout.h"

#include <jansson.h>
#include <stdint.h>

/* How many are kept for those to come; the oldest go first. */
#define HAPPENINGS_KEPT 128
#define HAPPENING_CAUSE 160

struct supervisor;

struct happening {
	const char *kind; /* "lost" or "died" */
	char worker[NAME_SIZE], stream[NAME_SIZE];
	char cause[HAPPENING_CAUSE];
	int64_t begun, begun_wall;
	int64_t ended, ended_wall; /* 0: it lasts */
};

struct happenings {
	struct happening kept[HAPPENINGS_KEPT]; /* number n at n % HAPPENINGS_KEPT */
	uint64_t count;				/* numbers are given from 0 */
	struct happening lost[STREAMS_MAX];	/* whose source is lost now; begun 0: it is not */
};

/* Hears a line of this run's journal; `arg` is the supervisor. The end of a process that played
 * counts as a death unless it was asked for, its source has ended or its device is gone. */
void happenings_hear(void *arg, const json_t *line);

/* Looks which sources are lost and which are back, and tells what is new. Called after everything
 * that happens; returns when to look again. */
int64_t happenings_advance(struct supervisor *s, int64_t now);

#endif
