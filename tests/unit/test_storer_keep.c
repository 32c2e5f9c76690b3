/* What of a recording goes next: by bytes, by age, at the floor; per stream and in all; events
 * longer; and clocks that jump. */
#include "workers/storer/keep.h"

#include "ipc/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MB    INT64_C(1000000)
#define HOUR  (3600 * NS_PER_S)
#define DAY   (24 * HOUR)
#define YEAR  (365 * DAY)
#define TODAY (INT64_C(1900000000) * NS_PER_S) /* wall clock */
#define MOST  32

enum { CAM1, CAM2, GONE, N_STREAMS };

/* A recording that a test describes segment by segment; each is MB bytes. */
struct stage {
	struct keep_stream streams[N_STREAMS];
	struct keep_segment segments[MOST];
	struct keep_boot boots[4];
	struct keep_rules rules;
	struct keep_stock stock;
};

static int set_up(void **state)
{
	static struct stage stage;

	memset(&stage, 0, sizeof(stage));
	stage.streams[CAM1].recorded = stage.streams[CAM2].recorded = true;
	stage.rules = (struct keep_rules){.streams = stage.streams, .n_streams = N_STREAMS};
	stage.stock = (struct keep_stock){
		.segments = stage.segments, .boots = stage.boots, .n_boots = 4, .free = 100 * MB};
	*state = &stage;
	return 0;
}

/* The next segment, closed; its age is set by hand. */
static struct keep_segment *add(struct stage *stage, uint32_t stream, int64_t age)
{
	struct keep_segment *added = &stage->segments[stage->stock.n++];

	*added = (struct keep_segment){.number = (uint32_t)stage->stock.n,
				       .order = (uint32_t)stage->stock.n,
				       .stream = stream,
				       .bytes = MB,
				       .age = age};
	return added;
}

/* So many an hour apart, the last one open. */
static void fill(struct stage *stage, uint32_t stream, int count)
{
	for (int i = 0; i < count; i++)
		add(stage, stream, (count - 1 - i) * HOUR)->open = i == count - 1;
}

static void wants(struct stage *stage, enum keep_what what, enum keep_why why, size_t which)
{
	struct keep_verdict verdict = keep_next(&stage->rules, &stage->stock);

	assert_int_equal(verdict.what, what);
	assert_int_equal(verdict.why, why);
	assert_int_equal(verdict.which, which);
}

static void rests(struct stage *stage)
{
	wants(stage, KEEP_REST, KEEP_FOR_NOTHING, 0);
}

static void take_away(struct stage *stage, size_t which)
{
	memmove(&stage->segments[which], &stage->segments[which + 1],
		(stage->stock.n - which - 1) * sizeof(stage->segments[0]));
	stage->stock.n--;
}

static void all_is_kept_without_limits(void **state)
{
	struct stage *stage = *state;

	rests(stage);
	fill(stage, CAM1, 5);
	stage->stock.free = 0;
	rests(stage);
}

static void oldest_first_until_the_limit_holds(void **state)
{
	struct stage *stage = *state;

	fill(stage, CAM1, 6);
	stage->rules.all.bytes = 6 * MB;
	rests(stage);
	stage->stock.beside = 1; /* the catalogue counts, too */
	wants(stage, KEEP_FORGET, KEEP_FOR_BYTES, 0);
	take_away(stage, 0);
	rests(stage);
	stage->rules.all.bytes = 3 * MB;
	for (int i = 0; i < 3; i++) {
		wants(stage, KEEP_FORGET, KEEP_FOR_BYTES, 0);
		take_away(stage, 0);
	}
	rests(stage);
}

static void each_stream_has_its_own_limit(void **state)
{
	struct stage *stage = *state;

	fill(stage, CAM1, 4);
	fill(stage, CAM2, 4);
	stage->streams[CAM2].limit.bytes = 3 * MB;
	wants(stage, KEEP_FORGET, KEEP_FOR_BYTES, 4);
	take_away(stage, 4);
	rests(stage);
	stage->streams[CAM2].limit = (struct keep_limit){.age = HOUR / 2};
	wants(stage, KEEP_FORGET, KEEP_FOR_AGE, 4);
	stage->rules.all.age = HOUR / 2;
	wants(stage, KEEP_FORGET, KEEP_FOR_AGE, 0);
	stage->streams[CAM1].limit.age = DAY; /* in place of the general one */
	wants(stage, KEEP_FORGET, KEEP_FOR_AGE, 4);
}

