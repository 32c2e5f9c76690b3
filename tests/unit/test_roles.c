/* The skeleton's roles, turn by turn in one process. */
#include "ipc/base/errors.h"
#include "ipc/slots/check.h"
#include "ipc/slots/seats.h"
#include "tests/unit/worker_toys.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct worker *make(struct ledger *ledger, const struct worker_table *table,
			   const char *rows)
{
	char why[256] = "";
	struct worker *w = NULL;
	int seat = seat_assign(ledger, table->name, 1);
	assert_true(seat > 0);
	assert_int_equal(worker_create(&w, table, ledger, (uint8_t)seat, 0, rows, why, sizeof(why)),
			 0);
	return w;
}

static void roles_carry_every_frame(void **state)
{
	struct ledger ledger;
	(void)state;
	toy_ledger(&ledger);
	struct worker *source = make(&ledger, &toy_source, "frames=100\n");
	struct worker *queue = make(&ledger, &toy_queue, "");
	struct worker *tap = make(&ledger, &toy_tap, "");
	struct worker *peek = make(&ledger, &toy_peek, "");
	int rc = 0;
	while (rc != TROUPE_E_ENDED) {
		rc = worker_turn(source, NULL);
		assert_true(rc >= 0 || rc == TROUPE_E_ENDED);
		assert_true(worker_turn(queue, NULL) >= 0);
		assert_true(worker_turn(tap, NULL) >= 0);
		assert_true(worker_turn(peek, NULL) >= 0);
		assert_int_equal(ledger_check(&ledger, true, NULL, NULL), 0);
	}
	while (worker_turn(queue, NULL) > 0 || worker_turn(tap, NULL) > 0)
		;
	assert_int_equal(ledger_last_seq(&ledger, 0, NULL), TOY_FRAMES);
	assert_int_equal(atomic_load(&ledger.streams[0].ended), 1);
	assert_int_equal(worker_destroy(tap), 0);
	assert_true(ledger_quiet(&ledger));
	assert_int_equal(atomic_load(&ledger.seats[3].frames), TOY_FRAMES);
	assert_int_equal(atomic_load(&ledger.taps[0].owner), 0);
	worker_destroy(source);
	assert_int_equal(atomic_load(&ledger.streams[0].owner), 0);
	worker_destroy(queue);
	worker_destroy(peek);
	ledger_finish(&ledger);
}

static void what_there_is_one_of_waits_for_its_owner(void **state)
{
	struct ledger ledger;
	(void)state;
	toy_ledger(&ledger);
	struct worker *first = make(&ledger, &toy_source, "");
	struct worker *second = make(&ledger, &toy_source, "");
	assert_int_equal(worker_turn(first, NULL), 1);
	assert_int_equal(worker_turn(second, NULL), 0);
	assert_int_equal(ledger_last_seq(&ledger, 0, NULL), 1);
	worker_destroy(first);
	assert_int_equal(worker_turn(second, NULL), 1);
	assert_int_equal(ledger_last_seq(&ledger, 0, NULL), 2);
	worker_destroy(second);
	ledger_finish(&ledger);
}

static void a_standby_takes_nothing_until_told(void **state)
{
	struct ledger ledger;
	(void)state;
	toy_ledger(&ledger);
	const struct worker_table *const tables[] = {&toy_source, &toy_queue, &toy_tap, &toy_peek};
	struct worker *source = make(&ledger, &toy_source, "");
	assert_int_equal(worker_turn(source, NULL), 1);
	worker_destroy(source);
	uint64_t words[12];
	for (uint32_t i = 0; i < 12; i++)
		words[i] = ledger_word(&ledger, i);
	for (int i = 0; i < 4; i++) {
		struct worker *w = make(&ledger, tables[i], "");
		uint8_t seat = worker_seat(w);
		seat_stand_by(&ledger, seat);
		for (int turn = 0; turn < 3; turn++)
			assert_int_equal(worker_turn(w, NULL), 0);
		assert_int_equal(atomic_load(&ledger.streams[0].owner), 0);
		assert_int_equal(atomic_load(&ledger.taps[0].owner), 0);
		for (uint32_t k = 0; k < 12; k++)
			assert_int_equal(ledger_word(&ledger, k), words[k]);
		worker_destroy(w);
	}
	ledger_finish(&ledger);
}

static void source_waits_for_the_pool(void **state)
{
	struct ledger ledger;
	(void)state;
	toy_ledger(&ledger);
	struct worker *source = make(&ledger, &toy_source, "");
	int turns = 0;
	while (worker_turn(source, NULL) > 0)
		assert_true(++turns < 50);
	/* It stops while slots are still free: a backlog must not look like a processor that hangs.
	 */
	assert_int_equal(ledger_count(&ledger, 0, PHASE_QUEUED), 8);
	assert_true(ledger_count(&ledger, 0, PHASE_FREE) > 0);
	worker_destroy(source);
	ledger_finish(&ledger);
}

static void bad_rows_are_refused(void **state)
{
	struct ledger ledger;
	char why[256] = "";
	struct worker *w = NULL;
	(void)state;
	toy_ledger(&ledger);
	int seat = seat_assign(&ledger, "toy", 1);
	assert_int_equal(worker_create(&w, &toy_queue, &ledger, (uint8_t)seat, 0, "framse=3\n", why,
				       sizeof(why)),
			 TROUPE_E_CONFIG);
	assert_non_null(strstr(why, "framse"));
	assert_int_equal(worker_create(&w, &toy_queue, &ledger, (uint8_t)seat, 0, "fail=yes\n", why,
				       sizeof(why)),
			 TROUPE_E_NOT_FOUND);
	ledger_finish(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_carry_every_frame),
		cmocka_unit_test(what_there_is_one_of_waits_for_its_owner),
		cmocka_unit_test(a_standby_takes_nothing_until_told),
		cmocka_unit_test(source_waits_for_the_pool),
		cmocka_unit_test(bad_rows_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
