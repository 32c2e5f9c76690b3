/* The law of the slot word against a table written from docs/slots.md, for every word and every
 * argument of small sets. */
#include "ipc/base/errors.h"
#include "ipc/slots/word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What becomes of a field: it stays, is cleared, or is taken from the arguments. */
enum field { KEEP, CLEAR, GIVEN };

/* Where a step leads. DONE_OR_FREE: FREE when nothing is owed and no seat is left. */
enum goal { TO_FREE, TO_FILLING, TO_QUEUED, TO_HELD, TO_ASIDE, DONE_OR_FREE };

/* One row: from this phase this cause leads there. A row that is not here is refused. */
struct rule {
	enum word_cause cause;
	enum phase from;
	enum goal to;
	enum field seat;
	uint8_t marks; /* added */
	bool mine;     /* only for the seat in the word */
};

static const struct rule rules[] = {
	{CAUSE_TAKE, PHASE_FREE, TO_FILLING, GIVEN, MARK_SPOILED, false},
	{CAUSE_PUBLISH, PHASE_FILLING, TO_QUEUED, CLEAR, 0, true},
	{CAUSE_ABANDON, PHASE_FILLING, TO_FREE, CLEAR, MARK_SPOILED, true},
	{CAUSE_CLAIM, PHASE_QUEUED, TO_HELD, GIVEN, 0, false},
	{CAUSE_FINISH, PHASE_HELD, DONE_OR_FREE, CLEAR, 0, true},
	{CAUSE_HAND_BACK, PHASE_HELD, TO_QUEUED, CLEAR, 0, true},
	{CAUSE_BYPASS, PHASE_QUEUED, DONE_OR_FREE, KEEP, MARK_BYPASSED, false},
	{CAUSE_BYPASS, PHASE_HELD, DONE_OR_FREE, KEEP, MARK_BYPASSED, false},
	{CAUSE_LET_GO, PHASE_DONE, DONE_OR_FREE, CLEAR, 0, true},
	{CAUSE_SETTLE, PHASE_DONE, DONE_OR_FREE, KEEP, 0, false},
	{CAUSE_WRITE_OFF, PHASE_QUEUED, TO_QUEUED, KEEP, 0, false},
	{CAUSE_WRITE_OFF, PHASE_HELD, TO_HELD, KEEP, 0, false},
	{CAUSE_WRITE_OFF, PHASE_DONE, DONE_OR_FREE, KEEP, 0, false},
	{CAUSE_SET_ASIDE, PHASE_FREE, TO_ASIDE, CLEAR, 0, false},
	{CAUSE_SET_ASIDE, PHASE_FILLING, TO_ASIDE, CLEAR, 0, false},
	{CAUSE_SET_ASIDE, PHASE_QUEUED, TO_ASIDE, CLEAR, 0, false},
	{CAUSE_SET_ASIDE, PHASE_HELD, TO_ASIDE, CLEAR, 0, false},
	{CAUSE_SET_ASIDE, PHASE_DONE, TO_ASIDE, CLEAR, 0, false},
	{CAUSE_RECLAIM, PHASE_FILLING, TO_FREE, CLEAR, MARK_SPOILED, true},
	{CAUSE_RECLAIM, PHASE_HELD, TO_QUEUED, CLEAR, 0, true},
	{CAUSE_RECLAIM, PHASE_DONE, DONE_OR_FREE, CLEAR, 0, true},
	{CAUSE_BLAME, PHASE_FILLING, TO_FREE, CLEAR, MARK_SPOILED, true},
	{CAUSE_BLAME, PHASE_HELD, TO_QUEUED, CLEAR, 0, true},
	{CAUSE_BLAME, PHASE_DONE, DONE_OR_FREE, CLEAR, 0, true},
};

static const uint8_t seats[] = {0, 1, 2, 63, 64, 255};
static const uint64_t seqs[] = {0, 1, 7, SEQ_MAX - 1, SEQ_MAX};
static const uint8_t owed_sets[] = {0, 1, 2, 5, 15, 16};
static const uint8_t taps[] = {0, 1, 3, 4, 8, 64, 255};

