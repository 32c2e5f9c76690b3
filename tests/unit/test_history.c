/* The fold of a journal, as tables of events: what is known after each story. */
#include "ipc/journal/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* A story is lines without what every line has; t is in ms, and the worker "w" unless said. */
struct told {
	int t;
	const char *event, *rest;
};

#define STORY_MAX 24

static json_t *make(const struct told *told, uint64_t run)
{
	char text[1024];
	json_error_t error;
	snprintf(text, sizeof(text),
		 "{\"t\": %d000000, \"wall\": \"2026-01-31T10:20:30.%03dZ\", \"run\": %d, "
		 "\"event\": "
		 "\"%s\"%s%s%s}",
		 told->t, told->t % 1000, (int)run, told->event,
		 strstr(told->rest, "\"worker\"") || !*told->rest ? "" : ", \"worker\": \"w\"",
		 *told->rest ? ", " : "", told->rest);
	json_t *line = json_loads(text, 0, &error);
	if (!line)
		fail_msg("%s: %s", text, error.text);
	return line;
}

static void fold(struct history *history, const struct told *story, uint64_t run)
{
	for (; story->event; story++) {
		json_t *line = make(story, run);
		assert_int_equal(history_fold(history, line), 0);
		json_decref(line);
	}
}

#define SPAWN(n) "spawn", "\"pid\": 10" #n ", \"incarnation\": " #n
#define READY(n) "ready", "\"pid\": 10" #n
#define DYING(n) "dying", "\"pid\": 10" #n
#define RESTART	 "restart", "\"wait\": 0"
#define BY(n, kind)                                                                                \
	"\"pid\": 10" #n ", \"incarnation\": " #n ", \"turn\": " #n ", \"kind\": \"" kind "\""
#define FAULT ", \"fault\": true, \"cause\": \"died of SIGSEGV\", \"words\": \"help\""
#define ASKED ", \"asked\": true"

struct outcome {
	int lives, restarts, exits, faults, repairs, gave_up, swaps, swaps_failed;
	int repair_total, repair_longest, repair_last, played, broken; /* ms */
};

