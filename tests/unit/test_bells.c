/* Who is rung when. */
#include "ipc/slots/bells.h"

#include "ipc/base/errors.h"
#include "ipc/slots/seats.h"
#include "tests/unit/small_ledger.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define BELLS_AT  100
#define BIT(seat) (UINT64_C(1) << (seat))

static int setup(void **state)
{
	int rc = small_setup(state);
	return rc < 0 ? rc : bells_create(*state, BELLS_AT);
}

static int teardown(void **state)
{
	bells_destroy(*state);
	bells_destroy(*state);
	return small_teardown(state);
}

/* The seats that have been rung since the last call. */
static uint64_t rung(const struct ledger *l)
{
	uint64_t set = 0, rings;
	for (int seat = 0; seat < SEATS_MAX; seat++)
		if (read(l->bell_base + seat, &rings, sizeof(rings)) == sizeof(rings))
			set |= BIT(seat);
	return set;
}

static void test_a_bell_a_seat(void **state)
{
	struct ledger *l = *state;
	for (int seat = 0; seat < SEATS_MAX; seat++) {
		assert_true(fcntl(BELLS_AT + seat, F_GETFD) >= 0);
		assert_int_equal(fcntl(BELLS_AT + seat, F_GETFD) & FD_CLOEXEC, 0);
		bell_ring(l, (uint8_t)seat);
		bell_ring(l, (uint8_t)seat);
		assert_int_equal(rung(l), seat ? BIT(seat) : 0); /* seat 0 is nobody */
	}
	bell_ring(l, 3);
	bell_answer(l, 3);
	bell_answer(l, 3); /* does not wait */
	bell_ring(l, SEATS_MAX);
	assert_int_equal(rung(l), 0);
	bells_ring_set(l, BIT(1) | BIT(5) | BIT(63));
	assert_int_equal(rung(l), BIT(1) | BIT(5) | BIT(63));
}

static void test_without_bells_nothing_happens(void **state)
{
	struct ledger *l = *state;
	l->bell_base = -1;
	l->header->idle = BIT(3);
	bell_ring(l, 3);
	bell_answer(l, 3);
	assert_int_equal(bells_published(l), 3);
	l->bell_base = BELLS_AT;
	assert_int_equal(rung(l), 0);
}

static void test_published_takes_one_idle_bit(void **state)
{
	struct ledger *l = *state;
	assert_int_equal(bells_published(l), 0);
	assert_int_equal(rung(l), 0);
	l->header->idle = BIT(4) | BIT(7);
	assert_int_equal(bells_published(l), 4);
	assert_int_equal(rung(l), BIT(4));
	assert_int_equal(l->header->idle, BIT(7));
	assert_int_equal(bells_published(l), 7);
	assert_int_equal(rung(l), BIT(7));
	assert_int_equal(bells_published(l), 0);
}

static void test_done_rings_who_is_owed_and_who_asked(void **state)
{
	struct ledger *l = *state;
	struct slot_word w = {.seq = 1, .owed = 3, .phase = PHASE_DONE};
	l->taps[0].owner = 5;
	l->taps[1].owner = 0; /* up for taking: nobody to ring */
	l->header->asked = BIT(8) | BIT(9);
	l->header->waiting = BIT(10);
	bells_done(l, word_pack(w));
	assert_int_equal(rung(l), BIT(5) | BIT(8) | BIT(9));
	assert_int_equal(l->header->asked, 0);
	assert_int_equal(l->header->waiting, BIT(10)); /* nothing is free yet */
	w.owed = 2;
	l->taps[1].owner = 6;
	bells_done(l, word_pack(w));
	assert_int_equal(rung(l), BIT(6));
}

static void test_free_rings_who_waits(void **state)
{
	struct ledger *l = *state;
	struct slot_word w = {.seq = 1, .phase = PHASE_FREE};
	l->taps[0].owner = 5;
	l->header->asked = BIT(8);
	l->header->waiting = BIT(10) | BIT(11);
	bells_freed(l);
	assert_int_equal(rung(l), BIT(10) | BIT(11));
	assert_int_equal(l->header->waiting, 0);
	l->header->waiting = BIT(10);
	bells_done(l, word_pack(w)); /* finished and owed to nobody */
	assert_int_equal(rung(l), BIT(8) | BIT(10));
}

static void test_all_are_the_live_ones(void **state)
{
	struct ledger *l = *state;
	struct reclaimed what;
	int a = seat_assign(l, "a", 1), b = seat_assign(l, "b", 1);
	bells_ring_all(l);
	assert_int_equal(rung(l), BIT(a) | BIT(b));
	seat_reclaim(l, (uint8_t)a, false, &what);
	bells_ring_all(l);
	assert_int_equal(rung(l), BIT(b));
}

static void test_a_seat_does_not_inherit_rings(void **state)
{
	struct ledger *l = *state;
	bell_ring(l, 1);
	assert_int_equal(seat_assign(l, "a", 1), 1);
	assert_int_equal(rung(l), 0);
}

static void test_bits(void **state)
{
	(void)state;
	_Atomic uint64_t set = 0;
	seat_bit_set(&set, 63);
	seat_bit_set(&set, 1);
	seat_bit_set(&set, 1);
	assert_int_equal(set, BIT(63) | BIT(1));
	seat_bit_clear(&set, 63);
	seat_bit_clear(&set, 2);
	assert_int_equal(set, BIT(1));
}

static uint32_t open_descriptors(void)
{
	uint32_t count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* The limit on descriptors lies within the bells: what was opened is closed again. */
static void test_bells_that_cannot_be_made(void **state)
{
	struct ledger *l = *state;
	struct rlimit was, small;
	bells_destroy(l);
	uint32_t before = open_descriptors();
	getrlimit(RLIMIT_NOFILE, &was);
	small = was;
	small.rlim_cur = BELLS_AT + 10;
	setrlimit(RLIMIT_NOFILE, &small);
	int rc = bells_create(l, BELLS_AT);
	setrlimit(RLIMIT_NOFILE, &was);
	assert_true(rc < 0);
	assert_int_equal(l->bell_base, -1);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(bells_create(l, BELLS_AT), 0);
}

/* Bells may lie where the kernel would put new descriptors anyway. */
static void test_bells_at_the_next_descriptor(void **state)
{
	struct ledger *l = *state;
	bells_destroy(l);
	int next = dup(0);
	close(next);
	assert_int_equal(bells_create(l, next), 0);
	bells_ring_set(l, BIT(1) | BIT(2) | BIT(63));
	assert_int_equal(rung(l), BIT(1) | BIT(2) | BIT(63));
}

int main(void)
{
#define WITH_BELLS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_BELLS(test_a_bell_a_seat),
		WITH_BELLS(test_without_bells_nothing_happens),
		WITH_BELLS(test_published_takes_one_idle_bit),
		WITH_BELLS(test_done_rings_who_is_owed_and_who_asked),
		WITH_BELLS(test_free_rings_who_waits),
		WITH_BELLS(test_all_are_the_live_ones),
		WITH_BELLS(test_a_seat_does_not_inherit_rings),
		WITH_BELLS(test_bits),
		WITH_BELLS(test_bells_that_cannot_be_made),
		WITH_BELLS(test_bells_at_the_next_descriptor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
