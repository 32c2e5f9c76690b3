/* The law of the playback slots' word against a table written from docs/slots.md, for every word
 * and argument of small sets; then the steps in a ledger: shares, deaths, and what is given back.
 */
#include "ipc/slots/playback.h"

#include "ipc/base/errors.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/check.h"
#include "ipc/slots/seats.h"
#include "tests/unit/small_ledger.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define BELLS_AT 200

/* ---- the law ---- */

/* Whose seat a step needs to be in the word, and whose things are given back. */
enum whose { ANYBODY, FILLERS, ASKERS };

/* One row: from this phase this cause leads there. A row that is not here is refused. */
struct rule {
	enum playback_cause cause;
	enum playback_phase from, to;
	enum whose seat;
};

static const struct rule rules[] = {
	{PLAYBACK_TAKE, PLAYBACK_FREE, PLAYBACK_FILLING, ANYBODY},
	{PLAYBACK_OWE, PLAYBACK_FILLING, PLAYBACK_OWED, FILLERS},
	{PLAYBACK_ABANDON, PLAYBACK_FILLING, PLAYBACK_FREE, FILLERS},
	{PLAYBACK_GIVE_BACK, PLAYBACK_OWED, PLAYBACK_FREE, ASKERS},
	{PLAYBACK_RECLAIM, PLAYBACK_FILLING, PLAYBACK_FREE, FILLERS},
	{PLAYBACK_RECLAIM, PLAYBACK_FILLING, PLAYBACK_FILLING, ASKERS},
	{PLAYBACK_RECLAIM, PLAYBACK_OWED, PLAYBACK_FREE, ASKERS},
};

static const uint8_t seats[] = {0, 1, 2, 63, 64, 255};
static const uint64_t uses[] = {0, 1, 7};

static bool legal(const struct playback_word *w)
{
	if (w->asker > 63 || w->filler > 63)
		return false;
	switch (w->phase) {
	case PLAYBACK_FREE:
		return w->asker == 0 && w->filler == 0;
	case PLAYBACK_FILLING:
		return w->uses > 0 && w->filler != 0;
	case PLAYBACK_OWED:
		return w->uses > 0 && w->asker != 0 && w->filler == 0;
	default:
		return false;
	}
}

static const struct rule *find_rule(const struct playback_word *w, enum playback_cause cause,
				    uint8_t seat)
{
	for (size_t i = 0; i < N_OF(rules); i++) {
		const struct rule *rule = &rules[i];
		if (rule->cause != cause || rule->from != w->phase)
			continue;
		if (rule->seat == ANYBODY || (rule->seat == FILLERS && w->filler == seat) ||
		    (rule->seat == ASKERS && w->asker == seat))
			return seat ? rule : NULL;
	}
	return NULL;
}

static struct playback_word wanted_of(const struct rule *rule, struct playback_word w, uint8_t seat,
				      uint8_t asker)
{
	struct playback_word to = {.uses = w.uses, .phase = rule->to};
	if (rule->cause == PLAYBACK_TAKE) {
		to.uses++;
		to.asker = asker;
		to.filler = seat;
	} else if (rule->cause == PLAYBACK_OWE && w.asker) {
		to.asker = w.asker;
	} else if (rule->cause == PLAYBACK_OWE) {
		to.phase = PLAYBACK_FREE;
	} else if (rule->to == PLAYBACK_FILLING) {
		to.filler = w.filler;
	}
	return to;
}

static void try_step(struct playback_word w, enum playback_cause cause, uint8_t seat, uint8_t asker,
		     unsigned *taken)
{
	uint64_t to = 0;
	const struct rule *rule = seat < 64 && asker < 64 ? find_rule(&w, cause, seat) : NULL;
	if (cause == PLAYBACK_TAKE && !asker)
		rule = NULL;
	int rc = playback_step(playback_pack(w), cause, seat, asker, &to);
	if (!legal(&w) || !rule) {
		assert_true(rc < 0);
		return;
	}
	struct playback_word wanted = wanted_of(rule, w, seat, asker);
	assert_int_equal(rc, 0);
	assert_true(legal(&wanted) && playback_legal(to));
	assert_int_equal(to, playback_pack(wanted));
	taken[cause]++;
}

static void try_word(struct playback_word w, unsigned *taken)
{
	uint64_t word = playback_pack(w);
	struct playback_word back = playback_unpack(word);
	assert_int_equal(playback_legal(word), legal(&w));
	assert_int_equal(playback_pack(back), word);
	assert_false(playback_legal(word | 0x10));
	for (int cause = 0; cause < N_PLAYBACK_CAUSES; cause++) {
		for (size_t n = 0; n < N_OF(seats) * N_OF(seats); n++) {
			try_step(w, (enum playback_cause)cause, seats[n % N_OF(seats)],
				 seats[n / N_OF(seats)], taken);
		}
	}
}

