/* From whatever a decoder delivers to the image of a slot: tight I420, full-range BT.601, as JPEG
 * has it. */
#ifndef TROUPE_WORKERS_MEDIA_CONVERT_H
#define TROUPE_WORKERS_MEDIA_CONVERT_H

#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether frames of an enum AVPixelFormat can be converted. */
bool convert_supported(int pixel_format);

/* Writes the top left width x height (both even, at most the frame's) of `frame` to `i420`.
 * TROUPE_E_UNSUPPORTED: another pixel format; TROUPE_E_ARGUMENT. */
int convert_to_i420(const AVFrame *frame, uint32_t width, uint32_t height, uint8_t *i420);

#endif
