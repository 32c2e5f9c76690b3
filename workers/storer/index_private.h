/* What index.c (opening, writing) and index_read.c (questions) share; nobody else includes it. */
#ifndef TROUPE_WORKERS_STORER_INDEX_PRIVATE_H
#define TROUPE_WORKERS_STORER_INDEX_PRIVATE_H

#include "workers/storer/index.h"

#include <sqlite3.h>

/* The columns of a frame in the order in which they are bound and read. */
#define FRAME_COLUMNS                                                                              \
	"run, stream, seq, ordinal, segment, offset, length, coded_bytes, width, height, pts, "    \
	"captured, captured_wall, published, claimed, finished, stored, source_index, label, "     \
	"prediction, probability, model_version, motion, drops_no_slot, drops_device, "            \
	"drops_damaged, drops_size, bypassed, quarantined"

/* And those of an event. */
#define EVENT_COLUMNS                                                                              \
	"event, run, stream, kind, what, first_seq, last_seq, begun, ended, begun_wall, "          \
	"ended_wall, frames, best, open"

enum index_statement {
	BEGIN_WRITE,
	BEGIN_READ,
	COMMIT,
	ROLLBACK,
	ADD_RUN,
	ADD_STREAM,
	ADD_FRAME,
	SET_SEGMENT,
	CUT_SEGMENT,
	FORGET_SEGMENT,
	GET_SEGMENT,
	NEXT_SEGMENT,
	NEWEST_RUN,
	NEXT_STREAM,
	NEXT_KEY,
	TALLY,
	FIND,
	NEXT,
	PREVIOUS,
	NEXT_RUN,
	PREVIOUS_RUN,
	FIRST_SINCE,
	LAST_UNTIL,
	SPANS,
	NEXT_PLACE,
	ADD_EVENT,
	SET_EVENT,
	CLOSE_EVENTS,
	STRETCH_LOST,
	DROP_EVENTS,
	OPEN_EVENTS,
	EVENTS_OF,
	EVENTS_OF_KIND,
	SAME_EVENT,
	NEXT_EVENT_STREAM,
	NEXT_EVENT_WHAT,
	N_STATEMENTS
};

struct index {
	sqlite3 *db;
	sqlite3_stmt *statements[N_STATEMENTS]; /* prepared when first used */
	char text[256];				/* what index_error() says */
};

/* The prepared statement, reset and without bindings; NULL: index_error() says why. */
sqlite3_stmt *index_statement(struct index *index, enum index_statement which);

/* The error of the list for SQLite's last result; keeps its text. */
int index_fail(struct index *index);

#endif
