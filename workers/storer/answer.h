/* Looks up what was asked of the recording: a frame goes into a playback slot, anything else is put
 * into words. Belongs to one thread, with read-only handles of its own. */
#ifndef TROUPE_WORKERS_STORER_ANSWER_H
#define TROUPE_WORKERS_STORER_ANSWER_H

#include "ipc/slots/playback.h"
#include "schemas/playback.pb-c.h"

/* A question, checked and copied. */
struct question {
	uint64_t id;
	int64_t deadline;
	struct playback_asker asker;
	Troupe__Which which;
	char stream[NAME_SIZE];
	uint64_t run, seq;
	int64_t wall, until;
};

struct answerer;

/* `folder` of the recording has to stay; it is opened when it is needed. `seat` fills the slots.
 * NULL: out of memory. */
struct answerer *answerer_create(const char *folder, struct ledger *ledger, uint8_t seat);
void answerer_destroy(struct answerer *answerer); /* NULL is fine */

/* NULL: nothing is to be said, because the frame is in a slot, or the asker is gone, or has no slot
 * left and will ask again. */
Troupe__Answer *answerer_answer(struct answerer *answerer, const struct question *question);
void answer_destroy(Troupe__Answer *answer);

#endif
