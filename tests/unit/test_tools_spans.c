/* Lists of spans: cut, joined, and what two have in common. */
#include "tools/troupe/spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WALL (INT64_C(1700000000) * NS_PER_S)
#define HOUR (INT64_C(3600) * NS_PER_S)

/* A span of whole seconds; one frame a second, which has the second as its number. */
static struct span seconds(const char *stream, int64_t from, int64_t to, int64_t offset)
{
	struct span span = {.run = 1,
			    .kind = EVENT_MOTION,
			    .begun = from * NS_PER_S,
			    .ended = to * NS_PER_S,
			    .begun_wall = from * NS_PER_S + offset,
			    .ended_wall = to * NS_PER_S + offset,
			    .first_seq = (uint64_t)from,
			    .last_seq = (uint64_t)to,
			    .best = 0.1};
	snprintf(span.stream, sizeof(span.stream), "%s", stream);
	return span;
}

static void add(struct spans *spans, const char *stream, int64_t from, int64_t to, int64_t offset)
{
	struct span span = seconds(stream, from, to, offset);
	assert_int_equal(spans_add(spans, &span), 0);
}

static void expect(const struct spans *spans, size_t at, const char *stream, uint64_t first,
		   uint64_t last)
{
	assert_true(at < spans->n);
	assert_string_equal(spans->all[at].stream, stream);
	assert_int_equal(spans->all[at].first_seq, first);
	assert_int_equal(spans->all[at].last_seq, last);
	assert_int_equal(spans->all[at].ended_wall - spans->all[at].begun_wall,
			 spans->all[at].ended - spans->all[at].begun);
}

static void joins_what_touches(void **state)
{
	struct spans spans = {0};
	(void)state;
	add(&spans, "b", 1, 2, WALL);
	add(&spans, "a", 20, 30, WALL);
	add(&spans, "a", 10, 20, WALL);
	add(&spans, "a", 12, 14, WALL);
	add(&spans, "a", 25, 35, WALL);
	add(&spans, "a", 36, 40, WALL);
	spans.all[3].best = 0.9;
	spans.all[4].open = true;
	spans_join(&spans);
	assert_int_equal(spans.n, 3);
	expect(&spans, 0, "a", 10, 35);
	expect(&spans, 1, "a", 36, 40);
	expect(&spans, 2, "b", 1, 2);
	assert_float_equal(spans.all[0].best, 0.9, 0);
	assert_true(spans.all[0].open);
	spans_finish(&spans);
	spans_join(&spans);
	assert_int_equal(spans.n, 0);
}

static void joins_only_the_same(void **state)
{
	struct spans spans = {0};
	(void)state;
	add(&spans, "a", 10, 20, WALL);
	add(&spans, "a", 20, 30, WALL);
	add(&spans, "a", 20, 30, WALL);
	add(&spans, "b", 20, 30, WALL);
	spans.all[1].run = 2;
	snprintf(spans.all[2].what, sizeof(spans.all[2].what), "circle");
	spans_join(&spans);
	assert_int_equal(spans.n, 4);
	spans_finish(&spans);
}

/* The clock was set back by an hour at second 20: whoever asks for that time gets both. */
static void a_stepped_clock_keeps_both_hours(void **state)
{
	struct spans spans = {0};
	(void)state;
	add(&spans, "a", 0, HOUR / NS_PER_S + 20, WALL);
	add(&spans, "a", HOUR / NS_PER_S + 20, 2 * HOUR / NS_PER_S, WALL - HOUR);
	spans_join(&spans);
	assert_int_equal(spans.n, 2);
	spans_cut(&spans, WALL + 40 * NS_PER_S, WALL + 50 * NS_PER_S);
	assert_int_equal(spans.n, 2);
	assert_int_equal(spans.all[0].begun, 40 * NS_PER_S);
	assert_int_equal(spans.all[1].begun, HOUR + 40 * NS_PER_S);
	assert_int_equal(spans.all[1].ended, HOUR + 50 * NS_PER_S);
	spans_finish(&spans);
}