static void what_is_as_old_as_the_limit_stays(void **state)
{
	struct stage *stage = *state;

	fill(stage, CAM1, 3);
	stage->rules.all.age = 2 * HOUR;
	rests(stage);
	stage->segments[0].age++;
	wants(stage, KEEP_FORGET, KEEP_FOR_AGE, 0);
}

/* The newest of a stream that is recorded stays, whatever its bytes; of one that is not, it goes.
 */
static void newest_stays(void **state)
{
	struct stage *stage = *state;

	add(stage, GONE, 3 * HOUR);
	add(stage, CAM1, 2 * HOUR);
	add(stage, CAM2, HOUR);
	stage->rules.all.bytes = 1;
	wants(stage, KEEP_FORGET, KEEP_FOR_BYTES, 0);
	take_away(stage, 0);
	wants(stage, KEEP_EXHAUSTED, KEEP_FOR_BYTES, 0);
	stage->rules.all.age = HOUR;
	wants(stage, KEEP_FORGET, KEEP_FOR_AGE, 0); /* a camera that has long been silent */
}

/* Where nothing else can go, an open segment that is too much by itself ends, then goes. */
static void open_segment_is_closed_first(void **state)
{
	struct stage *stage = *state;
	struct keep_segment *open = add(stage, CAM1, 0);

	open->open = true;
	open->bytes = 10 * MB;
	stage->rules.all.bytes = 5 * MB;
	wants(stage, KEEP_CLOSE, KEEP_FOR_BYTES, 0);
	open->open = false;
	wants(stage, KEEP_EXHAUSTED, KEEP_FOR_BYTES, 0); /* until its successor has begun */
	add(stage, CAM1, 0)->open = true;
	wants(stage, KEEP_FORGET, KEEP_FOR_BYTES, 0);
	take_away(stage, 0);
	rests(stage);
	stage->rules.all = (struct keep_limit){.age = HOUR};
	stage->segments[0].age = 2 * HOUR;
	wants(stage, KEEP_CLOSE, KEEP_FOR_AGE, 0);
}

static void floor_takes_the_oldest(void **state)
{
	struct stage *stage = *state;

	fill(stage, CAM2, 2);
	fill(stage, CAM1, 3);
	stage->rules.free_floor = 100 * MB;
	rests(stage);
	stage->stock.free--;
	wants(stage, KEEP_FORGET, KEEP_FOR_SPACE, 0);
	take_away(stage, 0);
	wants(stage, KEEP_FORGET, KEEP_FOR_SPACE, 1);
	take_away(stage, 1);
	take_away(stage, 1);
	stage->segments[0].bytes = stage->segments[1].bytes = 1;
	stage->segments[0].open = false;
	wants(stage, KEEP_CLOSE, KEEP_FOR_SPACE, 1);
}

/* What has frames within events stays longer; where bytes must go, it goes last. */
static void events_stay_longer(void **state)
{
	struct stage *stage = *state;

	fill(stage, CAM1, 5);
	stage->rules.all.age = HOUR;
	stage->rules.events = 3 * HOUR;
	wants(stage, KEEP_FORGET, KEEP_FOR_AGE, 0); /* 4 hours old: nobody needs to look */
	take_away(stage, 0);
	wants(stage, KEEP_ASK, KEEP_FOR_AGE, 0);
	stage->segments[0].events = KEEP_EVENTS_SOME;
	wants(stage, KEEP_ASK, KEEP_FOR_AGE, 1);
	stage->segments[1].events = KEEP_EVENTS_NONE;
	wants(stage, KEEP_FORGET, KEEP_FOR_AGE, 1);
	take_away(stage, 1);
	rests(stage);
	stage->rules.all.bytes = 2 * MB;
	wants(stage, KEEP_ASK, KEEP_FOR_BYTES, 1);
	stage->segments[1].events = KEEP_EVENTS_NONE;
	wants(stage, KEEP_FORGET, KEEP_FOR_BYTES, 1);
	stage->segments[1].events = KEEP_EVENTS_SOME;
	wants(stage, KEEP_FORGET, KEEP_FOR_BYTES, 0);
}

/* ---- clocks ---- */

/* A segment of a boot whose last frame was captured at `captured`, when the wall showed `wall`. */
static void add_at(struct stage *stage, uint32_t boot, int64_t captured, int64_t wall)
{
	struct keep_segment *added = add(stage, CAM1, 0);

	added->boot = boot;
	added->captured = captured;
	added->wall = wall;
}

static void expect_ages(struct stage *stage, uint32_t boot, int64_t now, int64_t wall,
			const int64_t *ages, size_t n)
{
	assert_int_equal(stage->stock.n, n);
	keep_ages(&stage->stock, boot, now, wall - now);
	for (size_t i = 0; i < n; i++)
		assert_true(stage->segments[i].age == ages[i]);
}

