/* A small ledger for tests. */
#include "tests/unit/small_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct ledger_plan small_plan(struct stream_plan *streams)
{
	static const char *const taps[] = {"storer", "second"};
	for (int i = 0; i < 2; i++) {
		streams[i] = (struct stream_plan){
			.name = i == LIVE_STREAM ? "live" : "other",
			.n_slots = i == LIVE_STREAM ? 8 : 4,
			.width = 16,
			.height = 8,
			.view_width = 8,
			.view_height = 4,
			.fps_num = 30,
			.fps_den = 1,
			.quality = 80,
			.live = i == LIVE_STREAM,
			.taps_on = 3,
		};
	}
	return (struct ledger_plan){
		.pipeline = "small",
		.run = 1,
		.hang_after = BYPASS_AFTER,
		.bypass_after = BYPASS_AFTER,
		.low_water_percent = 50,
		.n_streams = 2,
		.streams = streams,
		.n_taps = 2,
		.taps = taps,
	};
}

int small_setup(void **state)
{
	struct stream_plan streams[2];
	struct ledger_plan plan = small_plan(streams);
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	*state = ledger;
	return ledger ? ledger_create(ledger, &plan) : -1;
}

int small_teardown(void **state)
{
	ledger_finish(*state);
	free(*state);
	return 0;
}

uint32_t small_publish(struct ledger *ledger, uint32_t stream, uint8_t seat, int64_t pts)
{
	uint32_t slot = SLOT_NONE;
	assert_int_equal(ledger_take(ledger, stream, seat, &slot), 0);
	ledger->records[slot].pts = pts;
	assert_int_equal(ledger_publish(ledger, slot, seat), 0);
	return slot;
}

uint32_t small_finish(struct ledger *ledger, uint32_t stream, int64_t pts)
{
	uint32_t slot = small_publish(ledger, stream, 1, pts), claimed = SLOT_NONE;
	assert_int_equal(ledger_claim(ledger, 2, &claimed), 0);
	assert_int_equal(claimed, slot);
	assert_int_equal(ledger_finish_frame(ledger, slot, 2), 0);
	return slot;
}

struct slot_word small_word(const struct ledger *ledger, uint32_t slot)
{
	return word_unpack(ledger_word(ledger, slot));
}
