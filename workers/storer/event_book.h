/* The writer's book of events: follows the frames that are entered into the catalogue and enters
 * their events in the same transaction, so that neither can be there without the other. What it
 * goes on from is always what the catalogue says is open: after a start, and after a transaction
 * that did not happen. Beside that, notes of what others know: lost cameras, deaths. */
#ifndef TROUPE_WORKERS_STORER_EVENT_BOOK_H
#define TROUPE_WORKERS_STORER_EVENT_BOOK_H

#include "workers/storer/events.h"
#include "workers/storer/index.h"

#define EVENT_NOTES_MAX 128

/* What was told and is not entered yet. */
struct event_notes {
	struct event all[EVENT_NOTES_MAX];
	size_t n;
	int64_t since; /* when the first of them was told, monotonic */
};

/* Notes something: the same thing, with the same beginning, may come again. When there are too many
 * the oldest goes. */
void event_notes_add(struct event_notes *notes, const struct event *event);

struct event_book {
	struct events events;
	bool loaded;
	bool lost; /* some camera, still */
};

void event_book_init(struct event_book *book, const struct event_rules *rules);
void event_book_finish(struct event_book *book);

/* ---- inside index_begin … index_commit ---- */

/* The next frame of its stream is entered. */
int event_book_take(struct event_book *book, struct index *index, const struct record *record);

/* Enters what has changed, and the notes (may be NULL) as of `run`. */
int event_book_enter(struct event_book *book, struct index *index, struct event_notes *notes,
		     uint64_t run);

/* Makes all events of frames anew from the catalogue's frames. `waiting` (may be NULL) is called
 * now and then. */
typedef void event_waiting_fn(void *arg);
int event_book_remake(struct event_book *book, struct index *index, event_waiting_fn *waiting,
		      void *arg);

/* ---- after it ---- */

/* The transaction did not happen, or somebody else has changed the events. */
void event_book_forget(struct event_book *book);

#endif
