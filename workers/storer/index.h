/* The index of a recording: recording.sqlite (schemas/recording.sql), which says where each frame
 * lies and what can be searched for. WAL with synchronous = FULL: one writer and any number of
 * readers at once, and a commit that returned is durable. One handle belongs to one thread. After
 * an error index_error() says more. */
#ifndef TROUPE_WORKERS_STORER_INDEX_H
#define TROUPE_WORKERS_STORER_INDEX_H

#include "workers/storer/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_FILE    "recording.sqlite"
#define INDEX_VERSION 1

struct index;

/* A record and where it lies. */
struct index_row {
	struct record record;
	uint32_t segment;
	uint64_t offset;
	uint32_t length;
	int64_t stored; /* monotonic ns: when the disk had it */
};

/* What the index holds of one stream of one run. */
struct index_tally {
	uint64_t frames, bypassed, quarantined;
	uint64_t last; /* the highest seq, 0: none */
};

/* Opens FOLDER/recording.sqlite; with `writable` makes it when it is not there (*made says so; may
 * be NULL). TROUPE_E_NOT_FOUND, TROUPE_E_SCHEMA: another version of the schema; TROUPE_E_CORRUPT:
 * not a database, or a damaged one; TROUPE_E_DENIED, TROUPE_E_IO, TROUPE_E_NO_SPACE. */
int index_open(struct index **index, const char *folder, bool writable, bool *made);
void index_close(struct index *index);

/* The last error in SQLite's words. Never NULL. */
const char *index_error(const struct index *index);

/* ---- writing; inside index_begin … index_commit ---- */

int index_begin(struct index *index);
int index_commit(struct index *index); /* on an error nothing of the transaction happened */
void index_rollback(struct index *index);

int index_add_run(struct index *index, uint64_t run, const char *pipeline);
int index_add_stream(struct index *index, uint64_t run, const char *stream, uint32_t width,
		     uint32_t height, uint32_t fps_num, uint32_t fps_den);
/* TROUPE_E_EXISTS: a row with this (run, stream, seq) or at this place is there already. */
int index_add_frame(struct index *index, const struct index_row *row);
int index_set_segment(struct index *index, uint32_t segment, int64_t created_wall, uint64_t bytes);
/* Removes the rows of frames that end behind `bytes` of a segment; returns how many. */
int index_cut_segment(struct index *index, uint32_t segment, uint64_t bytes);
/* Forgets a segment and its frames; returns how many frames. */
int index_forget_segment(struct index *index, uint32_t segment);

/* ---- reading ---- */

/* One snapshot for several questions: everything until index_rollback() sees the same state. */
int index_begin_read(struct index *index);

/* TROUPE_E_NOT_FOUND: the index does not know this segment. */
int index_segment(struct index *index, uint32_t segment, uint64_t *bytes);
/* The first segment the index knows behind `after`: its number, or TROUPE_E_ENDED. */
int64_t index_next_segment(struct index *index, uint32_t after);
/* The newest run there is; TROUPE_E_NOT_FOUND: none. */
int index_newest_run(struct index *index, uint64_t *run);
/* The name of the first stream of `run` behind `after` in the order of names ("" at first);
 * TROUPE_E_ENDED. */
int index_next_stream(struct index *index, uint64_t run, const char *after, char name[NAME_SIZE]);
/* The first (run, stream) that has frames behind (*run, stream), which are replaced; start with 0
 * and "". TROUPE_E_ENDED. */
int index_next_key(struct index *index, uint64_t *run, char stream[NAME_SIZE]);
int index_tally(struct index *index, uint64_t run, const char *stream, struct index_tally *tally);

/* One row by its key; TROUPE_E_NOT_FOUND. */
int index_find(struct index *index, uint64_t run, const char *stream, uint64_t seq,
	       struct index_row *row);
/* The first row of (run, stream) with a seq above `after`; TROUPE_E_ENDED. */
int index_next(struct index *index, uint64_t run, const char *stream, uint64_t after,
	       struct index_row *row);
/* The last row of (run, stream) with a seq below `before`; TROUPE_E_ENDED. */
int index_previous(struct index *index, uint64_t run, const char *stream, uint64_t before,
		   struct index_row *row);
/* The first run behind `after`; TROUPE_E_ENDED. */
int index_next_run(struct index *index, uint64_t after, uint64_t *run);
/* The last run before `before`. TROUPE_E_ENDED. */
int index_previous_run(struct index *index, uint64_t before, uint64_t *run);

/* Of all runs, the first frame of a stream that the clock on the wall showed `since` or later, and
 * the last one until then; TROUPE_E_ENDED. */
int index_first_since(struct index *index, const char *stream, int64_t since,
		      struct index_row *row);
int index_last_until(struct index *index, const char *stream, int64_t until, struct index_row *row);

/* The frames of a run that a stretch of time takes from a stream, first and last. Where the wall
 * clock was set back, there may be others between them. */
struct index_span {
	uint64_t run, first, last;
	uint64_t frames; /* of that time */
};

/* The spans of a stream from one wall time to another, both included, run by run. Returns how many
 * there are, of which `max` at most are put into `spans`. */
int64_t index_spans(struct index *index, const char *stream, int64_t from, int64_t to,
		    struct index_span *spans, size_t max);
/* The first row of a segment at or behind `offset`, in order of place; TROUPE_E_ENDED. */
int index_next_place(struct index *index, uint32_t segment, uint64_t offset, struct index_row *row);

#endif