/* What is known at the last line; what lasts then is in `played` and `broken`, too. */
static const struct {
	const char *name;
	struct told story[STORY_MAX];
	struct outcome is;
} stories[] = {
	{"nothing but a start",
	 {{1, "up", ""}, {2, SPAWN(1)}, {5, READY(1)}, {9, "limit", ""}},
	 {.lives = 1, .played = 4}},
	{"killed, and back: from the exit until ready",
	 {{1, SPAWN(1)},
	  {2, READY(1)},
	  {10, "exit", BY(1, "killed")},
	  {11, SPAWN(2)},
	  {11, RESTART},
	  {18, READY(2)},
	  {20, "limit", ""}},
	 {.lives = 2,
	  .restarts = 1,
	  .exits = 1,
	  .repairs = 1,
	  .repair_total = 8,
	  .repair_longest = 8,
	  .repair_last = 8,
	  .played = 10,
	  .broken = 8}},
	{"dying comes first: its time counts, and the exit does not count again",
	 {{1, SPAWN(1)},
	  {2, READY(1)},
	  {10, DYING(1)},
	  {11, SPAWN(2)},
	  {11, RESTART},
	  {13, "exit", BY(1, "signal") FAULT},
	  {15, READY(2)}},
	 {.lives = 2,
	  .restarts = 1,
	  .exits = 1,
	  .faults = 1,
	  .repairs = 1,
	  .repair_total = 5,
	  .repair_longest = 5,
	  .repair_last = 5,
	  .played = 8,
	  .broken = 5}},
	{"the end of the old one comes after the new one is ready",
	 {{2, READY(1)},
	  {10, DYING(1)},
	  {12, READY(2)},
	  {30, "exit", BY(1, "killed")},
	  {32, "limit", ""}},
	 {.exits = 1,
	  .repairs = 1,
	  .repair_total = 2,
	  .repair_longest = 2,
	  .repair_last = 2,
	  .played = 28,
	  .broken = 2}},
	{"an heir that dies before it is ready: one repair, from the first death on",
	 {{2, READY(1)},
	  {10, "exit", BY(1, "signal") FAULT},
	  {11, SPAWN(2)},
	  {14, "exit", BY(2, "signal") FAULT},
	  {15, SPAWN(3)},
	  {40, READY(3)}},
	 {.lives = 2,
	  .exits = 2,
	  .faults = 2,
	  .repairs = 1,
	  .repair_total = 30,
	  .repair_longest = 30,
	  .repair_last = 30,
	  .played = 8,
	  .broken = 30}},
	{"two repairs: sum, longest, last",
	 {{2, READY(1)},
	  {10, "exit", BY(1, "killed")},
	  {40, READY(2)},
	  {50, "exit", BY(2, "killed")},
	  {54, READY(3)}},
	 {.exits = 2,
	  .repairs = 2,
	  .repair_total = 34,
	  .repair_longest = 30,
	  .repair_last = 4,
	  .played = 18,
	  .broken = 34}},
	{"asked to end: nobody is missed, and the next start repairs nothing",
	 {{2, READY(1)},
	  {9, "dying", "\"pid\": 101" ASKED},
	  {10, "exit", BY(1, "asked") ASKED},
	  {90, SPAWN(2)},
	  {95, READY(2)}},
	 {.lives = 1, .exits = 1, .played = 7}},
	{"never ready is no repair, either",
	 {{2, SPAWN(1)}, {5, "exit", BY(1, "exit") FAULT}, {6, SPAWN(2)}, {9, READY(2)}},
	 {.lives = 2, .exits = 1, .faults = 1}},
	{"its source has ended, its device is gone: not missed",
	 {{2, READY(1)},
	  {10, "exit", BY(1, "device")},
	  {90, READY(2)},
	  {95, "exit", BY(2, "finished")},
	  {99, "limit", ""}},
	 {.exits = 2, .played = 13}},
	{"stopped by a person while it is away",
	 {{2, READY(1)},
	  {10, "exit", BY(1, "signal") FAULT},
	  {30, "control", "\"request\": \"stop\", \"code\": 0"},
	  {90, READY(2)}},
	 {.exits = 1, .faults = 1, .played = 8, .broken = 20}},
	{"a stop that is refused changes nothing",
	 {{2, READY(1)},
	  {10, "exit", BY(1, "signal") FAULT},
	  {30, "control", "\"request\": \"stop\", \"code\": -22"},
	  {90, READY(2)}},
	 {.exits = 1,
	  .faults = 1,
	  .repairs = 1,
	  .repair_total = 80,
	  .repair_longest = 80,
	  .repair_last = 80,
	  .played = 8,
	  .broken = 80}},
	{"given up, and started by a person",
	 {{2, READY(1)},
	  {10, "exit", BY(1, "signal") FAULT},
	  {11, "gave-up", "\"text\": \"w: gave up\""},
	  {60, READY(2)}},
	 {.exits = 1,
	  .faults = 1,
	  .gave_up = 1,
	  .repairs = 1,
	  .repair_total = 50,
	  .repair_longest = 50,
	  .repair_last = 50,
	  .played = 8,
	  .broken = 50}},
	{"swapped in a pool: both are ready for a while, nobody is missed",
	 {{2, READY(1)},
	  {10, SPAWN(2)},
	  {12, READY(2)},
	  {12, "swap", "\"stage\": \"on probation\", \"outcome\": \"\", \"pid\": 102"},
	  {20, "exit", BY(1, "replaced") ASKED},
	  {25, "swap", "\"stage\": \"on probation\", \"outcome\": \"done\", \"pid\": 102"}},
	 {.lives = 1, .exits = 1, .swaps = 1, .played = 23}},
	{"a newcomer that dies on probation is missed, though the old one is not gone",
	 {{2, READY(1)},
	  {12, READY(2)},
	  {12, "swap", "\"stage\": \"on probation\", \"outcome\": \"\", \"pid\": 102"},
	  {15, "exit", BY(2, "signal") FAULT},
	  {15, "swap", "\"stage\": \"on probation\", \"outcome\": \"failed\", \"pid\": 102"},
	  {18, "exit", BY(1, "replaced") ASKED ", \"ready\": true"},
	  {25, READY(3)}},
	 {.exits = 2,
	  .faults = 1,
	  .swaps_failed = 1,
	  .repairs = 1,
	  .repair_total = 10,
	  .repair_longest = 10,
	  .repair_last = 10,
	  .played = 13,
	  .broken = 10}},
	{"an heir that is told to end: somebody does not want it any more; a spare is no heir",
	 {{2, READY(1)},
	  {10, "exit", BY(1, "killed")},
	  {11, SPAWN(2)},
	  {12, "exit", "\"pid\": 109, \"turn\": 0, \"kind\": \"asked\"" ASKED},
	  {13, "exit", BY(2, "asked") ASKED},
	  {90, READY(3)}},
	 {.lives = 1, .exits = 3, .played = 8, .broken = 3}},
	{"scaled away while it is missed, and pools of a like name",
	 {{2, "ready", "\"pid\": 101, \"worker\": \"w.3\""},
	  {2, READY(1)},
	  {10, "exit", BY(1, "killed")},
	  {12, "scale", "\"worker\": \"w\", \"from\": 3, \"count\": 2"},
	  {20, READY(2)}},
	 {.exits = 1,
	  .repairs = 1,
	  .repair_total = 10,
	  .repair_longest = 10,
	  .repair_last = 10,
	  .played = 8,
	  .broken = 10}},
	{"nobody is missed once the pipeline is told to end",
	 {{2, READY(1)},
	  {10, "exit", BY(1, "killed")},
	  {15, "down", ""},
	  {20, READY(2)},
	  {24, "exit", BY(2, "signal") FAULT},
	  {30, "ended", ""}},
	 {.exits = 2, .faults = 1, .played = 12, .broken = 5}},
	{"what makes no sense changes nothing",
	 {{2, READY(1)},
	  {3, "exit", "\"worker\": 5"},
	  {3, "exit", "\"worker\": \"w\", \"pid\": \"many\", \"cause\": [], \"kind\": \"new\""},
	  {4, "what?", "\"pid\": 101"},
	  {5, "ready", "\"pid\": 101"},
	  {6, "swap", "\"stage\": 3"},
	  {7, "history", "\"fold\": 3"},
	  {8, "limit", ""}},
	 {.exits = 1, .played = 6}},
};

