/* Giving out seats, and giving back what the dead held. */
#include "ipc/slots/seats.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/small_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BIT(seat) (UINT64_C(1) << (seat))

static void test_a_new_seat_is_clean(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	struct seat_row *row = &l->seats[1];
	assert_int_equal(seat_assign(l, "processor.1", 7), 1);
	assert_string_equal(row->worker, "processor.1");
	assert_int_equal(row->incarnation, 7);
	assert_int_equal(row->state, SEAT_LIVE);
	assert_int_equal(row->due, CLOCK_NEVER);
	assert_int_equal(row->standby, 0);
	assert_int_equal(row->alive, 0);
	seat_stand_by(l, 1);
	assert_int_equal(row->standby, 1);
	assert_int_equal(l->header->bells_all, BIT(1));
	row->pid = 4711;
	row->progress = 99;
	row->inbox_set = 1;
	memset(row->inbox, 'x', sizeof(row->inbox));
	seat_reclaim(l, 1, false, &what);
	for (int i = 1; i < SEATS_MAX; i++)
		assert_true(seat_assign(l, "storer", 1) > 0);
	assert_int_equal(row->pid, 0);
	assert_int_equal(row->standby, 0);
	assert_int_equal(row->progress, 0);
	assert_int_equal(row->inbox_set, 0);
	assert_int_equal(row->inbox[0], 0);
}

static void test_long_names_are_cut(void **state)
{
	struct ledger *l = *state;
	char name[2 * NAME_SIZE];
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_int_equal(seat_assign(l, name, 1), 1);
	assert_int_equal(strlen(l->seats[1].worker), NAME_SIZE - 1);
}

/* A number comes back only when all others have had their turn. */
static void test_round_robin(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	for (int i = 0; i < 3 * (SEATS_MAX - 1); i++) {
		int seat = seat_assign(l, "processor.1", (uint32_t)i + 1);
		assert_int_equal(seat, i % (SEATS_MAX - 1) + 1);
		seat_reclaim(l, (uint8_t)seat, false, &what);
	}
}

/* However many come and go, a seat that is not given back is not given out. */
static void test_no_seat_before_it_is_given_back(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	assert_int_equal(seat_assign(l, "storer", 1), 1);
	for (int i = 0; i < 200; i++) {
		int seat = seat_assign(l, "processor.1", 1);
		assert_true(seat > 1);
		seat_reclaim(l, (uint8_t)seat, false, &what);
	}
	assert_string_equal(l->seats[1].worker, "storer");
	/* One that is dead, but not given back. */
	l->seats[1].state = SEAT_DEAD;
	for (int i = 0; i < SEATS_MAX - 2; i++)
		assert_true(seat_assign(l, "processor.1", 1) > 1);
	assert_int_equal(seat_assign(l, "processor.1", 1), TROUPE_E_FULL);
	seat_reclaim(l, 1, false, &what);
	assert_int_equal(seat_assign(l, "processor.1", 1), 1);
	assert_int_equal(seat_assign(l, "processor.1", 1), TROUPE_E_FULL);
}

static void test_reclaim_gives_back_everything(void **state)
{
	struct ledger *l = *state;
	struct ledger_header *h = l->header;
	struct reclaimed what;
	uint8_t seat = (uint8_t)seat_assign(l, "all", 1), other = (uint8_t)seat_assign(l, "b", 1);
	uint32_t bypassed = small_publish(l, OTHER_STREAM, seat, 0), held, filling, others;
	ledger_claim(l, seat, &bypassed);
	ledger_bypass(l, OTHER_STREAM, CLOCK_NEVER);
	held = small_publish(l, LIVE_STREAM, seat, 0);
	ledger_claim(l, seat, &held);
	ledger_take(l, LIVE_STREAM, seat, &filling);
	ledger_take(l, OTHER_STREAM, other, &others);
	owner_take(&l->streams[LIVE_STREAM].owner, seat);
	owner_take(&l->streams[OTHER_STREAM].owner, other);
	owner_take(&l->taps[1].owner, seat);
	h->idle = h->asked = h->waiting = BIT(seat) | BIT(other);
	assert_true(seat_holds(l, seat));

	seat_reclaim(l, seat, false, &what);
	assert_int_equal(what.filling, 1);
	assert_int_equal(what.held, 1);
	assert_int_equal(what.bypassed, 1);
	assert_int_equal(what.quarantined, 0);
	assert_int_equal(what.streams, 1);
	assert_int_equal(what.taps, 1);
	assert_int_equal(small_word(l, filling).phase, PHASE_FREE);
	assert_int_equal(small_word(l, filling).marks, MARK_SPOILED);
	assert_int_equal(small_word(l, held).phase, PHASE_QUEUED);
	assert_int_equal(small_word(l, bypassed).phase, PHASE_DONE);
	assert_int_equal(small_word(l, bypassed).seat, 0);
	assert_false(seat_holds(l, seat));
	assert_int_equal(l->streams[LIVE_STREAM].owner, 0);
	assert_int_equal(l->taps[1].owner, 0);
	assert_int_equal(l->seats[seat].state, SEAT_EMPTY);
	/* and nothing of anybody else */
	assert_int_equal(h->idle, BIT(other));
	assert_int_equal(h->asked, 0); /* who asked has been rung, for there was something to see */
	assert_int_equal(h->waiting, 0);
	assert_int_equal(h->bells_all, BIT(other));
	assert_int_equal(l->streams[OTHER_STREAM].owner, other);
	assert_int_equal(small_word(l, others).seat, other);
}

