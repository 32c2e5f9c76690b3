/* ledger_check must find each fault that is planted, and nothing in a ledger that is right. */
#include "ipc/slots/check.h"

#include "ipc/slots/seats.h"
#include "tests/unit/small_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BIT(seat) (UINT64_C(1) << (seat))

struct findings {
	int count;
	uint32_t slot;
	char what[256]; /* the last one */
};

static void find(void *arg, uint32_t slot, const char *what)
{
	struct findings *f = arg;
	f->count++;
	f->slot = slot;
	snprintf(f->what, sizeof(f->what), "%s", what);
}

/* Plants a word and expects exactly one fault at its slot, seen also while things move. */
static void expect_illegal(struct ledger *l, struct slot_word w)
{
	struct findings f = {0};
	uint64_t was = l->words[2];
	l->words[2] = word_pack(w);
	assert_int_equal(ledger_check(l, false, find, &f), 1);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.slot, 2);
	assert_non_null(strstr(f.what, "cannot be right"));
	assert_true(ledger_check(l, true, find, &f) >= 1);
	assert_int_equal(ledger_check(l, false, NULL, NULL), 1);
	l->words[2] = was;
	assert_int_equal(ledger_check(l, true, NULL, NULL), 0);
}

static void test_words_that_cannot_be(void **state)
{
	struct ledger *l = *state;
	assert_int_equal(seat_assign(l, "a", 1), 1);
	expect_illegal(l, (struct slot_word){.phase = N_PHASES});
	expect_illegal(l, (struct slot_word){.phase = PHASE_FREE, .seat = 1});
	expect_illegal(l, (struct slot_word){.phase = PHASE_FREE, .owed = 1});
	expect_illegal(l, (struct slot_word){.phase = PHASE_FILLING, .marks = MARK_SPOILED});
	expect_illegal(l, (struct slot_word){.phase = PHASE_FILLING, .seat = 1});
	expect_illegal(l, (struct slot_word){.phase = PHASE_QUEUED});
	expect_illegal(l, (struct slot_word){.phase = PHASE_QUEUED, .seq = 1, .seat = 1});
	expect_illegal(l, (struct slot_word){.phase = PHASE_HELD, .seq = 1});
	expect_illegal(l, (struct slot_word){.phase = PHASE_HELD, .seq = 1, .seat = 64});
	expect_illegal(l, (struct slot_word){.phase = PHASE_DONE, .seq = 1});
	expect_illegal(l, (struct slot_word){.phase = PHASE_DONE, .seq = 1, .seat = 1});
	expect_illegal(l, (struct slot_word){.phase = PHASE_QUEUED, .seq = 1, .attempts = 3});
	expect_illegal(l, (struct slot_word){.phase = PHASE_FREE, .marks = 8});
}

/* Expects one fault that says so, and only when the ledger stands still. */
static void expect_fault(struct ledger *l, const char *says)
{
	struct findings f = {0};
	assert_int_equal(ledger_check(l, false, find, &f), 0);
	assert_int_equal(ledger_check(l, true, find, &f), 1);
	if (!strstr(f.what, says))
		fail_msg("says '%s', not '%s'", f.what, says);
}

static void test_new_ledger_is_right(void **state)
{
	assert_int_equal(ledger_check(*state, true, NULL, NULL), 0);
}

/* Every phase at once, all by legal steps of live seats. */
static void test_ledger_at_work_is_right(void **state)
{
	struct ledger *l = *state;
	uint32_t slot;
	uint8_t capture = (uint8_t)seat_assign(l, "capture", 1);
	uint8_t processor = (uint8_t)seat_assign(l, "processor", 1);
	owner_take(&l->streams[LIVE_STREAM].owner, capture);
	owner_take(&l->taps[0].owner, processor);
	for (int i = 0; i < 4; i++)
		small_publish(l, LIVE_STREAM, capture, i);
	ledger_claim(l, processor, &slot);
	ledger_finish_frame(l, slot, processor);
	ledger_claim(l, processor, &slot);
	ledger_take(l, LIVE_STREAM, capture, &slot);
	l->header->idle = l->header->asked = l->header->waiting = BIT(capture);
	assert_int_equal(ledger_check(l, true, NULL, NULL), 0);
}

static void test_holder_that_does_not_live(void **state)
{
	struct ledger *l = *state;
	uint8_t seat = (uint8_t)seat_assign(l, "capture", 1);
	uint32_t slot;
	ledger_take(l, LIVE_STREAM, seat, &slot);
	assert_int_equal(ledger_check(l, true, NULL, NULL), 0);
	l->seats[seat].state = SEAT_DEAD;
	l->header->bells_all = 0;
	expect_fault(l, "a seat that is not live");
}

static void test_a_number_twice(void **state)
{
	struct ledger *l = *state;
	l->words[0] = l->words[5] = word_pack((struct slot_word){.seq = 9});
	expect_fault(l, "number 9 stands in slot 0 too");
	l->words[5] = word_pack((struct slot_word){.seq = 10});
	l->words[9] = word_pack((struct slot_word){.seq = 9}); /* another stream's */
	assert_int_equal(ledger_check(l, true, NULL, NULL), 0);
}

static void test_two_slots_filling(void **state)
{
	struct ledger *l = *state;
	uint8_t seat = (uint8_t)seat_assign(l, "capture", 1);
	uint32_t slot;
	ledger_take(l, LIVE_STREAM, seat, &slot);
	ledger_take(l, OTHER_STREAM, seat, &slot);
	assert_int_equal(ledger_check(l, true, NULL, NULL), 0);
	ledger_take(l, LIVE_STREAM, seat, &slot);
	expect_fault(l, "more than one slot FILLING");
}

static void test_owners_that_do_not_live(void **state)
{
	struct ledger *l = *state;
	l->streams[OTHER_STREAM].owner = 3;
	expect_fault(l, "a stream is owned by a seat that is not live");
	l->streams[OTHER_STREAM].owner = 0;
	l->taps[1].owner = UINT64_MAX;
	expect_fault(l, "a tap is owned by a seat that is not live");
}

static void test_bits_of_who_does_not_live(void **state)
{
	struct ledger *l = *state;
	struct ledger_header *h = l->header;
	_Atomic uint64_t *const sets[] = {&h->idle, &h->asked, &h->waiting, &h->bells_all};
	static const char *const names[] = {"idle", "asked", "waiting", "bells_all"};
	uint8_t seat = (uint8_t)seat_assign(l, "a", 1);
	for (size_t i = 0; i < 4; i++) {
		uint64_t was = *sets[i];
		*sets[i] |= BIT(seat);
		assert_int_equal(ledger_check(l, true, NULL, NULL), 0);
		*sets[i] |= BIT(seat + 1);
		expect_fault(l, names[i]);
		*sets[i] = was;
	}
}

int main(void)
{
#define ON_SMALL(test) cmocka_unit_test_setup_teardown(test, small_setup, small_teardown)
	const struct CMUnitTest tests[] = {
		ON_SMALL(test_words_that_cannot_be),	ON_SMALL(test_new_ledger_is_right),
		ON_SMALL(test_ledger_at_work_is_right), ON_SMALL(test_holder_that_does_not_live),
		ON_SMALL(test_a_number_twice),		ON_SMALL(test_two_slots_filling),
		ON_SMALL(test_owners_that_do_not_live), ON_SMALL(test_bits_of_who_does_not_live),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
