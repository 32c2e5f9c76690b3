/* What the storer's reading thread answers: which frame it finds for which question, over the
 * bounds of runs, and what it says when there is none. */
#include "workers/storer/answer.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/seats.h"
#include "tests/unit/recording_rig.h"
#include "tests/unit/small_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES 20 /* of each run */
#define LATER  (RIG_RUN + 5000)

struct rig {
	char folder[RIG_PATH];
	struct ledger *ledger;
	struct answerer *answerer;
	struct question question;
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	void *ledger;

	assert_non_null(rig);
	assert_int_equal(small_setup(&ledger), 0);
	rig->ledger = ledger;
	rig_folder(rig->folder);
	rig_write(rig->folder, RIG_RUN, 1, FRAMES, 7);
	rig_write(rig->folder, LATER, 1, FRAMES, 7);
	assert_int_equal(seat_assign(rig->ledger, "storer", 4), 1);
	assert_int_equal(seat_assign(rig->ledger, "display", 1), 2);
	rig->answerer = answerer_create(rig->folder, rig->ledger, 1);
	rig->question = (struct question){
		.id = 1,
		.deadline = CLOCK_NEVER,
		.asker = playback_asker_of(rig->ledger, 2),
		.stream = RIG_STREAM,
		.run = RIG_RUN,
	};
	assert_non_null(rig->answerer);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	void *ledger = rig->ledger;
	int rc = playback_quiet(rig->ledger) ? 0 : -1;

	answerer_destroy(rig->answerer);
	small_teardown(&ledger);
	rig_remove(rig->folder);
	free(rig);
	return rc;
}

/* Asks, and expects that frame in a slot, with every byte of it. */
static void finds(struct rig *rig, Troupe__Which which, uint64_t of, uint64_t run, uint64_t seq)
{
	const struct playback_record *record;
	struct record wanted;
	uint8_t coded[RIG_CODED_MAX];
	uint32_t slot;

	rig->question.which = which;
	rig->question.seq = of;
	rig->question.id++;
	assert_null(answerer_answer(rig->answerer, &rig->question));
	slot = playback_owed(rig->ledger, 2, 0);
	assert_int_not_equal(slot, SLOT_NONE);
	record = playback_record(rig->ledger, slot);
	assert_int_equal(record->question, rig->question.id);
	assert_int_equal(record->run, run);
	assert_int_equal(record->seq, seq);
	assert_int_equal(record->filler, 4);
	rig_frame(seq, &wanted, coded);
	assert_string_equal(record->stream, RIG_STREAM);
	assert_string_equal(record->label, wanted.label);
	assert_string_equal(record->prediction, wanted.prediction);
	assert_int_equal(record->captured_wall, wanted.captured_wall);
	assert_int_equal(record->coded_bytes, wanted.coded_bytes);
	assert_memory_equal(playback_area(rig->ledger, slot), coded, wanted.coded_bytes);
	assert_int_equal(playback_give_back(rig->ledger, slot, 2), 0);
}

static void says(struct rig *rig, Troupe__Which which, uint64_t of, int code, const char *words)
{
	Troupe__Answer *answer;

	rig->question.which = which;
	rig->question.seq = of;
	answer = answerer_answer(rig->answerer, &rig->question);
	assert_non_null(answer);
	assert_int_equal(answer->id, rig->question.id);
	assert_int_equal(answer->code, code);
	assert_non_null(strstr(answer->text, words));
	assert_true(playback_quiet(rig->ledger));
	answer_destroy(answer);
}

static void test_numbers_and_neighbours(void **state)
{
	struct rig *rig = *state;

	finds(rig, TROUPE__WHICH__NUMBER, 7, RIG_RUN, 7);
	finds(rig, TROUPE__WHICH__AFTER, 7, RIG_RUN, 8);
	finds(rig, TROUPE__WHICH__BEFORE, 7, RIG_RUN, 6);
	finds(rig, TROUPE__WHICH__AFTER, FRAMES, LATER, 1);
	rig->question.run = LATER;
	finds(rig, TROUPE__WHICH__BEFORE, 1, RIG_RUN, FRAMES);
	finds(rig, TROUPE__WHICH__AFTER, 3, LATER, 4);
	says(rig, TROUPE__WHICH__AFTER, FRAMES, TROUPE_E_ENDED, "no later frame of cam1");
	says(rig, TROUPE__WHICH__NUMBER, 400, TROUPE_E_NOT_FOUND, "Frame 400 of cam1 in run");
	rig->question.run = RIG_RUN;
	says(rig, TROUPE__WHICH__BEFORE, 1, TROUPE_E_ENDED, "no earlier frame of cam1");
	/* A run that is not there lies between those that are. */
	rig->question.run = RIG_RUN + 1;
	finds(rig, TROUPE__WHICH__AFTER, 5, LATER, 1);
	finds(rig, TROUPE__WHICH__BEFORE, 5, RIG_RUN, FRAMES);
}

/* Both runs have the same times here: of frames at one time, the last run's is meant going back,
 * the first run's going on. */
