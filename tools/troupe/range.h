/* Which frames of a recording a call means: of one stream, from a time to a time, of a run, from a
 * number to a number; all that is not said is not bounded. Frames come run by run, in their order,
 * each with the time by the clock on the wall that was asked for. */
#ifndef TROUPE_TOOLS_TROUPE_RANGE_H
#define TROUPE_TOOLS_TROUPE_RANGE_H

#include "tools/troupe/command.h"
#include "workers/storer/recording.h"

#include <stddef.h>
#include <stdint.h>

struct range {
	struct recording *recording; /* borrowed */
	char stream[NAME_SIZE];
	int64_t from, to; /* wall clock, ns; both included */
	uint64_t run;	  /* 0: any */
	uint64_t first, last;
	uint64_t frames; /* how many there are, as of the beginning */
	struct index_span *spans;
	size_t n_spans, at;
	uint64_t after; /* the last number that was handed out in the current span */
};

/* The stream of a recording that a call means: --stream, or the only one there is. Returns an exit
 * code, having said what is wrong. */
int range_pick_stream(const struct call *call, struct recording *recording, char out[NAME_SIZE]);

/* The run that a call names with --run: it may be NULL (*run is 0 then). */
int range_pick_run(const struct call *call, struct recording *recording, uint64_t *run);

/* Finds what the call means. Returns an exit code, having said what is wrong; EXIT_FAILED: there is
 * no such frame, and what there is was said. */
int range_open(struct range *range, const struct call *call, struct recording *recording);
void range_close(struct range *range);

/* The next frame. TROUPE_E_ENDED. */
int range_next(struct range *range, struct index_row *row);

/* Begins again. */
void range_rewind(struct range *range);

#endif
