/* Events in the catalogue: entered with their frames whoever dies when, made anew, and found. */
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/index_events.h"
#include "workers/storer/recording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WALL	  (INT64_C(1700000000) * NS_PER_S)
#define FRAME	  (100 * NS_PER_MS)
#define HOUR	  (3600 * NS_PER_S)
#define FOUND_MAX 256

static const struct event_rules rules = {.motion = 0.01, .probability = 0.5, .gap = NS_PER_S};

static int set_up(void **state)
{
	static char folder[RIG_PATH];

	rig_folder(folder);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	rig_remove(*state);
	return 0;
}

/* ---- writing ---- */

static struct recorder *open_with(const char *folder, uint64_t run, struct event_notes *notes)
{
	const struct recorder_options options = {
		.folder = folder,
		.pipeline = "test",
		.run = run,
		.segment_bytes = 4096,
		.segment_ns = HOUR,
		.events = rules,
		.notes = notes,
	};
	struct recorder *recorder;
	char why[256] = "";

	if (recorder_open(&recorder, &options, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(recorder_add_stream(recorder, RIG_STREAM, 64, 48, 10, 1), 0);
	return recorder;
}

/* Ten frames a second; every third second something moves, and from 40 to 80 stands a label. The
 * clock is set back by an hour at frame 60. */
static void append(struct recorder *recorder, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		uint8_t coded[RIG_CODED_MAX];
		struct record record;

		rig_frame(seq, &record, coded);
		record.captured = (int64_t)seq * FRAME;
		record.captured_wall = record.captured + (seq < 60 ? WALL : WALL - HOUR);
		record.motion = seq / 10 % 3 == 0 ? 0.02f : 0.001f;
		record.probability = 0.2f;
		if (seq < 40 || seq > 80)
			record.label[0] = 0;
		assert_int_equal(recorder_append(recorder, 0, &record, coded), 0);
	}
}

/* ---- reading ---- */

struct found {
	struct event events[FOUND_MAX];
	int n;
};

static int add(void *arg, const struct event *event)
{
	struct found *found = arg;

	assert_true(found->n < FOUND_MAX);
	found->events[found->n++] = *event;
	return 0;
}

static void find(const char *folder, enum event_kind kind, int64_t from, int64_t to,
		 struct found *found)
{
	const struct event_query query = {.stream = kind == EVENT_DIED ? "" : RIG_STREAM,
					  .kind = kind,
					  .from = from,
					  .to = to};
	struct recording *recording;
	char why[256];

	found->n = 0;
	assert_int_equal(recording_open(&recording, folder, why, sizeof(why)), 0);
	assert_int_equal(recording_find_events(recording, &query, add, found), 0);
	recording_close(recording);
}

static void find_all(const char *folder, struct found *found)
{
	struct found some;

	found->n = 0;
	for (unsigned kind = 0; kind < N_EVENT_KINDS; kind++) {
		find(folder, (enum event_kind)kind, INT64_MIN, INT64_MAX, &some);
		for (int i = 0; i < some.n; i++) {
			some.events[i].number = 0; /* may be another */
			add(found, &some.events[i]);
		}
	}
}

static void expect_same(const struct found *a, const struct found *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->events, b->events, (size_t)a->n * sizeof(a->events[0]));
}

/* ---- tests ---- */

/* In one go, or killed after each few frames with and without a commit, or made anew from the
 * segments: the events are the same. */
static void whoever_dies(void **state)
{
	static struct found whole, other;
	char scratch[RIG_PATH], path[RIG_PATH + 32];
	struct recorder *recorder = open_with(*state, RIG_RUN, NULL);

	append(recorder, 1, 150);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	find_all(*state, &whole);
	assert_true(whole.n > 8);
	rig_folder(scratch);
	for (uint64_t seq = 1; seq <= 150; seq += 5) {
		recorder = open_with(scratch, RIG_RUN, NULL);
		append(recorder, seq, seq + 2);
		if (seq % 2 == 0)
			assert_int_equal(recorder_commit(recorder), 0);
		append(recorder, seq + 3, seq + 4);
		recorder_close(recorder); /* what is not committed is left to the next one */
	}
	recorder_close(open_with(scratch, RIG_RUN, NULL));
	find_all(scratch, &other);
	expect_same(&whole, &other);
	snprintf(path, sizeof(path), "%s/recording.sqlite", scratch);
	assert_int_equal(unlink(path), 0);
	recorder_close(open_with(scratch, RIG_RUN, NULL));
	find_all(scratch, &other);
	expect_same(&whole, &other);
	rig_sql(scratch, "DELETE FROM events"); /* a catalogue of the version before has none */
	recorder_close(open_with(scratch, RIG_RUN, NULL));
	find_all(scratch, &other);
	expect_same(&whole, &other);
	rig_remove(scratch);
}

/* A commit that fails, at a frame or in the middle of the events, leaves nothing of it, and the
 * next one has all. */