/* Which combinations can be right, by the table of phases in docs/slots.md. */
static bool legal(const struct slot_word *w)
{
	if (w->seat > 63 || w->attempts > 2)
		return false;
	bool done_marks = w->marks == 0 || w->marks == MARK_BYPASSED ||
			  w->marks == (MARK_BYPASSED | MARK_QUARANTINED);
	switch (w->phase) {
	case PHASE_FREE:
		return w->seat == 0 && w->owed == 0 && w->attempts == 0 &&
		       (done_marks || w->marks == MARK_SPOILED);
	case PHASE_FILLING:
		return w->seat != 0 && w->owed == 0 && w->attempts == 0 && w->marks == MARK_SPOILED;
	case PHASE_QUEUED:
		return w->seat == 0 && w->marks == 0 && w->seq != 0;
	case PHASE_HELD:
		return w->seat != 0 && w->marks == 0 && w->seq != 0;
	case PHASE_DONE:
		/* A finished frame has no holder but one that was bypassed. */
		return w->seq != 0 && w->attempts == 0 && done_marks &&
		       (w->seat ? w->marks != 0 : w->owed != 0);
	case PHASE_ASIDE:
		return w->seat == 0 && w->owed == 0 && w->attempts == 0 && w->marks == 0;
	default:
		return false;
	}
}

static const struct rule *find_rule(enum word_cause cause, uint8_t phase)
{
	for (size_t i = 0; i < N_OF(rules); i++)
		if (rules[i].cause == cause && rules[i].from == phase)
			return &rules[i];
	return NULL;
}

static bool arguments_make_sense(enum word_cause cause, const struct slot_word *w,
				 const struct word_args *args)
{
	if (args->seat > 63)
		return false;
	switch (cause) {
	case CAUSE_PUBLISH:
		return args->seq > w->seq && args->seq <= SEQ_MAX && args->owed <= 15;
	case CAUSE_TAKE:
	case CAUSE_CLAIM:
		return args->seat != 0;
	case CAUSE_SETTLE:
		return args->tap < TAPS_MAX && (w->owed & 1U << args->tap);
	case CAUSE_WRITE_OFF:
		/* Never what is owed to the recording. */
		return args->tap > 0 && args->tap < TAPS_MAX && (w->owed & 1U << args->tap);
	case CAUSE_SET_ASIDE:
		return args->seq <= SEQ_MAX;
	default:
		return true;
	}
}

/* The word a rule makes; false: the step is to be refused. */
static bool expect(struct slot_word *w, enum word_cause cause, const struct word_args *args)
{
	static const uint8_t phase_of[] = {
		[TO_FREE] = PHASE_FREE, [TO_FILLING] = PHASE_FILLING, [TO_QUEUED] = PHASE_QUEUED,
		[TO_HELD] = PHASE_HELD, [TO_ASIDE] = PHASE_ASIDE,     [DONE_OR_FREE] = PHASE_DONE};
	const struct rule *rule = find_rule(cause, w->phase);
	if (!rule || (rule->mine && (args->seat == 0 || args->seat != w->seat)) ||
	    !arguments_make_sense(cause, w, args))
		return false;
	enum goal to = rule->to;
	w->seat = rule->seat == GIVEN ? args->seat : rule->seat == CLEAR ? 0 : w->seat;
	w->marks = cause == CAUSE_TAKE ? MARK_SPOILED : w->marks | rule->marks;
	if (cause == CAUSE_PUBLISH)
		*w = (struct slot_word){.seq = args->seq, .owed = args->owed};
	if (cause == CAUSE_SET_ASIDE)
		*w = (struct slot_word){.seq = args->seq};
	if (cause == CAUSE_SETTLE || cause == CAUSE_WRITE_OFF)
		w->owed ^= (uint8_t)(1U << args->tap);
	if (cause == CAUSE_BLAME && rule->from == PHASE_HELD && ++w->attempts == 3) {
		w->marks = MARK_BYPASSED | MARK_QUARANTINED;
		to = DONE_OR_FREE;
	}
	w->phase = phase_of[to];
	if (to == DONE_OR_FREE) {
		w->attempts = 0;
		w->phase = w->owed || w->seat ? PHASE_DONE : PHASE_FREE;
	}
	return true;
}

