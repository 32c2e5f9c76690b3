/* The spans of frames: what opens, goes on, is cut and ends. */
#include "workers/storer/events.h"

#include "ipc/base/errors.h"
#include "ipc/slots/word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUN	   UINT64_C(1700000000123)
#define FRAME	   (40 * NS_PER_MS)
#define OFFSET	   (1700000000 * NS_PER_S) /* of the wall clock */
#define HOUR	   (3600 * NS_PER_S)
#define EVENTS_MAX 64

static const struct event_rules rules = {.motion = 0.01, .probability = 0.5, .gap = NS_PER_S};

/* What would be the catalogue. */
struct catalogue {
	struct event events[EVENTS_MAX];
	int n;
	int fail_after; /* so many puts; 0: never */
};

static int put(void *arg, struct event *event)
{
	struct catalogue *catalogue = arg;

	if (catalogue->fail_after > 0 && --catalogue->fail_after == 0)
		return TROUPE_E_IO;
	if (event->number == 0) {
		assert_true(catalogue->n < EVENTS_MAX);
		event->number = ++catalogue->n;
	}
	catalogue->events[event->number - 1] = *event;
	return 0;
}

struct scene {
	struct events events;
	struct catalogue catalogue;
	int64_t offset;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	events_init(&scene->events, &rules);
	scene->offset = OFFSET;
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	events_finish(&scene->events);
	free(scene);
	return 0;
}

/* Frame `seq`, one every 40 ms, of which nothing is known but that it is there. */
static struct record frame(const struct scene *scene, uint64_t seq)
{
	int64_t captured = (int64_t)seq * FRAME;

	return (struct record){.run = RUN,
			       .stream = "cam1",
			       .seq = seq,
			       .captured = captured,
			       .captured_wall = captured + scene->offset};
}

static void take(struct scene *scene, const struct record *record)
{
	assert_int_equal(events_take(&scene->events, record), 0);
}

static void flush(struct scene *scene)
{
	assert_int_equal(events_flush(&scene->events, put, &scene->catalogue), 0);
}

static const struct event *find(const struct scene *scene, enum event_kind kind, const char *what,
				int nth)
{
	for (int i = 0; i < scene->catalogue.n; i++) {
		const struct event *event = &scene->catalogue.events[i];

		if (event->kind == kind && strcmp(event->what, what) == 0 && nth-- == 0)
			return event;
	}
	return NULL;
}

static void expect(const struct event *event, uint64_t first, uint64_t last, uint64_t frames,
		   bool open)
{
	assert_non_null(event);
	assert_int_equal(event->first_seq, first);
	assert_int_equal(event->last_seq, last);
	assert_int_equal(event->begun, (int64_t)first * FRAME);
	assert_int_equal(event->ended, (int64_t)last * FRAME);
	assert_int_equal(event->frames, frames);
	assert_int_equal(event->open, open);
}

static void several_are_open_at_once(void **state)
{
	struct scene *scene = *state;

	for (uint64_t seq = 1; seq <= 100; seq++) {
		struct record record = frame(scene, seq);

		record.motion = seq >= 10 && seq <= 30 ? 0.02f + (float)seq / 1000 : 0.001f;
		snprintf(record.label, NAME_SIZE, "%s", seq <= 50 ? "circle" : "square");
		snprintf(record.prediction, NAME_SIZE, "circle");
		record.probability = seq >= 20 && seq < 40 ? 0.5f + (float)seq / 100 : 0.4f;
		take(scene, &record);
		if (seq % 7 == 0)
			flush(scene);
	}
	flush(scene);
	assert_int_equal(scene->catalogue.n, 5);
	expect(find(scene, EVENT_RECORDED, "", 0), 1, 100, 100, true);
	expect(find(scene, EVENT_MOTION, "", 0), 10, 30, 21, false);
	expect(find(scene, EVENT_LABEL, "circle", 0), 1, 50, 50, false);
	expect(find(scene, EVENT_LABEL, "square", 0), 51, 100, 50, true);
	expect(find(scene, EVENT_PREDICTION, "circle", 0), 20, 39, 20, false);
	assert_float_equal(find(scene, EVENT_MOTION, "", 0)->best, 0.05, 1e-6);
	assert_float_equal(find(scene, EVENT_PREDICTION, "circle", 0)->best, 0.89, 1e-6);
	assert_float_equal(find(scene, EVENT_LABEL, "circle", 0)->best, 1, 0);
}

