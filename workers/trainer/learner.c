/* The model is learned in features of mean 0 and spread 1, where one learning rate fits all of
 * them, and exported in features as they come: weight / spread, with the means gathered in the
 * bias. */
#include "workers/trainer/learner.h"

#include "ipc/base/errors.h"
#include "workers/media/features.h"
#include "workers/trainer/softmax.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Spreads below this are noise and are not blown up to 1. */
#define SPREAD_MIN 0.02F

/* Every 40 samples of a class begin with 32 to train on and end with 8 to judge by: neighbours in
 * time are alike, and only a run of them is somewhat new to a model trained on the run before. */
#define RUN_LENGTH 40
#define RUN_TRAIN  32
#define HELD_SHARE 8

#define LOSS_SMOOTHING 0.05

struct class
{
	char name[NAME_SIZE];
	struct samples kept, held;
	uint64_t seen;
};

struct learner {
	struct learner_options options;
	struct chance chance;
	struct class class[LABELS_MAX];
	struct softmax model; /* in measured features */
	float mean[FEATURES_COUNT], spread[FEATURES_COUNT];
	struct batch batch;
	float gradient[LABELS_MAX][MODEL_FEATURES_MAX];
	uint64_t steps;
	double loss;
};

int learner_create(struct learner **learner, const struct learner_options *options)
{
	if (options->batch < 1 || options->batch > BATCH_MAX || options->samples_per_class < 1)
		return TROUPE_E_ARGUMENT;
	struct learner *l = calloc(1, sizeof(*l));
	if (!l)
		return TROUPE_E_MEMORY;
	/* batches are small: a second thread would cost more than it brings, and wake idle CPUs */
	openblas_set_num_threads(1);
	l->options = *options;
	l->chance.state = options->seed;
	l->model.features = FEATURES_COUNT;
	for (uint32_t f = 0; f < FEATURES_COUNT; f++)
		l->spread[f] = 1;
	*learner = l;
	return 0;
}

void learner_destroy(struct learner *learner)
{
	if (!learner)
		return;
	for (uint32_t c = 0; c < learner->model.classes; c++) {
		samples_finish(&learner->class[c].kept);
		samples_finish(&learner->class[c].held);
	}
	free(learner);
}

int learner_class(struct learner *learner, const char *name)
{
	uint32_t n = learner->model.classes;
	for (uint32_t c = 0; c < n; c++)
		if (strncmp(learner->class[c].name, name, NAME_SIZE - 1) == 0)
			return (int)c;
	if (n == LABELS_MAX)
		return TROUPE_E_FULL;
	uint32_t capacity = learner->options.samples_per_class;
	struct class *class = &learner->class[n];
	*class = (struct class){0};
	memcpy(class->name, name, strnlen(name, NAME_SIZE - 1));
	if (samples_init(&class->kept, capacity, FEATURES_COUNT) < 0)
		return TROUPE_E_MEMORY;
	if (samples_init(&class->held, (capacity + HELD_SHARE - 1) / HELD_SHARE, FEATURES_COUNT) <
	    0) {
		samples_finish(&class->kept);
		return TROUPE_E_MEMORY;
	}
	learner->model.classes = n + 1;
	return (int)n;
}

void learner_add(struct learner *learner, uint32_t class, const float *features)
{
	struct class *to = &learner->class[class];
	bool train = to->seen++ % RUN_LENGTH < RUN_TRAIN;
	samples_put(train ? &to->kept : &to->held, features, &learner->chance);
}

/* The classes that have samples: bit c for class c. */
static uint32_t active_classes(const struct learner *learner)
{
	uint32_t active = 0;
	for (uint32_t c = 0; c < LABELS_MAX; c++)
		active |= (uint32_t)(learner->class[c].kept.count > 0) << c;
	return active;
}

uint32_t learner_trainable(const struct learner *learner)
{
	return (uint32_t)__builtin_popcount(active_classes(learner));
}

static uint32_t kept_samples(const struct learner *learner)
{
	uint32_t n = 0;
	for (uint32_t c = 0; c < learner->model.classes; c++)
		n += learner->class[c].kept.count;
	return n;
}

uint32_t learner_pass_steps(const struct learner *learner)
{
	return (kept_samples(learner) + learner->options.batch - 1) / learner->options.batch;
}

/* Weights of measured features to weights of plain ones. */
static void to_plain(const struct learner *learner, uint32_t class, float *out)
{
	const float *weight = learner->model.weight[class];
	float bias = weight[FEATURE_BIAS_AT];
	for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++) {
		out[f] = weight[f] / learner->spread[f];
		bias -= out[f] * learner->mean[f];
	}
	out[FEATURE_BIAS_AT] = bias;
}

static void from_plain(struct learner *learner, uint32_t class, const float *plain)
{
	float *weight = learner->model.weight[class];
	float bias = plain[FEATURE_BIAS_AT];
	for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++) {
		weight[f] = plain[f] * learner->spread[f];
		bias += plain[f] * learner->mean[f];
	}
	weight[FEATURE_BIAS_AT] = bias;
}

