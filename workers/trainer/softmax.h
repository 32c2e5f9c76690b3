/* Softmax regression: scores are one dot product a class, learned by mini-batch gradient descent
 * with momentum. Pure arithmetic (OpenBLAS); knows no labels, files or workers. */
#ifndef TROUPE_WORKERS_TRAINER_SOFTMAX_H
#define TROUPE_WORKERS_TRAINER_SOFTMAX_H

#include "ipc/slots/layout.h"

#include <stdint.h>

#define BATCH_MAX 512

/* Rows of MODEL_FEATURES_MAX floats; `features` are in use, the last is the bias. */
struct softmax {
	uint32_t classes, features;
	float weight[LABELS_MAX][MODEL_FEATURES_MAX];
	float velocity[LABELS_MAX][MODEL_FEATURES_MAX];
};

/* Samples to learn from: row i of x is of class y[i]. */
struct batch {
	uint32_t size; /* at most BATCH_MAX */
	float x[BATCH_MAX][MODEL_FEATURES_MAX];
	uint32_t y[BATCH_MAX];
	float score[BATCH_MAX][LABELS_MAX]; /* scratch, then probabilities */
};

/* What softmax_forward found about a batch. */
struct batch_result {
	double loss;	/* mean cross-entropy */
	uint32_t right; /* samples whose class was the most probable one */
};

/* Fills score[] with the probability of every class in `active` (bit c: class c takes part; the
 * others get 0). Every y must be active. */
struct batch_result softmax_forward(const struct softmax *model, struct batch *batch,
				    uint32_t active);

/* The gradient of mean cross-entropy + l2 / 2 * |weights but the biases of active classes|^2;
 * returns what softmax_forward did. Rows of classes that are not active are 0. */
struct batch_result softmax_gradient(const struct softmax *model, struct batch *batch,
				     uint32_t active, float l2,
				     float gradient[LABELS_MAX][MODEL_FEATURES_MAX]);

/* One step against the gradient, with momentum (0: none). */
void softmax_step(struct softmax *model, float gradient[LABELS_MAX][MODEL_FEATURES_MAX], float rate,
		  float momentum);

#endif