/* A gap of exactly `gap` goes on, a longer one ends it: of the frames, and of those that match. */
static void a_gap_ends_a_span(void **state)
{
	static const uint64_t seqs[] = {2, 3, 28, 54, 55};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		struct record record = frame(scene, seqs[i]);

		record.motion = 0.01f;
		take(scene, &record);
		flush(scene);
	}
	expect(find(scene, EVENT_RECORDED, "", 0), 2, 28, 3, false);
	expect(find(scene, EVENT_RECORDED, "", 1), 54, 55, 2, true);
	expect(find(scene, EVENT_MOTION, "", 0), 2, 28, 3, false);
	expect(find(scene, EVENT_MOTION, "", 1), 54, 55, 2, true);
}

static void streams_and_runs_are_apart(void **state)
{
	struct scene *scene = *state;

	for (uint64_t seq = 1; seq <= 4; seq++) {
		struct record record = frame(scene, seq);

		if (seq % 2 == 0)
			snprintf(record.stream, NAME_SIZE, "cam2");
		if (seq == 4)
			record.run++;
		take(scene, &record);
	}
	flush(scene);
	assert_int_equal(scene->catalogue.n, 3);
	expect(find(scene, EVENT_RECORDED, "", 0), 1, 3, 2, true);
	expect(find(scene, EVENT_RECORDED, "", 1), 2, 2, 1, true);
	expect(find(scene, EVENT_RECORDED, "", 2), 4, 4, 1, true);
}

/* What a first frame differs from is nothing, and what a processor may still write is void. */
static void what_does_not_move(void **state)
{
	struct scene *scene = *state;
	struct record first = frame(scene, 1), bypassed = frame(scene, 2);

	first.motion = bypassed.motion = 0.4f;
	bypassed.marks = MARK_BYPASSED;
	take(scene, &first);
	take(scene, &bypassed);
	flush(scene);
	assert_null(find(scene, EVENT_MOTION, "", 0));
}

/* The pieces of a long span touch, and no frame counts twice. */
static void long_spans_are_cut_in_pieces(void **state)
{
	struct scene *scene = *state;
	uint64_t last = (uint64_t)(5 * HOUR / 2 / FRAME), frames = 0;
	const struct event *event, *before = NULL;

	for (uint64_t seq = 1; seq <= last; seq++) {
		struct record record = frame(scene, seq);

		take(scene, &record);
		if (seq % 1000 == 0)
			flush(scene);
	}
	flush(scene);
	for (int i = 0; (event = find(scene, EVENT_RECORDED, "", i)) != NULL; before = event, i++) {
		frames += event->frames;
		assert_true(event->ended - event->begun <= EVENT_PIECE);
		assert_int_equal(event->first_seq, before != NULL ? before->last_seq : 1);
		assert_int_equal(event->begun, before != NULL ? before->ended : FRAME);
		assert_int_equal(event->begun_wall - event->begun, OFFSET);
		assert_int_equal(event->open, event->last_seq == last);
	}
	assert_int_equal(scene->catalogue.n, 3);
	assert_int_equal(frames, last);
}

