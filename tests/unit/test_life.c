/* The life of a worker: every state × event, and the arithmetic of restarts. */
#include "ipc/base/clock.h"
#include "supervisor/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const struct life_limits limits = {.max_restarts = 3,
					  .restart_window = 60 * NS_PER_S,
					  .backoff = 100 * NS_PER_MS,
					  .backoff_max = NS_PER_S,
					  .ready_timeout = 10 * NS_PER_S,
					  .drain_timeout = 5 * NS_PER_S,
					  .term_timeout = 2 * NS_PER_S};

#define NOW (1000 * NS_PER_S)

/* Where an event leads from a state, what is to be done, and whether it comes back after its end. A
 * pair that is not in here changes nothing. `again` is 1 before each step. */
struct expectation {
	enum life_state from;
	enum life_event_kind event;
	enum life_state to;
	unsigned actions;
	int again;
};

#define R ACTION_RESTARTED
static const struct expectation table[] = {
	{LIFE_DOWN, EVENT_START, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_DOWN, EVENT_RESTART, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_STARTING, EVENT_PREPARED, LIFE_PREPARED, 0, 1},
	{LIFE_STARTING, EVENT_READY, LIFE_READY, 0, 1},
	{LIFE_STARTING, EVENT_FINISHED, LIFE_STARTING, 0, 1},
	{LIFE_STARTING, EVENT_DRAIN, LIFE_DRAINING, ACTION_DRAIN, 0},
	{LIFE_STARTING, EVENT_RESTART, LIFE_DRAINING, ACTION_DRAIN, 1},
	{LIFE_STARTING, EVENT_TERM, LIFE_STOPPING, ACTION_TERM, 0},
	{LIFE_STARTING, EVENT_KILL, LIFE_KILLING, ACTION_KILL, 1},
	{LIFE_STARTING, EVENT_EXIT, LIFE_STARTING, ACTION_SPAWN | R, 1},
	{LIFE_STARTING, EVENT_TIMER, LIFE_KILLING, ACTION_KILL, 1},
	{LIFE_STARTING, EVENT_SPAWN_FAILED, LIFE_STARTING, ACTION_SPAWN | R, 1},
	{LIFE_PREPARED, EVENT_CHARGE, LIFE_STARTING, 0, 1},
	{LIFE_PREPARED, EVENT_DRAIN, LIFE_DRAINING, ACTION_DRAIN, 0},
	{LIFE_PREPARED, EVENT_RESTART, LIFE_DRAINING, ACTION_DRAIN, 1},
	{LIFE_PREPARED, EVENT_TERM, LIFE_STOPPING, ACTION_TERM, 0},
	{LIFE_PREPARED, EVENT_KILL, LIFE_KILLING, ACTION_KILL, 1},
	{LIFE_PREPARED, EVENT_EXIT, LIFE_STARTING, ACTION_SPAWN | R, 1},
	{LIFE_READY, EVENT_FINISHED, LIFE_READY, 0, 1},
	{LIFE_READY, EVENT_DRAIN, LIFE_DRAINING, ACTION_DRAIN, 0},
	{LIFE_READY, EVENT_RESTART, LIFE_DRAINING, ACTION_DRAIN, 1},
	{LIFE_READY, EVENT_DYING, LIFE_STOPPING, 0, 0},
	{LIFE_READY, EVENT_TERM, LIFE_STOPPING, ACTION_TERM, 0},
	{LIFE_READY, EVENT_KILL, LIFE_KILLING, ACTION_KILL, 1},
	{LIFE_READY, EVENT_EXIT, LIFE_STARTING, ACTION_SPAWN | R, 1},
	{LIFE_DRAINING, EVENT_FINISHED, LIFE_DRAINING, 0, 1},
	{LIFE_DRAINING, EVENT_DRAIN, LIFE_DRAINING, 0, 0},
	{LIFE_DRAINING, EVENT_TERM, LIFE_STOPPING, ACTION_TERM, 0},
	{LIFE_DRAINING, EVENT_KILL, LIFE_KILLING, ACTION_KILL, 1},
	{LIFE_DRAINING, EVENT_EXIT, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_DRAINING, EVENT_TIMER, LIFE_STOPPING, ACTION_TERM, 1},
	{LIFE_STOPPING, EVENT_FINISHED, LIFE_STOPPING, 0, 1},
	{LIFE_STOPPING, EVENT_DRAIN, LIFE_STOPPING, 0, 0},
	{LIFE_STOPPING, EVENT_TERM, LIFE_STOPPING, 0, 0},
	{LIFE_STOPPING, EVENT_KILL, LIFE_KILLING, ACTION_KILL, 1},
	{LIFE_STOPPING, EVENT_EXIT, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_STOPPING, EVENT_TIMER, LIFE_KILLING, ACTION_KILL, 1},
	{LIFE_KILLING, EVENT_DRAIN, LIFE_KILLING, 0, 0},
	{LIFE_KILLING, EVENT_DYING, LIFE_KILLING, 0, 0},
	{LIFE_KILLING, EVENT_TERM, LIFE_KILLING, 0, 0},
	{LIFE_KILLING, EVENT_EXIT, LIFE_STARTING, ACTION_SPAWN | R, 1},
	{LIFE_BACK_OFF, EVENT_START, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_BACK_OFF, EVENT_DRAIN, LIFE_DOWN, 0, 1},
	{LIFE_BACK_OFF, EVENT_RESTART, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_BACK_OFF, EVENT_TERM, LIFE_DOWN, 0, 1},
	{LIFE_BACK_OFF, EVENT_TIMER, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_GAVE_UP, EVENT_START, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_GAVE_UP, EVENT_DRAIN, LIFE_DOWN, 0, 1},
	{LIFE_GAVE_UP, EVENT_RESTART, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_GAVE_UP, EVENT_TERM, LIFE_DOWN, 0, 1},
	{LIFE_NO_DEVICE, EVENT_START, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_NO_DEVICE, EVENT_DRAIN, LIFE_DOWN, 0, 1},
	{LIFE_NO_DEVICE, EVENT_RESTART, LIFE_STARTING, ACTION_SPAWN, 1},
	{LIFE_NO_DEVICE, EVENT_TERM, LIFE_DOWN, 0, 1},
	{LIFE_NO_DEVICE, EVENT_DEVICE, LIFE_STARTING, ACTION_SPAWN | R, 1},
};

