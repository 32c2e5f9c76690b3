/* `troupe find` on a recording in which the clock was set back by an hour. */
#include "tools/troupe/find.h"

#include "tests/unit/recording_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WALL  (INT64_C(1700000000) * NS_PER_S)
#define FRAME (100 * NS_PER_MS)
#define HOUR  (3600 * NS_PER_S)
#define LAST  36600 /* an hour and a minute */
#define BACK  300   /* the frame at which the clock is set back */

/* Ten frames a second. A person is seen for ten seconds of each minute, from second 5 on; something
 * moves from second 10 to 20. */
static void describe(uint64_t seq, struct record *record)
{
	uint64_t second = seq / 10 % 60;

	record->captured = (int64_t)seq * FRAME;
	record->captured_wall = record->captured + (seq < BACK ? WALL : WALL - HOUR);
	record->motion = second >= 10 && second < 20 ? 0.02f : 0;
	record->label[0] = 0;
	record->probability = seq < 1000 ? 0.9f : 0.6f;
	snprintf(record->prediction, NAME_SIZE, "%s", second >= 5 && second < 15 ? "person" : "");
}

static int set_up(void **state)
{
	static char folder[RIG_PATH];
	struct recorder *recorder;

	rig_folder(folder);
	recorder = rig_open(folder, RIG_RUN, 64000000);
	for (uint64_t seq = 1; seq <= LAST; seq++) {
		uint8_t coded[RIG_CODED_MAX];
		struct record record;

		rig_frame(seq, &record, coded);
		describe(seq, &record);
		record.coded_bytes = 8;
		assert_int_equal(recorder_append(recorder, 0, &record, coded), 0);
		if (seq % 1000 == 0)
			assert_int_equal(recorder_commit(recorder), 0);
	}
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	rig_remove(*state);
	return 0;
}

static void find(const char *folder, struct finding *finding, struct spans *spans)
{
	char why[256];

	finding->limit = SIZE_MAX;
	assert_int_equal(recording_open(&finding->recording, folder, why, sizeof(why)), 0);
	assert_int_equal(find_spans(finding, spans), 0);
	recording_close(finding->recording);
}

static const struct condition person = {
	.kinds = {EVENT_LABEL, EVENT_PREDICTION}, .n_kinds = 2, .what = "person"};
static const struct condition moves = {.kinds = {EVENT_MOTION}, .n_kinds = 1, .what = ""};
static const struct condition recorded = {.kinds = {EVENT_RECORDED}, .n_kinds = 1, .what = ""};

/* What the clock showed between 10 and 20 s after WALL it showed twice. */
static void both_hours(void **state)
{
	struct finding finding = {.from = WALL + 10 * NS_PER_S,
				  .to = WALL + 20 * NS_PER_S,
				  .conditions = {recorded},
				  .n_conditions = 1};
	struct spans spans = {0};

	find(*state, &finding, &spans);
	assert_int_equal(spans.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct span *span = &spans.all[i];
		uint64_t later = i == 0 ? 0 : 36000;

		assert_int_equal(span->begun_wall, WALL + 10 * NS_PER_S);
		assert_int_equal(span->ended_wall, WALL + 20 * NS_PER_S);
		assert_int_equal(span->ended - span->begun, 10 * NS_PER_S);
		assert_int_equal(span->first_seq, 100 + later);
		assert_int_equal(span->last_seq, 200 + later);
	}
	spans_finish(&spans);
}

/* Lengths are the monotonic clock's, and nothing is lost at the step. */
static void all_of_it(void **state)
{
	struct finding finding = {
		.from = INT64_MIN, .to = INT64_MAX, .conditions = {recorded}, .n_conditions = 1};
	struct spans spans = {0};

	find(*state, &finding, &spans);
	assert_int_equal(spans.n, 2);
	assert_int_equal(spans.all[0].first_seq, 1);
	assert_int_equal(spans.all[0].last_seq, BACK - 1);
	assert_int_equal(spans.all[1].first_seq, BACK - 1);
	assert_int_equal(spans.all[1].last_seq, LAST); /* over the pieces of an hour */
	assert_int_equal(spans.all[1].ended - spans.all[1].begun, (LAST - BACK + 1) * FRAME);
	spans_finish(&spans);
}

/* Each minute, the five seconds in which both are so; by the frames themselves. */
static void conditions_together(void **state)
{
	struct finding finding = {.from = INT64_MIN,
				  .to = INT64_MAX,
				  .conditions = {person, moves},
				  .n_conditions = 2};
	struct spans spans = {0};

	find(*state, &finding, &spans);
	assert_int_equal(spans.n, LAST / 600);
	for (size_t i = 0; i < spans.n; i++) {
		assert_int_equal(spans.all[i].first_seq, i * 600 + 100);
		assert_int_equal(spans.all[i].last_seq, i * 600 + 149);
		assert_string_equal(spans.all[i].what, "person, motion");
	}
	spans_finish(&spans);
	finding.conditions[0].best = 0.9;
	find(*state, &finding, &spans);
	assert_int_equal(spans.n, 2); /* those that began before frame 1,000 */
	spans_finish(&spans);
}

static void a_run_or_stream_of_another_name(void **state)
{
	struct finding finding = {.from = INT64_MIN,
				  .to = INT64_MAX,
				  .run = RIG_RUN + 1,
				  .conditions = {recorded},
				  .n_conditions = 1};
	struct spans spans = {0};

	find(*state, &finding, &spans);
	assert_int_equal(spans.n, 0);
	finding.run = RIG_RUN;
	finding.stream = "cam2";
	find(*state, &finding, &spans);
	assert_int_equal(spans.n, 0);
	finding.stream = RIG_STREAM;
	find(*state, &finding, &spans);
	assert_int_equal(spans.n, 2);
	spans_finish(&spans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_hours),
		cmocka_unit_test(all_of_it),
		cmocka_unit_test(conditions_together),
		cmocka_unit_test(a_run_or_stream_of_another_name),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
