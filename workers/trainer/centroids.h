/* A trainer that learns by means: a view is of the class whose mean it is nearest to. One look at
 * each sample and no steps; blunter than the stock trainer, and it never has to be waited for. */
#ifndef TROUPE_WORKERS_TRAINER_CENTROIDS_H
#define TROUPE_WORKERS_TRAINER_CENTROIDS_H

#include "workers/trainer/learner.h"
#include "workers/trainer/trainer.h"

/* Makes the learner's model that of the means of its kept samples. The nearest mean is a linear
 * model: with the mean m of a class and the samples' mean squared distance s from their means,
 *
 *     score = -|x - m|² / 2s  =  (m / s) · x - |m|² / 2s  -  what is the same for all classes
 *
 * so weights are m / s, the bias is -|m|² / 2s, and the softmax of the scores is soft within a
 * class's spread. A class without samples keeps the mean that its weights say. The learner must
 * never have been measured. */
void centroids_fit(struct learner *learner);

extern const struct worker_table centroids_table;

#endif
