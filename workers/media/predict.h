/* Prediction: features of a view, one dot product a class, softmax. A pure function of model and
 * view. */
#ifndef TROUPE_WORKERS_MEDIA_PREDICT_H
#define TROUPE_WORKERS_MEDIA_PREDICT_H

#include "ipc/slots/layout.h"

#include <stdint.h>

struct predictor; /* scratch memory; one a thread */

int predictor_create(struct predictor **predictor);
void predictor_destroy(struct predictor *predictor);

/* The label `model` finds most probable for a view (tight RGB24 rows of width pixels), and how
 * probable, 0..1. Without a model (NULL, or without classes): label 0, probability 0.
 * TROUPE_E_UNSUPPORTED: the model was made for other features, or its weights are not numbers;
 * label and probability are 0 then, and the frame can go on without a prediction. */
int predict(struct predictor *predictor, const struct model_bank *model, const uint8_t *view,
	    uint32_t width, uint32_t height, int32_t *label, float *probability);

/* The same from features that are there already. */
int predict_features(const struct model_bank *model, const float *features, int32_t *label,
		     float *probability);

#endif
