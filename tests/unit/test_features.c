/* Features: the same for the same view, unmoved by what they claim not to see. */
#include "ipc/base/errors.h"
#include "workers/media/features.h"
#include "workers/media/predict.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WIDTH  320
#define HEIGHT 240

static void fill(uint8_t *view, uint32_t width, uint32_t height, const uint8_t colour[3])
{
	for (uint32_t i = 0; i < width * height; i++)
		memcpy(view + (size_t)i * 3, colour, 3);
}

static void box(uint8_t *view, uint32_t x0, uint32_t y0, uint32_t size, const uint8_t colour[3])
{
	for (uint32_t y = y0; y < y0 + size; y++)
		for (uint32_t x = x0; x < x0 + size; x++)
			memcpy(view + ((size_t)y * WIDTH + x) * 3, colour, 3);
}

static const uint8_t grey[3] = {100, 100, 100}, red[3] = {200, 30, 30}, blue[3] = {30, 30, 200};

static uint8_t *make_scene(uint32_t x, const uint8_t colour[3])
{
	uint8_t *view = malloc((size_t)WIDTH * HEIGHT * 3);
	assert_non_null(view);
	fill(view, WIDTH, HEIGHT, grey);
	box(view, x, 90, 60, colour);
	return view;
}

static float distance(const float *a, const float *b, uint32_t from, uint32_t to)
{
	float sum = 0;
	for (uint32_t i = from; i < to; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	return sqrtf(sum);
}

static void test_range_and_repetition(void **state)
{
	(void)state;
	float first[FEATURES_COUNT], second[FEATURES_COUNT];
	uint8_t *view = make_scene(50, red), *again = make_scene(50, red);
	features_of_view(view, WIDTH, HEIGHT, first);
	features_of_view(again, WIDTH, HEIGHT, second);
	assert_memory_equal(first, second, sizeof(first));
	for (uint32_t i = 0; i < FEATURES_COUNT; i++)
		assert_true(first[i] >= 0 && first[i] <= 1.00001F);
	assert_true(first[FEATURE_BIAS_AT] == 1.0F);
	free(view);
	free(again);
}

static void test_every_size(void **state)
{
	(void)state;
	static const uint32_t sizes[][2] = {{1, 1},   {2, 2},	{3, 200}, {95, 71},
					    {96, 72}, {97, 73}, {641, 7}};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t width = sizes[i][0], height = sizes[i][1];
		uint8_t *view = malloc((size_t)width * height *
				       3); /* exact, so that ASan sees a step too far */
		float features[FEATURES_COUNT];
		assert_non_null(view);
		fill(view, width, height, blue);
		features_of_view(view, width, height, features);
		for (uint32_t f = FEATURE_SHAPE_AT; f < FEATURE_COLOUR_AT; f++)
			assert_true(features[f] == 0); /* one colour has no edges */
		free(view);
	}
}

/* The colour of the picture's parts sums up to the picture. */
static void test_colour_is_a_histogram(void **state)
{
	(void)state;
	float features[FEATURES_COUNT], sum = 0;
	uint8_t *view = make_scene(50, red);
	features_of_view(view, WIDTH, HEIGHT, features);
	for (uint32_t f = FEATURE_COLOUR_AT; f < FEATURE_LIGHT_AT; f++)
		sum += features[f] * features[f];
	assert_true(fabsf(sum - 1) < 1e-4F);
	free(view);
}

static void test_colour_does_not_see_movement(void **state)
{
	(void)state;
	float here[FEATURES_COUNT], there[FEATURES_COUNT], other[FEATURES_COUNT];
	uint8_t *views[] = {make_scene(40, red), make_scene(200, red), make_scene(40, blue)};
	features_of_view(views[0], WIDTH, HEIGHT, here);
	features_of_view(views[1], WIDTH, HEIGHT, there);
	features_of_view(views[2], WIDTH, HEIGHT, other);
	float moved = distance(here, there, FEATURE_COLOUR_AT, FEATURE_LIGHT_AT);
	float recoloured = distance(here, other, FEATURE_COLOUR_AT, FEATURE_LIGHT_AT);
	assert_true(moved < 0.02F);
	assert_true(recoloured > 0.2F);
	assert_true(distance(here, there, FEATURE_SHAPE_AT, FEATURE_COLOUR_AT) > 0.5F);
	for (int i = 0; i < 3; i++)
		free(views[i]);
}