/* Mean and spread over all kept samples; the bias stays as it is. */
static void measure_features(struct learner *learner, uint32_t n)
{
	double sum[FEATURES_COUNT] = {0}, squares[FEATURES_COUNT] = {0};
	for (uint32_t c = 0; c < learner->model.classes; c++) {
		const struct samples *kept = &learner->class[c].kept;
		for (uint32_t i = 0; i < kept->count; i++) {
			const float *row = samples_row(kept, i);
			for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++) {
				sum[f] += (double)row[f];
				squares[f] += (double)row[f] * (double)row[f];
			}
		}
	}
	for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++) {
		double mean = sum[f] / n, variance = squares[f] / n - mean * mean;
		float spread = variance > 0 ? (float)sqrt(variance) : 0;
		learner->mean[f] = (float)mean;
		learner->spread[f] = spread > SPREAD_MIN ? spread : SPREAD_MIN;
	}
}

void learner_measure(struct learner *learner)
{
	uint32_t n = kept_samples(learner);
	if (n == 0)
		return;
	/* the gradient is scratch between steps: it takes the plain weights meanwhile */
	for (uint32_t c = 0; c < learner->model.classes; c++)
		to_plain(learner, c, learner->gradient[c]);
	measure_features(learner, n);
	for (uint32_t c = 0; c < learner->model.classes; c++)
		from_plain(learner, c, learner->gradient[c]);
}

static void batch_add(struct learner *learner, uint32_t class, const float *features)
{
	struct batch *batch = &learner->batch;
	float *x = batch->x[batch->size];
	for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++)
		x[f] = (features[f] - learner->mean[f]) / learner->spread[f];
	x[FEATURE_BIAS_AT] = 1;
	batch->y[batch->size++] = class;
}

void learner_step(struct learner *learner)
{
	uint32_t active = active_classes(learner), pick[LABELS_MAX], n = 0;
	for (uint32_t c = 0; c < learner->model.classes; c++)
		if (active >> c & 1)
			pick[n++] = c;
	if (n < 2)
		return;
	learner->batch.size = 0;
	for (uint32_t i = 0; i < learner->options.batch; i++) {
		uint32_t class = pick[chance_below(&learner->chance, n)];
		const struct samples *kept = &learner->class[class].kept;
		batch_add(learner, class,
			  samples_row(kept, chance_below(&learner->chance, kept->count)));
	}
	struct batch_result result =
		softmax_gradient(&learner->model, &learner->batch, active,
				 (float)learner->options.l2, learner->gradient);
	softmax_step(&learner->model, learner->gradient, (float)learner->options.learning_rate,
		     (float)learner->options.momentum);
	learner->loss = learner->steps == 0
				? result.loss
				: learner->loss + LOSS_SMOOTHING * (result.loss - learner->loss);
	learner->steps++;
}

/* Judges the collected batch and empties it. */
static void judge_batch(struct learner *learner, struct learner_score *score, uint32_t *right)
{
	uint32_t all = (uint32_t)((UINT64_C(1) << learner->model.classes) - 1);
	struct batch_result result = softmax_forward(&learner->model, &learner->batch, all);
	score->loss += result.loss * learner->batch.size;
	score->samples += learner->batch.size;
	*right += result.right;
	learner->batch.size = 0;
}

struct learner_score learner_judge(struct learner *learner)
{
	struct learner_score score = {0};
	uint32_t right = 0;
	learner->batch.size = 0;
	for (uint32_t c = 0; c < learner->model.classes; c++) {
		const struct samples *held = &learner->class[c].held;
		for (uint32_t i = 0; i < held->count; i++) {
			batch_add(learner, c, samples_row(held, i));
			if (learner->batch.size == BATCH_MAX)
				judge_batch(learner, &score, &right);
		}
	}
	judge_batch(learner, &score, &right);
	if (score.samples > 0) {
		score.accuracy = (double)right / score.samples;
		score.loss /= score.samples;
	}
	return score;
}

void learner_export(const struct learner *learner, struct model_file *file)
{
	memset(file, 0, sizeof(*file));
	file->classes = learner->model.classes;
	for (uint32_t c = 0; c < file->classes; c++) {
		memcpy(file->name[c], learner->class[c].name, NAME_SIZE);
		to_plain(learner, c, file->weight[c]);
	}
}

int learner_import(struct learner *learner, const struct model_file *file)
{
	for (uint32_t c = 0; c < file->classes; c++) {
		int class = learner_class(learner, file->name[c]);
		if (class < 0)
			return class;
		from_plain(learner, (uint32_t) class, file->weight[c]);
	}
	return 0;
}

const struct samples *learner_kept(const struct learner *learner, uint32_t class)
{
	return &learner->class[class].kept;
}

uint32_t learner_classes(const struct learner *learner)
{
	return learner->model.classes;
}

struct learner_class_info learner_class_info(const struct learner *learner, uint32_t class)
{
	const struct class *of = &learner->class[class];
	return (struct learner_class_info){
		.name = of->name,
		.kept = of->kept.count,
		.held_out = of->held.count,
		.seen = of->seen,
	};
}

double learner_loss(const struct learner *learner)
{
	return learner->loss;
}

uint64_t learner_steps(const struct learner *learner)
{
	return learner->steps;
}
