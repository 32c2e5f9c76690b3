/* A processor that draws the edges it finds on the view. */
#ifndef TROUPE_WORKERS_PROCESSOR_EDGES_H
#define TROUPE_WORKERS_PROCESSOR_EDGES_H

#include "ipc/worker/worker.h"

/* Draws the edges of a view of width x height pixels (tight RGB24 rows) on itself: by Sobel's two
 * 3 x 3 masks over its luma, the border continued outwards. Every pixel becomes a third of what it
 * was plus green light as strong as the edge, (|gx| + |gy|) / 2, at most 255; no edge, no light.
 * `luma` is scratch of width x height bytes. */
void edges_draw(uint8_t *view, uint32_t width, uint32_t height, uint8_t *luma);

extern const struct worker_table edges_table;

#endif
