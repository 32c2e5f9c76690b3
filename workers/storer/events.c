/* Following the spans of frames. */
#include "workers/storer/events.h"

#include "ipc/base/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tracked_event {
	struct event event;
	bool changed;
};

static const char *const kinds[N_EVENT_KINDS] = {
#define EVENT_KIND_TEXT(name, text) [EVENT_##name] = (text),
	EVENT_KINDS(EVENT_KIND_TEXT)
#undef EVENT_KIND_TEXT
};

const char *event_kind_text(enum event_kind kind)
{
	return kinds[kind];
}

enum event_kind event_kind_of(const char *text)
{
	unsigned kind = 0;

	while (kind < N_EVENT_KINDS && strcmp(kinds[kind], text) != 0)
		kind++;
	return (enum event_kind)kind;
}

bool event_of_frames(enum event_kind kind)
{
	return kind < EVENT_LOST;
}

void events_init(struct events *events, const struct event_rules *rules)
{
	*events = (struct events){.rules = *rules};
}

void events_finish(struct events *events)
{
	free(events->all);
	*events = (struct events){.rules = events->rules};
}

/* Room for one more, at the end; NULL: no memory. Pointers to the others are void then. */
static struct tracked_event *add(struct events *events)
{
	if (events->n == events->room) {
		size_t room = events->room > 0 ? events->room * 2 : 16;
		struct tracked_event *all = reallocarray(events->all, room, sizeof(*all));

		if (all == NULL)
			return NULL;
		events->all = all;
		events->room = room;
	}
	return &events->all[events->n++];
}

int events_adopt(struct events *events, const struct event *event)
{
	struct tracked_event *tracked = add(events);

	if (tracked == NULL)
		return TROUPE_E_MEMORY;
	*tracked = (struct tracked_event){.event = *event};
	return 0;
}

/* ---- one record ---- */

static bool same_stream(const struct event *event, const struct record *record)
{
	return event->run == record->run && strcmp(event->stream, record->stream) == 0;
}

/* Whatever waited too long for another frame has ended. */
static void close_old(struct events *events, const struct record *record)
{
	for (size_t i = 0; i < events->n; i++) {
		struct tracked_event *tracked = &events->all[i];
		struct event *event = &tracked->event;

		if (!event->open || !same_stream(event, record) || !event_of_frames(event->kind) ||
		    record->captured - event->ended <= events->rules.gap)
			continue;
		event->open = false;
		tracked->changed = true;
	}
}

static struct tracked_event *find_open(struct events *events, const struct record *record,
				       enum event_kind kind, const char *what)
{
	for (size_t i = 0; i < events->n; i++) {
		struct event *event = &events->all[i].event;

		if (event->open && event->kind == kind && same_stream(event, record) &&
		    strcmp(event->what, what) == 0)
			return &events->all[i];
	}
	return NULL;
}

static int64_t distance(int64_t a, int64_t b)
{
	return a < b ? b - a : a - b;
}

static bool begins_a_piece(const struct event *event, const struct record *record)
{
	int64_t offset = record->captured_wall - record->captured;

	return record->captured - event->begun >= EVENT_PIECE ||
	       distance(offset, event->ended_wall - event->ended) > EVENT_STEP;
}

/* A span that begins with this record, or with the end of the piece before it. */
static struct event new_event(const struct record *record, enum event_kind kind, const char *what,
			      const struct event *before)
{
	int64_t begun = before != NULL ? before->ended : record->captured;
	struct event event = {
		.run = record->run,
		.kind = kind,
		.first_seq = before != NULL ? before->last_seq : record->seq,
		.begun = begun,
		.begun_wall = begun + (record->captured_wall - record->captured),
		.open = true,
	};

	snprintf(event.stream, sizeof(event.stream), "%s", record->stream);
	snprintf(event.what, sizeof(event.what), "%s", what);
	return event;
}

static int match(struct events *events, const struct record *record, enum event_kind kind,
		 const char *what, double value)
{
	struct tracked_event *tracked = find_open(events, record, kind, what);
	struct event *event;

	if (tracked != NULL && record->seq <= tracked->event.last_seq)
		return 0;
	if (tracked == NULL || begins_a_piece(&tracked->event, record)) {
		struct event begun =
			new_event(record, kind, what, tracked != NULL ? &tracked->event : NULL);

		if (tracked != NULL) {
			tracked->event.open = false;
			tracked->changed = true;
		}
		tracked = add(events);
		if (tracked == NULL)
			return TROUPE_E_MEMORY;
		*tracked = (struct tracked_event){.event = begun};
	}
	event = &tracked->event;
	event->last_seq = record->seq;
	event->ended = record->captured > event->ended ? record->captured : event->ended;
	event->ended_wall = event->ended + (record->captured_wall - record->captured);
	event->frames++;
	event->best = value > event->best ? value : event->best;
	tracked->changed = true;
	return 0;
}

/* The first frame of a stream has none before it to differ from. */
static bool moves(const struct events *events, const struct record *record)
{
	return record->seq > 1 && record->motion >= (float)events->rules.motion &&
	       (record->marks & MARK_BYPASSED) == 0;
}

int events_take(struct events *events, const struct record *record)
{
	int rc;

	close_old(events, record);
	rc = match(events, record, EVENT_RECORDED, "", 0);
	if (rc == 0 && moves(events, record))
		rc = match(events, record, EVENT_MOTION, "", (double)record->motion);
	if (rc == 0 && record->label[0] != 0)
		rc = match(events, record, EVENT_LABEL, record->label, 1);
	if (rc == 0 && record->prediction[0] != 0 &&
	    record->probability >= (float)events->rules.probability)
		rc = match(events, record, EVENT_PREDICTION, record->prediction,
			   (double)record->probability);
	return rc;
}

int events_flush(struct events *events, event_put_fn *put, void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < events->n; i++) {
		struct tracked_event *tracked = &events->all[i];
		int rc = tracked->changed ? put(arg, &tracked->event) : 0;

		if (rc < 0)
			return rc;
		tracked->changed = false;
		if (tracked->event.open)
			events->all[kept++] = *tracked;
	}
	events->n = kept;
	return 0;
}
