/* What a pipeline is limited by while it loses frames or sends them on unprocessed, with the figure
 * that shows it: the cores, the processors, the recording, the slots or the source. */
#ifndef TROUPE_SUPERVISOR_LIMITS_H
#define TROUPE_SUPERVISOR_LIMITS_H

#include "ipc/slots/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMIT_SIZE 192

struct supervisor;

/* What was seen between two looks. */
struct load {
	uint32_t cores;		/* that the pipeline may run on */
	double cores_busy;	/* 0..1, by whomever */
	double ours;		/* cores that the pipeline's workers used */
	uint32_t processors;	/* of the pool */
	double processors_busy; /* 0..1 of their time with a frame */
	uint64_t no_slot;	/* frames dropped because no slot was free */
	uint64_t device;	/* frames that driver or source lost */
	uint64_t bypassed;
	/* of the stream that lost most, as it is now */
	const char *stream;
	uint32_t slots, waiting, owed; /* all; not finished; finished and owed */
};

/* The line for people; "" when nothing was lost, or nothing is known to be the reason. Pure. */
char *limit_text(const struct load *load, char *out, size_t size);

/* What has to be remembered from look to look. */
struct limits {
	int64_t looked;	      /* 0: never */
	uint64_t busy, total; /* ticks of the cores */
	uint64_t drops[STREAMS_MAX][N_DROP_REASONS], bypassed[STREAMS_MAX];
	char text[LIMIT_SIZE]; /* of the last loss */
	int64_t until;	       /* so long it holds */
	int64_t said;	       /* when it was said to people */
};

/* Looks once a second while called more often; says it where people watch. */
void limits_look(struct supervisor *s, int64_t now);

/* The limit that is reached now, "" none. */
const char *limits_now(const struct supervisor *s);

#endif
