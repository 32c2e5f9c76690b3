/* The index of a recording: recording.sqlite (schemas/recording.sql), which says where each frame
 * lies and what can be searched for. WAL with synchronous = FULL: one writer and any number of
 * readers at once, and a commit that returned is durable. One handle belongs to one thread. After
 * an error index_error() says more. */
#ifndef TROUPE_WORKERS_STORER_INDEX_H
#define TROUPE_WORKERS_STORER_INDEX_H

#include "workers/storer/folder.h"
#include "workers/storer/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_FILE    "recording.sqlite"
#define INDEX_VERSION 2

struct index;

/* A record and where it lies. record.dts and lacks are only in the record itself. */
struct index_row {
	struct record record;
	uint32_t segment;
	uint32_t length;
	uint64_t offset;   /* of the record in the segment */
	uint64_t coded_at; /* of its coded bytes in the segment */
	int64_t stored;	   /* monotonic ns: when the disk had it */
};

/* Only an open segment may end with records that the index does not vouch for. A doomed one is
 * about to be removed, and its frames with it. */
enum segment_state { SEGMENT_OPEN, SEGMENT_CLOSED, SEGMENT_DOOMED, N_SEGMENT_STATES };

/* What the index knows of a segment. */
struct index_segment {
	uint32_t number;
	char stream[NAME_SIZE]; /* "": of several streams (made by version 1) */
	enum segment_state state;
	uint32_t coding;   /* CODING_JPEG or CODING_H264, of its first frame */
	uint32_t replaces; /* the segment it was re-coded from; 0: none */
	int64_t created_wall;
	uint64_t bytes; /* that the index vouches for */
	uint64_t frames;
	int64_t first_wall, last_wall; /* earliest and latest capture; 0: no frame */
};

/* What was ever stored of one stream of one run, forgotten frames included. */
struct index_tally {
	uint64_t frames, bypassed, quarantined;
	uint64_t last;	       /* the highest seq, 0: none */
	uint64_t last_ordinal; /* and its ordinal */
};

/* Frames of a stream that were stored and are not there any more. */
struct index_range {
	uint64_t run;
	char stream[NAME_SIZE];
	uint64_t first_seq, last_seq;
	uint64_t first_ordinal, last_ordinal;
	char why[16]; /* "keep", "space", "damaged", "gone" */
	int64_t at_wall;
};

/* Counts one more frame in a segment, in a tally. */
void index_segment_grow(struct index_segment *segment, const struct index_row *row);
void index_tally_grow(struct index_tally *tally, const struct record *record);

/* Opens FOLDER/recording.sqlite to read it. TROUPE_E_NOT_FOUND, TROUPE_E_SCHEMA: another version of
 * the schema; TROUPE_E_CORRUPT: not a database, or a damaged one; TROUPE_E_DENIED, TROUPE_E_IO. On
 * an error `why` says more. */
int index_open(struct index **index, const char *folder, char *why, size_t why_size);

/* Opens it to write: makes it when it is not there (*made says so; may be NULL), and brings an
 * older version up to date, which may take a while: `waiting` (may be NULL) is called meanwhile.
 * Also TROUPE_E_NO_SPACE. */
int index_open_writer(struct index **index, const char *folder, bool *made,
		      folder_waiting_fn *waiting, void *arg, char *why, size_t why_size);
void index_close(struct index *index);

/* The last error in SQLite's words. Never NULL. */
const char *index_error(const struct index *index);

/* ---- writing; inside index_begin … index_commit ---- */

int index_begin(struct index *index);
int index_commit(struct index *index); /* on an error nothing of the transaction happened */
void index_rollback(struct index *index);

/* `boot`: the machine's boot id; "" not known. */
int index_add_run(struct index *index, uint64_t run, const char *pipeline, const char *boot);
int index_add_stream(struct index *index, uint64_t run, const char *stream, uint32_t width,
		     uint32_t height, uint32_t fps_num, uint32_t fps_den);
/* What was ever stored of a stream, which is known, in all. */
int index_set_tally(struct index *index, uint64_t run, const char *stream,
		    const struct index_tally *tally);
/* How a run's clocks go together from `since` on (monotonic ns): wall = monotonic + wall_offset. */
struct index_clock {
	int64_t since, wall_offset;
};

