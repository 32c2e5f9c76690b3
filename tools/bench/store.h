/* The parts of `troupe bench store`. */
#ifndef TROUPE_TOOLS_BENCH_STORE_H
#define TROUPE_TOOLS_BENCH_STORE_H

#include "tools/bench/bench.h"
#include "workers/storer/recorder.h"

#define FRAME_BYTES   100000
#define SEGMENT_BYTES INT64_C(64000000) /* the storer's default */
#define COMMIT_EVERY  (150 * NS_PER_MS) /* the same */
#define COMMIT_BYTES  8000000		/* the same */

/* Streams that come at their own pace, as a storer takes them: frames as they are due, commits
 * after COMMIT_EVERY or COMMIT_BYTES. */
struct load {
	struct recorder *recorder;
	uint8_t *pictures; /* of FRAME_BYTES each */
	int streams;	   /* numbers 0 … in the recorder */
	uint64_t rounds;   /* frames of each so far */
	int64_t begun, first_pending;
	struct samples commits; /* ms */
	int64_t working;	/* ns in appending and committing */
};

/* Opens a recording with `streams` streams, "new01", …. */
int load_begin(struct bench *bench, struct load *load, const char *folder, int streams);
/* One frame of each stream when that is due, and a commit when one is. 1: there was a commit. */
int load_round(struct bench *bench, struct load *load);
/* Frees what it has. */
void load_finish(struct load *load);

/* 16 streams of 30 frames/s and 100 KB. */
int store_streams(struct bench *bench, double seconds);
/* The oldest going from a large recording, while others come. */
int store_keep(struct bench *bench, double seconds);

#endif
