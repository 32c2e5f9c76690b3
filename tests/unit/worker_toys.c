/* Toys: what they do with a frame is as little as can be checked. */
#include "tests/unit/worker_toys.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct toy_config {
	int64_t frames;
	bool fail;
};

static const struct row toy_rows[] = {
	{.name = "frames", .type = ROW_INT, ROW_AT(struct toy_config, frames), .fallback = "100"},
	{.name = "fail", .type = ROW_BOOL, ROW_AT(struct toy_config, fail), .fallback = "no"},
};

#define TOY_ROWS                                                                                   \
	{                                                                                          \
		.rows = toy_rows, .count = 2, .config_size = sizeof(struct toy_config)             \
	}

struct toy {
	int64_t made;
	uint64_t taken[TOY_FRAMES + 1];
	int n_taken;
	int refuse; /* taps: say "later" so often */
};

static int toy_open(struct worker *w, void **self)
{
	const struct toy_config *config = worker_config(w);
	if (config->fail)
		return TROUPE_E_NOT_FOUND;
	*self = calloc(1, sizeof(struct toy));
	return *self ? 0 : TROUPE_E_MEMORY;
}

static void toy_close(struct worker *w, void *self)
{
	(void)w;
	free(self);
}

static int source_frame(struct worker *w, void *self, struct frame *frame)
{
	struct toy *toy = self;
	const struct slot_record *last = worker_last_record(w);
	const struct toy_config *config = worker_config(w);
	uint64_t index = last ? last->source_index + 1 : 0;
	if (index >= (uint64_t)config->frames)
		return SOURCE_ENDED;
	if (index % 10 == 5 && toy->made++ % 2 == 0) /* every so often nothing comes at first */
		return SOURCE_NOTHING;
	frame->record->source_index = index;
	frame->record->pts = (int64_t)index * NS_PER_MS;
	memset(frame->image, (int)(index & 0xff), frame->stream->image_size);
	return SOURCE_PUBLISH;
}

static int queue_frame(struct worker *w, void *self, struct frame *frame)
{
	(void)w;
	(void)self;
	frame->record->coded_bytes = 1;
	frame->coded[0] = frame->image[0];
	return 0;
}

static int tap_ready(struct worker *w, void *self)
{
	(void)self;
	worker_tap_start(w, 0, 0);
	return 0;
}

static int tap_frame(struct worker *w, void *self, struct frame *frame)
{
	struct toy *toy = self;
	if (toy->refuse > 0) {
		toy->refuse--;
		return TAP_LATER;
	}
	assert_int_equal(frame->coded[0], (frame->seq - 1) & 0xff);
	toy->taken[toy->n_taken++] = frame->seq;
	if (frame->seq % 3 == 0)
		worker_settle(w, 0, frame->seq);
	return TAP_TAKEN;
}

static int tap_drain(struct worker *w, void *self)
{
	struct toy *toy = self;
	if (toy->n_taken)
		worker_settle(w, 0, toy->taken[toy->n_taken - 1]);
	return 0;
}

static int64_t tap_tick(struct worker *w, void *self, int64_t now)
{
	struct toy *toy = self;
	if (worker_free_percent(w, 0) < 30 && toy->n_taken)
		worker_settle(w, 0, toy->taken[toy->n_taken - 1]);
	return now + NS_PER_S;
}

static int peek_frame(struct worker *w, void *self, struct frame *frame)
{
	struct toy *toy = self;
	if (worker_still(w, frame) && toy->n_taken < TOY_FRAMES)
		toy->taken[toy->n_taken++] = frame->seq;
	return 0;
}

static void toy_dump(struct worker *w, void *self, FILE *out)
{
	(void)w;
	(void)self;
	fprintf(out, "toy: yes\n");
}

#define TOY(name_, takes_)                                                                         \
	.name = (name_), .version = "1", .summary = "a toy", .takes = (takes_), .rows = TOY_ROWS,  \
	.open = toy_open, .close = toy_close, .dump = toy_dump

const struct worker_table toy_source = {TOY("source", WORKER_TAKES_SOURCE), .frame = source_frame};
const struct worker_table toy_queue = {TOY("queue", WORKER_TAKES_QUEUE), .frame = queue_frame};
const struct worker_table toy_tap = {TOY("tap", WORKER_TAKES_TAP), .ready = tap_ready,
				     .frame = tap_frame, .tick = tap_tick, .drain = tap_drain};
const struct worker_table toy_peek = {TOY("peek", WORKER_TAKES_EACH), .frame = peek_frame};

void toy_ledger(struct ledger *ledger)
{
	static const char *const taps[] = {"tap"};
	struct stream_plan stream = {.name = "s",
				     .n_slots = 12,
				     .width = 16,
				     .height = 16,
				     .view_width = 8,
				     .view_height = 8,
				     .fps_num = 1,
				     .fps_den = 1,
				     .quality = 80,
				     .taps_on = 1};
	struct ledger_plan plan = {.pipeline = "test",
				   .run = 1,
				   .hang_after = NS_PER_S,
				   .bypass_after = 60 * NS_PER_S,
				   .n_streams = 1,
				   .streams = &stream,
				   .n_taps = 1,
				   .taps = taps};
	assert_int_equal(ledger_create(ledger, &plan), 0);
}
