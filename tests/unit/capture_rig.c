/* One stream, its capture and its processor in one process. */
#include "tests/unit/capture_rig.h"

#include "ipc/base/errors.h"
#include "ipc/slots/seats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct ledger *rig_create(uint32_t width, uint32_t height, bool live)
{
	static const char *const labels[] = {"none", "circle", "square", "triangle", "cross"};
	const struct stream_plan stream = {
		.name = "cam1",
		.n_slots = RIG_SLOTS,
		.width = width,
		.height = height,
		.view_width = width / 2,
		.view_height = height / 2,
		.fps_num = 30,
		.fps_den = 1,
		.quality = 85,
		.live = live,
	};
	const struct ledger_plan plan = {
		.pipeline = "rig",
		.run = 1,
		.hang_after = INT64_C(60000000000),
		.bypass_after = INT64_C(60000000000),
		.n_streams = 1,
		.streams = &stream,
	};
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	assert_non_null(ledger);
	assert_int_equal(ledger_create(ledger, &plan), 0);
	for (uint32_t i = 0; i < 5; i++)
		snprintf(ledger->header->labels[i], NAME_SIZE, "%s", labels[i]);
	atomic_store(&ledger->header->n_labels, 5);
	assert_int_equal(seat_assign(ledger, "capture.cam1", 1), RIG_CAPTURE);
	assert_int_equal(seat_assign(ledger, "processor.1", 1), RIG_PROCESSOR);
	return ledger;
}

void rig_destroy(struct ledger *ledger)
{
	ledger_finish(ledger);
	free(ledger);
}

struct worker *rig_worker(struct ledger *ledger, const struct worker_table *table, uint8_t seat,
			  const char *lines)
{
	struct worker *w = NULL;
	char why[512] = "";
	if (worker_create(&w, table, ledger, seat, 0, lines, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	return w;
}

const struct slot_record *rig_capture(struct ledger *ledger, struct worker *capture)
{
	uint32_t slot;
	uint64_t before = ledger_last_seq(ledger, 0, NULL);
	int rc = worker_turn(capture, NULL);
	if (rc < 0 && rc != TROUPE_E_ENDED)
		fail_msg("capture: %s", error_text(rc));
	return ledger_last_seq(ledger, 0, &slot) > before ? &ledger->records[slot] : NULL;
}

const struct slot_record *rig_capture_when_due(struct ledger *ledger, struct worker *capture)
{
	const struct slot_record *record;
	while ((record = rig_capture(ledger, capture)) == NULL)
		continue;
	return record;
}

void rig_pass(struct ledger *ledger)
{
	uint32_t slot;
	while (ledger_claim(ledger, RIG_PROCESSOR, &slot) == 0)
		assert_int_equal(ledger_finish_frame(ledger, slot, RIG_PROCESSOR), 0);
}
