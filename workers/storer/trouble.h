/* A disk that refuses: said once, tried again each second, said when it is over. */
#ifndef TROUPE_WORKERS_STORER_TROUBLE_H
#define TROUPE_WORKERS_STORER_TROUBLE_H

#include "ipc/worker/worker.h"

/* All zero: there is none. */
struct trouble {
	int code;	/* why the disk refuses; 0: it does not */
	char why[512];	/* the same for people */
	unsigned tries; /* that were refused since it began */
	bool refused;	/* no frame was taken since it began; the storer's to say */
	int64_t since, retry_at;
};

/* It refused, for the first time or again. */
void trouble_begin(struct trouble *trouble, struct worker *w, int code, const char *why);

/* It did not; nothing when there was no trouble. */
void trouble_end(struct trouble *trouble, struct worker *w);

/* Whether it is too early to try again. */
bool trouble_waits(const struct trouble *trouble);

void trouble_dump(const struct trouble *trouble, FILE *out);

#endif
