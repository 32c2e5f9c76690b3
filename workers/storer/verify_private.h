/* What the files of verify share: verify.c (all of it), verify_segments.c (files), verify_records.c
 * (one segment), verify_frames.c (streams), verify_compare.c (two recordings). Nobody else includes
 * it. */
#ifndef TROUPE_WORKERS_STORER_VERIFY_PRIVATE_H
#define TROUPE_WORKERS_STORER_VERIFY_PRIVATE_H

#include "workers/storer/recording.h"
#include "workers/storer/segment.h"
#include "workers/storer/verify.h"

/* One verification. */
struct verify {
	const struct verify_options *options;
	struct verify_report *report;
	struct recording *recording;
	uint64_t done, total; /* bytes of the segments */
};

/* One segment that is looked at. */
struct look {
	struct segment_reader reader;
	uint32_t number;
	bool open;	/* it may end with records that no commit vouches for */
	bool known;	/* the index has it … */
	uint64_t bytes; /* … and vouches for so much */
	uint64_t at;
	bool key;		       /* there was a keyframe, or the lack of one was told */
	bool damaged;		       /* not every record could be read */
	struct index_segment row;      /* what the index says of it … */
	struct index_segment observed; /* … and what was found */
};

/* Counts a fault and tells it. */
void verify_say(struct verify *verify, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Counts and tells what is no fault. */
void verify_note(struct verify *verify, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* So many bytes more were looked at. */
void verify_went(struct verify *verify, uint64_t bytes);

struct index *verify_index(const struct verify *verify);

/* Each returns 0, or an error when it could not be done. */

/* All files of segments against the index. */
int verify_segments(struct verify *verify);
/* The records of a segment and the rows that point into it. */
int verify_records(struct verify *verify, struct look *look);
/* All streams in the order of their frames. */
int verify_frames(struct verify *verify);
/* Compares results with another recording. */
int verify_compare(struct verify *verify, const char *against);

#endif
