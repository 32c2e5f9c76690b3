/* A recording with a catalogue of any size, made in seconds: the rows of months, and of each
 * segment only its header, the rest a hole. What is looked for in it, and what goes from it, takes
 * as long as in a real one. */
#ifndef TROUPE_TOOLS_BENCH_CATALOGUE_H
#define TROUPE_TOOLS_BENCH_CATALOGUE_H

#include "tools/bench/bench.h"

struct catalogue_plan {
	uint64_t frames;  /* altogether */
	uint32_t streams; /* "cam01", "cam02", …; at 30 frames/s */
	uint64_t run;
	const char *boot;   /* of that run; "" not known */
	int64_t last_wall;  /* of the newest frame … */
	int64_t last_clock; /* … and on the monotonic clock of that boot */
	uint32_t solid;	    /* so many segments, the oldest, have all their bytes on the disk */
};

#define CATALOGUE_PER_SEGMENT 1800  /* frames: a minute */
#define CATALOGUE_RECORD      35000 /* bytes of a record: 64 MB a segment */
#define CATALOGUE_FRAME_NS    INT64_C(33333333)

/* Makes the folder and everything in it. Every stream moves for ten seconds of each minute, shows
 * the label "person" for two seconds of each, and a prediction of it that is surer in some minutes
 * than in others. TROUPE_E_AGAIN: interrupted; other errors are explained. */
int catalogue_make(struct bench *bench, const char *folder, const struct catalogue_plan *plan);

#endif