static void cuts_to_a_time(void **state)
{
	struct spans spans = {0};
	(void)state;
	add(&spans, "a", 1, 9, WALL);
	add(&spans, "a", 5, 15, WALL);
	add(&spans, "a", 12, 13, WALL);
	add(&spans, "a", 15, 25, WALL);
	add(&spans, "a", 1, 50, WALL);
	add(&spans, "a", 21, 22, WALL);
	add(&spans, "a", 20, 20, WALL);
	for (size_t i = 0; i < spans.n; i++)
		spans.all[i].open = true;
	spans_cut(&spans, INT64_MIN, INT64_MAX);
	assert_int_equal(spans.n, 7);
	for (size_t i = 0; i < spans.n; i++) {
		assert_int_equal(spans.all[i].begun, (int64_t)spans.all[i].first_seq * NS_PER_S);
		assert_false(spans.all[i].cut_first || spans.all[i].cut_last);
	}
	spans_cut(&spans, WALL + 10 * NS_PER_S, WALL + 20 * NS_PER_S);
	assert_int_equal(spans.n, 5);
	for (size_t i = 0; i < spans.n; i++) {
		const struct span *span = &spans.all[i];
		assert_true(span->begun >= 10 * NS_PER_S && span->ended <= 20 * NS_PER_S);
		assert_int_equal(span->cut_first, span->first_seq < 10);
		assert_int_equal(span->cut_last, span->last_seq > 20);
		assert_int_equal(span->open, !span->cut_last);
		assert_int_equal(span->ended_wall - span->ended, WALL);
		assert_int_equal(span->begun_wall - span->begun, WALL);
	}
	spans_finish(&spans);
}

static void common_is_in_both(void **state)
{
	struct spans a = {0}, b = {0}, out = {0};
	(void)state;
	add(&a, "a", 10, 20, WALL);
	add(&a, "a", 30, 40, WALL);
	add(&a, "a", 50, 60, WALL);
	add(&a, "b", 1, 100, WALL);
	add(&b, "a", 1, 12, WALL);
	add(&b, "a", 15, 35, WALL);
	add(&b, "a", 40, 41, WALL);
	add(&b, "a", 61, 70, WALL);
	add(&b, "c", 1, 100, WALL);
	for (size_t i = 0; i < a.n; i++) {
		snprintf(a.all[i].what, sizeof(a.all[i].what), "person");
		a.all[i].best = 0.9;
	}
	assert_int_equal(spans_common(&a, &b, &out), 0);
	assert_int_equal(out.n, 4);
	expect(&out, 0, "a", 10, 12);
	expect(&out, 1, "a", 15, 20);
	expect(&out, 2, "a", 30, 35);
	expect(&out, 3, "a", 40, 40);
	assert_string_equal(out.all[0].what, "person, motion");
	assert_float_equal(out.all[0].best, 0.9, 0);
	spans_finish(&a);
	spans_finish(&b);
	spans_finish(&out);
}

/* By every second of random lists: it is in the result just when it is in both. */
static void random_lists(void **state)
{
	unsigned seed = 7;
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct spans lists[2] = {{0}, {0}}, out = {0};
		bool in[2][101] = {{false}}, both[101] = {false};
		for (int k = 0; k < 2; k++) {
			for (int i = 0; i < 8; i++) {
				int64_t from = rand_r(&seed) % 90, to = from + rand_r(&seed) % 10;
				add(&lists[k], "a", from, to, WALL);
				for (int64_t s = from; s <= to; s++)
					in[k][s] = true;
			}
			spans_join(&lists[k]);
		}
		assert_int_equal(spans_common(&lists[0], &lists[1], &out), 0);
		spans_join(&out);
		for (size_t i = 0; i < out.n; i++)
			for (uint64_t s = out.all[i].first_seq; s <= out.all[i].last_seq; s++)
				both[s] = true;
		for (int s = 0; s <= 100; s++)
			assert_int_equal(both[s], in[0][s] && in[1][s]);
		spans_finish(&lists[0]);
		spans_finish(&lists[1]);
		spans_finish(&out);
	}
}

static void keeps_the_last_in_time(void **state)
{
	struct spans spans = {0};
	(void)state;
	add(&spans, "b", 5, 6, WALL);
	add(&spans, "a", 7, 8, WALL);
	add(&spans, "c", 1, 9, WALL);
	spans_sort_by_time(&spans);
	spans_keep_last(&spans, 2);
	assert_int_equal(spans.n, 2);
	expect(&spans, 0, "b", 5, 6);
	expect(&spans, 1, "a", 7, 8);
	spans_keep_last(&spans, 5);
	assert_int_equal(spans.n, 2);
	spans_finish(&spans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_what_touches),
		cmocka_unit_test(joins_only_the_same),
		cmocka_unit_test(a_stepped_clock_keeps_both_hours),
		cmocka_unit_test(cuts_to_a_time),
		cmocka_unit_test(common_is_in_both),
		cmocka_unit_test(random_lists),
		cmocka_unit_test(keeps_the_last_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
