/* The events of a recording in its catalogue: kept up by the writer, found by everybody. */
#ifndef TROUPE_WORKERS_STORER_INDEX_EVENTS_H
#define TROUPE_WORKERS_STORER_INDEX_EVENTS_H

#include "workers/storer/events.h"
#include "workers/storer/index.h"

/* ---- writing; inside index_begin … index_commit ---- */

/* Enters an event and sets its number, or, with a number, writes how far it goes by now. */
int index_put_event(struct index *index, struct event *event);
/* Events of all runs but this one go on no longer. */
int index_close_events(struct index *index, uint64_t run);
/* What is lost is lost until now at least. Returns how many that are. */
int index_stretch_lost(struct index *index, int64_t now, int64_t wall);
/* Removes all events of frames, to make them again. */
int index_drop_events(struct index *index);

/* Removes the events that have no frame left now that a segment's frames are gone. */
int index_forget_events(struct index *index, const struct index_segment *segment);
/* Whether there are frames and no events of any: 1 or 0, or an error. */
int index_lacks_events(struct index *index);

/* ---- asking ---- */

/* Called for each event found; an error of it, or 1, ends the search and is returned. */
typedef int index_event_fn(void *arg, const struct event *event);

/* All that are open. */
int index_open_events(struct index *index, index_event_fn *each, void *arg);

/* Of one stream ("": none) and kind: those that a stretch of the wall clock touches. */
struct event_query {
	const char *stream;
	enum event_kind kind;
	const char *what; /* NULL: any */
	uint64_t run;	  /* 0: any */
	double best;	  /* at least */
	int64_t from, to; /* wall, both included; INT64_MIN and INT64_MAX: all there are */
};

/* In the order of the wall clock where they begin. A long span comes in pieces that touch. */
int index_find_events(struct index *index, const struct event_query *query, index_event_fn *each,
		      void *arg);

/* The event with this run, stream, kind, what and beginning; TROUPE_E_NOT_FOUND. */
int index_same_event(struct index *index, const struct event *wanted, struct event *found);

/* The first stream that has events behind `after` ("" at first) in the order of names, and the
 * first label, say, of a kind of it. TROUPE_E_ENDED. */
int index_next_event_stream(struct index *index, const char *after, char name[NAME_SIZE]);
int index_next_event_what(struct index *index, const char *stream, enum event_kind kind,
			  const char *after, char what[EVENT_WHAT_SIZE]);

/* Whether something moved, or a label stood or was predicted, in a stream between two wall times:
 * 1 or 0, or an error. */
int index_has_events(struct index *index, const char *stream, int64_t from, int64_t to);

/* How SQLite goes about a query: its text, and a line for each step of the plan. */
typedef void index_line_fn(void *arg, const char *line);
int index_explain_events(struct index *index, const struct event_query *query, index_line_fn *line,
			 void *arg);

#endif
