/* A processor that paints on the view what has moved. */
#ifndef TROUPE_WORKERS_PROCESSOR_MOTION_H
#define TROUPE_WORKERS_PROCESSOR_MOTION_H

#include "ipc/worker/worker.h"

/* Paints on a view of width x height pixels (tight RGB24 rows) where the thumbnail of its frame
 * differs from its predecessor's: the view becomes grey and half as bright, and over it lies a glow
 * from red to yellow, the stronger the more the luma there has changed. The difference is
 * interpolated between the middles of the thumbnail's pixels. */
void motion_draw(uint8_t *view, uint32_t width, uint32_t height, const uint8_t thumb[THUMB_SIZE],
		 const uint8_t thumb_before[THUMB_SIZE]);

extern const struct worker_table motion_table;

#endif
