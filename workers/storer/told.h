/* What the supervisor tells the storer, as notes for the book of events. */
#ifndef TROUPE_WORKERS_STORER_TOLD_H
#define TROUPE_WORKERS_STORER_TOLD_H

#include "schemas/life.pb-c.h"
#include "workers/storer/event_book.h"

/* Of a kind that we do not know nothing is noted. */
void told_note(struct event_notes *notes, const Troupe__Happened *told);

#endif