int index_add_clock(struct index *index, uint64_t run, const struct index_clock *clock);
/* Enters a row, and changes *clock, the newest one there is, when a frame shows that the wall clock
 * was set since. */
int index_note_clock(struct index *index, const struct record *record, struct index_clock *clock);

/* TROUPE_E_EXISTS: a row with this (run, stream, seq) or at this place is there already. */
int index_add_frame(struct index *index, const struct index_row *row);
/* The frame lies elsewhere, coded anew: segment, offset, length, coding, coded_at and coded_bytes
 * change. TROUPE_E_NOT_FOUND: no such frame. */
int index_move_frame(struct index *index, const struct index_row *row);

/* Enters a segment, or all that is known of it anew. */
int index_set_segment(struct index *index, const struct index_segment *segment);
int index_set_state(struct index *index, uint32_t segment, enum segment_state state);
/* Removes the rows of frames that end behind `bytes` of a segment, and counts them back; returns
 * how many. As if they had never been stored. */
int index_cut_segment(struct index *index, uint32_t segment, uint64_t bytes);
/* Its frames become a range of `forgotten`, the segment doomed. Returns how many frames. */
int index_doom_segment(struct index *index, uint32_t segment, const char *why);
/* The same, and the segment is not known any more: its file is gone for good. `why` NULL: as what
 * was forgotten just before. */
int index_forget_segment(struct index *index, uint32_t segment, const char *why);
/* Ranges that adjoin and say the same `why` become one. */
int index_add_forgotten(struct index *index, const struct index_range *range);
/* In a catalogue that was made anew: frames that are missing between segments (or before the first)
 * become ranges of `forgotten`: "gone". */
int index_forget_gaps(struct index *index, int64_t at_wall);

/* ---- reading ---- */

/* One snapshot for several questions: everything until index_rollback() sees the same state. */
int index_begin_read(struct index *index);

/* TROUPE_E_NOT_FOUND: the index does not know this segment. */
int index_segment(struct index *index, uint32_t number, struct index_segment *segment);
/* The first segment the index knows behind the number `after`; TROUPE_E_ENDED. */
int index_next_segment(struct index *index, uint32_t after, struct index_segment *segment);
/* The same of those that are not closed. */
int index_next_unfinished(struct index *index, uint32_t after, struct index_segment *segment);
/* The first closed one behind `after` whose frames are all JPEGs of one stream, captured `until`
 * then (wall clock). TROUPE_E_ENDED. */
int index_next_jpeg(struct index *index, uint32_t after, int64_t until,
		    struct index_segment *segment);
/* All segments in the order of their numbers, until `each` returns an error, which is passed on. It
 * may ask the index, not change it. */
typedef int index_number_fn(void *arg, uint32_t number, bool closed);
int index_walk_segments(struct index *index, index_number_fn *each, void *arg);
/* The number of the first segment behind `after` that was not re-coded, of a stream (NULL: of any);
 * TROUPE_E_ENDED. */
int64_t index_newer_segment(struct index *index, uint32_t after, const char *stream);
/* Counts the frames of a segment anew: frames, coding, first_wall and last_wall change. */
int index_sum_segment(struct index *index, struct index_segment *segment);
/* The newest open segment of a stream; TROUPE_E_NOT_FOUND. */
int index_open_segment(struct index *index, const char *stream, struct index_segment *segment);
/* The highest number a segment has or ever had; 0: none. */
int64_t index_highest_segment(struct index *index);

/* The first range of (run, stream) with a first_seq above `after`; TROUPE_E_ENDED. */
int index_next_forgotten(struct index *index, uint64_t run, const char *stream, uint64_t after,
			 struct index_range *range);
/* How the clocks went together at a time of a run (before its first row: as in that one);
 * TROUPE_E_NOT_FOUND: the run has none. */
int index_clock_at(struct index *index, uint64_t run, int64_t at, struct index_clock *clock);

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
/* The first row of a segment at or behind `offset`, in order of place; the last one before it.
 * TROUPE_E_ENDED. */
int index_next_place(struct index *index, uint32_t segment, uint64_t offset, struct index_row *row);
int index_previous_place(struct index *index, uint32_t segment, uint64_t offset,
			 struct index_row *row);

#endif