static void a_commit_that_fails(void **state)
{
	static const char *const faults[] = {
		"CREATE TRIGGER refuse BEFORE INSERT ON frames WHEN new.seq = 65 BEGIN "
		"SELECT RAISE(ABORT, 'no'); END",
		"CREATE TRIGGER refuse BEFORE INSERT ON events WHEN new.kind = 'motion' BEGIN "
		"SELECT RAISE(ABORT, 'no'); END"};
	static struct found before, found, whole;
	struct recorder *recorder = open_with(*state, RIG_RUN, NULL);
	char scratch[RIG_PATH];

	append(recorder, 1, 35);
	assert_int_equal(recorder_commit(recorder), 0);
	find_all(*state, &before);
	append(recorder, 36, 70);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		rig_sql(*state, faults[i]);
		assert_true(recorder_commit(recorder) < 0);
		find_all(*state, &found);
		expect_same(&before, &found);
		rig_sql(*state, "DROP TRIGGER refuse");
	}
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	find_all(*state, &found);
	rig_folder(scratch);
	recorder = open_with(scratch, RIG_RUN, NULL);
	append(recorder, 1, 70);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	find_all(scratch, &whole);
	expect_same(&whole, &found);
	rig_remove(scratch);
}

/* Both hours of a clock that was set back are found, each by what it showed. */
static void a_clock_set_back(void **state)
{
	struct recorder *recorder = open_with(*state, RIG_RUN, NULL);
	struct found found;

	append(recorder, 1, 150);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	find(*state, EVENT_LABEL, WALL + 45 * FRAME, WALL + 46 * FRAME, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.events[0].first_seq, 40);
	assert_int_equal(found.events[0].last_seq, 59);
	find(*state, EVENT_LABEL, WALL - HOUR + 70 * FRAME, WALL - HOUR + 71 * FRAME, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.events[0].first_seq, 59);
	assert_int_equal(found.events[0].last_seq, 80);
	find(*state, EVENT_LABEL, WALL - HOUR, WALL + 150 * FRAME, &found);
	assert_int_equal(found.n, 2);
	find(*state, EVENT_LABEL, WALL + 60 * FRAME, WALL + HOUR, &found);
	assert_int_equal(found.n, 0);
	find(*state, EVENT_RECORDED, WALL - HOUR + 70 * FRAME, WALL - HOUR + 70 * FRAME, &found);
	assert_int_equal(found.n, 1);
}

static struct event note(enum event_kind kind, int64_t begun, int64_t ended)
{
	struct event event = {.kind = kind,
			      .begun = begun,
			      .begun_wall = begun + WALL,
			      .ended = ended != 0 ? ended : begun,
			      .ended_wall = (ended != 0 ? ended : begun) + WALL,
			      .open = ended == 0};

	snprintf(event.stream, NAME_SIZE, "%s", kind == EVENT_LOST ? RIG_STREAM : "");
	snprintf(event.what, EVENT_WHAT_SIZE, "%s",
		 kind == EVENT_LOST ? "refused" : "storer: hung");
	return event;
}

/* What is told twice, late, or in the wrong order, is there once; without a frame, too. */
static void what_was_told(void **state)
{
	static struct event_notes notes;
	struct recorder *recorder = open_with(*state, RIG_RUN, &notes);
	const struct event lost = note(EVENT_LOST, 5 * NS_PER_S, 0),
			   back = note(EVENT_LOST, 5 * NS_PER_S, 9 * NS_PER_S),
			   died = note(EVENT_DIED, 6 * NS_PER_S, 6 * NS_PER_S);
	struct found found;

	event_notes_add(&notes, &lost);
	event_notes_add(&notes, &died);
	event_notes_add(&notes, &died);
	assert_true(recorder_has_work(recorder));
	assert_int_equal(recorder_commit(recorder), 0);
	assert_int_equal(notes.n, 0);
	assert_true(recorder_has_lasting(recorder)); /* so long as nobody says that it is back */
	find(*state, EVENT_LOST, INT64_MIN, INT64_MAX, &found);
	assert_int_equal(found.n, 1);
	assert_true(found.events[0].open);
	assert_int_equal(found.events[0].run, RIG_RUN);
	recorder_close(recorder);
	recorder = open_with(*state, RIG_RUN, &notes); /* who comes next is told everything again */
	event_notes_add(&notes, &died);
	event_notes_add(&notes, &lost);
	event_notes_add(&notes, &back);
	append(recorder, 1, 10);
	assert_int_equal(recorder_commit(recorder), 0);
	event_notes_add(&notes, &lost);
	assert_int_equal(recorder_commit(recorder), 0);
	assert_false(recorder_has_work(recorder));
	recorder_close(recorder);
	find(*state, EVENT_LOST, INT64_MIN, INT64_MAX, &found);
	assert_int_equal(found.n, 1);
	assert_false(found.events[0].open);
	assert_int_equal(found.events[0].ended, 9 * NS_PER_S);
	find(*state, EVENT_LOST, WALL + 8 * NS_PER_S, WALL + 8 * NS_PER_S, &found);
	assert_int_equal(found.n, 1);
	find(*state, EVENT_LOST, WALL + 10 * NS_PER_S, INT64_MAX, &found);
	assert_int_equal(found.n, 0);
	find(*state, EVENT_DIED, INT64_MIN, INT64_MAX, &found);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.events[0].what, "storer: hung");
}