static const struct expectation *expected(enum life_state from, enum life_event_kind event)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].from == from && table[i].event == event)
			return &table[i];
	return NULL;
}

static struct life in_state(enum life_state state)
{
	struct life life = life_new(NOW - 1);
	life.state = state;
	life.again = true;
	return life;
}

static unsigned step(struct life *life, enum life_event_kind kind, int64_t now)
{
	return life_step(life, &(struct life_event){.kind = kind}, &limits, now);
}

static void every_state_and_event(void **state)
{
	(void)state;
	for (int from = 0; from < N_LIFE_STATES; from++) {
		for (int event = 0; event < N_LIFE_EVENTS; event++) {
			const struct expectation *e = expected(from, event);
			struct life life = in_state(from);
			unsigned actions = step(&life, event, NOW);
			print_message("%s + %s\n", life_state_text(from), life_event_text(event));
			assert_int_equal(life.state, e ? e->to : (enum life_state)from);
			assert_int_equal(actions, e ? e->actions : 0);
			assert_int_equal(life.again, e ? e->again : 1);
			if (life.state != (enum life_state)from)
				assert_int_equal(life.since, NOW);
		}
	}
}

static void each_state_has_its_deadline(void **state)
{
	(void)state;
	struct life life = in_state(LIFE_DOWN);
	step(&life, EVENT_START, NOW);
	assert_int_equal(life.until, NOW + limits.ready_timeout);
	step(&life, EVENT_READY, NOW);
	assert_int_equal(life.until, CLOCK_NEVER);
	step(&life, EVENT_DRAIN, NOW);
	assert_int_equal(life.until, NOW + limits.drain_timeout);
	step(&life, EVENT_TIMER, NOW);
	assert_int_equal(life.until, NOW + limits.term_timeout);
	step(&life, EVENT_TIMER, NOW);
	assert_int_equal(life.until, CLOCK_NEVER);
}

