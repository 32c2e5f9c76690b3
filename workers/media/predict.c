/* Softmax over the classes of a model. Sums run in a fixed order in double: bit for bit the same in
 * every process. */
#include "workers/media/predict.h"

#include "ipc/base/errors.h"
#include "workers/media/features.h"

#include <math.h>
#include <stdlib.h>

struct predictor {
	float features[FEATURES_COUNT];
};

int predictor_create(struct predictor **predictor)
{
	*predictor = calloc(1, sizeof(**predictor));
	return *predictor ? 0 : TROUPE_E_MEMORY;
}

void predictor_destroy(struct predictor *predictor)
{
	free(predictor);
}

static double score(const float *weight, const float *features)
{
	double sum = 0;
	for (uint32_t i = 0; i < FEATURES_COUNT; i++)
		sum += (double)weight[i] * (double)features[i];
	return sum;
}

int predict_features(const struct model_bank *model, const float *features, int32_t *label,
		     float *probability)
{
	*label = 0;
	*probability = 0;
	if (!model || model->classes == 0)
		return 0;
	if (model->features != FEATURES_COUNT || model->classes > LABELS_MAX)
		return TROUPE_E_UNSUPPORTED;
	double scores[LABELS_MAX], sum = 0;
	uint32_t best = 0;
	for (uint32_t c = 0; c < model->classes; c++) {
		scores[c] = score(model->weight[c], features);
		if (!isfinite(scores[c]))
			return TROUPE_E_UNSUPPORTED;
		if (scores[c] > scores[best])
			best = c;
	}
	for (uint32_t c = 0; c < model->classes; c++)
		sum += exp(scores[c] - scores[best]);
	*label = model->label[best];
	*probability = (float)(1.0 / sum);
	return 0;
}

int predict(struct predictor *predictor, const struct model_bank *model, const uint8_t *view,
	    uint32_t width, uint32_t height, int32_t *label, float *probability)
{
	*label = 0;
	*probability = 0;
	if (!model || model->classes == 0)
		return 0;
	if (model->features != FEATURES_COUNT)
		return TROUPE_E_UNSUPPORTED;
	features_of_view(view, width, height, predictor->features);
	return predict_features(model, predictor->features, label, probability);
}
