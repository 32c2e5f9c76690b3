/* The processor worker: makes view, motion, prediction and coded picture of a captured frame. Any
 * number of them share the queue. What it makes is a pure function of the frame, the config and the
 * model.
 *
 * Other programs can take its place that also draw on the view, for people to look at: they are
 * these callbacks and, once the frame is done, a drawing. So what is recorded, and what the
 * prediction was made from, is the same whoever did the frame. (A trainer looks at views later: it
 * sees what was drawn.) */
#ifndef TROUPE_WORKERS_PROCESSOR_PROCESSOR_H
#define TROUPE_WORKERS_PROCESSOR_PROCESSOR_H

#include "ipc/worker/worker.h"

struct processor_config {
	char model[512];
	char hold[64];
	int64_t crash_on;
	int64_t ballast;
};

/* A program that is swapped in must know every row that a config may set. */
#define PROCESSOR_ROWS 4
extern const struct row processor_rows[PROCESSOR_ROWS];

int processor_open(struct worker *w, void **self);
int processor_frame(struct worker *w, void *self, struct frame *frame);
void processor_close(struct worker *w, void *self);
void processor_dump(struct worker *w, void *self, FILE *out);

extern const struct worker_table processor_table;

#endif