static struct outcome known(const struct history *history)
{
	const struct worker_history *w = history_worker(history, "w");
	assert_non_null(w);
	struct tally sum = worker_tally(w);
	int64_t playing = w->played_since ? history->time - w->played_since : 0;
	int64_t breaking = w->broken_since ? history->time - w->broken_since : 0;
	const int64_t ms = 1000000;
	return (struct outcome){.lives = (int)sum.lives,
				.restarts = (int)sum.restarts,
				.exits = (int)sum.exits,
				.faults = (int)sum.faults,
				.repairs = (int)sum.repairs,
				.gave_up = (int)sum.gave_up,
				.swaps = (int)sum.swaps,
				.swaps_failed = (int)sum.swaps_failed,
				.repair_total = (int)(sum.repair_total / ms),
				.repair_longest = (int)(sum.repair_longest / ms),
				.repair_last = (int)(w->repair_last / ms),
				.played = (int)((sum.played + playing) / ms),
				.broken = (int)((sum.broken + breaking) / ms)};
}

static void check(const char *name, const struct outcome *is, const struct outcome *wanted)
{
	const int *left = &is->lives, *right = &wanted->lives;
	size_t same = 0, n = sizeof(*is) / sizeof(int);
	while (same < n && left[same] == right[same])
		same++;
	if (same == n)
		return;
	fail_msg("%s: lives %d, restarts %d, exits %d, faults %d, repairs %d (%d, %d, %d ms), gave "
		 "up %d, swaps %d and %d, played %d, broken %d",
		 name, is->lives, is->restarts, is->exits, is->faults, is->repairs,
		 is->repair_total, is->repair_longest, is->repair_last, is->gave_up, is->swaps,
		 is->swaps_failed, is->played, is->broken);
}

static void each_story_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		struct history history;
		history_init(&history, HISTORY_LATEST, 0);
		fold(&history, stories[i].story, 7);
		struct outcome is = known(&history);
		check(stories[i].name, &is, &stories[i].is);
		assert_int_equal(history.run, 7);
		history_finish(&history);
	}
}

/* ---- the fold as lines ---- */

static void carry_over(const struct history *from, struct history *to, int t)
{
	for (size_t i = 0; i <= from->n_workers; i++) {
		struct told told = {t, "history", i ? "" : "\"worker\": null"};
		json_t *line = make(&told, from->run);
		json_t *what =
			i ? history_worker_json(from->workers[i - 1]) : history_pipeline_json(from);
		if (i)
			json_object_set_new(line, "worker",
					    json_string(from->workers[i - 1]->name));
		assert_int_equal(json_object_set_new(line, "fold", what), 0);
		assert_int_equal(history_fold(to, line), 0);
		json_decref(line);
	}
}

/* Cut after each of its lines: what was known by then, as lines, and the rest behind it. */
static void a_story_goes_on_in_a_new_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		const struct told *story = stories[i].story;
		for (int cut = 1; story[cut].event; cut++) {
			struct told head[STORY_MAX] = {{0}};
			struct history old, new;
			memcpy(head, story, (size_t)cut * sizeof(head[0]));
			history_init(&old, HISTORY_LATEST, 0);
			history_init(&new, HISTORY_LATEST, 0);
			fold(&old, head, 7);
			carry_over(&old, &new, story[cut - 1].t);
			fold(&new, story + cut, 7);
			struct outcome is = known(&new);
			check(stories[i].name, &is, &stories[i].is);
			history_finish(&old);
			history_finish(&new);
		}
	}
}