/* Also of who held nothing, so that no step on a slot has rung and taken them. */
static void test_reclaim_clears_all_bits(void **state)
{
	struct ledger *l = *state;
	struct ledger_header *h = l->header;
	struct reclaimed what;
	h->idle = h->asked = h->waiting = h->bells_all = BIT(4) | BIT(5);
	l->seats[4].state = SEAT_LIVE;
	seat_reclaim(l, 4, false, &what);
	assert_int_equal(h->idle, BIT(5));
	assert_int_equal(h->asked, BIT(5));
	assert_int_equal(h->waiting, BIT(5));
	assert_int_equal(h->bells_all, BIT(5));
}

/* Which phase its process died in decides what comes of a slot; a death in FILLING blames no frame.
 */
static void test_blame_in_each_phase(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	uint32_t slot, queued;
	ledger_take(l, LIVE_STREAM, 1, &slot);
	seat_reclaim(l, 1, true, &what);
	assert_int_equal(what.filling, 1);
	assert_int_equal(small_word(l, slot).attempts, 0);
	queued = small_publish(l, LIVE_STREAM, 1, 0);
	seat_reclaim(l, 1, true, &what);
	assert_int_equal(what.filling + what.held + what.bypassed, 0);
	assert_int_equal(small_word(l, queued).attempts, 0);
	ledger_claim(l, 2, &slot);
	seat_reclaim(l, 2, true, &what);
	assert_int_equal(small_word(l, slot).phase, PHASE_QUEUED);
	assert_int_equal(small_word(l, slot).attempts, 1);
	ledger_claim(l, 2, &slot);
	ledger_finish_frame(l, slot, 2);
	seat_reclaim(l, 2, true, &what);
	assert_int_equal(what.filling + what.held + what.bypassed, 0);
	assert_int_equal(small_word(l, slot).phase, PHASE_DONE);
	assert_int_equal(small_word(l, slot).attempts, 0);
}

static void test_a_second_reclaim_does_nothing(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	uint32_t slot = small_publish(l, LIVE_STREAM, 1, 0);
	ledger_claim(l, 2, &slot);
	seat_reclaim(l, 2, true, &what);
	uint64_t word = ledger_word(l, slot);
	seat_reclaim(l, 2, true, &what);
	assert_int_equal(what.held, 0);
	assert_int_equal(ledger_word(l, slot), word);
}

/* What makes a worker that stands still a hung one. */
static void test_who_holds_something(void **state)
{
	struct ledger *l = *state;
	uint32_t slot;
	assert_false(seat_holds(l, 1));
	ledger_take(l, LIVE_STREAM, 1, &slot);
	assert_true(seat_holds(l, 1));
	ledger_publish(l, slot, 1);
	assert_false(seat_holds(l, 1));
	owner_take(&l->taps[0].owner, 3);
	assert_false(seat_holds(l, 3)); /* owed, but not done yet */
	ledger_claim(l, 2, &slot);
	assert_true(seat_holds(l, 2));
	ledger_finish_frame(l, slot, 2);
	assert_false(seat_holds(l, 2));
	assert_true(seat_holds(l, 3));
	ledger_settle(l, LIVE_STREAM, 0, 1);
	assert_false(seat_holds(l, 3)); /* the other tap's affair */
	assert_false(seat_holds(l, 0));
}

int main(void)
{
#define ON_SMALL(test) cmocka_unit_test_setup_teardown(test, small_setup, small_teardown)
	const struct CMUnitTest tests[] = {
		ON_SMALL(test_a_new_seat_is_clean),
		ON_SMALL(test_long_names_are_cut),
		ON_SMALL(test_round_robin),
		ON_SMALL(test_no_seat_before_it_is_given_back),
		ON_SMALL(test_reclaim_gives_back_everything),
		ON_SMALL(test_reclaim_clears_all_bits),
		ON_SMALL(test_blame_in_each_phase),
		ON_SMALL(test_a_second_reclaim_does_nothing),
		ON_SMALL(test_who_holds_something),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