static void test_every_step_of_every_word(void **state)
{
	(void)state;
	unsigned taken[N_PLAYBACK_CAUSES] = {0};
	for (unsigned i = 0; i < 16 * N_OF(seats) * N_OF(seats) * N_OF(uses); i++) {
		unsigned n = i / 16;
		struct playback_word w = {.phase = i % 16};
		w.asker = seats[n % N_OF(seats)];
		n /= N_OF(seats);
		w.filler = seats[n % N_OF(seats)];
		w.uses = uses[n / N_OF(seats)];
		try_word(w, taken);
	}
	for (int cause = 0; cause < N_PLAYBACK_CAUSES; cause++)
		assert_true(taken[cause] > 0);
	uint64_t to;
	assert_true(playback_step(0, N_PLAYBACK_CAUSES, 1, 1, &to) < 0);
}

static void test_words_for_people(void **state)
{
	(void)state;
	char text[96];
	struct playback_word w = {.uses = 17, .asker = 3, .phase = PLAYBACK_OWED};
	assert_string_equal(playback_format(playback_pack(w), text, sizeof(text)),
			    "use 17 OWED to seat 3");
	w.phase = PLAYBACK_FILLING;
	w.filler = 2;
	assert_string_equal(playback_format(playback_pack(w), text, sizeof(text)),
			    "use 17 FILLING by seat 2 for seat 3");
	assert_string_equal(playback_format(0, text, sizeof(text)), "use 0 FREE");
	assert_string_equal(playback_phase_name(N_PLAYBACK_PHASES), "BROKEN");
	assert_string_equal(playback_cause_name(PLAYBACK_GIVE_BACK), "GIVE_BACK");
	assert_string_equal(playback_cause_name(N_PLAYBACK_CAUSES), "UNKNOWN");
}

static void test_shares(void **state)
{
	(void)state;
	assert_int_equal(playback_quota(0), PLAYBACK_SLOTS / 2); /* one is left for the next */
	assert_int_equal(playback_quota(1), PLAYBACK_SLOTS / 2);
	assert_int_equal(playback_quota(3), PLAYBACK_SLOTS / 4);
	assert_int_equal(playback_quota(PLAYBACK_SLOTS - 1), 1);
	assert_int_equal(playback_quota(62), 1);
}

/* ---- in a ledger ---- */

struct stage {
	struct ledger *ledger;
	uint8_t storer;
	struct playback_asker one, two;
};

static struct playback_asker seat_of(struct ledger *l, const char *worker, uint32_t incarnation)
{
	int seat = seat_assign(l, worker, incarnation);
	assert_true(seat > 0);
	return playback_asker_of(l, (uint8_t)seat);
}

static int setup(void **state)
{
	void *ledger;
	struct stage *stage = calloc(1, sizeof(*stage));
	assert_non_null(stage);
	assert_int_equal(small_setup(&ledger), 0);
	assert_int_equal(bells_create(ledger, BELLS_AT), 0);
	stage->ledger = ledger;
	stage->storer = seat_of(ledger, "storer", 1).seat;
	stage->one = seat_of(ledger, "display", 1);
	stage->two = seat_of(ledger, "trainer", 1);
	*state = stage;
	return 0;
}

/* Every test ends with slots that are FREE, and a ledger that is right. */
static int teardown(void **state)
{
	struct stage *stage = *state;
	void *ledger = stage->ledger;
	bool right =
		playback_quiet(stage->ledger) && ledger_check(stage->ledger, true, NULL, NULL) == 0;
	bells_destroy(stage->ledger);
	small_teardown(&ledger);
	free(stage);
	return right ? 0 : -1;
}

static uint32_t take(struct stage *s, const struct playback_asker *asker)
{
	uint32_t slot = SLOT_NONE;
	assert_int_equal(playback_take(s->ledger, s->storer, asker, &slot), 0);
	return slot;
}

static uint32_t owe(struct stage *s, const struct playback_asker *asker)
{
	uint32_t slot = take(s, asker);
	assert_int_equal(playback_owe(s->ledger, slot, s->storer), 0);
	return slot;
}

static uint32_t give_all_back(struct stage *s, uint8_t asker)
{
	uint32_t slot, n = 0;
	while ((slot = playback_owed(s->ledger, asker, 0)) != SLOT_NONE) {
		assert_int_equal(playback_give_back(s->ledger, slot, asker), 0);
		n++;
	}
	return n;
}

