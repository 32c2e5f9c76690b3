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

extern const struct worker_table trainer_table;

#endif
