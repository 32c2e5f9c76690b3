/* Learning from labelled samples, a little at a time: keeps samples per class, holds some of them
 * out to judge by, and improves a softmax model step by step. No clock, no worker, no files: the
 * same samples and seed give the same model. */
#ifndef TROUPE_WORKERS_TRAINER_LEARNER_H
#define TROUPE_WORKERS_TRAINER_LEARNER_H

#include "workers/media/model_file.h"
#include "workers/trainer/samples.h"

#include <stdbool.h>
#include <stdint.h>

struct learner;

struct learner_options {
	double learning_rate; /* in features of unit spread */
	double momentum;      /* 0..1 */
	double l2;
	uint32_t batch;		    /* samples a step, 1..512 */
	uint32_t samples_per_class; /* kept for training; an eighth as many on top to judge by */
	uint64_t seed;
};

/* How well the model does on samples it was not trained on. */
struct learner_score {
	uint32_t samples;
	double accuracy, loss; /* 0 without samples */
};

int learner_create(struct learner **learner, const struct learner_options *options);
void learner_destroy(struct learner *learner);

/* The class of that name, a new one if there was none; TROUPE_E_FULL: LABELS_MAX classes are known,
 * TROUPE_E_MEMORY. */
int learner_class(struct learner *learner, const char *name);

/* Adds a sample (FEATURES_COUNT floats) of a class that learner_class returned. */
void learner_add(struct learner *learner, uint32_t class, const float *features);

/* Classes with samples; below two there is nothing to tell apart and no step to take. */
uint32_t learner_trainable(const struct learner *learner);

/* Steps that look at about as many samples as are kept. */
uint32_t learner_pass_steps(const struct learner *learner);

/* Measures mean and spread of the features anew, as new samples shift them. To be called now and
 * then (once a pass); the model stays the same. */
void learner_measure(struct learner *learner);

/* One mini-batch, classes equally often. Classes without samples keep their weights: a model that
 * was resumed does not forget what it is not shown. */
void learner_step(struct learner *learner);

struct learner_score learner_judge(struct learner *learner);

/* The model so far, by names (version 0), and back. Importing adds classes that were not known and
 * replaces the weights of those that were; TROUPE_E_FULL. */
void learner_export(const struct learner *learner, struct model_file *file);
int learner_import(struct learner *learner, const struct model_file *file);

/* What is kept of a class to learn from. */
const struct samples *learner_kept(const struct learner *learner, uint32_t class);

/* For people. */
struct learner_class_info {
	const char *name;
	uint32_t kept, held_out;
	uint64_t seen;
};
uint32_t learner_classes(const struct learner *learner);
struct learner_class_info learner_class_info(const struct learner *learner, uint32_t class);
double learner_loss(const struct learner *learner); /* of the last batches, smoothed */
uint64_t learner_steps(const struct learner *learner);

#endif