static struct playback_word word_of(struct stage *s, uint32_t slot)
{
	return playback_unpack(playback_word(s->ledger, slot));
}

static void die(struct stage *s, uint8_t seat, uint32_t slots)
{
	struct reclaimed what;
	seat_reclaim(s->ledger, seat, false, &what);
	assert_int_equal(what.playback, slots);
}

static bool rang(uint8_t seat)
{
	struct pollfd bell = {.fd = BELLS_AT + seat, .events = POLLIN};
	return poll(&bell, 1, 0) == 1;
}

static void test_a_frame_goes_to_its_asker_alone(void **state)
{
	struct stage *s = *state;
	uint32_t slot = take(s, &s->one);
	assert_false(rang(s->one.seat));
	assert_int_equal(playback_owed(s->ledger, s->one.seat, 0), SLOT_NONE);
	assert_true(playback_owe(s->ledger, slot, s->one.seat) < 0); /* not the filler */
	memset(playback_area(s->ledger, slot), 'x', s->ledger->playback_size);
	assert_int_equal(playback_owe(s->ledger, slot, s->storer), 0);
	assert_true(rang(s->one.seat));
	assert_false(rang(s->two.seat));
	assert_false(seat_holds(s->ledger, s->two.seat));
	assert_true(seat_holds(s->ledger, s->one.seat));
	assert_int_equal(playback_owed(s->ledger, s->two.seat, 0), SLOT_NONE);
	assert_true(playback_give_back(s->ledger, slot, s->two.seat) < 0);
	assert_int_equal(playback_give_back(s->ledger, slot, s->one.seat), 0);
	assert_true(playback_give_back(s->ledger, slot, s->one.seat) < 0);
}

static void test_areas_hold_the_largest_frame_and_touch_nothing(void **state)
{
	struct stage *s = *state;
	struct ledger *l = s->ledger;
	for (uint32_t i = 0; i < l->header->n_streams; i++)
		assert_true(l->playback_size >= l->streams[i].coded_size);
	for (uint32_t i = 0; i + 1 < PLAYBACK_SLOTS; i++)
		assert_ptr_equal(playback_area(l, i) + l->playback_size, playback_area(l, i + 1));
	assert_ptr_equal(playback_area(l, PLAYBACK_SLOTS - 1) + l->playback_size,
			 (uint8_t *)l->header + l->size);
	assert_true(ledger_coded(l, l->header->n_slots - 1) + l->streams[1].coded_size <=
		    playback_area(l, 0));
}

static void test_nobody_has_more_than_a_share(void **state)
{
	struct stage *s = *state;
	uint32_t slot;
	for (int i = 0; i < PLAYBACK_SLOTS / 2; i++)
		owe(s, &s->one);
	assert_int_equal(playback_take(s->ledger, s->storer, &s->one, &slot), TROUPE_E_BUSY);
	for (int i = 0; i < PLAYBACK_SLOTS / 2; i++)
		take(s, &s->two);
	struct playback_asker third = seat_of(s->ledger, "third", 1);
	assert_int_equal(playback_take(s->ledger, s->storer, &third, &slot), TROUPE_E_FULL);
	/* Three want some: who has more than a third gets none, the one without the first. */
	assert_int_equal(playback_give_back(s->ledger, playback_owed(s->ledger, s->one.seat, 0),
					    s->one.seat),
			 0);
	slot = owe(s, &third);
	assert_int_equal(playback_give_back(s->ledger, playback_owed(s->ledger, s->one.seat, 0),
					    s->one.seat),
			 0);
	uint32_t none;
	assert_int_equal(playback_take(s->ledger, s->storer, &s->one, &none), TROUPE_E_BUSY);
	assert_int_equal(give_all_back(s, third.seat), 1);
	die(s, s->storer, PLAYBACK_SLOTS / 2); /* all that it was filling */
	assert_int_equal(give_all_back(s, s->one.seat), PLAYBACK_SLOTS / 2 - 2);
}

/* Slots are used in turn, and each use has a number of its own. */
static void test_uses_are_counted(void **state)
{
	struct stage *s = *state;
	for (uint64_t use = 1; use <= 3; use++) {
		for (uint32_t i = 0; i < PLAYBACK_SLOTS; i++) {
			uint32_t slot = owe(s, &s->one);
			assert_int_equal(slot, i);
			assert_int_equal(word_of(s, slot).uses, use);
			assert_int_equal(playback_give_back(s->ledger, slot, s->one.seat), 0);
		}
	}
}

