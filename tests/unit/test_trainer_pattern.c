/* From the test card to a model: what is learned from its first seconds holds for the seconds
 * after. */
#include "workers/capture/source.h"
#include "workers/media/features.h"
#include "workers/media/predict.h"
#include "workers/media/scale.h"
#include "workers/trainer/centroids.h"
#include "workers/trainer/learner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FPS	    10
#define LEARN	    (24 * FPS) /* frames: every shape three times for two seconds */
#define LATER	    (24 * FPS)
#define VIEW_WIDTH  320
#define VIEW_HEIGHT 240
#define PASSES	    2 /* a new sample, the trainer's default */

struct card {
	struct source *source;
	struct scaler *scaler;
	uint8_t *image, *view;
};

static int set_up(void **state)
{
	struct card *card = calloc(1, sizeof(*card));
	struct capture_config config = {.source = "pattern:640x480@10", .pace = "max", .seed = 3};
	struct source_host nobody = {0};
	char why[256] = "";
	if (!card)
		return -1;
	strcpy(config.pattern_size, "640x480");
	config.pattern_fps = FPS;
	*state = card;
	if (source_open(&card->source, &config, nobody, why, sizeof(why)) < 0) {
		print_error("%s\n", why);
		return -1;
	}
	card->scaler = scaler_create();
	card->image = malloc((size_t)card->source->info.width * card->source->info.height * 3 / 2);
	card->view = malloc((size_t)VIEW_WIDTH * VIEW_HEIGHT * 3);
	return card->scaler && card->image && card->view ? 0 : -1;
}

static int tear_down(void **state)
{
	struct card *card = *state;
	source_close(card->source);
	scaler_destroy(card->scaler);
	free(card->image);
	free(card->view);
	free(card);
	return 0;
}

/* Features of the next frame and, returned, the name of what it shows. */
static const char *next_frame(struct card *card, float features[FEATURES_COUNT])
{
	struct source_item item;
	struct source *source = card->source;
	assert_int_equal(source->table->peek(source, &item), 0);
	assert_int_equal(item.kind, SOURCE_IS_FRAME);
	assert_true(item.label >= 0);
	assert_int_equal(source->table->take(source, card->image), 0);
	assert_int_equal(scale_i420_to_rgb(card->scaler, card->image, source->info.width,
					   source->info.height, card->view, VIEW_WIDTH,
					   VIEW_HEIGHT),
			 0);
	features_of_view(card->view, VIEW_WIDTH, VIEW_HEIGHT, features);
	return source->info.labels[item.label];
}

/* As the stock trainer does with each new sample. */
static void learn_by_steps(struct learner *learner)
{
	learner_measure(learner);
	for (uint32_t step = PASSES * learner_pass_steps(learner); step > 0; step--)
		learner_step(learner);
}

static struct learner *learn(struct card *card, void (*by)(struct learner *learner))
{
	static const struct learner_options options = {
		.learning_rate = 0.02,
		.momentum = 0.9,
		.l2 = 0.002,
		.batch = 64,
		.samples_per_class = 256,
		.seed = 1,
	};
	struct learner *learner;
	float features[FEATURES_COUNT];
	assert_int_equal(learner_create(&learner, &options), 0);
	for (uint32_t i = 0; i < LEARN; i++) {
		int class = learner_class(learner, next_frame(card, features));
		assert_true(class >= 0);
		learner_add(learner, (uint32_t) class, features);
		by(learner);
	}
	return learner;
}

/* How many of the frames that come later are recognised. */
static uint32_t later_frames_right(struct card *card, void (*by)(struct learner *learner))
{
	static struct model_file file;
	static struct model_bank bank;
	struct learner *learner = learn(card, by);
	float features[FEATURES_COUNT], probability;
	uint32_t right = 0;
	int32_t label;
	learner_export(learner, &file);
	bank.features = FEATURES_COUNT;
	bank.classes = file.classes;
	for (uint32_t c = 0; c < file.classes; c++) {
		bank.label[c] = (int32_t)c + 1;
		memcpy(bank.weight[c], file.weight[c], sizeof(bank.weight[c]));
	}
	for (uint32_t i = 0; i < LATER; i++) {
		const char *shown = next_frame(card, features);
		assert_int_equal(predict_features(&bank, features, &label, &probability), 0);
		right += strcmp(file.name[label - 1], shown) == 0;
	}
	print_message("%u of %u later frames right\n", right, (unsigned)LATER);
	learner_destroy(learner);
	return right;
}

static void test_later_frames_are_told_apart(void **state)
{
	assert_true(later_frames_right(*state, learn_by_steps) * 10 >= LATER * 9);
}

static void test_means_tell_them_apart_too(void **state)
{
	assert_true(later_frames_right(*state, centroids_fit) * 10 >= LATER * 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_later_frames_are_told_apart, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_means_tell_them_apart_too, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("trainer on the test card", tests, NULL, NULL);
}
