/* The difference of two thumbnails as a glow over the view; see motion.h. */
#include "workers/processor/motion.h"

#include "workers/processor/processor.h"

#include <stdlib.h>

/* How much brighter than the difference the glow is: small things move little luma of a cell. */
#define GAIN 4

/* Where a pixel lies between the middles of two cells of the thumbnail: `second` counts with
 * weight/256, `first` with the rest. */
struct between {
	uint32_t first, second, weight;
};

static struct between between_cells(uint32_t at, uint32_t pixels, uint32_t cells)
{
	/* the pixel's middle in 256ths of a cell, from the middle of the first cell */
	int64_t place = ((2 * (int64_t)at + 1) * cells * 256) / (2 * (int64_t)pixels) - 128;
	if (place < 0)
		place = 0;
	uint32_t first = (uint32_t)(place / 256);
	if (first >= cells - 1)
		return (struct between){cells - 1, cells - 1, 0};
	return (struct between){first, first + 1, (uint32_t)(place % 256)};
}

static uint32_t mix(uint32_t first, uint32_t second, uint32_t weight)
{
	return (first * (256 - weight) + second * weight) / 256;
}

static uint32_t change_at(const uint8_t change[THUMB_SIZE], struct between x, struct between y)
{
	const uint8_t *above = change + (size_t)y.first * THUMB_WIDTH;
	const uint8_t *below = change + (size_t)y.second * THUMB_WIDTH;
	return mix(mix(above[x.first], above[x.second], x.weight),
		   mix(below[x.first], below[x.second], x.weight), y.weight);
}

/* Red comes first, then green on top of it makes yellow. */
static void glow(uint8_t *pixel, uint32_t change)
{
	uint32_t grey = (77U * pixel[0] + 150U * pixel[1] + 29U * pixel[2]) >> 9;
	uint32_t heat = change * GAIN < 511 ? change * GAIN : 511;
	uint32_t red = grey + heat, green = grey + (heat > 256 ? heat - 256 : 0);
	pixel[0] = (uint8_t)(red < 255 ? red : 255);
	pixel[1] = (uint8_t)(green < 255 ? green : 255);
	pixel[2] = (uint8_t)grey;
}

void motion_draw(uint8_t *view, uint32_t width, uint32_t height, const uint8_t thumb[THUMB_SIZE],
		 const uint8_t thumb_before[THUMB_SIZE])
{
	uint8_t change[THUMB_SIZE];
	for (uint32_t i = 0; i < THUMB_SIZE; i++)
		change[i] = (uint8_t)abs(thumb[i] - thumb_before[i]);
	for (uint32_t y = 0; y < height; y++) {
		struct between row = between_cells(y, height, THUMB_HEIGHT);
		for (uint32_t x = 0; x < width; x++, view += 3)
			glow(view, change_at(change, between_cells(x, width, THUMB_WIDTH), row));
	}
}

/* ---- the worker ---- */

static int motion_frame(struct worker *w, void *self, struct frame *frame)
{
	int rc = processor_frame(w, self, frame);
	if (rc == 0)
		motion_draw(frame->view, frame->stream->view_width, frame->stream->view_height,
			    frame->record->thumb, frame->record->thumb_before);
	return rc;
}

static void motion_dump(struct worker *w, void *self, FILE *out)
{
	processor_dump(w, self, out);
	fprintf(out, "drawn on the view: motion\n");
}

static const struct need needs[] = {
	{NEED_READ, "model"},
};

const struct worker_table motion_table = {
	.name = "processor-motion",
	.version = TROUPE_VERSION,
	.summary = "a processor that paints on the view what has moved",
	.takes = WORKER_TAKES_QUEUE,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {processor_rows, PROCESSOR_ROWS, sizeof(struct processor_config)},
	.open = processor_open,
	.frame = motion_frame,
	.close = processor_close,
	.dump = motion_dump,
};
