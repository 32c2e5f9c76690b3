/* When frames are shown; see timeline.h. */
#include "tools/troupe/timeline.h"

#include "ipc/base/clock.h"

#define STEP_LEAST   (NS_PER_MS / 10) /* nothing is shown for less; clocks that go back neither */
#define STEP_USUAL   (40 * NS_PER_MS)
#define LAST_LONGEST NS_PER_S

int64_t timeline_next(struct timeline *timeline, const struct record *record)
{
	if (timeline->begun) {
		int64_t step = record->run == timeline->run
				       ? record->captured - timeline->captured
				       : record->captured_wall - timeline->wall;
		if (timeline->cut > 0 && step > timeline->cut)
			step = timeline->cut;
		timeline->step = step > STEP_LEAST ? step : STEP_LEAST;
		timeline->now += timeline->step;
	}
	timeline->begun = true;
	timeline->run = record->run;
	timeline->captured = record->captured;
	timeline->wall = record->captured_wall;
	return timeline->now;
}

int64_t timeline_last(const struct timeline *timeline)
{
	if (timeline->step == 0)
		return STEP_USUAL;
	return timeline->step < LAST_LONGEST ? timeline->step : LAST_LONGEST;
}
