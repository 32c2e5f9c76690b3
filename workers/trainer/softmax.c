/* Two matrix products a step: scores = x · weightᵀ, gradient = (probability - truth)ᵀ · x. */
#include "workers/trainer/softmax.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Turns one row of scores into probabilities; returns the most probable class. */
static uint32_t normalise(float *score, uint32_t classes, uint32_t active)
{
	uint32_t best = UINT32_MAX;
	for (uint32_t c = 0; c < classes; c++)
		if ((active >> c & 1) && (best == UINT32_MAX || score[c] > score[best]))
			best = c;
	if (best == UINT32_MAX)
		return best;
	float top = score[best], sum = 0;
	for (uint32_t c = 0; c < classes; c++) {
		score[c] = active >> c & 1 ? expf(score[c] - top) : 0;
		sum += score[c];
	}
	for (uint32_t c = 0; c < classes; c++)
		score[c] /= sum;
	return best;
}

struct batch_result softmax_forward(const struct softmax *model, struct batch *batch,
				    uint32_t active)
{
	struct batch_result result = {0};
	if (batch->size == 0 || model->classes == 0)
		return result;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)batch->size, (int)model->classes,
		    (int)model->features, 1.0F, &batch->x[0][0], MODEL_FEATURES_MAX,
		    &model->weight[0][0], MODEL_FEATURES_MAX, 0.0F, &batch->score[0][0],
		    LABELS_MAX);
	for (uint32_t i = 0; i < batch->size; i++) {
		uint32_t best = normalise(batch->score[i], model->classes, active);
		float truth = batch->score[i][batch->y[i]];
		result.right += best == batch->y[i];
		result.loss -= log(truth > 1e-12F ? (double)truth : 1e-12);
	}
	result.loss /= batch->size;
	return result;
}

struct batch_result softmax_gradient(const struct softmax *model, struct batch *batch,
				     uint32_t active, float l2,
				     float gradient[LABELS_MAX][MODEL_FEATURES_MAX])
{
	memset(gradient, 0, sizeof(float) * LABELS_MAX * MODEL_FEATURES_MAX);
	struct batch_result result = softmax_forward(model, batch, active);
	if (batch->size == 0 || model->classes == 0)
		return result;
	for (uint32_t i = 0; i < batch->size; i++)
		batch->score[i][batch->y[i]] -= 1.0F;
	cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)model->classes,
		    (int)model->features, (int)batch->size, 1.0F / (float)batch->size,
		    &batch->score[0][0], LABELS_MAX, &batch->x[0][0], MODEL_FEATURES_MAX, 0.0F,
		    &gradient[0][0], MODEL_FEATURES_MAX);
	int weights = (int)model->features - 1;
	for (uint32_t c = 0; c < model->classes; c++)
		if (active >> c & 1)
			cblas_saxpy(weights, l2, model->weight[c], 1, gradient[c], 1);
	return result;
}

void softmax_step(struct softmax *model, float gradient[LABELS_MAX][MODEL_FEATURES_MAX], float rate,
		  float momentum)
{
	for (uint32_t c = 0; c < model->classes; c++) {
		for (uint32_t f = 0; f < model->features; f++) {
			float v = momentum * model->velocity[c][f] - rate * gradient[c][f];
			model->velocity[c][f] = v;
			model->weight[c][f] += v;
		}
	}
}
