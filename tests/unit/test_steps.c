/* The steps of captures, processors and lossless taps on a ledger. */
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

/* ---- one life ---- */

static void test_life_of_a_frame(void **state)
{
	struct ledger *l = *state;
	uint32_t slot, owed;
	uint64_t last = 0;
	assert_int_equal(ledger_take(l, LIVE_STREAM, CAPTURE, &slot), 0);
	assert_int_equal(small_word(l, slot).phase, PHASE_FILLING);
	assert_int_equal(small_word(l, slot).seat, CAPTURE);
	assert_int_equal(ledger_publish(l, slot, ANOTHER), TROUPE_E_STATE);
	assert_int_equal(ledger_publish(l, slot, CAPTURE), 0);
	assert_int_equal(small_word(l, slot).seq, 1);
	assert_int_equal(l->records[slot].seq, 1);
	assert_int_equal(ledger_next_owed(l, LIVE_STREAM, 0, &last, &owed), TROUPE_E_AGAIN);
	assert_int_equal(owed, slot);
	assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
	assert_int_equal(ledger_finish_frame(l, slot, ANOTHER), TROUPE_E_STATE);
	assert_int_equal(ledger_finish_frame(l, slot, PROCESSOR), 0);
	assert_int_equal(small_word(l, slot).phase, PHASE_DONE);
	assert_int_equal(ledger_next_owed(l, LIVE_STREAM, 0, &last, &owed), 0);
	assert_int_equal(owed, slot);
	assert_int_equal(ledger_settle(l, LIVE_STREAM, 0, 1), 1);
	assert_int_equal(small_word(l, slot).phase, PHASE_DONE);
	assert_int_equal(ledger_settle(l, LIVE_STREAM, 0, 1), 0);
	assert_int_equal(ledger_settle(l, LIVE_STREAM, 1, 1), 1);
	assert_int_equal(small_word(l, slot).phase, PHASE_FREE);
	assert_true(ledger_quiet(l));
	assert_true(word_shows(ledger_word(l, slot), 1));
}

static void test_lost_step_changes_nothing(void **state)
{
	struct ledger *l = *state;
	struct word_args args = {.seat = CAPTURE};
	uint64_t word = ledger_word(l, 0), now = 0;
	assert_int_equal(ledger_step(l, 0, word, CAUSE_TAKE, &args, &now), 0);
	assert_int_equal(now, ledger_word(l, 0));
	assert_int_equal(ledger_step(l, 0, word, CAUSE_TAKE, &args, NULL), TROUPE_E_LOST);
	assert_int_equal(ledger_step(l, 0, now, CAUSE_CLAIM, &args, NULL), TROUPE_E_STATE);
	assert_int_equal(now, ledger_word(l, 0));
}

/* ---- taking and numbering ---- */