struct tally {
	unsigned long steps, taken[N_CAUSES], refused[N_CAUSES];
	unsigned quarantined, reached[N_PHASES][N_PHASES];
};

static void fail_step(uint64_t from, enum word_cause cause, const char *what, uint64_t to)
{
	char a[128], b[128];
	fail_msg("%s from %s: %s (%s)", cause_name(cause), word_format(from, a, sizeof(a)), what,
		 word_format(to, b, sizeof(b)));
}

static void try_step(struct tally *tally, uint64_t from, enum word_cause cause,
		     const struct word_args *args)
{
	const uint64_t untouched = 0xdeadULL;
	uint64_t to = untouched;
	struct slot_word wanted = word_unpack(from);
	bool allowed = expect(&wanted, cause, args);
	int rc = word_step(from, cause, args, &to);
	tally->steps++;
	if (!allowed) {
		if (rc >= 0 || to != untouched)
			fail_step(from, cause, "should be refused", to);
		tally->refused[cause]++;
		return;
	}
	if (rc != 0 || to != word_pack(wanted))
		fail_step(from, cause, "not what the table says", to);
	if (!legal(&wanted) || !word_legal(to))
		fail_step(from, cause, "the result is not legal", to);
	if (wanted.seq != word_unpack(from).seq && cause != CAUSE_PUBLISH &&
	    cause != CAUSE_SET_ASIDE)
		fail_step(from, cause, "changed the number", to);
	tally->taken[cause]++;
	tally->reached[word_unpack(from).phase][wanted.phase]++;
	tally->quarantined += cause == CAUSE_BLAME && (wanted.marks & MARK_QUARANTINED) &&
			      word_unpack(from).phase == PHASE_HELD;
}

static void try_all_steps(struct tally *tally, uint64_t from)
{
	for (int cause = 0; cause < N_CAUSES; cause++) {
		for (size_t i = 0; i < N_OF(seats); i++) {
			struct word_args args = {.seat = seats[i]};
			if (cause == CAUSE_SETTLE || cause == CAUSE_WRITE_OFF) {
				for (size_t t = 0; t < N_OF(taps); t++) {
					args.tap = taps[t];
					try_step(tally, from, (enum word_cause)cause, &args);
				}
			} else if (cause == CAUSE_PUBLISH) {
				for (size_t k = 0; k < N_OF(seqs) * N_OF(owed_sets); k++) {
					args.seq = seqs[k % N_OF(seqs)];
					args.owed = owed_sets[k / N_OF(seqs)];
					try_step(tally, from, (enum word_cause)cause, &args);
				}
			} else {
				try_step(tally, from, (enum word_cause)cause, &args);
			}
		}
	}
}

typedef void word_fn(struct tally *tally, const struct slot_word *w);

/* Calls `fn` for every phase x marks x owed x attempts (all 16 values each) x seats x numbers. */
static void each_word(struct tally *tally, word_fn *fn)
{
	for (uint32_t bits = 0; bits < 1U << 16; bits++) {
		for (size_t s = 0; s < N_OF(seats); s++) {
			for (size_t q = 0; q < N_OF(seqs); q++) {
				struct slot_word w = {
					.seq = seqs[q],
					.seat = seats[s],
					.phase = bits & 0xf,
					.marks = bits >> 4 & 0xf,
					.owed = bits >> 8 & 0xf,
					.attempts = bits >> 12 & 0xf,
				};
				fn(tally, &w);
			}
		}
	}
}

/* The one step that a word can take which cannot be right. */
static void try_set_aside(uint64_t word)
{
	uint64_t to = 0;
	struct slot_word aside = {.seq = 7, .phase = PHASE_ASIDE};
	struct word_args args = {.seq = 7};
	if (word_step(word, CAUSE_SET_ASIDE, &args, &to) != 0 || to != word_pack(aside))
		fail_step(word, CAUSE_SET_ASIDE, "is not set aside", to);
	assert_true(word_legal(to));
	for (int cause = 0; cause < N_CAUSES; cause++)
		assert_true(word_step(to, (enum word_cause)cause, &args, &word) < 0);
}