static void exits_are_kept_in_order(void **state)
{
	(void)state;
	struct history history, copy;
	history_init(&history, HISTORY_LATEST, 0);
	for (int i = 1; i <= EXITS_KEPT + 3; i++) {
		char rest[256];
		snprintf(rest, sizeof(rest),
			 "\"pid\": %d, \"incarnation\": %d, \"turn\": %d, \"kind\": \"signal\", "
			 "\"signal\": 11, \"core\": true, \"fault\": true, \"lived\": %d, "
			 "\"cause\": "
			 "\"died\", \"words\": \"n %d\"",
			 100 + i, i, i % 2 ? i : 0, i, i);
		fold(&history, (struct told[]){{i, "exit", rest}, {0, NULL, NULL}}, 1);
	}
	history_init(&copy, HISTORY_LATEST, 0);
	carry_over(&history, &copy, 100);
	const struct history *both[] = {&history, &copy};
	for (int k = 0; k < 2; k++) {
		const struct worker_history *w = history_worker(both[k], "w");
		for (uint32_t i = 0; i < EXITS_KEPT; i++) {
			const struct exit_note *note = &w->exits[(w->n_exits - 1 - i) % EXITS_KEPT];
			assert_int_equal(note->pid, 100 + EXITS_KEPT + 3 - i);
			assert_int_equal(note->kind, EXIT_SIGNAL);
			assert_int_equal(note->signal, 11);
			assert_true(note->core && note->fault && !note->excused);
			assert_int_equal(note->time, (EXITS_KEPT + 3 - i) * 1000000);
			assert_true(note->wall > 0);
		}
		assert_int_equal(w->last_played.pid, 100 + EXITS_KEPT + 3);
		assert_int_equal(w->last_standby.pid, 100 + EXITS_KEPT + 2);
		assert_string_equal(w->last_played.words, "n 11");
	}
	history_finish(&history);
	history_finish(&copy);
}

/* The end of one that dies slowly comes after that of the next. */
static void last_exits_go_by_turns(void **state)
{
	(void)state;
	struct history history;
	history_init(&history, HISTORY_LATEST, 0);
	fold(&history,
	     (struct told[]){
		     {2, "exit", BY(2, "signal")}, {3, "exit", BY(1, "killed")}, {0, NULL, NULL}},
	     1);
	assert_int_equal(history_worker(&history, "w")->last_played.pid, 102);
	history_finish(&history);
}

/* ---- runs ---- */

static void runs_are_told_apart(void **state)
{
	(void)state;
	static const struct told first[] = {{2, READY(1)},
					    {10, "exit", BY(1, "killed")},
					    {14, READY(2)},
					    {20, "lost", "\"worker\": \"\", \"count\": 3"},
					    {0, NULL, NULL}};
	static const struct told second[] = {
		{1, "up", ""}, {2, SPAWN(1)}, {4, READY(1)}, {9, "limit", ""}, {0, NULL, NULL}};
	static const struct {
		uint64_t run, repairs, runs, lost;
		enum history_scope scope;
		int played;
	} cases[] = {
		{0, 0, 2, 0, HISTORY_LATEST, 5},
		{1, 1, 1, 3, HISTORY_RUN, 14},
		{2, 0, 1, 0, HISTORY_RUN, 5},
		{0, 1, 2, 3, HISTORY_ALL, 19},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct history history;
		history_init(&history, cases[i].scope, cases[i].run);
		fold(&history, first, 1);
		fold(&history, second, 2);
		struct outcome is = known(&history);
		assert_int_equal(is.repairs, cases[i].repairs);
		assert_int_equal(is.played, cases[i].played);
		assert_int_equal(history.runs, cases[i].runs);
		assert_int_equal(history.lost, cases[i].lost);
		assert_int_equal(history.newest, 2);
		history_finish(&history);
	}
}

static void availability_is_of_the_time_that_counts(void **state)
{
	(void)state;
	struct history history;
	const int64_t ms = 1000000;
	history_init(&history, HISTORY_LATEST, 0);
	fold(&history, (struct told[]){{0, NULL, NULL}}, 1);
	fold(&history, (struct told[]){{1, SPAWN(1)}, {0, NULL, NULL}}, 1);
	const struct worker_history *w = history_worker(&history, "w");
	assert_true(worker_availability(w, 5 * ms) < 0);
	fold(&history,
	     (struct told[]){{10, READY(1)}, {20, "exit", BY(1, "killed")}, {0, NULL, NULL}}, 1);
	assert_true(worker_availability(w, 30 * ms) == 0.5);
	fold(&history, (struct told[]){{40, READY(2)}, {0, NULL, NULL}}, 1);
	assert_true(worker_availability(w, 90 * ms) == 0.75);
	struct tally sum = worker_tally(w);
	assert_int_equal(tally_repair_mean(&sum), 20 * ms);
	history_finish(&history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_story_is_known),
		cmocka_unit_test(a_story_goes_on_in_a_new_file),
		cmocka_unit_test(exits_are_kept_in_order),
		cmocka_unit_test(last_exits_go_by_turns),
		cmocka_unit_test(runs_are_told_apart),
		cmocka_unit_test(availability_is_of_the_time_that_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
