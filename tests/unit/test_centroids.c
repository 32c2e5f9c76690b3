/* The nearest mean as a linear model. */
#include "ipc/base/errors.h"
#include "workers/media/features.h"
#include "workers/media/predict.h"
#include "workers/trainer/centroids.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two features at most differ from 0 here. */
static void add(struct learner *learner, const char *name, float first, float second)
{
	float features[FEATURES_COUNT] = {first, second};
	features[FEATURE_BIAS_AT] = 1;
	int class = learner_class(learner, name);
	assert_true(class >= 0);
	learner_add(learner, (uint32_t) class, features);
}

static int set_up(void **state)
{
	static const struct learner_options options = {.batch = 1, .samples_per_class = 32};
	struct learner *learner = NULL;
	int rc = learner_create(&learner, &options);
	*state = learner;
	return rc;
}

static int tear_down(void **state)
{
	learner_destroy(*state);
	return 0;
}

static void assert_near(float value, double wanted)
{
	assert_true(fabs((double)value - wanted) < 1e-4);
}

static void test_weights_say_mean_and_spread(void **state)
{
	struct learner *learner = *state;
	struct model_file model;
	/* Means (0.4, 0) and (0, 0.6); each sample is 0.1 from its own: s = 0.01. */
	add(learner, "left", 0.3F, 0);
	add(learner, "left", 0.5F, 0);
	add(learner, "right", 0, 0.5F);
	add(learner, "right", 0, 0.7F);
	centroids_fit(learner);
	learner_export(learner, &model);
	assert_int_equal(model.classes, 2);
	assert_near(model.weight[0][0], 40);
	assert_near(model.weight[0][1], 0);
	assert_near(model.weight[0][FEATURE_BIAS_AT], -8);
	assert_near(model.weight[1][0], 0);
	assert_near(model.weight[1][1], 60);
	assert_near(model.weight[1][FEATURE_BIAS_AT], -18);
}

static struct model_bank bank_of(const struct learner *learner)
{
	struct model_file model;
	struct model_bank bank = {.version = 1, .features = FEATURES_COUNT};
	learner_export(learner, &model);
	bank.classes = model.classes;
	for (uint32_t c = 0; c < model.classes; c++) {
		bank.label[c] = (int32_t)c;
		memcpy(bank.weight[c], model.weight[c], sizeof(bank.weight[c]));
	}
	return bank;
}

static void test_the_nearest_mean_wins(void **state)
{
	struct learner *learner = *state;
	static const float means[3][2] = {{0.2F, 0.2F}, {0.9F, 0.1F}, {0.5F, 0.8F}};
	static const char *const names[3] = {"a", "b", "c"};
	for (int c = 0; c < 3; c++)
		for (int i = -2; i <= 2; i++)
			add(learner, names[c], means[c][0] + 0.05F * (float)i, means[c][1]);
	centroids_fit(learner);
	struct model_bank bank = bank_of(learner);
	for (int y = 0; y <= 20; y++) {
		for (int x = 0; x <= 20; x++) {
			float features[FEATURES_COUNT] = {(float)x / 20, (float)y / 20};
			float probability, distance[3];
			int32_t label;
			features[FEATURE_BIAS_AT] = 1;
			for (int c = 0; c < 3; c++)
				distance[c] = hypotf(features[0] - means[c][0],
						     features[1] - means[c][1]);
			assert_int_equal(predict_features(&bank, features, &label, &probability),
					 0);
			for (int c = 0; c < 3; c++)
				assert_true(distance[label] <= distance[c] + 1e-4F);
			assert_true(probability > 0.33F && probability <= 1);
		}
	}
}

/* Samples all alike have no spread, and still there is a model. */
static void test_samples_without_spread_are_no_trouble(void **state)
{
	struct learner *learner = *state;
	struct model_file model;
	add(learner, "a", 0.5F, 0.5F);
	add(learner, "b", 0, 0);
	centroids_fit(learner);
	learner_export(learner, &model);
	for (uint32_t c = 0; c < 2; c++)
		for (uint32_t f = 0; f < FEATURES_COUNT; f++)
			assert_true(isfinite(model.weight[c][f]));
	struct model_bank bank = bank_of(learner);
	float features[FEATURES_COUNT] = {0.4F, 0.4F}, probability;
	int32_t label;
	features[FEATURE_BIAS_AT] = 1;
	assert_int_equal(predict_features(&bank, features, &label, &probability), 0);
	assert_int_equal(label, 0);
}

/* A successor has the model of a class, and perhaps never another sample of it. */
static void test_a_class_without_samples_keeps_its_mean(void **state)
{
	static const struct learner_options options = {.batch = 1, .samples_per_class = 32};
	struct learner *before = *state, *learner;
	struct model_file model;
	add(before, "left", 0.3F, 0);
	add(before, "left", 0.5F, 0);
	add(before, "right", 0, 0.5F);
	add(before, "right", 0, 0.7F);
	centroids_fit(before);
	learner_export(before, &model);
	assert_int_equal(learner_create(&learner, &options), 0);
	assert_int_equal(learner_import(learner, &model), 0);
	add(learner, "right", 0, 0.4F); /* mean (0, 0.6) as before, s = 0.04 */
	add(learner, "right", 0, 0.8F);
	centroids_fit(learner);
	learner_export(learner, &model);
	assert_near(model.weight[0][0], 10);
	assert_near(model.weight[0][FEATURE_BIAS_AT], -2);
	assert_near(model.weight[1][1], 15);
	assert_near(model.weight[1][FEATURE_BIAS_AT], -4.5);
	learner_destroy(learner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_weights_say_mean_and_spread, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_the_nearest_mean_wins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_samples_without_spread_are_no_trouble, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_class_without_samples_keeps_its_mean, set_up,
						tear_down),
	};
	return cmocka_run_group_tests_name("centroids", tests, NULL, NULL);
}
