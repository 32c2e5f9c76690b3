/* What the files of an adoption share: who was found, and what is done with them. */
#ifndef TROUPE_SUPERVISOR_ADOPT_PRIVATE_H
#define TROUPE_SUPERVISOR_ADOPT_PRIVATE_H

#include "supervisor/orphans.h"
#include "supervisor/supervisor.h"

/* Descriptors of ours lie above all that mean something to a worker. */
#define ADOPT_LEAST_FD 128
/* How long a process may take to end that was killed, or that holds the lock and is none. */
#define ADOPT_END_PATIENCE (10 * NS_PER_S)

struct finding {
	struct supervisor *s;
	struct orphan all[ORPHANS_MAX];
	size_t n;
};

/* ---- what the workers have (adopt_find.c) ---- */

/* Looks who is there, until there is somebody. TROUPE_E_TIMEOUT with `why`: nobody is. */
int finding_look(struct finding *f, char *why, size_t why_size);

/* Takes what all of them have (ledger, lock, bells) out of one of them. An error with `why`. */
int finding_take_common(struct finding *f, char *why, size_t why_size);

/* Gives up what finding_take_common took. */
void finding_drop(struct supervisor *s);

/* ---- who is who (adopt_place.c) ---- */

/* Holds what the image says of a part against who was found: its process is taken over, or gone. */
void finding_match(struct finding *f, struct part *part);

/* Gives a place to each of those found that the image did not know, or ends it. */
void finding_place(struct finding *f);

/* Whether the part has a process that has not ended. */
bool part_lives(const struct part *part);

#endif
