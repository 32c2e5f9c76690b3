/* Where a player is; see play_head.h. */
#include "tools/troupe/play_head.h"

#include "ipc/base/errors.h"

#include <string.h>

/* The first or last frame of a run. */
static int edge(const struct play_head *head, uint64_t run, enum direction from,
		struct index_row *row)
{
	return from == FORWARDS
		       ? recording_next(head->recording, run, head->stream, 0, row)
		       : recording_previous(head->recording, run, head->stream, INT64_MAX, row);
}

static int run_beside(const struct play_head *head, uint64_t *run, enum direction direction)
{
	return direction == FORWARDS ? recording_next_run(head->recording, *run, run)
				     : recording_previous_run(head->recording, *run, run);
}

int play_head_beside(const struct play_head *head, const struct index_row *from,
		     enum direction direction, struct index_row *row)
{
	uint64_t run = from->record.run, seq = from->record.seq;
	int rc = direction == FORWARDS
			 ? recording_next(head->recording, run, head->stream, seq, row)
			 : recording_previous(head->recording, run, head->stream, seq, row);
	/* A run may lack this stream. */
	while (rc == TROUPE_E_ENDED && !head->only_run) {
		rc = run_beside(head, &run, direction);
		if (rc < 0)
			return rc;
		rc = edge(head, run, direction, row);
	}
	return rc;
}

static int go_to(struct play_head *head, int rc, const struct index_row *row)
{
	if (rc == 0)
		head->row = *row;
	return rc;
}

/* From outside all runs inwards. */
static int go_to_edge(struct play_head *head, enum direction from)
{
	struct index_row row;
	const struct index_row outside = {
		.record = {.run = from == FORWARDS ? 0 : (uint64_t)INT64_MAX,
			   .seq = from == FORWARDS ? 0 : (uint64_t)INT64_MAX}};
	int rc = head->only_run ? edge(head, head->only_run, from, &row)
				: play_head_beside(head, &outside, from, &row);
	return go_to(head, rc, &row);
}

int play_head_begin(struct play_head *head)
{
	return go_to_edge(head, FORWARDS);
}

int play_head_end(struct play_head *head)
{
	return go_to_edge(head, BACKWARDS);
}

int play_head_seq(struct play_head *head, uint64_t run, uint64_t seq)
{
	struct index_row row;
	int rc = recording_next(head->recording, run, head->stream, seq > 0 ? seq - 1 : 0, &row);
	if (rc == TROUPE_E_ENDED)
		rc = edge(head, run, BACKWARDS, &row);
	return go_to(head, rc, &row);
}

int play_head_wall(struct play_head *head, int64_t wall)
{
	struct index_row row;
	int rc = recording_first_since(head->recording, head->stream, wall, &row);
	if (rc == TROUPE_E_ENDED)
		rc = recording_last_until(head->recording, head->stream, INT64_MAX, &row);
	if (rc == 0 && head->only_run && row.record.run != head->only_run)
		return TROUPE_E_ENDED;
	return go_to(head, rc, &row);
}

/* ---- events ---- */

struct search {
	int64_t after;	    /* wall */
	struct event last;  /* of those that came before */
	struct event found; /* the earliest so far */
	bool any;
};

/* A long span comes in pieces, of which only the first is a beginning. */
static bool goes_on(const struct event *from, const struct event *event)
{
	return from->run == event->run && from->ended_wall == event->begun_wall &&
	       strcmp(from->what, event->what) == 0;
}

static int look_at(void *arg, const struct event *event)
{
	struct search *search = arg;
	bool piece = goes_on(&search->last, event);
	search->last = *event;
	if (piece || event->begun_wall <= search->after)
		return 0;
	if (!search->any || event->begun_wall < search->found.begun_wall)
		search->found = *event;
	search->any = true;
	return 1;
}

int play_head_event(struct play_head *head, struct event *event)
{
	static const enum event_kind kinds[] = {EVENT_MOTION, EVENT_LABEL, EVENT_PREDICTION,
						EVENT_LOST};
	struct search search = {.after = head->row.record.captured_wall};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct event_query query = {.stream = head->stream,
						  .kind = kinds[i],
						  .run = head->only_run,
						  .from = search.after,
						  .to = INT64_MAX};
		search.last = (struct event){0};
		int rc = recording_find_events(head->recording, &query, look_at, &search);
		if (rc < 0)
			return rc;
	}
	if (!search.any)
		return TROUPE_E_ENDED;
	*event = search.found;
	return play_head_wall(head, event->begun_wall);
}