static void a_standby_waits_as_long_as_it_takes(void **state)
{
	(void)state;
	struct life life = in_state(LIFE_DOWN);
	step(&life, EVENT_START, NOW);
	step(&life, EVENT_PREPARED, NOW);
	assert_int_equal(life.until, CLOCK_NEVER);
	step(&life, EVENT_CHARGE, NOW);
	assert_int_equal(life.until, NOW + limits.ready_timeout);
	assert_int_equal(step(&life, EVENT_TIMER, NOW), ACTION_KILL);
}

/* Who dies is judged before the cause is known, as if it had been its fault. */
static void a_successor_is_judged_by_the_worst(void **state)
{
	(void)state;
	struct life heir, life = in_state(LIFE_READY);
	assert_int_equal(life_judge(&life, &limits, NOW, &heir), LIFE_AT_ONCE);
	assert_int_equal(heir.state, LIFE_STARTING);
	assert_int_equal(heir.restarts, 1);
	assert_int_equal(life.state, LIFE_READY);
	step(&heir, EVENT_READY, NOW);
	life = heir;
	assert_int_equal(life_judge(&life, &limits, NOW, &heir), LIFE_LATER);
	assert_int_equal(heir.restarts, 2);
	life.restarts = limits.max_restarts;
	assert_int_equal(life_judge(&life, &limits, NOW, &heir), LIFE_NEVER_AGAIN);
	life = in_state(LIFE_KILLING);
	assert_int_equal(life_judge(&life, &limits, NOW, &heir), LIFE_AT_ONCE);
	life.again = false;
	assert_int_equal(life_judge(&life, &limits, NOW, &heir), LIFE_NEVER_AGAIN);
	const enum life_state others[] = {LIFE_DOWN,	 LIFE_STARTING,	 LIFE_PREPARED,
					  LIFE_DRAINING, LIFE_STOPPING,	 LIFE_BACK_OFF,
					  LIFE_GAVE_UP,	 LIFE_NO_DEVICE, LIFE_FINISHED};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		life = in_state(others[i]);
		assert_int_equal(life_judge(&life, &limits, NOW, &heir), LIFE_NEVER_AGAIN);
	}
}

/* Once the cause is known to be nobody's fault, the successor stands as if nothing had happened. */
static void what_was_counted_is_taken_back(void **state)
{
	(void)state;
	struct life heir, life = in_state(LIFE_READY);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(life_judge(&life, &limits, NOW, &heir), LIFE_AT_ONCE);
		life_excuse(&heir);
		assert_int_equal(heir.restarts, 0);
		assert_int_equal(heir.streak, 0);
		step(&heir, EVENT_READY, NOW);
		life = heir;
	}
	life_excuse(&heir);
	assert_int_equal(heir.restarts, 0);
}

static void a_spare_goes_on_with_what_was_counted(void **state)
{
	(void)state;
	struct life spare = in_state(LIFE_PREPARED), heir, life = in_state(LIFE_READY);
	assert_int_equal(life_judge(&life, &limits, NOW, &heir), LIFE_AT_ONCE);
	life_inherit(&spare, &heir);
	assert_int_equal(spare.state, LIFE_PREPARED);
	assert_int_equal(spare.restarts, 1);
	assert_int_equal(spare.streak, 1);
	assert_int_equal(spare.window_start, NOW);
}

/* One that has waited well for so long begins its back-off anew, as one does that has played well.
 */
static void a_spare_that_waited_long_was_well(void **state)
{
	(void)state;
	struct life life = in_state(LIFE_DOWN);
	int64_t now = NOW;
	step(&life, EVENT_START, now);
	for (int i = 0; i < 10; i++) {
		step(&life, EVENT_PREPARED, now);
		assert_int_equal(life.state, LIFE_PREPARED);
		now += limits.restart_window + 1;
		assert_int_equal(step(&life, EVENT_EXIT, now), ACTION_SPAWN | R);
	}
	step(&life, EVENT_PREPARED, now);
	assert_int_equal(step(&life, EVENT_EXIT, now), R);
	assert_int_equal(life.state, LIFE_BACK_OFF);
}

