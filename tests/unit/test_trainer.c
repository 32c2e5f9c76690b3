/* The trainer on a ledger: takes labelled frames only, publishes what predicts right, and a
 * successor goes on from the board. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/model.h"
#include "ipc/worker/worker_private.h"
#include "workers/media/predict.h"
#include "workers/trainer/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WIDTH	  64
#define HEIGHT	  48
#define CAPTURE	  1
#define PROCESSOR 2
#define TRAINER	  3

static const uint8_t colours[][3] = {{90, 90, 90}, {200, 40, 40}, {40, 200, 40}, {40, 40, 200}};

struct stage {
	struct ledger ledger;
	struct worker *trainer;
	struct predictor *predictor;
	struct model_bank bank;
	uint8_t view[WIDTH * HEIGHT * 3];
	uint32_t frames;
};

static void start_trainer(struct stage *stage)
{
	char why[256];
	strcpy(stage->ledger.seats[TRAINER].worker, "trainer");
	int rc = worker_create(&stage->trainer, &trainer_table, &stage->ledger, TRAINER, 0,
			       "publish_every=1ms\nseed=5\n", why, sizeof(why));
	assert_int_equal(rc, 0);
}

static int set_up(void **state)
{
	static const char *const names[] = {"none", "red", "green", "blue"};
	struct stream_plan stream = {
		.name = "cam1",
		.n_slots = 4,
		.width = WIDTH,
		.height = HEIGHT,
		.view_width = WIDTH,
		.view_height = HEIGHT,
		.fps_num = 30,
		.fps_den = 1,
		.quality = 80,
	};
	struct ledger_plan plan = {
		.pipeline = "training",
		.run = 1,
		.hang_after = NS_PER_S,
		.bypass_after = NS_PER_S,
		.low_water_percent = 10,
		.n_streams = 1,
		.streams = &stream,
	};
	struct stage *stage = calloc(1, sizeof(*stage));
	if (!stage || ledger_create(&stage->ledger, &plan) < 0 ||
	    predictor_create(&stage->predictor) < 0)
		return -1;
	for (int i = 0; i < 4; i++)
		snprintf(stage->ledger.header->labels[i], NAME_SIZE, "%s", names[i]);
	atomic_store(&stage->ledger.header->n_labels, 4);
	start_trainer(stage);
	*state = stage;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;
	worker_destroy(stage->trainer);
	predictor_destroy(stage->predictor);
	ledger_finish(&stage->ledger);
	free(stage);
	return 0;
}

/* A grey view with a spot in the colour of `label` that wanders. */
static void draw(uint8_t *view, uint32_t number, int32_t label)
{
	uint32_t at = number * 7 % (WIDTH - 16);
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
		uint32_t x = i % WIDTH, y = i / WIDTH;
		bool spot = x >= at && x < at + 16 && y >= 16 && y < 32;
		memcpy(view + (size_t)i * 3, colours[spot ? label : 0], 3);
	}
}

/* One frame through capture and processor, as it looks to the trainer in the end. */
static void finish_frame(struct stage *stage, int32_t shown, int32_t label)
{
	uint32_t slot, claimed;
	assert_int_equal(ledger_take(&stage->ledger, 0, CAPTURE, &slot), 0);
	stage->ledger.records[slot].label = label;
	assert_int_equal(ledger_publish(&stage->ledger, slot, CAPTURE), 0);
	assert_int_equal(ledger_claim(&stage->ledger, PROCESSOR, &claimed), 0);
	assert_int_equal(claimed, slot);
	draw(ledger_view(&stage->ledger, slot), stage->frames++, shown);
	assert_int_equal(ledger_finish_frame(&stage->ledger, slot, PROCESSOR), 0);
}

/* Turns until the trainer has nothing more to do but save. */
static void train(struct stage *stage)
{
	for (;;) {
		int64_t due;
		int rc = worker_turn(stage->trainer, &due);
		assert_true(rc >= 0);
		if (rc == 0 && due > clock_now() + NS_PER_S)
			return;
	}
}

