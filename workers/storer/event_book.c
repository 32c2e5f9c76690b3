/* Keeping the events of a recording along with its frames. */
#include "workers/storer/event_book.h"

#include "ipc/base/errors.h"
#include "workers/storer/index_events.h"

#include <stdio.h>
#include <string.h>

void event_notes_add(struct event_notes *notes, const struct event *event)
{
	if (notes->n == EVENT_NOTES_MAX) {
		memmove(notes->all, notes->all + 1, (EVENT_NOTES_MAX - 1) * sizeof(notes->all[0]));
		notes->n--;
	}
	if (notes->n == 0)
		notes->since = clock_now();
	notes->all[notes->n++] = *event;
}

void event_book_init(struct event_book *book, const struct event_rules *rules)
{
	*book = (struct event_book){0};
	events_init(&book->events, rules);
}

void event_book_finish(struct event_book *book)
{
	events_finish(&book->events);
}

void event_book_forget(struct event_book *book)
{
	events_finish(&book->events);
	book->loaded = book->lost = false;
}

/* ---- frames ---- */

static int adopt(void *arg, const struct event *event)
{
	struct event_book *book = arg;

	if (event_of_frames(event->kind))
		return events_adopt(&book->events, event);
	book->lost = true;
	return 0;
}

static int load(struct event_book *book, struct index *index)
{
	int rc;

	if (book->loaded)
		return 0;
	event_book_forget(book);
	rc = index_open_events(index, adopt, book);
	book->loaded = rc == 0;
	return rc;
}

int event_book_take(struct event_book *book, struct index *index, const struct record *record)
{
	int rc = load(book, index);

	return rc < 0 ? rc : events_take(&book->events, record);
}

static int put(void *arg, struct event *event)
{
	return index_put_event(arg, event);
}

/* ---- notes ---- */

/* Who was told twice, or by two messages in the wrong order, knows no more than before. */
static int enter_note(struct event_book *book, struct index *index, struct event *note)
{
	struct event found;
	int rc = index_same_event(index, note, &found);

	if (rc < 0 && rc != TROUPE_E_NOT_FOUND)
		return rc;
	if (rc == 0 && !found.open)
		return 0;
	note->number = rc == 0 ? found.number : 0;
	book->lost |= note->open;
	return index_put_event(index, note);
}

int event_book_enter(struct event_book *book, struct index *index, struct event_notes *notes,
		     uint64_t run)
{
	int rc = load(book, index);

	if (rc == 0)
		rc = events_flush(&book->events, put, index);
	for (size_t i = 0; rc == 0 && notes != NULL && i < notes->n; i++) {
		notes->all[i].run = run;
		rc = enter_note(book, index, &notes->all[i]);
	}
	if (rc < 0 || !book->lost)
		return rc;
	rc = index_stretch_lost(index, clock_now(), clock_wall());
	book->lost = rc > 0;
	return rc < 0 ? rc : 0;
}

/* ---- anew ---- */

/* Rows of one stream of one run, in order. What is closed is let go of now and then: all of a long
 * recording's would be slow to look through. */
static int take_rows(struct event_book *book, struct index *index, uint64_t run, const char *stream,
		     event_waiting_fn *waiting, void *arg)
{
	struct index_row row = {0};
	int rc = 0;

	for (uint64_t count = 1; rc == 0; count++) {
		rc = index_next(index, run, stream, row.record.seq, &row);
		if (rc == 0)
			rc = events_take(&book->events, &row.record);
		if (rc == 0 && count % 256 == 0)
			rc = events_flush(&book->events, put, index);
		if (waiting != NULL && count % 4096 == 0)
			waiting(arg);
	}
	return rc == TROUPE_E_ENDED ? events_flush(&book->events, put, index) : rc;
}

int event_book_remake(struct event_book *book, struct index *index, event_waiting_fn *waiting,
		      void *arg)
{
	char stream[NAME_SIZE] = "";
	uint64_t run = 0;
	int rc = index_drop_events(index);

	event_book_forget(book);
	if (rc == 0)
		rc = load(book, index);
	while (rc == 0 && (rc = index_next_key(index, &run, stream)) == 0)
		rc = take_rows(book, index, run, stream, waiting, arg);
	return rc == TROUPE_E_ENDED ? 0 : rc;
}
