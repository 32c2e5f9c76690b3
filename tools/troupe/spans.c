/* The algebra of spans. */
#include "tools/troupe/spans.h"

#include "ipc/base/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void spans_finish(struct spans *spans)
{
	free(spans->all);
	*spans = (struct spans){0};
}

int spans_add(struct spans *spans, const struct span *span)
{
	if (spans->n == spans->room) {
		size_t room = spans->room ? spans->room * 2 : 64;
		struct span *all = reallocarray(spans->all, room, sizeof *all);
		if (!all)
			return TROUPE_E_MEMORY;
		spans->all = all;
		spans->room = room;
	}
	spans->all[spans->n++] = *span;
	return 0;
}

int spans_add_event(struct spans *spans, const struct event *event)
{
	struct span span = {.run = event->run,
			    .kind = event->kind,
			    .begun = event->begun,
			    .ended = event->ended,
			    .begun_wall = event->begun_wall,
			    .ended_wall = event->ended_wall,
			    .first_seq = event->first_seq,
			    .last_seq = event->last_seq,
			    .best = event->best,
			    .open = event->open};
	snprintf(span.stream, sizeof span.stream, "%s", event->stream);
	snprintf(span.what, sizeof span.what, "%s", event->what);
	return spans_add(spans, &span);
}

/* ---- one list ---- */

static void cut_first(struct span *span, int64_t by)
{
	span->begun += by;
	span->begun_wall += by;
	span->cut_first = true;
}

static void cut_last(struct span *span, int64_t by)
{
	span->ended -= by;
	span->ended_wall -= by;
	span->cut_last = true;
	span->open = false;
}

void spans_cut(struct spans *spans, int64_t from, int64_t to)
{
	size_t kept = 0;
	for (size_t i = 0; i < spans->n; i++) {
		struct span span = spans->all[i];
		if (span.ended_wall < from || span.begun_wall > to)
			continue;
		if (from > span.begun_wall)
			cut_first(&span, from - span.begun_wall);
		if (to < span.ended_wall)
			cut_last(&span, span.ended_wall - to);
		spans->all[kept++] = span;
	}
	spans->n = kept;
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare_keys(const struct span *a, const struct span *b)
{
	int rc = (a->run > b->run) - (a->run < b->run);
	return rc ? rc : strcmp(a->stream, b->stream);
}

static int compare_things(const void *left, const void *right)
{
	const struct span *a = left, *b = right;
	int rc = compare_keys(a, b);
	rc = rc ? rc : strcmp(a->what, b->what);
	rc = rc ? rc : compare_numbers(a->begun, b->begun);
	return rc ? rc : compare_numbers(a->ended, b->ended);
}

static int compare_times(const void *left, const void *right)
{
	const struct span *a = left, *b = right;
	int rc = (a->run > b->run) - (a->run < b->run);
	rc = rc ? rc : compare_numbers(a->begun, b->begun);
	rc = rc ? rc : strcmp(a->stream, b->stream);
	return rc ? rc : strcmp(a->what, b->what);
}

void spans_sort_by_time(struct spans *spans)
{
	if (spans->n)
		qsort(spans->all, spans->n, sizeof *spans->all, compare_times);
}

/* Whether the wall clock was stepped between the two. */
static bool stepped(const struct span *a, const struct span *b)
{
	int64_t by = (a->ended_wall - a->ended) - (b->begun_wall - b->begun);
	return by > EVENT_STEP || by < -EVENT_STEP;
}

static bool goes_on(const struct span *span, const struct span *next)
{
	return compare_keys(span, next) == 0 && strcmp(span->what, next->what) == 0 &&
	       next->begun <= span->ended && !stepped(span, next);
}

static void extend(struct span *span, const struct span *next)
{
	span->best = next->best > span->best ? next->best : span->best;
	span->open |= next->open;
	if (next->ended < span->ended)
		return;
	span->ended = next->ended;
	span->ended_wall = next->ended_wall;
	span->last_seq = next->last_seq > span->last_seq ? next->last_seq : span->last_seq;
	span->cut_last = next->cut_last;
}

void spans_join(struct spans *spans)
{
	size_t n = 0;
	if (!spans->n)
		return;
	qsort(spans->all, spans->n, sizeof *spans->all, compare_things);
	for (size_t i = 1; i < spans->n; i++) {
		if (goes_on(&spans->all[n], &spans->all[i]))
			extend(&spans->all[n], &spans->all[i]);
		else
			spans->all[++n] = spans->all[i];
	}
	spans->n = n + 1;
}

void spans_keep_last(struct spans *spans, size_t n)
{
	if (spans->n <= n)
		return;
	memmove(spans->all, spans->all + (spans->n - n), n * sizeof *spans->all);
	spans->n = n;
}

/* ---- two lists ---- */

static void say_both(const struct span *a, const struct span *b, char *out, size_t size)
{
	const char *first = *a->what ? a->what : event_kind_text(a->kind);
	const char *second = *b->what ? b->what : event_kind_text(b->kind);
	snprintf(out, size, "%.96s, %.48s", first, second); /* a label has up to 31 bytes */
}

/* The later begin and the earlier end, with what is known there; how sure it is, `a` says. */
static struct span common(const struct span *a, const struct span *b)
{
	struct span span = *a;
	const struct span *first = b->begun > a->begun ? b : a;
	const struct span *last = b->ended < a->ended ? b : a;
	say_both(a, b, span.what, sizeof span.what);
	span.begun = first->begun;
	span.begun_wall = first->begun_wall;
	span.first_seq = first->first_seq;
	span.cut_first = first->cut_first;
	span.ended = last->ended;
	span.last_seq = last->last_seq;
	span.cut_last = last->cut_last;
	span.open = a->open && b->open;
	/* Near a step of the clock the two may have been cut at different frames. */
	span.ended_wall = span.begun_wall + (span.ended - span.begun);
	return span;
}

int spans_common(const struct spans *a, const struct spans *b, struct spans *out)
{
	size_t i = 0, j = 0;
	int rc = 0;
	while (rc == 0 && i < a->n && j < b->n) {
		const struct span *left = &a->all[i], *right = &b->all[j];
		int order = compare_keys(left, right);
		if (order == 0 && left->begun <= right->ended && right->begun <= left->ended) {
			struct span both = common(left, right);
			rc = spans_add(out, &both);
		}
		order = order ? order : compare_numbers(left->ended, right->ended);
		i += order <= 0;
		j += order > 0;
	}
	return rc;
}