static int32_t prediction(struct stage *stage, int32_t shown, uint32_t number)
{
	int32_t label;
	float probability;
	draw(stage->view, number, shown);
	assert_int_equal(predict(stage->predictor, &stage->bank, stage->view, WIDTH, HEIGHT, &label,
				 &probability),
			 0);
	return label;
}

static void teach(struct stage *stage, uint32_t frames, int32_t labels)
{
	for (uint32_t i = 0; i < frames; i++) {
		int32_t label = 1 + (int32_t)(i % (uint32_t)labels);
		finish_frame(stage, label, label);
		assert_true(worker_turn(stage->trainer, NULL) >= 0);
	}
	train(stage);
}

static void test_learns_and_publishes(void **state)
{
	struct stage *stage = *state;
	teach(stage, 60, 3);
	assert_int_equal(model_read(&stage->ledger, 0, &stage->bank), 0);
	assert_int_equal(stage->bank.classes, 3);
	for (uint32_t number = 1000; number < 1020; number++)
		for (int32_t shown = 1; shown <= 3; shown++)
			assert_int_equal(prediction(stage, shown, number), shown);
	uint64_t version = model_current(&stage->ledger);
	train(stage);
	assert_int_equal(model_current(&stage->ledger),
			 version); /* nothing new, nothing published */
}

static void test_unlabelled_teach_nothing(void **state)
{
	struct stage *stage = *state;
	for (int i = 0; i < 20; i++) {
		finish_frame(stage, 1 + i % 3, 0);
		finish_frame(stage, 1 + i % 3, 17); /* a number nobody has named */
		assert_true(worker_turn(stage->trainer, NULL) >= 0);
	}
	train(stage);
	assert_int_equal(model_current(&stage->ledger), 0);
}

static void test_one_label_is_no_model(void **state)
{
	struct stage *stage = *state;
	teach(stage, 20, 1);
	assert_int_equal(model_current(&stage->ledger), 0);
}

/* Frames that nobody processed have no view: the trainer does not look at them. */
static void test_bypassed_teach_nothing(void **state)
{
	struct stage *stage = *state;
	for (int i = 0; i < 20; i++) {
		uint32_t slot;
		assert_int_equal(ledger_take(&stage->ledger, 0, CAPTURE, &slot), 0);
		stage->ledger.records[slot].label = 1 + i % 2;
		assert_int_equal(ledger_publish(&stage->ledger, slot, CAPTURE), 0);
		assert_int_equal(ledger_bypass(&stage->ledger, 0, clock_now() + 2 * NS_PER_S), 1);
		assert_true(worker_turn(stage->trainer, NULL) >= 0);
	}
	train(stage);
	assert_int_equal(model_current(&stage->ledger), 0);
}

/* A successor of the same run begins with what is on the board, also when that came from elsewhere.
 */
static void test_successor_goes_on(void **state)
{
	struct stage *stage = *state;
	teach(stage, 60, 3);
	for (int i = 0; i < 4;
	     i++) /* finished slots are still to be seen: nothing to learn there */
		finish_frame(stage, 1, 0);
	assert_int_equal(worker_destroy(stage->trainer), 0);
	uint64_t version = model_current(&stage->ledger);
	start_trainer(stage);
	train(stage);
	assert_int_equal(model_current(&stage->ledger), version);
	teach(stage, 40, 2);
	assert_int_equal(model_read(&stage->ledger, version, &stage->bank), 0);
	assert_int_equal(stage->bank.classes, 3);
	for (uint32_t number = 1000; number < 1010; number++)
		for (int32_t shown = 1; shown <= 3; shown++)
			assert_int_equal(prediction(stage, shown, number), shown);
}

static void test_says_what_it_does(void **state)
{
	struct stage *stage = *state;
	char *text = NULL;
	size_t size = 0;
	teach(stage, 120, 3);
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	trainer_table.dump(stage->trainer, stage->trainer->self, out);
	fclose(out);
	assert_non_null(strstr(text, "label green: 40 samples seen"));
	assert_non_null(strstr(text, "accuracy: "));
	assert_non_null(strstr(text, "model: version "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_learns_and_publishes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unlabelled_teach_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_label_is_no_model, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bypassed_teach_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_successor_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_says_what_it_does, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("trainer", tests, NULL, NULL);
}
