/* What a pipeline gets done with more or fewer processors. */
#ifndef TROUPE_TOOLS_BENCH_PIPELINE_H
#define TROUPE_TOOLS_BENCH_PIPELINE_H

#include "tools/bench/bench.h"

/* One way to do the work. */
struct pipeline_setting {
	int processors; /* 0: the sequential reference */
	int cpus;	/* all processes together may run on so many; 0: on any */
};

/* What was done in a span of a run. */
struct pipeline_result {
	double rate;	 /* frames a second */
	double cpu;	 /* ms of CPU a frame, all processes */
	double parallel; /* of those, the processors'; 0 for the reference */
};

/* Runs it until it is warm, then for `span` ns more, and says what it did then. 0 or an error,
 * which is explained. */
int pipeline_measure(struct bench *bench, const struct pipeline_setting *setting, int64_t span,
		     struct pipeline_result *result);

#endif