static void test_times(void **state)
{
	struct rig *rig = *state;
	struct record seventh, eighth;
	uint8_t coded[RIG_CODED_MAX];

	rig_frame(7, &seventh, coded);
	rig_frame(8, &eighth, coded);
	rig->question.wall = seventh.captured_wall;
	finds(rig, TROUPE__WHICH__AT, 0, LATER, 7);
	rig->question.wall = eighth.captured_wall - 1;
	finds(rig, TROUPE__WHICH__AT, 0, LATER, 7);
	rig->question.wall = 1;
	finds(rig, TROUPE__WHICH__AT, 0, RIG_RUN, 1);
	rig->question.wall = INT64_MAX;
	finds(rig, TROUPE__WHICH__AT, 0, LATER, FRAMES);
	finds(rig, TROUPE__WHICH__FIRST, 0, RIG_RUN, 1);
	finds(rig, TROUPE__WHICH__LAST, 0, LATER, FRAMES);
	strcpy(rig->question.stream, "cam7");
	says(rig, TROUPE__WHICH__AT, 0, TROUPE_E_ENDED, "no frame of cam7");
	says(rig, TROUPE__WHICH__LAST, 0, TROUPE_E_ENDED, "no frame of cam7");
}

static void test_who_is_gone_gets_nothing(void **state)
{
	struct rig *rig = *state;

	rig->question.which = TROUPE__WHICH__FIRST;
	rig->question.asker.incarnation = 99;
	assert_null(answerer_answer(rig->answerer, &rig->question));
	assert_true(playback_quiet(rig->ledger));
}

static void test_what_cannot_be_shown_is_named(void **state)
{
	struct rig *rig = *state;
	char path[RIG_PATH];
	Troupe__Answer *answer;

	rig_flip(rig_segment(rig->folder, 1, path), 64 + 200, 3);
	rig->question.which = TROUPE__WHICH__FIRST;
	answer = answerer_answer(rig->answerer, &rig->question);
	assert_non_null(answer);
	assert_int_equal(answer->code, TROUPE_E_CORRUPT);
	assert_int_equal(answer->run, RIG_RUN);
	assert_int_equal(answer->seq, 1);
	answer_destroy(answer);
	finds(rig, TROUPE__WHICH__AFTER, 1, RIG_RUN, 2); /* and the next one is shown */
	says(rig, (Troupe__Which)77, 0, TROUPE_E_UNSUPPORTED, "");
}

static void test_a_frame_that_is_too_large(void **state)
{
	struct rig *rig = *state;
	uint64_t size = rig->ledger->playback_size;

	rig->ledger->playback_size = 1;
	says(rig, TROUPE__WHICH__FIRST, 0, TROUPE_E_OVERSIZED, "cannot be shown");
	rig->ledger->playback_size = size;
	finds(rig, TROUPE__WHICH__FIRST, 0, RIG_RUN, 1);
}

/* Nothing is said: who asked has slots to give back first, and asks again. */
static void test_who_has_its_share_gets_no_more(void **state)
{
	struct rig *rig = *state;
	uint32_t slot;

	rig->question.which = TROUPE__WHICH__LAST;
	for (int i = 0; i < PLAYBACK_SLOTS; i++)
		assert_null(answerer_answer(rig->answerer, &rig->question));
	for (int i = 0; i < PLAYBACK_SLOTS / 2; i++) {
		slot = playback_owed(rig->ledger, 2, 0);
		assert_int_not_equal(slot, SLOT_NONE);
		assert_int_equal(playback_give_back(rig->ledger, slot, 2), 0);
	}
	assert_int_equal(playback_owed(rig->ledger, 2, 0), SLOT_NONE);
}

static void test_timeline(void **state)
{
	struct rig *rig = *state;
	struct record first, last;
	uint8_t coded[RIG_CODED_MAX];
	Troupe__Answer *answer;

	rig_frame(1, &first, coded);
	rig_frame(FRAMES, &last, coded);
	rig->question.which = TROUPE__WHICH__TIMELINE;
	rig->question.wall = 1;
	rig->question.until = last.captured_wall + NS_PER_S;
	answer = answerer_answer(rig->answerer, &rig->question);
	assert_non_null(answer);
	assert_int_equal(answer->code, 0);
	assert_non_null(answer->timeline);
	assert_int_equal(answer->timeline->first, first.captured_wall);
	assert_int_equal(answer->timeline->last, last.captured_wall);
	assert_int_equal(answer->timeline->n_span, 1);
	assert_int_equal(answer->timeline->span[0]->begun, first.captured_wall);
	assert_int_equal(answer->timeline->span[0]->ended, last.captured_wall);
	answer_destroy(answer);
	rig->question.until = rig->question.wall;
	says(rig, TROUPE__WHICH__TIMELINE, 0, TROUPE_E_ARGUMENT, "before it begins");
}

static void test_no_recording(void **state)
{
	struct rig *rig = *state;

	answerer_destroy(rig->answerer);
	rig->answerer = answerer_create("/nonexistent", rig->ledger, 1);
	says(rig, TROUPE__WHICH__FIRST, 0, TROUPE_E_NOT_FOUND, "/nonexistent");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_numbers_and_neighbours),
		TEST(test_times),
		TEST(test_who_is_gone_gets_nothing),
		TEST(test_what_cannot_be_shown_is_named),
		TEST(test_a_frame_that_is_too_large),
		TEST(test_who_has_its_share_gets_no_more),
		TEST(test_timeline),
		TEST(test_no_recording),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
