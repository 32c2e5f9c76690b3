/* The nearest mean as a linear model; see centroids.h. */
#include "workers/trainer/centroids.h"

#include "workers/media/features.h"

#include <string.h>

/* All samples alike would be infinitely sure. */
#define SPREAD_MIN 1e-4

/* Means of all classes; the bias is no coordinate. */
struct means {
	double of[LABELS_MAX][FEATURE_BIAS_AT];
	double spread; /* mean squared distance of the samples from their means */
};

static double square_of(const double *vector)
{
	double sum = 0;
	for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++)
		sum += vector[f] * vector[f];
	return sum;
}

static void mean_of_samples(const struct samples *samples, double *mean)
{
	memset(mean, 0, sizeof(*mean) * FEATURE_BIAS_AT);
	for (uint32_t i = 0; i < samples->count; i++)
		for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++)
			mean[f] += (double)samples_row(samples, i)[f] / samples->count;
}

/* The sum over the samples; their mean is given. */
static double squared_distances(const struct samples *samples, const double *mean)
{
	double sum = 0;
	for (uint32_t i = 0; i < samples->count; i++) {
		const float *row = samples_row(samples, i);
		for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++)
			sum += ((double)row[f] - mean[f]) * ((double)row[f] - mean[f]);
	}
	return sum;
}

/* The way back: with w = m / s and b = -|m|² / 2s, s is -2b / |w|². */
static void mean_of_weights(const float *weight, double *mean)
{
	double squares = 0, bias = (double)weight[FEATURE_BIAS_AT];
	for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++)
		squares += (double)weight[f] * (double)weight[f];
	double spread = squares > 0 && bias < 0 ? -2 * bias / squares : 0;
	for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++)
		mean[f] = (double)weight[f] * spread;
}

static void find_means(const struct learner *learner, const struct model_file *model,
		       struct means *means)
{
	double distances = 0;
	uint64_t n = 0;
	for (uint32_t c = 0; c < model->classes; c++) {
		const struct samples *kept = learner_kept(learner, c);
		if (kept->count == 0) {
			mean_of_weights(model->weight[c], means->of[c]);
			continue;
		}
		mean_of_samples(kept, means->of[c]);
		distances += squared_distances(kept, means->of[c]);
		n += kept->count;
	}
	means->spread = n > 0 ? distances / (double)n : 0;
	if (means->spread < SPREAD_MIN)
		means->spread = SPREAD_MIN;
}

void centroids_fit(struct learner *learner)
{
	struct model_file model;
	struct means means;
	learner_export(learner, &model);
	find_means(learner, &model, &means);
	for (uint32_t c = 0; c < model.classes; c++) {
		for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++)
			model.weight[c][f] = (float)(means.of[c][f] / means.spread);
		model.weight[c][FEATURE_BIAS_AT] =
			(float)(-square_of(means.of[c]) / (2 * means.spread));
	}
	learner_import(learner, &model); /* its own classes: there is room */
}

/* ---- the worker ---- */

/* The stock trainer's models have no means in them: this one goes on from its own only. */
static int centroids_open(struct worker *w, void **self)
{
	static const struct trainer_method method = {
		.name = "nearest mean", .checkpoint = "centroids.bin", .fit = centroids_fit};
	return trainer_open_as(w, self, &method);
}

static const struct need needs[] = {
	{NEED_STATE, "trainer"},
};

const struct worker_table centroids_table = {
	.name = "trainer-centroids",
	.version = TROUPE_VERSION,
	.summary = "a trainer that learns the mean of each class",
	.takes = WORKER_TAKES_EACH,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {trainer_rows, TRAINER_ROWS, sizeof(struct trainer_config)},
	.open = centroids_open,
	.ready = trainer_ready,
	.frame = trainer_frame,
	.tick = trainer_tick,
	.drain = trainer_drain,
	.close = trainer_close,
	.dump = trainer_dump,
};
