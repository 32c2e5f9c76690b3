/* The pipeline that is watched: what its supervisor answers, what the ledger has counted, and what
 * becomes of both when the supervisor dies and another one comes. */
#ifndef TROUPE_TOOLS_TOP_WATCHED_H
#define TROUPE_TOOLS_TOP_WATCHED_H

#include "ipc/slots/stations.h"
#include "tools/troupe/client.h"

/* Figures of "the last seconds" are the difference to the oldest of so many looks, a second apart.
 */
#define LOOKS_KEPT 6

/* What was counted at one time. */
struct look {
	int64_t time; /* monotonic */
	uint32_t n_streams;
	uint64_t captured[STREAMS_MAX];
	struct stations stations[STREAMS_MAX];
};

struct watched {
	struct pipeline pipeline;
	Troupe__Reply *reply; /* the last one; NULL: none yet */
	uint64_t run;	      /* that it was about */
	struct ledger ledger;
	int ledger_fd;	   /* -1: not mapped */
	int64_t lost_at;   /* nobody answers since then; 0: somebody does */
	char why[128];	   /* not */
	bool came_back;	   /* just now, after it was lost */
	struct look *look; /* LOOKS_KEPT of them, the newest at (n_looks - 1) % LOOKS_KEPT */
	size_t n_looks;
};

/* EXIT_DONE or, having said what is wrong, another exit code. */
int watched_init(struct watched *w, const struct call *call);
void watched_finish(struct watched *w);

/* Asks and looks once more. What was known stays when nobody answers. */
void watched_look(struct watched *w);

/* Gives an order and writes what came of it. */
void watched_order(struct watched *w, Troupe__Request *request, char *text, size_t size);

/* Frames captured a second, over the last seconds; -1: not known yet. */
double watched_rate(const struct watched *w, uint32_t stream);

/* Of the last seconds; -1: no frame made the step. */
int64_t watched_percentile(const struct watched *w, uint32_t stream, enum station station,
			   double share);
uint64_t watched_count(const struct watched *w, uint32_t stream, enum station station);

#endif
