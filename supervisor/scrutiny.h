/* The supervisor's look at what every worker can write: the ledger. What no step can have made is
 * found here, said once, and put right where the supervisor knows better (its own fields, seats,
 * owners, what never changes); the slot of a word that cannot be right is set aside for the rest of
 * the run. */
#ifndef TROUPE_SUPERVISOR_SCRUTINY_H
#define TROUPE_SUPERVISOR_SCRUTINY_H

#include "ipc/slots/layout.h"

#include <jansson.h>
#include <stdint.h>

struct supervisor;

/* A slot: how long it has been in the same hands, and whether it is set aside. */
struct holding {
	uint64_t aside; /* its word since then; 0: it is not */
	uint64_t seq;
	int64_t since; /* 0: nobody's */
	uint8_t seat;
};

struct scrutiny {
	int64_t looked;
	uint64_t mended;	 /* pages of the ledger that were written over */
	uint32_t aside;		 /* slots set aside */
	struct holding *holding; /* a slot each; NULL: it has not looked yet */
	uint32_t n_labels;	 /* the ledger's, as we wrote them; 0: not yet */
	char labels[LABELS_MAX][NAME_SIZE];
	uint64_t told[STREAMS_MAX * STREAM_SLOTS_MAX / 64]; /* a bit for each slot of which the
							       journal says that it is set aside */
};

/* Looks, if it has not looked for a moment. Costs no wake-up of its own: called after whatever
 * happens, and frames that flow make the supervisor look after its workers anyway. */
void scrutiny_look(struct supervisor *s, int64_t now);

/* Before somebody is started, or reads what we have written: it says what it should. */
void scrutiny_mend(struct supervisor *s);

/* A label was added to the ledger's. */
void scrutiny_new_label(struct supervisor *s, const char *label);

/* Hears a line of this run's journal; `arg` is the supervisor. */
void scrutiny_hear(void *arg, const json_t *line);

void scrutiny_finish(struct supervisor *s);

#endif