#define AGES(...) (int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

static void ages_of_one_boot(void **state)
{
	struct stage *stage = *state;

	add_at(stage, 0, 1 * HOUR, TODAY + 1 * HOUR);
	add_at(stage, 0, 2 * HOUR, TODAY + 2 * HOUR);
	expect_ages(stage, 0, 10 * HOUR, TODAY + 10 * HOUR, AGES(9 * HOUR, 8 * HOUR));
}

/* Ahead by years or back, and forth again: what was recorded keeps its age. */
static void clock_that_jumps_makes_nothing_older(void **state)
{
	struct stage *stage = *state;
	add_at(stage, 0, 1 * HOUR, TODAY + 1 * HOUR);
	add_at(stage, 0, 2 * HOUR, TODAY + 2 * HOUR + 30 * YEAR);
	add_at(stage, 0, 3 * HOUR, TODAY + 3 * HOUR - HOUR);
	expect_ages(stage, 0, 10 * HOUR, TODAY + 50 * YEAR, AGES(9 * HOUR, 8 * HOUR, 7 * HOUR));
	expect_ages(stage, 0, 10 * HOUR, TODAY - YEAR, AGES(9 * HOUR, 8 * HOUR, 7 * HOUR));
}

/* Between two boots only the wall clock knows; it is believed after a day. */
static void time_off_counts_after_a_day(void **state)
{
	struct stage *stage = *state;

	add_at(stage, 0, 5 * HOUR, TODAY);
	add_at(stage, 1, HOUR, TODAY + 9 * DAY);
	expect_ages(stage, 1, 2 * HOUR, TODAY + 9 * DAY + HOUR, AGES(HOUR, HOUR));
	expect_ages(stage, 1, 25 * HOUR, TODAY + 10 * DAY, AGES(10 * DAY, DAY));
	/* Nothing of the new boot is recorded yet. */
	stage->stock.n = 1;
	expect_ages(stage, 2, 25 * HOUR, TODAY + 9 * DAY, AGES(0));
}

/* A machine that came up years ahead, and was corrected before a day had gone by. */
static void wrong_clock_at_boot(void **state)
{
	struct stage *stage = *state;

	add_at(stage, 0, 5 * HOUR, TODAY);
	add_at(stage, 1, HOUR, TODAY + 30 * YEAR);
	expect_ages(stage, 1, 20 * HOUR, TODAY + 30 * YEAR + 19 * HOUR, AGES(19 * HOUR, 19 * HOUR));
	add_at(stage, 1, 21 * HOUR, TODAY + 21 * HOUR);
	expect_ages(stage, 1, 31 * HOUR, TODAY + 31 * HOUR, AGES(31 * HOUR, 30 * HOUR, 10 * HOUR));
}

/* A machine without a clock: each boot begins in 1970 until somebody tells it the time. */
static void clock_that_begins_in_1970(void **state)
{
	struct stage *stage = *state;

	add_at(stage, 0, 2 * HOUR, 2 * HOUR);
	add_at(stage, 1, HOUR, TODAY);
	expect_ages(stage, 1, 31 * HOUR, TODAY + 30 * HOUR, AGES(30 * HOUR, 30 * HOUR));
	/* In between, after boots that knew the time: theirs counts on. */
	set_up(state);
	add_at(stage, 0, 5 * HOUR, TODAY);
	add_at(stage, 1, 2 * HOUR, 2 * HOUR);
	add_at(stage, 2, HOUR, TODAY + 5 * DAY);
	expect_ages(stage, 2, 31 * HOUR, TODAY + 5 * DAY + 30 * HOUR,
		    AGES(5 * DAY + 30 * HOUR, 5 * DAY + 30 * HOUR, 30 * HOUR));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup(function, set_up)
	const struct CMUnitTest tests[] = {
		TEST(all_is_kept_without_limits),
		TEST(oldest_first_until_the_limit_holds),
		TEST(each_stream_has_its_own_limit),
		TEST(what_is_as_old_as_the_limit_stays),
		TEST(newest_stays),
		TEST(open_segment_is_closed_first),
		TEST(floor_takes_the_oldest),
		TEST(events_stay_longer),
		TEST(ages_of_one_boot),
		TEST(clock_that_jumps_makes_nothing_older),
		TEST(time_off_counts_after_a_day),
		TEST(wrong_clock_at_boot),
		TEST(clock_that_begins_in_1970),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
