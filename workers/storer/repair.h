/* Making the catalogue of a recording anew from its segments, which describe themselves. What is
 * damaged is set aside, and nothing is ever deleted: the old catalogue stays beside the new one as
 * recording.sqlite.before-repair-N, and damaged segments go into `damaged/`, while their whole
 * records go on in new segments. Dies it anywhere, it can be run again, and a storer can start. */
#ifndef TROUPE_WORKERS_STORER_REPAIR_H
#define TROUPE_WORKERS_STORER_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPAIR_DAMAGED "damaged"

/* Called for each thing that is done, or would be: one line. */
typedef void repair_told_fn(void *arg, const char *text);
/* Called often, with bytes; `false` ends it. */
typedef bool repair_going_fn(void *arg, uint64_t done, uint64_t total);

struct repair_options {
	const char *folder;
	bool dry_run; /* only look, and tell what would be done */
	repair_told_fn *told;
	repair_going_fn *going; /* both may be NULL */
	void *arg;
};

struct repair_report {
	uint64_t segments;	   /* that were looked at … */
	uint64_t bytes;		   /* … and so large */
	uint64_t records;	   /* whole ones in them */
	uint64_t damaged;	   /* segments that were damaged, or superfluous: set aside */
	uint64_t salvaged;	   /* new segments, with what was whole in those … */
	uint64_t salvaged_records; /* … so many */
	uint64_t tails;		   /* segments whose last record was not whole: cut */
	uint64_t others;	   /* files that are no segments: set aside */
	/* not with dry_run: */
	uint64_t frames;    /* in the new catalogue */
	uint64_t forgotten; /* frames that it knows to be gone */
	char catalogue[64]; /* where the old one is; "": there was none */
	bool adopted;	    /* what only the old one knew was taken over */
};

/* On an error `why` is a line for people. TROUPE_E_NOT_FOUND: no recording; TROUPE_E_BUSY: a storer
 * runs (its pid is named); TROUPE_E_SCHEMA: a segment is of a newer version, so nothing was done;
 * TROUPE_E_CLOSED: `going` ended it. */
int repair_recording(const struct repair_options *options, struct repair_report *report, char *why,
		     size_t why_size);

#endif