static void check_one_word(struct tally *tally, const struct slot_word *w)
{
	uint64_t word = word_pack(*w), to = 0;
	struct slot_word back = word_unpack(word);
	if (memcmp(&back.seq, &w->seq, sizeof(w->seq)) != 0 || back.owed != w->owed ||
	    back.attempts != w->attempts || back.seat != w->seat || back.marks != w->marks ||
	    back.phase != w->phase)
		fail_step(word, CAUSE_TAKE, "pack and unpack do not agree", word_pack(back));
	if (word_legal(word) != legal(w))
		fail_step(word, CAUSE_TAKE, "word_legal is wrong", word);
	if (legal(w)) {
		try_all_steps(tally, word);
		return;
	}
	for (int cause = 0; cause < N_CAUSES; cause++) {
		struct word_args args = {.seat = w->seat, .seq = w->seq + 1};
		if (cause == CAUSE_SET_ASIDE)
			try_set_aside(word);
		else if (word_step(word, (enum word_cause)cause, &args, &to) >= 0)
			fail_step(word, (enum word_cause)cause, "a step from nowhere", to);
	}
}

static void test_every_step_of_every_word(void **state)
{
	(void)state;
	struct tally tally = {0};
	each_word(&tally, check_one_word);
	for (int cause = 0; cause < N_CAUSES; cause++) {
		assert_true(tally.taken[cause] > 0);
		assert_true(tally.refused[cause] > 0);
	}
	assert_true(tally.quarantined > 0);
	assert_true(tally.reached[PHASE_HELD][PHASE_FREE] > 0);
	assert_true(tally.reached[PHASE_DONE][PHASE_FREE] > 0);
	assert_int_equal(tally.reached[PHASE_DONE][PHASE_QUEUED], 0);
	assert_int_equal(tally.reached[PHASE_FREE][PHASE_QUEUED], 0);
	for (int phase = 0; phase < N_PHASES; phase++)
		assert_int_equal(tally.reached[PHASE_ASIDE][phase], 0);
	print_message("%lu steps tried\n", tally.steps);
}

static void test_unknown_cause_is_refused(void **state)
{
	(void)state;
	uint64_t to;
	struct word_args args = {.seat = 1};
	assert_true(word_step(0, N_CAUSES, &args, &to) < 0);
}

/* A word may stand at the next number only through PUBLISH, and shows a frame only while no area of
 * it can have been touched. */
static void check_shows(struct tally *tally, const struct slot_word *w)
{
	uint64_t word = word_pack(*w);
	bool shows =
		(w->phase == PHASE_FREE || w->phase == PHASE_DONE) && !(w->marks & MARK_SPOILED);
	(void)tally;
	if (legal(w) && word_shows(word, w->seq) != shows)
		fail_step(word, CAUSE_TAKE, "word_shows is wrong", word);
	assert_false(word_shows(word, w->seq + 1));
}

static void test_what_a_word_shows(void **state)
{
	(void)state;
	each_word(NULL, check_shows);
}

static void test_words_for_people(void **state)
{
	(void)state;
	char text[128];
	struct slot_word w = {.seq = 17,
			      .owed = 1,
			      .attempts = 1,
			      .seat = 3,
			      .marks = MARK_BYPASSED,
			      .phase = PHASE_HELD};
	assert_string_equal(word_format(word_pack(w), text, sizeof(text)),
			    "seq 17 HELD seat 3 attempts 1 owed 0x1 bypassed");
	assert_string_equal(word_format(word_pack(w), text, 7), "seq 17");
	assert_string_equal(phase_name(PHASE_DONE), "DONE");
	assert_string_equal(phase_name(N_PHASES), "BROKEN");
	assert_string_equal(cause_name(CAUSE_HAND_BACK), "HAND_BACK");
	assert_string_equal(cause_name(N_CAUSES), "UNKNOWN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_step_of_every_word),
		cmocka_unit_test(test_unknown_cause_is_refused),
		cmocka_unit_test(test_what_a_word_shows),
		cmocka_unit_test(test_words_for_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
