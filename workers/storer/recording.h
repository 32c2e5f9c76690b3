/* A recording for those who only look at it: tools, the page, tests. Never writes, takes no lock,
 * and works while a storer runs: it shows what was committed before each question. One handle
 * belongs to one thread. */
#ifndef TROUPE_WORKERS_STORER_RECORDING_H
#define TROUPE_WORKERS_STORER_RECORDING_H

#include "workers/storer/index.h"
#include "workers/storer/index_events.h"
#include "workers/storer/record.h"

#include <stddef.h>
#include <stdint.h>

struct recording;

/* Errors are explained in `why`: TROUPE_E_NOT_FOUND: no recording there; TROUPE_E_SCHEMA,
 * TROUPE_E_CORRUPT, TROUPE_E_DENIED, … */
int recording_open(struct recording **recording, const char *folder, char *why, size_t why_size);
void recording_close(struct recording *recording);

/* The newest run. TROUPE_E_NOT_FOUND: none. */
int recording_newest_run(struct recording *recording, uint64_t *run);

/* The first stream of a run behind `after` in the order of names ("" at first). TROUPE_E_ENDED. */
int recording_next_stream(struct recording *recording, uint64_t run, const char *after,
			  char name[NAME_SIZE]);

/* Frames of a stream and the last number. */
int recording_tally(struct recording *recording, uint64_t run, const char *stream,
		    struct index_tally *tally);

/* The row of one frame. TROUPE_E_NOT_FOUND. */
int recording_find(struct recording *recording, uint64_t run, const char *stream, uint64_t seq,
		   struct index_row *row);

/* Frames in order: the first with a number above `after` (0 at first). TROUPE_E_ENDED. */
int recording_next(struct recording *recording, uint64_t run, const char *stream, uint64_t after,
		   struct index_row *row);

/* Frames in the other direction: the last with a number below `before`. TROUPE_E_ENDED. */
int recording_previous(struct recording *recording, uint64_t run, const char *stream,
		       uint64_t before, struct index_row *row);

/* Frames of a stream that are not there any more: the first range with a first_seq above `after`.
 * TROUPE_E_ENDED. */
int recording_next_forgotten(struct recording *recording, uint64_t run, const char *stream,
			     uint64_t after, struct index_range *range);

/* Runs in order: the first behind `after` (0 at first), the last before `before`. TROUPE_E_ENDED.
 */
int recording_next_run(struct recording *recording, uint64_t after, uint64_t *run);
int recording_previous_run(struct recording *recording, uint64_t before, uint64_t *run);

/* By the clock on the wall, over all runs: the first frame of a stream `since` then, or the last
 * one `until` then. TROUPE_E_ENDED. */
int recording_first_since(struct recording *recording, const char *stream, int64_t since,
			  struct index_row *row);
int recording_last_until(struct recording *recording, const char *stream, int64_t until,
			 struct index_row *row);

/* What a stretch of time takes of a stream, run by run; see index_spans(). */
int64_t recording_spans(struct recording *recording, const char *stream, int64_t from, int64_t to,
			struct index_span *spans, size_t max);

/* One state of the recording for several questions: from begin to end all see the same. */
int recording_begin(struct recording *recording);
void recording_end(struct recording *recording);

/* What happened; see index_events.h. */
int recording_find_events(struct recording *recording, const struct event_query *query,
			  index_event_fn *each, void *arg);
int recording_explain_events(struct recording *recording, const struct event_query *query,
			     index_line_fn *line, void *arg);
int recording_next_event_stream(struct recording *recording, const char *after,
				char name[NAME_SIZE]);
int recording_next_event_what(struct recording *recording, const char *stream, enum event_kind kind,
			      const char *after, char what[EVENT_WHAT_SIZE]);

/* The first segment with a number above `after` (0 at first). TROUPE_E_ENDED. */
int recording_next_segment(struct recording *recording, uint32_t after,
			   struct index_segment *segment);

/* The frame itself, however it is coded, its CRC checked; record->coded_bytes of *coded are valid
 * until the next call. TROUPE_E_NOT_FOUND: its segment is gone; TROUPE_E_CORRUPT: damaged, or not
 * the frame of that row.
 */
int recording_read(struct recording *recording, const struct index_row *row, struct record *record,
		   const uint8_t **coded);

/* What verify needs: the index, and the folder of the segments (a descriptor). Both stay the
 * recording's. */
struct index *recording_index(struct recording *recording);
int recording_segments(const struct recording *recording);

#endif