static void nothing_follows_a_final_end(void **state)
{
	(void)state;
	const enum life_state alive[] = {LIFE_STARTING, LIFE_PREPARED, LIFE_READY,
					 LIFE_DRAINING, LIFE_STOPPING, LIFE_KILLING};
	const enum life_event_kind ends[] = {EVENT_EXIT, EVENT_SPAWN_FAILED};
	for (size_t i = 0; i < 6; i++) {
		for (int k = 0; k < (alive[i] == LIFE_STARTING ? 2 : 1); k++) {
			struct life life = in_state(alive[i]);
			struct life_event end = {.kind = ends[k], .final = true};
			assert_int_equal(life_step(&life, &end, &limits, NOW), 0);
			assert_int_equal(life.state, LIFE_DOWN);
		}
	}
}

static void one_that_was_told_to_end_stays_down(void **state)
{
	(void)state;
	const enum life_state ending[] = {LIFE_DRAINING, LIFE_STOPPING, LIFE_KILLING};
	for (size_t i = 0; i < 3; i++) {
		struct life life = in_state(ending[i]);
		life.again = false;
		assert_int_equal(step(&life, EVENT_EXIT, NOW), 0);
		assert_int_equal(life.state, LIFE_DOWN);
	}
}

static void a_source_that_ended_is_finished(void **state)
{
	(void)state;
	const enum life_state alive[] = {LIFE_STARTING, LIFE_READY, LIFE_DRAINING, LIFE_STOPPING};
	for (size_t i = 0; i < 4; i++) {
		for (int clean = 0; clean < 2; clean++) {
			struct life life = in_state(alive[i]);
			step(&life, EVENT_FINISHED, NOW);
			life_step(&life, &(struct life_event){.kind = EVENT_EXIT, .clean = clean},
				  &limits, NOW);
			/* One that said so and then crashed may not have said it all. */
			assert_int_equal(life.state, clean ? LIFE_FINISHED : LIFE_STARTING);
		}
	}
}

static void an_excused_death_costs_nothing(void **state)
{
	(void)state;
	struct life life = in_state(LIFE_READY);
	for (int i = 0; i < 100; i++) {
		unsigned actions =
			life_step(&life, &(struct life_event){.kind = EVENT_EXIT, .excused = true},
				  &limits, NOW);
		assert_int_equal(actions, ACTION_SPAWN | ACTION_RESTARTED);
		step(&life, EVENT_READY, NOW);
	}
}

/* However it ended, and however often: it waits for its device, without a deadline, and nothing is
 * counted against it. Who was told to stay down stays down. */
static void one_without_its_device_waits_for_it(void **state)
{
	(void)state;
	static const enum life_state alive[] = {LIFE_STARTING, LIFE_READY, LIFE_DRAINING,
						LIFE_STOPPING, LIFE_KILLING};
	for (size_t i = 0; i < sizeof(alive) / sizeof(alive[0]); i++) {
		for (int excused = 0; excused < 2; excused++) {
			struct life_event end = {
				.kind = EVENT_EXIT, .absent = true, .excused = excused};
			struct life life = in_state(alive[i]);
			assert_int_equal(life_step(&life, &end, &limits, NOW), 0);
			assert_int_equal(life.state, LIFE_NO_DEVICE);
			assert_int_equal(life.until, CLOCK_NEVER);
			assert_int_equal(life.restarts, 0);
			assert_int_equal(life.streak, 0);
			life = in_state(alive[i]);
			life.again = alive[i] == LIFE_STARTING || alive[i] == LIFE_READY;
			end.final = life.again;
			life_step(&life, &end, &limits, NOW);
			assert_int_equal(life.state, LIFE_DOWN);
		}
	}
}

static void no_device_at_the_start_is_no_death(void **state)
{
	(void)state;
	struct life life = in_state(LIFE_DOWN);
	for (int i = 0; i < 100; i++) {
		step(&life, EVENT_START, NOW);
		struct life_event failed = {.kind = EVENT_SPAWN_FAILED, .absent = true};
		assert_int_equal(life_step(&life, &failed, &limits, NOW), 0);
		assert_int_equal(life.state, LIFE_NO_DEVICE);
	}
	assert_int_equal(step(&life, EVENT_DEVICE, NOW), ACTION_SPAWN | ACTION_RESTARTED);
	step(&life, EVENT_READY, NOW);
	assert_int_equal(step(&life, EVENT_EXIT, NOW), ACTION_SPAWN | ACTION_RESTARTED);
}