static void test_take_the_lowest_number(void **state)
{
	struct ledger *l = *state;
	uint32_t slots[8], slot;
	l->streams[LIVE_STREAM].taps_on = 0;
	for (int i = 0; i < 8; i++)
		slots[i] = small_finish(l, LIVE_STREAM, i);
	/* All are free and show 1..8; 3 is the lowest when 1 and 2 are taken. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ledger_take(l, LIVE_STREAM, CAPTURE, &slot), 0);
		assert_int_equal(slot, slots[i]);
		assert_int_equal(small_word(l, slot).seq, i + 1);
	}
}

/* The record of the last published frame is where the next one's ordinals and a successor's place
 * in the source come from: its slot is not taken, whatever else is busy. */
static void test_last_frame_is_left_alone(void **state)
{
	struct ledger *l = *state;
	uint32_t held[3], last, slot;
	for (int i = 0; i < 3; i++) {
		small_publish(l, OTHER_STREAM, CAPTURE, i);
		assert_int_equal(ledger_claim(l, PROCESSOR, &held[i]), 0);
	}
	l->streams[OTHER_STREAM].taps_on = 0;
	last = small_finish(l, OTHER_STREAM, 3);
	assert_int_equal(small_word(l, last).phase, PHASE_FREE);
	assert_int_equal(ledger_take(l, OTHER_STREAM, CAPTURE, &slot), TROUPE_E_FULL);
	ledger_finish_frame(l, held[0], PROCESSOR);
	ledger_settle(l, OTHER_STREAM, 0, 1);
	ledger_settle(l, OTHER_STREAM, 1, 1);
	assert_int_equal(ledger_take(l, OTHER_STREAM, CAPTURE, &slot), 0);
	assert_int_equal(slot, held[0]);
	ledger_publish(l, slot, CAPTURE);
	assert_int_equal(l->records[slot].seq, 5);
	assert_int_equal(l->records[slot].ordinal[0], 3);
}

static void test_full(void **state)
{
	struct ledger *l = *state;
	uint32_t slot;
	for (int i = 0; i < 4; i++)
		small_publish(l, OTHER_STREAM, CAPTURE, i);
	assert_int_equal(ledger_take(l, OTHER_STREAM, CAPTURE, &slot), TROUPE_E_FULL);
	assert_int_equal(ledger_take(l, LIVE_STREAM, CAPTURE, &slot), 0);
}

static void test_numbers_are_dense_and_per_stream(void **state)
{
	struct ledger *l = *state;
	for (uint64_t i = 1; i <= 3; i++) {
		for (uint32_t stream = 0; stream < 2; stream++) {
			uint32_t slot, where;
			assert_int_equal(ledger_take(l, stream, CAPTURE, &slot), 0);
			assert_int_equal(ledger_abandon(l, slot, CAPTURE), 0);
			slot = small_publish(l, stream, CAPTURE, (int64_t)i);
			assert_int_equal(small_word(l, slot).seq, i);
			assert_int_equal(ledger_last_seq(l, stream, &where), i);
			assert_int_equal(where, slot);
		}
	}
}

static void test_numbers_go_on_behind_a_recording(void **state)
{
	(void)state;
	struct stream_plan s[2];
	struct ledger l;
	struct ledger_plan plan = small_plan(s);
	s[0].first_seq = 41;
	assert_int_equal(ledger_create(&l, &plan), 0);
	assert_int_equal(ledger_last_seq(&l, 0, NULL), 41);
	assert_int_equal(l.streams[0].settled, 41);
	uint32_t slot = small_publish(&l, 0, CAPTURE, 0);
	assert_int_equal(small_word(&l, slot).seq, 42);
	assert_int_equal(l.records[slot].ordinal[0], 1);
	ledger_finish(&l);
}

/* However a capture ends, its successor publishes the next number, once. */
static void test_successor_goes_on_after_a_death_in_each_phase(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	uint32_t slot, next;
	for (enum phase phase = PHASE_FREE; phase <= PHASE_DONE; phase++) {
		uint64_t before = ledger_last_seq(l, LIVE_STREAM, NULL);
		assert_int_equal(ledger_take(l, LIVE_STREAM, CAPTURE, &slot), 0);
		if (phase == PHASE_FREE)
			ledger_abandon(l, slot, CAPTURE);
		if (phase >= PHASE_QUEUED)
			ledger_publish(l, slot, CAPTURE);
		if (phase >= PHASE_HELD)
			ledger_claim(l, PROCESSOR, &slot);
		if (phase == PHASE_DONE)
			ledger_finish_frame(l, slot, PROCESSOR);
		assert_int_equal(small_word(l, slot).phase, phase);
		seat_reclaim(l, CAPTURE, false, &what);
		assert_int_equal(what.filling, phase == PHASE_FILLING);
		next = small_publish(l, LIVE_STREAM, ANOTHER, 0);
		assert_int_equal(small_word(l, next).seq, before + 1 + (phase >= PHASE_QUEUED));
		/* Everything out of the way of the next round. */
		while (ledger_claim(l, PROCESSOR, &slot) == 0)
			;
		for (uint32_t i = 0; i < 8; i++)
			ledger_finish_frame(l, i, PROCESSOR);
		ledger_settle(l, LIVE_STREAM, 0, SEQ_MAX);
		ledger_settle(l, LIVE_STREAM, 1, SEQ_MAX);
		assert_true(ledger_quiet(l));
	}
}

/* ---- who is owed what ---- */

static void test_ordinals_count_what_a_tap_is_owed(void **state)
{
	struct ledger *l = *state;
	static const uint32_t on[8] = {3, 3, 1, 0, 2, 3, 0, 3};
	uint64_t count[2] = {0};
	for (int i = 0; i < 8; i++) {
		l->streams[LIVE_STREAM].taps_on = on[i];
		uint32_t slot = small_publish(l, LIVE_STREAM, CAPTURE, i);
		assert_int_equal(small_word(l, slot).owed, on[i]);
		for (uint32_t t = 0; t < 2; t++) {
			count[t] += on[i] >> t & 1;
			assert_int_equal(l->records[slot].ordinal[t], count[t]);
		}
	}
}

/* A rate is ticks of presentation time, so it does not matter who publishes or when. */
static void test_a_tap_of_its_own_rate(void **state)
{
	struct ledger *l = *state;
	static const struct {
		int64_t pts;
		bool owed;
	} frames[] = {
		{0, true}, /* the first always */
		{40, false},  {80, false}, {120, true},
		{160, false}, {200, true}, {490, true}, /* four ticks at once: one frame */
		{499, false},
	};
	l->streams[LIVE_STREAM].tap_every_ns[1] = 100;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		uint32_t slot =
			small_publish(l, LIVE_STREAM, CAPTURE + (uint8_t)(i % 2), frames[i].pts);
		assert_int_equal(small_word(l, slot).owed, frames[i].owed ? 3 : 1);
	}
}

