/* A stream's timeline; see timeline.h. */
#include "workers/storer/timeline.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/storer/index_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Frames closer than this are together: cameras of one frame a second are recorded, too. */
#define TOGETHER (3 * NS_PER_S / 2)

struct timeline {
	Troupe__Timeline message;
	Troupe__Span spans[TIMELINE_SPANS], *span_at[TIMELINE_SPANS];
	Troupe__Event events[TIMELINE_EVENTS], *event_at[TIMELINE_EVENTS];
	char kinds[TIMELINE_EVENTS][NAME_SIZE], whats[TIMELINE_EVENTS][EVENT_WHAT_SIZE];
};

/* The last frame that can be reached from `wall` by steps of the resolution: from it, none is
 * within one. */
static int end_of_span(struct recording *recording, const char *stream, int64_t step, int64_t until,
		       int64_t *wall)
{
	struct index_row row;

	while (*wall < until) {
		int rc = recording_last_until(recording, stream, *wall + step, &row);

		if (rc < 0 || row.record.captured_wall <= *wall)
			return rc;
		*wall = row.record.captured_wall;
	}
	return 0;
}

/* Goes from span to span, each in steps of the resolution, so what it costs depends on the number
 * of parts alone. */
static int find_spans(struct timeline *t, struct recording *recording, const char *stream,
		      int64_t wall, int64_t until)
{
	Troupe__Timeline *told = &t->message;
	int64_t at = wall;
	int rc = 0;

	while (rc == 0 && told->n_span < TIMELINE_SPANS) {
		Troupe__Span *span = &t->spans[told->n_span];
		struct index_row first;

		rc = recording_first_since(recording, stream, at, &first);
		if (rc < 0 || first.record.captured_wall >= until)
			break;
		troupe__span__init(span);
		span->begun = span->ended = first.record.captured_wall;
		rc = end_of_span(recording, stream, told->resolution, until, &span->ended);
		at = span->ended + 1;
		told->n_span++;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* Goes on with the last one of the same kind if a screen would show no gap between them: those that
 * go on from a piece, and those that are too close. */
static bool joins(struct timeline *t, const struct event *event)
{
	const char *kind = event_kind_text(event->kind);

	for (size_t i = t->message.n_event; i > 0; i--) {
		Troupe__Event *last = &t->events[i - 1];

		if (strcmp(last->kind, kind) != 0)
			return false;
		if (strcmp(last->what, event->what) != 0)
			continue;
		if (last->run != event->run ||
		    event->begun_wall - last->ended > t->message.resolution)
			return false;
		if (event->ended_wall > last->ended)
			last->ended = event->ended_wall;
		last->last_seq = event->last_seq;
		last->best = event->best > last->best ? event->best : last->best;
		return true;
	}
	return false;
}

static int take_event(void *arg, const struct event *event)
{
	struct timeline *t = arg;
	size_t i = t->message.n_event;

	if (joins(t, event))
		return 0;
	t->message.more = i == TIMELINE_EVENTS;
	if (t->message.more)
		return 1;
	t->message.n_event++;
	snprintf(t->kinds[i], sizeof(t->kinds[i]), "%s", event_kind_text(event->kind));
	snprintf(t->whats[i], sizeof(t->whats[i]), "%s", event->what);
	troupe__event__init(&t->events[i]);
	t->events[i].kind = t->kinds[i];
	t->events[i].what = t->whats[i];
	t->events[i].begun = event->begun_wall;
	t->events[i].ended = event->ended_wall;
	t->events[i].run = event->run;
	t->events[i].first_seq = event->first_seq;
	t->events[i].last_seq = event->last_seq;
	t->events[i].best = event->best;
	return 0;
}

/* The stream's own, and who of the others died. */
static int find_events(struct timeline *t, struct recording *recording, const char *stream,
		       int64_t wall, int64_t until)
{
	struct event_query query = {.stream = stream, .from = wall, .to = until};
	struct index *index = recording_index(recording);
	int rc = 0;

	for (query.kind = EVENT_MOTION; rc == 0 && query.kind < N_EVENT_KINDS; query.kind++)
		rc = index_find_events(index, &query, take_event, t);
	query.kind = EVENT_DIED;
	query.stream = "";
	if (rc == 0)
		rc = index_find_events(index, &query, take_event, t);
	return rc < 0 ? rc : 0;
}

static int find_ends(struct timeline *t, struct recording *recording, const char *stream)
{
	struct index_row first, last;
	int rc = recording_first_since(recording, stream, INT64_MIN, &first);

	if (rc == 0)
		rc = recording_last_until(recording, stream, INT64_MAX, &last);
	if (rc == 0) {
		t->message.first = first.record.captured_wall;
		t->message.last = last.record.captured_wall;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

static void begin(struct timeline *t, int64_t step)
{
	troupe__timeline__init(&t->message);
	t->message.resolution = step > TOGETHER ? step : TOGETHER;
	for (int i = 0; i < TIMELINE_SPANS; i++)
		t->span_at[i] = &t->spans[i];
	for (int i = 0; i < TIMELINE_EVENTS; i++)
		t->event_at[i] = &t->events[i];
	t->message.span = t->span_at;
	t->message.event = t->event_at;
}

int timeline_make(struct timeline **timeline, struct recording *recording, const char *stream,
		  int64_t wall, int64_t until)
{
	struct timeline *t;
	int rc;

	*timeline = NULL;
	if (wall < 0 || until <= wall || until > INT64_MAX / 2)
		return TROUPE_E_ARGUMENT;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return TROUPE_E_MEMORY;
	begin(t, (until - wall) / TIMELINE_STEPS);
	rc = find_ends(t, recording, stream);
	if (rc == 0)
		rc = find_spans(t, recording, stream, wall, until);
	if (rc == 0)
		rc = find_events(t, recording, stream, wall, until);
	if (rc < 0)
		free(t);
	else
		*timeline = t;
	return rc;
}

Troupe__Timeline *timeline_message(struct timeline *timeline)
{
	return &timeline->message;
}

void timeline_destroy(struct timeline *timeline)
{
	free(timeline);
}
