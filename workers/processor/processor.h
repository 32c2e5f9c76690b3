/* The processor worker: makes view, motion, prediction and coded picture of a captured frame. Any
 * number of them share the queue. What it makes is a pure function of the frame, the config and the
 * model. */
#ifndef TROUPE_WORKERS_PROCESSOR_PROCESSOR_H
#define TROUPE_WORKERS_PROCESSOR_PROCESSOR_H

#include "ipc/worker/worker.h"

struct processor_config {
	char model[512];
	char hold[64];
	int64_t crash_on;
};

extern const struct worker_table processor_table;

#endif
