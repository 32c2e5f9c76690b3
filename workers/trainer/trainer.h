/* The trainer: looks at the views of labelled frames, learns a softmax model from them and
 * publishes it on the model board, where processors find it. It owns no frame: a slow, hung or dead
 * trainer costs nobody anything but newer models. */
#ifndef TROUPE_WORKERS_TRAINER_TRAINER_H
#define TROUPE_WORKERS_TRAINER_TRAINER_H

#include "ipc/worker/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct trainer_config {
	double learning_rate, momentum, l2;
	int64_t batch, samples_per_class, passes, seed;
	int64_t publish_every, checkpoint_every; /* ns */
	bool fresh;
};

/* A program that is swapped in must know every row that a config may set. */
#define TRAINER_ROWS 10
extern const struct row trainer_rows[TRAINER_ROWS];

struct learner;

/* How a trainer learns; everything else is the same for all of them. */
struct trainer_method {
	const char *name;	/* for people */
	const char *checkpoint; /* its file below STATE/trainer */
	/* Learns from all kept samples at once; NULL: step by step, down the gradient. */
	void (*fit)(struct learner *learner);
	bool from_any; /* goes on from a model that was learned in another way */
};

int trainer_open_as(struct worker *w, void **self, const struct trainer_method *method);
int trainer_ready(struct worker *w, void *self);
int trainer_frame(struct worker *w, void *self, struct frame *frame);
int64_t trainer_tick(struct worker *w, void *self, int64_t now);
int trainer_drain(struct worker *w, void *self);
void trainer_close(struct worker *w, void *self);
void trainer_dump(struct worker *w, void *self, FILE *out);

extern const struct worker_table trainer_table;

#endif
