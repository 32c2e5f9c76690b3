/* Learning: separable classes are told apart, the same seed gives the same model, nothing is
 * forgotten. */
#include "ipc/base/errors.h"
#include "workers/media/features.h"
#include "workers/media/predict.h"
#include "workers/trainer/learner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLASSES 5
#define SAMPLES 400
#define STEPS	300

static const struct learner_options options = {
	.learning_rate = 0.02,
	.momentum = 0.9,
	.l2 = 0.002,
	.batch = 64,
	.samples_per_class = 128,
	.seed = 11,
};

/* Features around a centre of the class's own; neighbouring classes overlap in every single
 * feature. */
static void make_sample(struct chance *chance, uint32_t class, float out[FEATURES_COUNT])
{
	for (uint32_t f = 0; f < FEATURE_BIAS_AT; f++) {
		float centre = f % CLASSES == class ? 0.55F : 0.45F;
		out[f] = centre + ((float)chance_below(chance, 1001) / 1000 - 0.5F) * 0.5F;
	}
	out[FEATURE_BIAS_AT] = 1;
}

static void add_samples(struct learner *learner, struct chance *chance, uint32_t classes)
{
	float features[FEATURES_COUNT];
	char name[NAME_SIZE];
	for (uint32_t i = 0; i < SAMPLES * classes; i++) {
		snprintf(name, sizeof(name), "class %u", i % classes);
		int class = learner_class(learner, name);
		assert_int_equal(class, i % classes);
		make_sample(chance, i % classes, features);
		learner_add(learner, (uint32_t) class, features);
	}
}

static void take_steps(struct learner *learner, uint32_t steps)
{
	for (uint32_t i = 0; i < steps; i++) {
		if (i % 10 == 0)
			learner_measure(learner);
		learner_step(learner);
	}
}

static struct learner *learn(uint64_t seed)
{
	struct learner_options seeded = options;
	struct chance chance = {.state = 3};
	struct learner *learner;
	seeded.seed = seed;
	assert_int_equal(learner_create(&learner, &seeded), 0);
	add_samples(learner, &chance, CLASSES);
	take_steps(learner, STEPS);
	return learner;
}

static void make_bank(const struct learner *learner, struct model_bank *bank)
{
	static struct model_file file;
	learner_export(learner, &file);
	memset(bank, 0, sizeof(*bank));
	bank->features = FEATURES_COUNT;
	bank->classes = file.classes;
	for (uint32_t c = 0; c < file.classes; c++) {
		bank->label[c] = (int32_t)c + 1;
		memcpy(bank->weight[c], file.weight[c], sizeof(bank->weight[c]));
	}
}

/* How many of `n` fresh samples the exported model gets right. */
static uint32_t count_right(const struct learner *learner, uint32_t n)
{
	static struct model_bank bank;
	struct chance chance = {.state = 99};
	float features[FEATURES_COUNT], probability;
	uint32_t right = 0;
	int32_t label;
	make_bank(learner, &bank);
	for (uint32_t i = 0; i < n; i++) {
		make_sample(&chance, i % CLASSES, features);
		assert_int_equal(predict_features(&bank, features, &label, &probability), 0);
		right += label == (int32_t)(i % CLASSES) + 1;
	}
	return right;
}

static void test_learns(void **state)
{
	(void)state;
	struct learner *learner = learn(11);
	struct learner_score score = learner_judge(learner);
	assert_true(score.samples >= CLASSES * 10);
	assert_true(score.accuracy > 0.95);
	assert_true(count_right(learner, 500) > 475);
	assert_true(learner_loss(learner) < 0.5);
	assert_int_equal(learner_steps(learner), STEPS);
	learner_destroy(learner);
}

static void test_untrained_knows_nothing(void **state)
{
	(void)state;
	struct chance chance = {.state = 3};
	struct learner *learner;
	assert_int_equal(learner_create(&learner, &options), 0);
	add_samples(learner, &chance, CLASSES);
	assert_true(learner_judge(learner).accuracy < 0.5);
	learner_destroy(learner);
}

