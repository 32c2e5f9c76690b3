/* What the files of the index share: index.c (opening, the statements), index_write.c (frames and
 * runs), index_segments.c (segments and what was forgotten), index_read.c (questions). */
#ifndef TROUPE_WORKERS_STORER_INDEX_PRIVATE_H
#define TROUPE_WORKERS_STORER_INDEX_PRIVATE_H

#include "workers/storer/index.h"

#include <sqlite3.h>

/* The columns of a frame in the order in which they are bound and read. */
#define FRAME_COLUMNS                                                                              \
	"run, stream, seq, ordinal, segment, offset, length, coding, coded_at, coded_bytes, "      \
	"width, height, pts, captured, captured_wall, published, claimed, finished, stored, "      \
	"source_index, label, prediction, probability, model_version, motion, drops_no_slot, "     \
	"drops_device, drops_damaged, drops_size, bypassed, quarantined"

/* And those of a segment. */
#define SEGMENT_COLUMNS                                                                            \
	"segment, stream, state, coding, replaces, created_wall, bytes, frames, first_wall, "      \
	"last_wall"

#define RANGE_COLUMNS "run, stream, first_seq, last_seq, first_ordinal, last_ordinal, why, at_wall"

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
	SET_TALLY,
	ADD_CLOCK,
	ADD_FRAME,
	MOVE_FRAME,
	SET_SEGMENT,
	SET_STATE,
	COUNT_BACK,
	LAST_BACK,
	CUT_SEGMENT,
	REMOVE_SEGMENT,
	RANGES_OF_SEGMENT,
	ADD_RANGE,
	REMOVE_RANGE,
	RANGE_BEFORE,
	NEXT_RANGE,
	ADD_GAPS,
	GET_SEGMENT,
	NEXT_SEGMENT,
	NEXT_UNFINISHED,
	ALL_SEGMENTS,
	NEWER_SEGMENT,
	NEXT_JPEG,
	OPEN_SEGMENT,
	SUM_SEGMENT,
	HIGHEST_SEGMENT,
	NUMBERS_USED,
	CLOCK_AT,
	FIRST_CLOCK,
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
	PREVIOUS_PLACE,
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
	LACKS_EVENTS,
	FORGET_EVENTS,
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

/* The answer to a question for the next one was none of those behind: in a damaged index, whoever
 * goes on by it would go in circles. TROUPE_E_CORRUPT. */
int index_out_of_order(struct index *index);

/* Runs a statement (NULL: it could not be prepared) that returns no rows, and lets go of its locks.
 */
int index_run(struct index *index, sqlite3_stmt *statement);

/* One step: 1 a row, 0 none, or an error. Whoever took the row resets the statement. */
int index_step(struct index *index, sqlite3_stmt *statement);

/* The text must stay until the statement is reset. */
void index_bind_text(sqlite3_stmt *statement, int column, const char *text);
void index_column_text(sqlite3_stmt *statement, int column, char *out, size_t size);

/* A row in the order of FRAME_COLUMNS. */
void index_read_row(sqlite3_stmt *statement, struct index_row *row);

#endif
