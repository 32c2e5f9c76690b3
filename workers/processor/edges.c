/* Sobel's masks over the luma of the view; see edges.h. */
#include "workers/processor/edges.h"

#include "ipc/base/errors.h"
#include "workers/processor/processor.h"

#include <stdlib.h>

/* What an edge of full strength adds to red, green and blue. */
static const uint8_t light[3] = {40, 255, 120};

static void luma_of(const uint8_t *view, size_t pixels, uint8_t *luma)
{
	for (size_t i = 0; i < pixels; i++, view += 3)
		luma[i] = (uint8_t)((77 * view[0] + 150 * view[1] + 29 * view[2]) >> 8);
}

/* The strength of the edge at column x, `left` and `right` its neighbours; the rows are above, at
 * and below the pixel. */
static uint32_t strength(const uint8_t *const rows[3], uint32_t left, uint32_t x, uint32_t right)
{
	int32_t gx = rows[0][right] + 2 * rows[1][right] + rows[2][right] - rows[0][left] -
		     2 * rows[1][left] - rows[2][left];
	int32_t gy = rows[2][left] + 2 * rows[2][x] + rows[2][right] - rows[0][left] -
		     2 * rows[0][x] - rows[0][right];
	uint32_t edge = (uint32_t)(abs(gx) + abs(gy)) / 2;
	return edge < 255 ? edge : 255;
}

static void light_up(uint8_t *pixel, uint32_t edge)
{
	for (int i = 0; i < 3; i++) {
		uint32_t lit = pixel[i] / 3U + light[i] * edge / 255;
		pixel[i] = (uint8_t)(lit < 255 ? lit : 255);
	}
}

void edges_draw(uint8_t *view, uint32_t width, uint32_t height, uint8_t *luma)
{
	luma_of(view, (size_t)width * height, luma);
	for (uint32_t y = 0; y < height; y++) {
		const uint8_t *at = luma + (size_t)y * width;
		const uint8_t *const rows[3] = {y ? at - width : at, at,
						y + 1 < height ? at + width : at};
		for (uint32_t x = 0; x < width; x++, view += 3)
			light_up(view, strength(rows, x ? x - 1 : x, x, x + 1 < width ? x + 1 : x));
	}
}

/* ---- the worker ---- */

struct edges {
	void *processor;
	uint8_t *luma;
};

static void edges_close(struct worker *w, void *self)
{
	struct edges *edges = self;
	if (edges->processor)
		processor_close(w, edges->processor);
	free(edges->luma);
	free(edges);
}

/* The scratch is as large as the largest view: views have their size for the whole run. */
static uint8_t *scratch_create(const struct ledger *ledger)
{
	size_t most = 1;
	for (uint32_t i = 0; i < ledger->header->n_streams; i++) {
		const struct stream_row *stream = &ledger->streams[i];
		size_t pixels = (size_t)stream->view_width * stream->view_height;
		most = pixels > most ? pixels : most;
	}
	return malloc(most);
}

static int edges_open(struct worker *w, void **self)
{
	struct edges *edges = calloc(1, sizeof(*edges));
	if (!edges)
		return TROUPE_E_MEMORY;
	edges->luma = scratch_create(worker_ledger(w));
	int rc = edges->luma ? processor_open(w, &edges->processor) : TROUPE_E_MEMORY;
	if (rc < 0) {
		edges_close(w, edges);
		return rc;
	}
	*self = edges;
	return 0;
}

static int edges_frame(struct worker *w, void *self, struct frame *frame)
{
	struct edges *edges = self;
	int rc = processor_frame(w, edges->processor, frame);
	if (rc == 0)
		edges_draw(frame->view, frame->stream->view_width, frame->stream->view_height,
			   edges->luma);
	return rc;
}

static void edges_dump(struct worker *w, void *self, FILE *out)
{
	const struct edges *edges = self;
	processor_dump(w, edges->processor, out);
	fprintf(out, "drawn on the view: edges\n");
}

static const struct need needs[] = {
	{NEED_READ, "model"},
};

const struct worker_table edges_table = {
	.name = "processor-edges",
	.version = TROUPE_VERSION,
	.summary = "a processor that draws the edges it finds on the view",
	.takes = WORKER_TAKES_QUEUE,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {processor_rows, PROCESSOR_ROWS, sizeof(struct processor_config)},
	.open = edges_open,
	.frame = edges_frame,
	.close = edges_close,
	.dump = edges_dump,
};
