/* What the files of repair share: repair.c (the order of things), repair_survey.c (what there is),
 * repair_files.c (moving and salvaging). Nobody else includes it. */
#ifndef TROUPE_WORKERS_STORER_REPAIR_PRIVATE_H
#define TROUPE_WORKERS_STORER_REPAIR_PRIVATE_H

#include "workers/storer/folder.h"
#include "workers/storer/repair.h"
#include "workers/storer/segment.h"

#define REPAIR_PATH 4096

/* What is to be done with a segment. */
enum find {
	FIND_WHOLE,	  /* nothing */
	FIND_TAIL,	  /* behind its last whole record lies something: that is set aside */
	FIND_DAMAGED,	  /* it is set aside, its whole records go into a new one */
	FIND_SUPERFLUOUS, /* it was to replace one that is there and whole: set aside */
};

struct found {
	uint32_t number;
	enum find find;
	struct segment_header
		header; /* whose frames, as it says itself or as its records do; stream
			 * "": of several */
	bool header_read;
	uint64_t size;
	uint64_t end;	  /* behind the last whole record */
	uint64_t records; /* whole ones */
	uint32_t salvage; /* the number of the segment they go to; 0: none */
};

/* One repair. */
struct repair {
	const struct repair_options *options;
	struct repair_report *report;
	char *why;
	size_t why_size;
	struct folder folder; /* with the lock */
	int damaged;	      /* descriptor of damaged/; -1: not needed yet */
	struct found *found;  /* by number */
	size_t n_found;
	uint32_t highest; /* number of any segment, here or set aside */
	uint64_t done, total;
};

int repair_explain(struct repair *repair, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void repair_tell(const struct repair *repair, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* So many bytes more were read; false: end it. */
bool repair_went(struct repair *repair, uint64_t bytes);

/* Each returns 0, or an error that is explained. */

/* Looks at all segments and decides. */
int repair_survey(struct repair *repair);

/* Writes the whole records of a damaged segment into a new one, durably, under a name that is no
 * segment's yet. */
int repair_salvage(struct repair *repair, struct found *found);
/* Sets aside what is to be set aside, and gives what was salvaged its name. */
int repair_move(struct repair *repair, const struct found *found);
/* Files in segments/ that are none. */
int repair_others(struct repair *repair);

#endif