static void test_taps_that_do_not_exist_are_owed_nothing(void **state)
{
	struct ledger *l = *state;
	l->streams[LIVE_STREAM].taps_on = UINT32_MAX;
	uint32_t slot = small_publish(l, LIVE_STREAM, CAPTURE, 0);
	assert_int_equal(small_word(l, slot).owed, 3);
}

static void test_next_owed_passes_over_what_is_not_owed(void **state)
{
	struct ledger *l = *state;
	uint32_t slot, owed;
	uint64_t last = 0;
	l->streams[LIVE_STREAM].taps_on = 2;
	small_finish(l, LIVE_STREAM, 0);
	small_finish(l, LIVE_STREAM, 1);
	assert_int_equal(ledger_next_owed(l, LIVE_STREAM, 0, &last, &slot), TROUPE_E_AGAIN);
	assert_int_equal(slot, SLOT_NONE);
	assert_int_equal(last, 2);
	small_finish(l, LIVE_STREAM, 2);
	l->streams[LIVE_STREAM].taps_on = 1;
	owed = small_finish(l, LIVE_STREAM, 3);
	assert_int_equal(ledger_next_owed(l, LIVE_STREAM, 0, &last, &slot), 0);
	assert_int_equal(slot, owed);
	assert_int_equal(last, 3);
}

/* Finished out of order: the tap waits for the lowest, in whatever phase that is. */
static void test_next_owed_never_passes_over_what_is_owed(void **state)
{
	struct ledger *l = *state;
	uint32_t first = small_publish(l, LIVE_STREAM, CAPTURE, 0), slot, second;
	uint64_t last = 0;
	assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
	second = small_publish(l, LIVE_STREAM, CAPTURE, 1);
	assert_int_equal(ledger_claim(l, ANOTHER, &slot), 0);
	assert_int_equal(ledger_finish_frame(l, second, ANOTHER), 0);
	for (int round = 0; round < 2; round++) { /* HELD, then QUEUED again */
		assert_int_equal(ledger_next_owed(l, LIVE_STREAM, 0, &last, &slot), TROUPE_E_AGAIN);
		assert_int_equal(slot, first);
		assert_int_equal(last, 0);
		ledger_hand_back(l, first, PROCESSOR);
	}
	ledger_claim(l, PROCESSOR, &slot);
	ledger_finish_frame(l, first, PROCESSOR);
	assert_int_equal(ledger_next_owed(l, LIVE_STREAM, 0, &last, &slot), 0);
	assert_int_equal(slot, first);
	last = 1;
	assert_int_equal(ledger_next_owed(l, LIVE_STREAM, 0, &last, &slot), 0);
	assert_int_equal(slot, second);
}