static void test_same_seed_same_model(void **state)
{
	(void)state;
	static struct model_file first, second, other;
	struct learner *learners[] = {learn(11), learn(11), learn(12)};
	learner_export(learners[0], &first);
	learner_export(learners[1], &second);
	learner_export(learners[2], &other);
	assert_memory_equal(&first, &second, sizeof(first));
	assert_memory_not_equal(&first, &other, sizeof(first));
	for (int i = 0; i < 3; i++)
		learner_destroy(learners[i]);
}

/* Measuring the features anew, and a way out and in again, leave the model what it is. */
static void test_import_is_export(void **state)
{
	(void)state;
	static struct model_file out, back;
	struct learner *learner = learn(11), *second;
	learner_measure(learner);
	learner_export(learner, &out);
	assert_int_equal(learner_create(&second, &options), 0);
	assert_int_equal(learner_import(second, &out), 0);
	learner_export(second, &back);
	assert_memory_equal(&out, &back, sizeof(out));
	assert_true(count_right(second, 500) > 475);
	assert_int_equal(learner_classes(second), CLASSES);
	learner_destroy(learner);
	learner_destroy(second);
}

/* A resumed model sees samples of two classes only: the others are still known. */
static void test_does_not_forget(void **state)
{
	(void)state;
	static struct model_file file;
	struct chance chance = {.state = 4};
	struct learner *learner = learn(11), *second;
	learner_export(learner, &file);
	assert_int_equal(learner_create(&second, &options), 0);
	assert_int_equal(learner_import(second, &file), 0);
	add_samples(second, &chance, 2);
	assert_int_equal(learner_trainable(second), 2);
	take_steps(second, STEPS);
	assert_true(count_right(second, 500) > 425);
	learner_destroy(learner);
	learner_destroy(second);
}

static void test_one_class_is_not_enough(void **state)
{
	(void)state;
	struct chance chance = {.state = 4};
	struct learner *learner;
	assert_int_equal(learner_create(&learner, &options), 0);
	learner_step(learner);
	learner_measure(learner);
	add_samples(learner, &chance, 1);
	assert_int_equal(learner_trainable(learner), 1);
	learner_step(learner);
	assert_int_equal(learner_steps(learner), 0);
	learner_destroy(learner);
	learner_destroy(NULL);
}

static void test_bounds(void **state)
{
	(void)state;
	struct chance chance = {.state = 4};
	struct learner *learner;
	struct learner_options bad = options;
	bad.batch = 513;
	assert_int_equal(learner_create(&learner, &bad), TROUPE_E_ARGUMENT);
	assert_int_equal(learner_create(&learner, &options), 0);
	add_samples(learner, &chance, 2);
	struct learner_class_info info = learner_class_info(learner, 1);
	assert_string_equal(info.name, "class 1");
	assert_int_equal(info.seen, SAMPLES);
	assert_int_equal(info.kept, options.samples_per_class);
	assert_int_equal(info.held_out, options.samples_per_class / 8);
	char name[NAME_SIZE];
	for (int i = 2; i < LABELS_MAX; i++) {
		snprintf(name, sizeof(name), "class %d", i);
		assert_int_equal(learner_class(learner, name), i);
	}
	assert_int_equal(learner_class(learner, "one more"), TROUPE_E_FULL);
	assert_int_equal(learner_class(learner, "class 7"), 7);
	learner_destroy(learner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learns),
		cmocka_unit_test(test_untrained_knows_nothing),
		cmocka_unit_test(test_same_seed_same_model),
		cmocka_unit_test(test_import_is_export),
		cmocka_unit_test(test_does_not_forget),
		cmocka_unit_test(test_one_class_is_not_enough),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests_name("learner", tests, NULL, NULL);
}
