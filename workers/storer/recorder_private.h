/* What recorder.c (opening, taking) and recorder_commit.c (committing) share; nobody else includes
 * it. */
#ifndef TROUPE_WORKERS_STORER_RECORDER_PRIVATE_H
#define TROUPE_WORKERS_STORER_RECORDER_PRIVATE_H

#include "ipc/slots/layout.h"
#include "workers/storer/recorder.h"
#include "workers/storer/segment_writer.h"

#include <stdbool.h>

/* One stream of this run. */
struct recorder_stream {
	char name[NAME_SIZE];
	struct index_tally tally; /* committed */
	uint64_t appended;	  /* the highest seq in the segments, committed or not */
	uint32_t n_pending;	  /* frames that wait for their commit */
	uint32_t coding;	  /* of the frame that was taken last */
	bool ends;		  /* its segment is to end as soon as it can */
	struct segment_writer writer;
	struct index_segment segment; /* that is written, as committed; number 0: none */
	uint32_t left; /* the segment before it, not yet closed in the index; 0: none */
	/* as they will be once the commit has succeeded */
	struct index_tally next_tally;
	struct index_segment next_segment;
};

struct recorder {
	struct recorder_options options;
	struct folder folder;
	struct index *index;
	uint32_t numbers;	  /* the highest number a segment ever had */
	bool tidy;		  /* segments that nobody goes on with are closed */
	struct index_clock clock; /* the newest row of the run */
	struct event_book events;
	struct recorder_stream streams[STREAMS_MAX];
	int n_streams;
	struct index_row *pending;
	uint32_t n_pending, room;
	uint64_t pending_bytes;
	struct recorder_state state;
	char error[320];
};

/* Keeps an error in words and returns it. */
int recorder_fail(struct recorder *recorder, int code, const char *what, const char *detail);

/* Whether the stream's segment is full, or old enough. */
bool recorder_is_due(const struct recorder *recorder, const struct recorder_stream *stream);

/* The next record begins a new segment. */
void recorder_leave_segment(struct recorder_stream *stream);

#endif
