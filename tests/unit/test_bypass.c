/* Frames that go on unprocessed, and takers that only peek. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/seats.h"
#include "tests/unit/small_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CAPTURE	  1 /* seats */
#define PROCESSOR 2
#define ANOTHER	  3

/* ---- bypass ---- */

static void test_bypass_by_age(void **state)
{
	struct ledger *l = *state;
	uint32_t queued, held;
	assert_int_equal(ledger_bypass_due(l, OTHER_STREAM), CLOCK_NEVER);
	held = small_publish(l, OTHER_STREAM, CAPTURE, 0);
	ledger_claim(l, PROCESSOR, &held);
	queued = small_publish(l, OTHER_STREAM, CAPTURE, 1);
	l->records[held].published = 1000;
	l->records[queued].published = 2000;
	assert_int_equal(ledger_bypass_due(l, OTHER_STREAM), 1000 + BYPASS_AFTER);
	assert_int_equal(ledger_bypass(l, OTHER_STREAM, 1000 + BYPASS_AFTER - 1), 0);
	assert_int_equal(ledger_bypass(l, OTHER_STREAM, 1000 + BYPASS_AFTER), 1);
	assert_int_equal(small_word(l, held).phase, PHASE_DONE);
	assert_int_equal(small_word(l, held).marks, MARK_BYPASSED);
	assert_int_equal(small_word(l, queued).phase, PHASE_QUEUED);
	assert_int_equal(ledger_bypass_due(l, OTHER_STREAM), 2000 + BYPASS_AFTER);
	assert_int_equal(ledger_bypass(l, OTHER_STREAM, 2000 + BYPASS_AFTER), 1);
	assert_int_equal(small_word(l, queued).phase, PHASE_DONE);
	assert_int_equal(small_word(l, queued).seat, 0);
	assert_int_equal(ledger_bypass_due(l, OTHER_STREAM), CLOCK_NEVER);
}

/* Six of eight slots wait; low water is four free ones: the two oldest go on. */
static void test_bypass_below_low_water(void **state)
{
	struct ledger *l = *state;
	uint32_t slots[6];
	for (int i = 0; i < 4; i++)
		slots[i] = small_publish(l, LIVE_STREAM, CAPTURE, i);
	assert_int_equal(ledger_bypass(l, LIVE_STREAM, clock_now()), 0);
	for (int i = 4; i < 6; i++)
		slots[i] = small_publish(l, LIVE_STREAM, CAPTURE, i);
	assert_int_equal(ledger_bypass(l, LIVE_STREAM, clock_now()), 2);
	for (int i = 0; i < 6; i++)
		assert_int_equal(small_word(l, slots[i]).phase, i < 2 ? PHASE_DONE : PHASE_QUEUED);
}

/* A source that can wait does: nothing of it is bypassed for want of slots. */
static void test_no_low_water_for_a_source_that_can_wait(void **state)
{
	struct ledger *l = *state;
	for (int i = 0; i < 4; i++)
		small_publish(l, OTHER_STREAM, CAPTURE, i);
	assert_int_equal(ledger_bypass(l, OTHER_STREAM, clock_now()), 0);
}

/* Where a slow tap fills the pool, going on unprocessed would free nothing. */
static void test_no_bypass_for_a_slow_tap(void **state)
{
	struct ledger *l = *state;
	for (int i = 0; i < 4; i++)
		small_finish(l, LIVE_STREAM, i);
	for (int i = 4; i < 8; i++)
		small_publish(l, LIVE_STREAM, CAPTURE, i);
	assert_int_equal(ledger_count(l, LIVE_STREAM, PHASE_FREE), 0);
	assert_int_equal(ledger_bypass(l, LIVE_STREAM, clock_now()), 0);
}

static void test_bypassed_and_owed_to_nobody_is_free(void **state)
{
	struct ledger *l = *state;
	l->streams[OTHER_STREAM].taps_on = 0;
	uint32_t slot = small_publish(l, OTHER_STREAM, CAPTURE, 0);
	assert_int_equal(ledger_bypass(l, OTHER_STREAM, CLOCK_NEVER), 1);
	assert_int_equal(small_word(l, slot).phase, PHASE_FREE);
	assert_true(word_shows(ledger_word(l, slot), 1));
}

