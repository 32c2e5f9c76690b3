/* Which access units may be stored: only what can be shown with what is stored or owed, for
 * certain. */
#include "ipc/base/clock.h"
#include "tests/unit/small_ledger.h"
#include "workers/storer/chain.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define STREAM	  LIVE_STREAM
#define CAPTURE	  1
#define PROCESSOR 2
#define TAP	  0

/* A stream of frames in letters: K key unit, u unit that lacks nothing, b unit that lacks one, c
 * that lacks two, j a frame without a unit, d a unit behind a dropped frame, o a unit that is owed
 * to nobody. */
static void publish(struct ledger *ledger, const char *frames)
{
	struct stream_row *stream = &ledger->streams[STREAM];
	for (const char *letter = frames; *letter; letter++) {
		uint32_t slot;
		assert_int_equal(ledger_take(ledger, STREAM, CAPTURE, &slot), 0);
		ledger->records[slot] = (struct slot_record){
			.coded_bytes = 10,
			.coded_at_source = *letter == 'K'   ? CODED_KEY_UNIT
					   : *letter == 'j' ? CODED_NOT
							    : CODED_UNIT,
			.lacks = *letter == 'b'	  ? 1
				 : *letter == 'c' ? 2
						  : 0,
			.drops_before = {*letter == 'd'},
		};
		atomic_store(&stream->taps_on, *letter == 'o' ? 0 : 3);
		assert_int_equal(ledger_publish(ledger, slot, CAPTURE), 0);
	}
}

/* Processors have finished all that is queued. */
static void finish(struct ledger *ledger)
{
	uint32_t slot;
	while (ledger_claim(ledger, PROCESSOR, &slot) == 0)
		assert_int_equal(ledger_finish_frame(ledger, slot, PROCESSOR), 0);
}

static struct slot_record *record_of(struct ledger *ledger, uint64_t seq)
{
	uint32_t slot = ledger->streams[STREAM].first_slot;
	while (small_word(ledger, slot).seq != seq)
		slot++;
	return &ledger->records[slot];
}

static enum chain_answer ask(struct ledger *ledger, uint64_t seq, bool linked, bool coming)
{
	const struct frame frame = {
		.stream_number = STREAM,
		.stream = &ledger->streams[STREAM],
		.record = record_of(ledger, seq),
		.seq = seq,
	};
	return chain_ask(ledger, TAP, &frame, linked, coming);
}

static void test_what_lacks_nothing(void **state)
{
	struct ledger *ledger = *state;
	publish(ledger, "Kudj");
	assert_int_equal(ask(ledger, 1, false, true), CHAIN_STORE);
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_STORE);
	assert_int_equal(ask(ledger, 2, false, true), CHAIN_BROKEN);
	assert_int_equal(ask(ledger, 3, true, true), CHAIN_BROKEN);
	assert_int_equal(ask(ledger, 4, true, true), CHAIN_BROKEN);
	record_of(ledger, 1)->coded_bytes = 0;
	assert_int_equal(ask(ledger, 1, false, true), CHAIN_BROKEN);
}

static void test_a_row_is_awaited(void **state)
{
	struct ledger *ledger = *state;
	publish(ledger, "Kc");
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_WAIT);
	assert_int_equal(ask(ledger, 2, false, true), CHAIN_BROKEN);
	publish(ledger, "b");
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_WAIT);
	finish(ledger);
	publish(ledger, "u");
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_WAIT);
	finish(ledger);
	for (uint64_t seq = 2; seq <= 4; seq++)
		assert_int_equal(ask(ledger, seq, true, true), CHAIN_STORE);
}

/* Frames of a row may say that still more have to follow. */
static void test_a_row_gets_longer(void **state)
{
	struct ledger *ledger = *state;
	publish(ledger, "Kbc");
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_WAIT);
	publish(ledger, "b");
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_WAIT);
	publish(ledger, "u");
	finish(ledger);
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_STORE);
}

static void expect_broken(const char *frames)
{
	void *state;
	small_setup(&state);
	publish(state, frames);
	if (ask(state, 2, true, true) != CHAIN_BROKEN)
		fail_msg("%s is stored", frames);
	small_teardown(&state);
}

static void test_a_row_breaks(void **state)
{
	(void)state;
	expect_broken("Kbj");
	expect_broken("Kbd");
	expect_broken("Kbo");
	expect_broken("KbK");
	expect_broken("Kcbj");
	expect_broken("Kcbou");
}

static void test_what_cannot_come_is_not_awaited(void **state)
{
	struct ledger *ledger = *state;
	publish(ledger, "Kb");
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_WAIT);
	assert_int_equal(ask(ledger, 2, true, false), CHAIN_BROKEN);
	publish(ledger, "u"); /* it has come, and will be finished */
	assert_int_equal(ask(ledger, 2, true, false), CHAIN_WAIT);
	finish(ledger);
	assert_int_equal(ask(ledger, 2, true, false), CHAIN_STORE);
}

static void test_patience_ends(void **state)
{
	struct ledger *ledger = *state;
	publish(ledger, "Kb");
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_WAIT);
	record_of(ledger, 2)->published -= CHAIN_PATIENCE + NS_PER_S;
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_BROKEN);
	publish(ledger, "u"); /* in time after all */
	finish(ledger);
	assert_int_equal(ask(ledger, 2, true, true), CHAIN_STORE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, small_setup, small_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_lacks_nothing),
		TEST(test_a_row_is_awaited),
		TEST(test_a_row_gets_longer),
		cmocka_unit_test(test_a_row_breaks),
		TEST(test_what_cannot_come_is_not_awaited),
		TEST(test_patience_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
