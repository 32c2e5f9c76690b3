/* What the bytes in a camera's buffer mean, and how they become the image of a slot. */
#ifndef TROUPE_WORKERS_CAPTURE_V4L2_PIXELS_H
#define TROUPE_WORKERS_CAPTURE_V4L2_PIXELS_H

#include "workers/capture/source.h"

#include <linux/videodev2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIXELS_UNKNOWN UINT32_MAX

/* The place of a format in the order of preference, 0 the best: what becomes I420 for the least
 * work comes first, what has no colour last. PIXELS_UNKNOWN: we cannot convert it. */
uint32_t pixels_rank(uint32_t fourcc);

/* Whether a frame of it is one JPEG. */
bool pixels_are_jpeg(uint32_t fourcc);

/* Conversion of frames of one format; it reads a frame once. For a format of PIXELS_UNKNOWN it is
 * libv4lconvert's, for which `fd` is the camera's. One thread. */
struct pixels;

/* TROUPE_E_UNSUPPORTED: nobody can convert it; TROUPE_E_MEMORY. */
int pixels_create(struct pixels **pixels, const struct v4l2_pix_format *format, int fd);
void pixels_destroy(struct pixels *pixels); /* NULL is fine */

/* Writes the top left width x height (both even) to `i420`. TROUPE_E_TRUNCATED: the frame is
 * shorter than it must be; TROUPE_E_CORRUPT: it cannot be converted. */
int pixels_convert(struct pixels *pixels, const uint8_t *data, size_t size, uint32_t width,
		   uint32_t height, uint8_t *i420);

/* Copies the JPEG of width x height that a frame is, and makes its thumbnail; see source.h. Errors
 * as above; a JPEG that does not fit is TROUPE_E_CORRUPT as well: nobody could store it. */
int pixels_copy_jpeg(struct pixels *pixels, const uint8_t *data, size_t size, uint32_t width,
		     uint32_t height, struct source_coded *to);

/* Bytes that a whole frame has at least; 0: any number. */
size_t pixels_size(const struct pixels *pixels);

#endif