static void test_settle_up_to_a_number(void **state)
{
	struct ledger *l = *state;
	uint32_t slots[3], waits;
	for (int i = 0; i < 3; i++)
		slots[i] = small_finish(l, LIVE_STREAM, i);
	waits = small_publish(l, LIVE_STREAM, CAPTURE, 3);
	assert_int_equal(ledger_settle(l, LIVE_STREAM, 0, 2), 2);
	assert_int_equal(small_word(l, slots[0]).owed, 2);
	assert_int_equal(small_word(l, slots[2]).owed, 3);
	assert_int_equal(ledger_settle(l, LIVE_STREAM, 0, 4), 1); /* what is not DONE stays owed */
	assert_int_equal(small_word(l, waits).owed, 3);
}

/* ---- processors ---- */

static void test_claim_the_oldest_across_streams(void **state)
{
	struct ledger *l = *state;
	static const int64_t published[] = {300, 200, 400, 100};
	static const uint32_t order[] = {3, 1, 0, 2};
	uint32_t slots[4], slot;
	for (uint32_t i = 0; i < 4; i++)
		slots[i] = small_publish(l, i % 2, CAPTURE, 0);
	for (uint32_t i = 0; i < 4; i++)
		l->records[slots[i]].published = published[i];
	for (uint32_t i = 0; i < 4; i++) {
		l->streams[0].served = l->streams[1].served = 0; /* all frames came after */
		assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
		assert_int_equal(slot, slots[order[i]]);
	}
	assert_int_equal(ledger_claim(l, PROCESSOR, &slot), TROUPE_E_AGAIN);
}

/* However many frames a stream has waiting, and for however long: who has one comes next. */
static void test_a_flood_waits_for_itself(void **state)
{
	struct ledger *l = *state;
	uint32_t flood[7], slot;
	for (int i = 0; i < 7; i++)
		flood[i] = small_publish(l, LIVE_STREAM, CAPTURE, i);
	assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
	assert_int_equal(slot, flood[0]);
	for (int i = 1; i <= 3; i++) {
		uint32_t quiet = small_publish(l, OTHER_STREAM, CAPTURE, i);
		/* It came after the last claim of the flood, so the flood's next is due first … */
		assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
		assert_int_equal(slot, flood[i]);
		/* … and no other. */
		assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
		assert_int_equal(slot, quiet);
	}
	/* Nobody else has any: nothing is kept waiting. */
	for (int i = 4; i < 7; i++) {
		assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
		assert_int_equal(slot, flood[i]);
	}
	assert_int_equal(ledger_claim(l, PROCESSOR, &slot), TROUPE_E_AGAIN);
}

/* Two that have more than is done take turns, each in its own order. */
static void test_streams_that_are_behind_take_turns(void **state)
{
	struct ledger *l = *state;
	uint32_t slots[2][3], slot;
	for (uint32_t stream = 0; stream < 2; stream++)
		for (int i = 0; i < 3; i++)
			slots[stream][i] = small_publish(l, stream, CAPTURE, i);
	for (int i = 0; i < 3; i++) {
		for (uint32_t stream = 0; stream < 2; stream++) {
			assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
			assert_int_equal(slot, slots[stream][i]);
		}
	}
}

/* A word that cannot be is an error and not an endless search. */
/* Nobody waits for what cannot be right: the others are there. */
static void test_damaged_words_are_passed_over(void **state)
{
	struct ledger *l = *state;
	uint32_t slot;
	l->words[3] = PHASE_QUEUED; /* number 0 */
	assert_int_equal(ledger_claim(l, PROCESSOR, &slot), TROUPE_E_AGAIN);
	uint32_t good = small_publish(l, LIVE_STREAM, CAPTURE, 0);
	assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
	assert_int_equal(slot, good);
	for (uint32_t i = 0; i < SMALL_SLOTS; i++)
		l->words[i] = word_pack((struct slot_word){.seat = 9}); /* FREE, and somebody's */
	assert_int_equal(ledger_take(l, LIVE_STREAM, CAPTURE, &slot), TROUPE_E_FULL);
}

