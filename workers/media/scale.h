/* Resizing and recolouring by libyuv: the view that models look at, the thumbnail that motion is
 * measured with. Source planes are tight full-range I420 as in the slot's image. */
#ifndef TROUPE_WORKERS_MEDIA_SCALE_H
#define TROUPE_WORKERS_MEDIA_SCALE_H

#include "ipc/slots/layout.h"

#include <stdint.h>

/* Scratch memory for one thread's conversions; it only grows. */
struct scaler;

struct scaler *scaler_create(void); /* NULL: out of memory */
void scaler_destroy(struct scaler *scaler);

/* Writes an I420 image of width x height (both even) as tight R, G, B rows of out_width x
 * out_height (any size), each output pixel the mean of what it covers (within 1 %).
 * TROUPE_E_ARGUMENT, TROUPE_E_MEMORY. */
int scale_i420_to_rgb(struct scaler *scaler, const uint8_t *i420, uint32_t width, uint32_t height,
		      uint8_t *rgb, uint32_t out_width, uint32_t out_height);

/* The same from tight B, G, R, A rows, with the filter of libyuv. */
int scale_bgra_to_rgb(struct scaler *scaler, const uint8_t *bgra, uint32_t width, uint32_t height,
		      uint8_t *rgb, uint32_t out_width, uint32_t out_height);

/* Shrinks a luma plane (`stride` bytes from row to row) to the thumbnail of THUMB_WIDTH x
 * THUMB_HEIGHT. */
void scale_luma_to_thumb(const uint8_t *luma, uint32_t stride, uint32_t width, uint32_t height,
			 uint8_t thumb[THUMB_SIZE]);

/* Mean absolute difference of two thumbnails, 0 (equal) to 1 (black against white). */
float thumb_motion(const uint8_t a[THUMB_SIZE], const uint8_t b[THUMB_SIZE]);

#endif
