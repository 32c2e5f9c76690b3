/* Spans of a recording, and what can be done with lists of them: cut to a time, join what touches,
 * keep what two lists have in common.
 *
 * A span is of one stream of one run. Its place is on that run's monotonic clock, which nothing can
 * step; its wall times are what the clock on the wall showed then, and within a span both go
 * together. */
#ifndef TROUPE_TOOLS_TROUPE_SPANS_H
#define TROUPE_TOOLS_TROUPE_SPANS_H

#include "workers/storer/recording.h"

struct span {
	uint64_t run;
	char stream[NAME_SIZE]; /* "": of none */
	enum event_kind kind;
	char what[EVENT_WHAT_SIZE];
	int64_t begun, ended; /* monotonic ns */
	int64_t begun_wall, ended_wall;
	uint64_t first_seq, last_seq; /* 0: without frames */
	double best;
	bool open;		  /* it may go on */
	bool cut_first, cut_last; /* it begins earlier, ends later: the numbers are to be found */
};

struct spans {
	struct span *all;
	size_t n, room;
};

void spans_finish(struct spans *spans);

/* All return 0 or TROUPE_E_MEMORY. */
int spans_add(struct spans *spans, const struct span *span);
int spans_add_event(struct spans *spans, const struct event *event);

/* Drops what lies outside [from, to] of the wall clock, and cuts what reaches beyond. */
void spans_cut(struct spans *spans, int64_t from, int64_t to);

/* Sorts by run, stream and time, and joins what touches or overlaps and is the same thing; spans on
 * both sides of a step of the wall clock stay apart. */
void spans_join(struct spans *spans);

/* What is in both; each must be joined and of one thing. The result says both things, and how sure
 * the first one is. */
int spans_common(const struct spans *a, const struct spans *b, struct spans *out);

/* In the order of the monotonic clock within a run, and of runs. */
void spans_sort_by_time(struct spans *spans);

/* Keeps the last `n`. */
void spans_keep_last(struct spans *spans, size_t n);

#endif