static void test_a_dead_filler_leaves_nothing(void **state)
{
	struct stage *s = *state;
	uint32_t filling = take(s, &s->one);
	owe(s, &s->one);
	die(s, s->storer, 1);
	assert_int_equal(word_of(s, filling).phase, PLAYBACK_FREE);
	assert_int_equal(give_all_back(s, s->one.seat), 1); /* that was whole before */
}

static void test_a_dead_asker_is_owed_nothing(void **state)
{
	struct stage *s = *state;
	uint32_t filling = take(s, &s->one);
	owe(s, &s->one);
	die(s, s->one.seat, 1);
	/* The filler still writes: nobody else may get it before that one is through. */
	assert_int_equal(word_of(s, filling).phase, PLAYBACK_FILLING);
	assert_int_equal(word_of(s, filling).asker, 0);
	assert_int_equal(playback_owe(s->ledger, filling, s->storer), TROUPE_E_CLOSED);
	assert_int_equal(word_of(s, filling).phase, PLAYBACK_FREE);
}

static void test_both_dead(void **state)
{
	struct stage *s = *state;
	uint32_t slot = take(s, &s->one);
	die(s, s->one.seat, 0);
	die(s, s->storer, 1);
	assert_int_equal(word_of(s, slot).phase, PLAYBACK_FREE);
}

/* A question may be answered after its asker's death, even when its seat has gone to another. */
static void test_who_asked_is_known_for_ever(void **state)
{
	struct stage *s = *state;
	uint32_t slot;
	struct playback_asker nobody = {.seat = 0}, beyond = {.seat = SEATS_MAX};
	assert_int_equal(playback_take(s->ledger, s->storer, &nobody, &slot), TROUPE_E_CLOSED);
	assert_int_equal(playback_take(s->ledger, s->storer, &beyond, &slot), TROUPE_E_CLOSED);
	die(s, s->one.seat, 0);
	assert_int_equal(playback_take(s->ledger, s->storer, &s->one, &slot), TROUPE_E_CLOSED);
	struct playback_asker now;
	do
		now = seat_of(s->ledger, "display", 2);
	while (now.seat != s->one.seat);
	assert_int_equal(playback_take(s->ledger, s->storer, &s->one, &slot), TROUPE_E_CLOSED);
	give_all_back(s, owe(s, &now) < PLAYBACK_SLOTS ? now.seat : 0);
}

static void on_fault(void *arg, uint32_t slot, const char *what)
{
	(void)slot;
	strncat(arg, what, 200);
}

static void expect_fault(struct stage *s, struct playback_word w, bool still, const char *says)
{
	char told[256] = "";
	uint64_t was = s->ledger->playback_words[3];
	s->ledger->playback_words[3] = playback_pack(w);
	assert_int_equal(ledger_check(s->ledger, still, on_fault, told), 1);
	assert_non_null(strstr(told, says));
	s->ledger->playback_words[3] = was;
	assert_int_equal(ledger_check(s->ledger, still, NULL, NULL), 0);
}

static void test_check_finds_what_is_wrong(void **state)
{
	struct stage *s = *state;
	expect_fault(s, (struct playback_word){.asker = 1}, false,
		     "playback slot 3: its word cannot be right: use 0 FREE to seat 1");
	expect_fault(s, (struct playback_word){.uses = 1, .phase = PLAYBACK_OWED}, false,
		     "cannot be right");
	expect_fault(s, (struct playback_word){.uses = 1, .asker = 60, .phase = PLAYBACK_OWED},
		     true, "is of a seat that is not live: use 1 OWED to seat 60");
	expect_fault(s, (struct playback_word){.uses = 1, .filler = 60, .phase = PLAYBACK_FILLING},
		     true, "not live");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_step_of_every_word),
		cmocka_unit_test(test_words_for_people),
		cmocka_unit_test(test_shares),
#define IN_LEDGER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		IN_LEDGER(test_a_frame_goes_to_its_asker_alone),
		IN_LEDGER(test_areas_hold_the_largest_frame_and_touch_nothing),
		IN_LEDGER(test_nobody_has_more_than_a_share),
		IN_LEDGER(test_uses_are_counted),
		IN_LEDGER(test_a_dead_filler_leaves_nothing),
		IN_LEDGER(test_a_dead_asker_is_owed_nothing),
		IN_LEDGER(test_both_dead),
		IN_LEDGER(test_who_asked_is_known_for_ever),
		IN_LEDGER(test_check_finds_what_is_wrong),
#undef IN_LEDGER
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