/* Said that it has ended, and then the device went: it has ended. */
static void a_finished_source_needs_no_device(void **state)
{
	(void)state;
	struct life life = in_state(LIFE_READY);
	step(&life, EVENT_FINISHED, NOW);
	struct life_event end = {.kind = EVENT_EXIT, .clean = true, .absent = true};
	assert_int_equal(life_step(&life, &end, &limits, NOW), 0);
	assert_int_equal(life.state, LIFE_FINISHED);
}

static void it_gives_up_and_starts_again_when_asked(void **state)
{
	(void)state;
	struct life life = in_state(LIFE_READY);
	unsigned actions = 0;
	int64_t now = NOW;
	int restarts = 0;
	while (life.state != LIFE_GAVE_UP) {
		actions = step(&life, EVENT_EXIT, now);
		restarts += (actions & ACTION_RESTARTED) != 0;
		if (life.state == LIFE_BACK_OFF) {
			assert_true(life.until > now);
			now = life.until;
			step(&life, EVENT_TIMER, now);
		}
	}
	assert_int_equal(restarts, limits.max_restarts);
	assert_int_equal(actions, ACTION_GIVE_UP);
	assert_int_equal(step(&life, EVENT_START, now), ACTION_SPAWN);
	assert_int_equal(life.restarts, 0);
	assert_int_equal(step(&life, EVENT_EXIT, now), ACTION_SPAWN | ACTION_RESTARTED);
}

static void a_healthy_spell_is_forgiven(void **state)
{
	(void)state;
	struct life life = in_state(LIFE_READY);
	int64_t now = NOW;
	for (int i = 0; i < 20; i++) {
		now += limits.restart_window + 1;
		assert_int_equal(step(&life, EVENT_EXIT, now), ACTION_SPAWN | ACTION_RESTARTED);
		step(&life, EVENT_READY, now);
	}
}

static void back_off_doubles_up_to_its_limit(void **state)
{
	(void)state;
	assert_int_equal(life_backoff(&limits, 0, 0.5), 0);
	assert_int_equal(life_backoff(&limits, 1, 0), 100 * NS_PER_MS);
	assert_int_equal(life_backoff(&limits, 2, 0), 200 * NS_PER_MS);
	assert_int_equal(life_backoff(&limits, 4, 0), 800 * NS_PER_MS);
	assert_int_equal(life_backoff(&limits, 5, 0), NS_PER_S);
	assert_int_equal(life_backoff(&limits, 1000000, 0), NS_PER_S);
	assert_int_equal(life_backoff(&limits, 1, 1), 75 * NS_PER_MS);
	assert_true(life_backoff(&limits, 3, 0.5) < 400 * NS_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_and_event),
		cmocka_unit_test(each_state_has_its_deadline),
		cmocka_unit_test(a_standby_waits_as_long_as_it_takes),
		cmocka_unit_test(a_successor_is_judged_by_the_worst),
		cmocka_unit_test(what_was_counted_is_taken_back),
		cmocka_unit_test(a_spare_goes_on_with_what_was_counted),
		cmocka_unit_test(a_spare_that_waited_long_was_well),
		cmocka_unit_test(nothing_follows_a_final_end),
		cmocka_unit_test(one_that_was_told_to_end_stays_down),
		cmocka_unit_test(a_source_that_ended_is_finished),
		cmocka_unit_test(an_excused_death_costs_nothing),
		cmocka_unit_test(one_without_its_device_waits_for_it),
		cmocka_unit_test(no_device_at_the_start_is_no_death),
		cmocka_unit_test(a_finished_source_needs_no_device),
		cmocka_unit_test(it_gives_up_and_starts_again_when_asked),
		cmocka_unit_test(a_healthy_spell_is_forgiven),
		cmocka_unit_test(back_off_doubles_up_to_its_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
