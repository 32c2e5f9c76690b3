/* The gradient is that of the loss, as numbers see it, and steps go against it. */
#include "workers/trainer/samples.h"
#include "workers/trainer/softmax.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLASSES	 4
#define FEATURES 6
#define SIZE	 32
#define ALL	 0xfU
#define L2	 0.1F

struct bench {
	struct softmax model;
	struct batch batch;
	float gradient[LABELS_MAX][MODEL_FEATURES_MAX];
};

static float noise(struct chance *chance)
{
	return (float)chance_below(chance, 2001) / 1000 - 1;
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct chance chance = {.state = 5};
	if (!bench)
		return -1;
	bench->model.classes = CLASSES;
	bench->model.features = FEATURES;
	bench->batch.size = SIZE;
	for (uint32_t c = 0; c < CLASSES; c++)
		for (uint32_t f = 0; f < FEATURES; f++)
			bench->model.weight[c][f] = noise(&chance);
	for (uint32_t i = 0; i < SIZE; i++) {
		for (uint32_t f = 0; f < FEATURES; f++)
			bench->batch.x[i][f] = noise(&chance);
		bench->batch.y[i] = i % 3; /* class 3 has none */
	}
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

/* What the gradient is the gradient of. */
static double objective(struct bench *bench, uint32_t active)
{
	double squares = 0;
	for (uint32_t c = 0; c < CLASSES; c++)
		for (uint32_t f = 0; f + 1 < FEATURES && (active >> c & 1); f++)
			squares += pow((double)bench->model.weight[c][f], 2);
	return softmax_forward(&bench->model, &bench->batch, active).loss +
	       (double)L2 / 2 * squares;
}

static void compare_weight(struct bench *bench, uint32_t active, uint32_t c, uint32_t f)
{
	const float nudge = 0.01F;
	float *weight = &bench->model.weight[c][f], kept = *weight;
	*weight = kept + nudge;
	double above = objective(bench, active);
	*weight = kept - nudge;
	double below = objective(bench, active);
	*weight = kept;
	double slope = (above - below) / (2 * (double)nudge);
	assert_true(fabs(slope - (double)bench->gradient[c][f]) < 5e-4);
}

static void compare_with_numbers(struct bench *bench, uint32_t active)
{
	softmax_gradient(&bench->model, &bench->batch, active, L2, bench->gradient);
	for (uint32_t c = 0; c < CLASSES; c++)
		for (uint32_t f = 0; f < FEATURES; f++)
			compare_weight(bench, active, c, f);
}

static void test_gradient(void **state)
{
	compare_with_numbers(*state, ALL);
}

/* Classes that take no part have neither probability nor gradient. */
static void test_gradient_of_some_classes(void **state)
{
	struct bench *bench = *state;
	compare_with_numbers(bench, 0x7);
	for (uint32_t f = 0; f < FEATURES; f++)
		assert_true(bench->gradient[3][f] == 0);
	softmax_forward(&bench->model, &bench->batch, 0x7);
	for (uint32_t i = 0; i < SIZE; i++)
		assert_true(bench->batch.score[i][3] == 0);
}

static void test_probabilities(void **state)
{
	struct bench *bench = *state;
	bench->batch.x[0][0] = 3e4F; /* scores far beyond what exp() can take */
	struct batch_result result = softmax_forward(&bench->model, &bench->batch, ALL);
	assert_true(isfinite(result.loss));
	for (uint32_t i = 0; i < SIZE; i++) {
		float sum = 0;
		for (uint32_t c = 0; c < CLASSES; c++)
			sum += bench->batch.score[i][c];
		assert_true(fabsf(sum - 1) < 1e-5F);
	}
}

static void test_steps_lower_the_loss(void **state)
{
	struct bench *bench = *state;
	double before = objective(bench, ALL);
	for (int i = 0; i < 50; i++) {
		softmax_gradient(&bench->model, &bench->batch, ALL, L2, bench->gradient);
		softmax_step(&bench->model, bench->gradient, 0.05F, 0.9F);
	}
	assert_true(objective(bench, ALL) < before - 0.1);
}

static void test_nothing_to_learn_from(void **state)
{
	struct bench *bench = *state;
	bench->batch.size = 0;
	struct batch_result result =
		softmax_gradient(&bench->model, &bench->batch, ALL, L2, bench->gradient);
	assert_true(result.loss == 0 && result.right == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gradient, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gradient_of_some_classes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_probabilities, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_steps_lower_the_loss, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_to_learn_from, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("softmax", tests, NULL, NULL);
}