static void too_many_notes_keep_the_last(void **state)
{
	static struct event_notes notes;

	(void)state;
	for (int64_t i = 1; i <= EVENT_NOTES_MAX + 3; i++) {
		const struct event died = note(EVENT_DIED, i, i);

		event_notes_add(&notes, &died);
	}
	assert_int_equal(notes.n, EVENT_NOTES_MAX);
	assert_int_equal(notes.all[0].begun, 4);
	assert_int_equal(notes.all[EVENT_NOTES_MAX - 1].begun, EVENT_NOTES_MAX + 3);
}

static void a_new_run_closes_all(void **state)
{
	struct recorder *recorder = open_with(*state, RIG_RUN, NULL);
	struct found found;
	int open = 0;

	append(recorder, 1, 5);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	recorder = open_with(*state, RIG_RUN + 1, NULL);
	append(recorder, 1, 5);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	find(*state, EVENT_RECORDED, INT64_MIN, INT64_MAX, &found);
	assert_int_equal(found.n, 2);
	for (int i = 0; i < found.n; i++) {
		open += found.events[i].open;
		assert_int_equal(found.events[i].open, found.events[i].run == RIG_RUN + 1);
	}
	assert_int_equal(open, 1);
}

/* Who died while segments went leaves it to recovery, and with the frames go the spans that have
 * none left. */
static void what_goes_takes_its_events_along(void **state)
{
	struct recorder *recorder = open_with(*state, RIG_RUN, NULL);
	struct found found;
	struct index *index;
	char why[256];

	for (uint64_t seq = 1; seq <= 150; seq += 5) {
		append(recorder, seq, seq + 4);
		assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	find(*state, EVENT_MOTION, WALL, WALL + 59 * FRAME, &found);
	assert_int_equal(found.events[0].first_seq, 2);
	assert_int_equal(index_open_writer(&index, *state, NULL, NULL, NULL, why, sizeof(why)), 0);
	assert_int_equal(index_begin(index), 0);
	assert_true(index_doom_segment(index, 1, "keep") > 8);
	assert_int_equal(index_commit(index), 0);
	index_close(index);
	recorder_close(open_with(*state, RIG_RUN, NULL));
	find(*state, EVENT_MOTION, WALL, WALL + 59 * FRAME, &found);
	assert_int_equal(found.events[0].first_seq, 30);
	find(*state, EVENT_RECORDED, WALL, WALL + 59 * FRAME, &found);
	assert_int_equal(found.events[0].first_seq, 1); /* some of it is there */
}

static void says_what_there_is(void **state)
{
	struct recorder *recorder = open_with(*state, RIG_RUN, NULL);
	struct recording *recording;
	char name[NAME_SIZE] = "", what[EVENT_WHAT_SIZE] = "", why[256];

	append(recorder, 1, 100);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	assert_int_equal(recording_open(&recording, *state, why, sizeof(why)), 0);
	assert_int_equal(recording_next_event_stream(recording, name, name), 0);
	assert_string_equal(name, RIG_STREAM);
	assert_int_equal(recording_next_event_stream(recording, name, name), TROUPE_E_ENDED);
	assert_int_equal(recording_next_event_what(recording, RIG_STREAM, EVENT_LABEL, what, what),
			 0);
	assert_string_equal(what, "circle");
	assert_int_equal(recording_next_event_what(recording, RIG_STREAM, EVENT_LABEL, what, what),
			 TROUPE_E_ENDED);
	recording_close(recording);
}

/* Every question is answered by an index that bounds the time, or by one that has little. */
static void a_plan_uses_an_index(void *arg, const char *line)
{
	int *lines = arg;

	if ((*lines)++ > 0)
		assert_non_null(strstr(line, "USING INDEX events_by_stream (stream=? AND kind=?"));
	if (*lines > 1)
		assert_non_null(strstr(line, "what=? AND begun_wall>? AND begun_wall<?"));
}

static void questions_are_cheap(void **state)
{
	struct recording *recording;
	char why[256];

	recorder_close(open_with(*state, RIG_RUN, NULL));
	assert_int_equal(recording_open(&recording, *state, why, sizeof(why)), 0);
	for (unsigned kind = 0; kind < N_EVENT_KINDS; kind++) {
		const struct event_query query = {.stream = RIG_STREAM,
						  .kind = (enum event_kind)kind,
						  .what = "",
						  .from = 1,
						  .to = 2};
		int lines = 0;

		assert_int_equal(
			recording_explain_events(recording, &query, a_plan_uses_an_index, &lines),
			0);
		assert_int_equal(lines, 2);
	}
	recording_close(recording);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whoever_dies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_commit_that_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_clock_set_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_told, set_up, tear_down),
		cmocka_unit_test(too_many_notes_keep_the_last),
		cmocka_unit_test_setup_teardown(a_new_run_closes_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_goes_takes_its_events_along, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(says_what_there_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(questions_are_cheap, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