/* A holder that is bypassed may still be writing: nobody gets its slot until it is through. */
static uint32_t bypass_a_holder(struct ledger *l)
{
	uint32_t slot = small_publish(l, OTHER_STREAM, CAPTURE, 0);
	assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
	assert_int_equal(ledger_bypass(l, OTHER_STREAM, CLOCK_NEVER), 1);
	ledger_settle(l, OTHER_STREAM, 0, 1);
	ledger_settle(l, OTHER_STREAM, 1, 1);
	struct slot_word w = small_word(l, slot);
	assert_int_equal(w.phase, PHASE_DONE);
	assert_int_equal(w.owed, 0);
	assert_int_equal(w.seat, PROCESSOR);
	return slot;
}

static void test_bypassed_holder_lets_go(void **state)
{
	struct ledger *l = *state;
	uint32_t slot = bypass_a_holder(l);
	assert_int_equal(ledger_finish_frame(l, slot, ANOTHER), TROUPE_E_STATE);
	assert_int_equal(ledger_finish_frame(l, slot, PROCESSOR), 1);
	assert_int_equal(small_word(l, slot).phase, PHASE_FREE);
	assert_int_equal(small_word(l, slot).marks, MARK_BYPASSED);
}

static void test_bypassed_holder_hands_back(void **state)
{
	struct ledger *l = *state;
	uint32_t slot = bypass_a_holder(l);
	assert_int_equal(ledger_hand_back(l, slot, PROCESSOR), 1);
	assert_int_equal(small_word(l, slot).phase, PHASE_FREE);
}

static void test_bypassed_holder_dies(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	uint32_t slot = bypass_a_holder(l);
	seat_reclaim(l, ANOTHER, true, &what);
	assert_int_equal(what.bypassed, 0);
	assert_int_equal(small_word(l, slot).phase, PHASE_DONE);
	seat_reclaim(l, PROCESSOR, true, &what);
	assert_int_equal(what.bypassed, 1);
	assert_int_equal(what.quarantined, 0);
	assert_int_equal(small_word(l, slot).phase, PHASE_FREE);
}

static void test_holder_lets_go_before_the_tap(void **state)
{
	struct ledger *l = *state;
	uint32_t slot = small_publish(l, OTHER_STREAM, CAPTURE, 0);
	ledger_claim(l, PROCESSOR, &slot);
	ledger_bypass(l, OTHER_STREAM, CLOCK_NEVER);
	assert_int_equal(ledger_finish_frame(l, slot, PROCESSOR), 1);
	assert_int_equal(small_word(l, slot).phase, PHASE_DONE);
	ledger_settle(l, OTHER_STREAM, 0, 1);
	ledger_settle(l, OTHER_STREAM, 1, 1);
	assert_int_equal(small_word(l, slot).phase, PHASE_FREE);
}

/* ---- peeking ---- */

static void test_peek_latest_and_each(void **state)
{
	struct ledger *l = *state;
	uint32_t slots[3], slot;
	uint64_t word;
	for (int i = 0; i < 3; i++)
		slots[i] = small_finish(l, LIVE_STREAM, i);
	small_publish(l, LIVE_STREAM, CAPTURE, 3); /* not finished: nobody sees it */
	assert_int_equal(ledger_peek(l, LIVE_STREAM, 0, false, &slot, &word), 0);
	assert_int_equal(slot, slots[2]);
	assert_int_equal(word_unpack(word).seq, 3);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(ledger_peek(l, LIVE_STREAM, i, true, &slot, &word), 0);
		assert_int_equal(slot, slots[i]);
		assert_true(ledger_still(l, slot, word));
	}
	assert_int_equal(ledger_peek(l, LIVE_STREAM, 3, true, &slot, &word), TROUPE_E_AGAIN);
	assert_int_equal(ledger_peek(l, LIVE_STREAM, 3, false, &slot, &word), TROUPE_E_AGAIN);
	assert_int_equal(ledger_peek(l, OTHER_STREAM, 0, false, &slot, &word), TROUPE_E_AGAIN);
}