static void test_shape_does_not_see_brightness(void **state)
{
	(void)state;
	float dark[FEATURES_COUNT], bright[FEATURES_COUNT];
	uint8_t *view = make_scene(100, red);
	features_of_view(view, WIDTH, HEIGHT, dark);
	for (size_t i = 0; i < (size_t)WIDTH * HEIGHT * 3; i++)
		view[i] = (uint8_t)(view[i] + 50);
	features_of_view(view, WIDTH, HEIGHT, bright);
	assert_true(distance(dark, bright, FEATURE_SHAPE_AT, FEATURE_COLOUR_AT) < 0.05F);
	assert_true(distance(dark, bright, FEATURE_LIGHT_AT, FEATURE_BIAS_AT) > 0.5F);
	free(view);
}

/* A model that knows red (3) from blue (5) by one chroma feature each. */
static void make_model(struct model_bank *model)
{
	float features[FEATURES_COUNT];
	memset(model, 0, sizeof(*model));
	model->version = 1;
	model->classes = 2;
	model->features = FEATURES_COUNT;
	const uint8_t *colour[] = {red, blue};
	for (uint32_t c = 0; c < 2; c++) {
		uint8_t *view = make_scene(60, colour[c]);
		features_of_view(view, WIDTH, HEIGHT, features);
		for (uint32_t f = FEATURE_COLOUR_AT; f < FEATURE_LIGHT_AT; f++)
			model->weight[c][f] = 20 * features[f];
		free(view);
	}
	model->label[0] = 3;
	model->label[1] = 5;
}

static void test_prediction(void **state)
{
	(void)state;
	static struct model_bank model;
	struct predictor *predictor;
	int32_t label;
	float probability;
	assert_int_equal(predictor_create(&predictor), 0);
	make_model(&model);
	uint8_t *view = make_scene(180, red);
	assert_int_equal(predict(predictor, &model, view, WIDTH, HEIGHT, &label, &probability), 0);
	assert_int_equal(label, 3);
	assert_true(probability > 0.5F && probability <= 1);
	free(view);
	view = make_scene(20, blue);
	assert_int_equal(predict(predictor, &model, view, WIDTH, HEIGHT, &label, &probability), 0);
	assert_int_equal(label, 5);
	free(view);
	predictor_destroy(predictor);
}

static void test_no_prediction(void **state)
{
	(void)state;
	static struct model_bank model;
	struct predictor *predictor;
	int32_t label = 9;
	float probability = 9;
	uint8_t *view = make_scene(180, red);
	assert_int_equal(predictor_create(&predictor), 0);
	assert_int_equal(predict(predictor, NULL, view, WIDTH, HEIGHT, &label, &probability), 0);
	assert_int_equal(label, 0);
	assert_true(probability == 0);
	assert_int_equal(predict(predictor, &model, view, WIDTH, HEIGHT, &label, &probability), 0);
	make_model(&model);
	model.features--;
	assert_int_equal(predict(predictor, &model, view, WIDTH, HEIGHT, &label, &probability),
			 TROUPE_E_UNSUPPORTED);
	assert_int_equal(label, 0);
	make_model(&model);
	model.weight[1][FEATURE_BIAS_AT] = NAN;
	assert_int_equal(predict(predictor, &model, view, WIDTH, HEIGHT, &label, &probability),
			 TROUPE_E_UNSUPPORTED);
	assert_int_equal(label, 0);
	assert_true(probability == 0);
	predictor_destroy(predictor);
	predictor_destroy(NULL);
	free(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range_and_repetition),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_colour_is_a_histogram),
		cmocka_unit_test(test_colour_does_not_see_movement),
		cmocka_unit_test(test_shape_does_not_see_brightness),
		cmocka_unit_test(test_prediction),
		cmocka_unit_test(test_no_prediction),
	};
	return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
