/* When frames are shown; see film_clock.h. */
#include "tools/troupe/film_clock.h"

#include "ipc/base/clock.h"

#define STEP_LEAST   (NS_PER_MS / 10) /* nothing is shown for less; clocks that go back neither */
#define STEP_USUAL   (40 * NS_PER_MS)
#define LAST_LONGEST NS_PER_S

int64_t film_clock_between(const struct record *from, const struct record *to)
{
	int64_t step = to->run == from->run ? to->captured - from->captured
					    : to->captured_wall - from->captured_wall;
	return step > STEP_LEAST ? step : STEP_LEAST;
}

int64_t film_clock_next(struct film_clock *clock, const struct record *record)
{
	const struct record last = {
		.run = clock->run, .captured = clock->captured, .captured_wall = clock->wall};
	if (clock->frames++ > 0) {
		int64_t step = film_clock_between(&last, record);
		clock->now += clock->cut > 0 && step > clock->cut ? clock->cut : step;
	}
	clock->run = record->run;
	clock->captured = record->captured;
	clock->wall = record->captured_wall;
	return clock->now;
}

int64_t film_clock_last(const struct film_clock *clock)
{
	if (clock->frames < 2)
		return STEP_USUAL;
	int64_t mean = clock->now / (int64_t)(clock->frames - 1);
	return mean < LAST_LONGEST ? mean : LAST_LONGEST;
}