/* A word that looks right, with a number that its record does not have: nobody has published it. */
static void test_a_number_needs_its_record(void **state)
{
	struct ledger *l = *state;
	uint32_t slot = small_finish(l, LIVE_STREAM, 0), found;
	uint64_t word, last = 0;
	assert_int_equal(ledger_next_owed(l, LIVE_STREAM, 0, &last, &found), 0);
	l->words[slot + 1] =
		word_pack((struct slot_word){.seq = 1000, .owed = 1, .phase = PHASE_DONE});
	assert_int_equal(ledger_last_seq(l, LIVE_STREAM, NULL), 1);
	assert_int_equal(ledger_peek(l, LIVE_STREAM, 0, false, &found, &word), 0);
	assert_int_equal(found, slot);
	last = 1;
	assert_int_equal(ledger_next_owed(l, LIVE_STREAM, 0, &last, &found), TROUPE_E_AGAIN);
	assert_int_equal(last, 1);
	/* And whoever publishes believes itself. */
	l->records[slot + 1].seq = 1000;
	assert_int_equal(small_word(l, small_publish(l, LIVE_STREAM, 1, 0)).seq, 2);
}

static void test_hand_back_keeps_attempts(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	uint32_t slot = small_publish(l, LIVE_STREAM, CAPTURE, 0);
	ledger_claim(l, PROCESSOR, &slot);
	seat_reclaim(l, PROCESSOR, true, &what);
	ledger_claim(l, ANOTHER, &slot);
	assert_int_equal(ledger_hand_back(l, slot, ANOTHER), 0);
	assert_int_equal(small_word(l, slot).phase, PHASE_QUEUED);
	assert_int_equal(small_word(l, slot).attempts, 1);
}

static void test_third_blame_is_quarantine(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	uint32_t slot = small_publish(l, LIVE_STREAM, CAPTURE, 0);
	for (uint32_t i = 1; i <= QUARANTINE_ATTEMPTS; i++) {
		assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
		seat_reclaim(l, PROCESSOR, false, &what); /* from outside: does not count */
		assert_int_equal(what.held, 1);
		assert_int_equal(small_word(l, slot).attempts, i - 1);
		assert_int_equal(ledger_claim(l, PROCESSOR, &slot), 0);
		seat_reclaim(l, PROCESSOR, true, &what);
		assert_int_equal(what.held, 1);
		assert_int_equal(what.quarantined, i == QUARANTINE_ATTEMPTS);
	}
	struct slot_word w = small_word(l, slot);
	assert_int_equal(w.phase, PHASE_DONE);
	assert_int_equal(w.marks, MARK_BYPASSED | MARK_QUARANTINED);
	assert_int_equal(w.owed, 3);
	assert_int_equal(w.seat, 0);
	assert_int_equal(ledger_claim(l, PROCESSOR, &slot), TROUPE_E_AGAIN);
}

int main(void)
{
#define ON_SMALL(test) cmocka_unit_test_setup_teardown(test, small_setup, small_teardown)
	const struct CMUnitTest tests[] = {
		ON_SMALL(test_life_of_a_frame),
		ON_SMALL(test_lost_step_changes_nothing),
		ON_SMALL(test_take_the_lowest_number),
		ON_SMALL(test_last_frame_is_left_alone),
		ON_SMALL(test_full),
		ON_SMALL(test_numbers_are_dense_and_per_stream),
		cmocka_unit_test(test_numbers_go_on_behind_a_recording),
		ON_SMALL(test_successor_goes_on_after_a_death_in_each_phase),
		ON_SMALL(test_ordinals_count_what_a_tap_is_owed),
		ON_SMALL(test_a_tap_of_its_own_rate),
		ON_SMALL(test_taps_that_do_not_exist_are_owed_nothing),
		ON_SMALL(test_next_owed_passes_over_what_is_not_owed),
		ON_SMALL(test_next_owed_never_passes_over_what_is_owed),
		ON_SMALL(test_settle_up_to_a_number),
		ON_SMALL(test_claim_the_oldest_across_streams),
		ON_SMALL(test_a_flood_waits_for_itself),
		ON_SMALL(test_streams_that_are_behind_take_turns),
		ON_SMALL(test_damaged_words_are_passed_over),
		ON_SMALL(test_a_number_needs_its_record),
		ON_SMALL(test_hand_back_keeps_attempts),
		ON_SMALL(test_third_blame_is_quarantine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