/* Set back by an hour, both hours have a piece, and both clocks go together in each. */
static void a_step_of_the_clock_cuts(void **state)
{
	struct scene *scene = *state;

	for (uint64_t seq = 1; seq <= 200; seq++) {
		struct record record;

		scene->offset = seq <= 100 ? OFFSET : OFFSET - HOUR + (int64_t)seq * NS_PER_MS;
		record = frame(scene, seq);
		snprintf(record.label, NAME_SIZE, "person");
		take(scene, &record);
		flush(scene);
	}
	assert_int_equal(scene->catalogue.n, 4);
	for (int kind = 0; kind < 2; kind++) {
		enum event_kind of = kind == 0 ? EVENT_RECORDED : EVENT_LABEL;
		const struct event *early = find(scene, of, kind == 0 ? "" : "person", 0);
		const struct event *late = find(scene, of, kind == 0 ? "" : "person", 1);

		expect(early, 1, 100, 100, false);
		expect(late, 100, 200, 100, true);
		assert_int_equal(early->ended_wall - early->ended, OFFSET);
		assert_int_equal(late->begun_wall - late->begun, OFFSET - HOUR + 101 * NS_PER_MS);
		assert_int_equal(late->ended_wall - late->ended, OFFSET - HOUR + 200 * NS_PER_MS);
	}
}

/* Whoever goes on from what was written comes to the same, wherever the other one stopped. */
static void resumed_is_the_same(void **state)
{
	struct scene *whole = *state;
	struct record records[90];

	for (uint64_t seq = 1; seq <= 90; seq++) {
		struct record *record = &records[seq - 1];

		*record = frame(whole, seq > 45 ? seq + 50 : seq);
		record->seq = seq;
		record->motion = seq / 10 % 3 == 0 ? 0.02f : 0;
		snprintf(record->label, NAME_SIZE, "%s", seq / 20 % 2 == 0 ? "a" : "b");
		take(whole, record);
		flush(whole);
	}
	for (uint64_t cut = 1; cut <= 90; cut++) {
		struct scene scene = {.offset = OFFSET};
		struct catalogue *catalogue = &scene.catalogue;

		events_init(&scene.events, &rules);
		for (uint64_t i = 0; i < cut; i++)
			take(&scene, &records[i]);
		flush(&scene);
		events_finish(&scene.events);
		events_init(&scene.events, &rules);
		for (int i = 0; i < catalogue->n; i++) {
			struct event *event = &catalogue->events[i];

			if (event->open)
				assert_int_equal(events_adopt(&scene.events, event), 0);
		}
		take(&scene, &records[cut - 1]); /* taken again: nothing changes */
		for (uint64_t i = cut; i < 90; i++)
			take(&scene, &records[i]);
		flush(&scene);
		events_finish(&scene.events);
		assert_int_equal(catalogue->n, whole->catalogue.n);
		for (int i = 0; i < catalogue->n; i++) {
			struct event *event = &catalogue->events[i];
			const struct event *same = find(whole, event->kind, event->what, 0);

			for (int nth = 1; same != NULL && same->begun != event->begun; nth++)
				same = find(whole, event->kind, event->what, nth);
			assert_non_null(same);
			event->number = same->number;
			assert_memory_equal(event, same, sizeof(*event));
		}
	}
}

static void an_error_is_passed_on(void **state)
{
	struct scene *scene = *state;
	struct record record = frame(scene, 2);

	snprintf(record.label, NAME_SIZE, "a");
	take(scene, &record);
	scene->catalogue.fail_after = 2;
	assert_int_equal(events_flush(&scene->events, put, &scene->catalogue), TROUPE_E_IO);
}

static void kinds_have_names(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < N_EVENT_KINDS; kind++)
		assert_int_equal(event_kind_of(event_kind_text((enum event_kind)kind)), kind);
	assert_int_equal(event_kind_of("moved"), N_EVENT_KINDS);
	assert_true(event_of_frames(EVENT_PREDICTION));
	assert_false(event_of_frames(EVENT_LOST));
	assert_false(event_of_frames(EVENT_DIED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(several_are_open_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_gap_ends_a_span, set_up, tear_down),
		cmocka_unit_test_setup_teardown(streams_and_runs_are_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_move, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_spans_are_cut_in_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_step_of_the_clock_cuts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(resumed_is_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_error_is_passed_on, set_up, tear_down),
		cmocka_unit_test(kinds_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