/* Four slots of which 2 is the lowest and so the next to be taken. */
static uint32_t peek_at_the_lowest(struct ledger *l, uint64_t *word)
{
	uint32_t slot;
	l->streams[OTHER_STREAM].taps_on = 0;
	for (int i = 0; i < 5; i++)
		small_finish(l, OTHER_STREAM, i);
	assert_int_equal(ledger_peek(l, OTHER_STREAM, 0, true, &slot, word), 0);
	assert_int_equal(word_unpack(*word).seq, 2);
	return slot;
}

static void test_peek_sees_a_refill(void **state)
{
	struct ledger *l = *state;
	uint64_t word;
	uint32_t seen = peek_at_the_lowest(l, &word), slot;
	assert_true(ledger_still(l, seen, word));
	assert_int_equal(ledger_take(l, OTHER_STREAM, CAPTURE, &slot), 0);
	assert_int_equal(slot, seen);
	assert_false(ledger_still(l, seen, word)); /* FILLING */
	ledger_publish(l, slot, CAPTURE);
	assert_false(ledger_still(l, seen, word)); /* QUEUED */
	ledger_claim(l, PROCESSOR, &slot);
	ledger_finish_frame(l, slot, PROCESSOR);
	assert_int_equal(small_word(l, seen).phase, PHASE_FREE);
	assert_false(ledger_still(l, seen, word)); /* FREE again, and another frame */
}

/* The number is the old one again, but bytes of it are not (ABA). */
static void test_peek_sees_an_aborted_filling(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	uint64_t word;
	uint32_t slot;
	for (int death = 0; death < 3; death++) {
		uint32_t seen = peek_at_the_lowest(l, &word), again;
		assert_int_equal(ledger_take(l, OTHER_STREAM, CAPTURE, &slot), 0);
		assert_int_equal(slot, seen);
		if (death)
			seat_reclaim(l, CAPTURE, death == 2, &what);
		else
			ledger_abandon(l, slot, CAPTURE);
		assert_int_equal(small_word(l, seen).phase, PHASE_FREE);
		assert_int_equal(small_word(l, seen).seq, 2);
		assert_false(ledger_still(l, seen, word));
		/* and who comes later does not see it at all */
		assert_int_equal(ledger_peek(l, OTHER_STREAM, 0, true, &again, &word), 0);
		assert_int_equal(word_unpack(word).seq, 3);
		small_teardown(state);
		assert_int_equal(small_setup(state), 0);
		l = *state;
	}
}

/* Settling and letting go change a word, but not what the areas show. */
static void test_peek_survives_settling(void **state)
{
	struct ledger *l = *state;
	uint32_t slot = small_finish(l, LIVE_STREAM, 0);
	uint64_t word;
	assert_int_equal(ledger_peek(l, LIVE_STREAM, 0, false, &slot, &word), 0);
	ledger_settle(l, LIVE_STREAM, 0, 1);
	assert_true(ledger_still(l, slot, word));
	ledger_settle(l, LIVE_STREAM, 1, 1);
	assert_int_equal(small_word(l, slot).phase, PHASE_FREE);
	assert_true(ledger_still(l, slot, word));
}

int main(void)
{
#define ON_SMALL(test) cmocka_unit_test_setup_teardown(test, small_setup, small_teardown)
	const struct CMUnitTest tests[] = {
		ON_SMALL(test_bypass_by_age),
		ON_SMALL(test_bypass_below_low_water),
		ON_SMALL(test_no_low_water_for_a_source_that_can_wait),
		ON_SMALL(test_no_bypass_for_a_slow_tap),
		ON_SMALL(test_bypassed_and_owed_to_nobody_is_free),
		ON_SMALL(test_bypassed_holder_lets_go),
		ON_SMALL(test_bypassed_holder_hands_back),
		ON_SMALL(test_bypassed_holder_dies),
		ON_SMALL(test_holder_lets_go_before_the_tap),
		ON_SMALL(test_peek_latest_and_each),
		ON_SMALL(test_peek_sees_a_refill),
		ON_SMALL(test_peek_sees_an_aborted_filling),
		ON_SMALL(test_peek_survives_settling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
