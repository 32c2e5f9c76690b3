/* JPEG in and out by libturbojpeg. Planes are full-range BT.601 (what JFIF holds), 4:2:0, tight: no
 * conversion happens on the way. The same input gives the same bytes on every run. One encoder or
 * decoder belongs to one thread. */
#ifndef TROUPE_WORKERS_MEDIA_JPEG_H
#define TROUPE_WORKERS_MEDIA_JPEG_H

#include <stddef.h>
#include <stdint.h>

struct jpeg_encoder;
struct jpeg_decoder;

/* NULL: out of memory. */
struct jpeg_encoder *jpeg_encoder_create(void);
void jpeg_encoder_destroy(struct jpeg_encoder *encoder);

/* Encodes tight I420 planes of width x height (both even) at `quality` 1..100. *out belongs to the
 * encoder and is valid until its next call. TROUPE_E_ARGUMENT, TROUPE_E_MEMORY. */
int jpeg_encode_i420(struct jpeg_encoder *encoder, const uint8_t *i420, uint32_t width,
		     uint32_t height, uint32_t quality, const uint8_t **out, size_t *size);

/* The same for tight rows of R, G, B; any size. */
int jpeg_encode_rgb(struct jpeg_encoder *encoder, const uint8_t *rgb, uint32_t width,
		    uint32_t height, uint32_t quality, const uint8_t **out, size_t *size);

/* NULL: out of memory. */
struct jpeg_decoder *jpeg_decoder_create(void);
void jpeg_decoder_destroy(struct jpeg_decoder *decoder);

/* Reads width and height from the header. TROUPE_E_CORRUPT: not a JPEG. */
int jpeg_size(struct jpeg_decoder *decoder, const uint8_t *data, size_t size, uint32_t *width,
	      uint32_t *height);

/* Decodes a 4:2:0 JPEG of even size into tight I420 planes; `capacity` is the room at `i420` in
 * bytes. TROUPE_E_CORRUPT: damaged or cut; TROUPE_E_OVERSIZED: no room; TROUPE_E_UNSUPPORTED: not
 * 4:2:0 or odd. */
int jpeg_decode_i420(struct jpeg_decoder *decoder, const uint8_t *data, size_t size, uint8_t *i420,
		     size_t capacity, uint32_t *width, uint32_t *height);

/* Decodes the luma of any JPEG into tight rows. Errors as above. */
int jpeg_decode_gray(struct jpeg_decoder *decoder, const uint8_t *data, size_t size, uint8_t *luma,
		     size_t capacity, uint32_t *width, uint32_t *height);

/* Decodes any JPEG, of a camera too, at full size to tight I420 planes of even size: an odd row or
 * column is cut off. *i420 is the decoder's, until its next call. TROUPE_E_CORRUPT,
 * TROUPE_E_MEMORY. */
int jpeg_decode_any(struct jpeg_decoder *decoder, const uint8_t *data, size_t size,
		    const uint8_t **i420, uint32_t *width, uint32_t *height);

enum jpeg_pixels { JPEG_GRAY, JPEG_BGRA };

struct jpeg_picture {
	const uint8_t *pixels; /* the decoder's, until its next call; tight rows */
	uint32_t width, height;
	uint32_t full_width, full_height; /* of the JPEG */
};

/* Decodes to the smallest of 1/8, 1/4, 1/2 and the full size that has the least size or more, which
 * costs accordingly less. Bytes too many inside are no error. TROUPE_E_CORRUPT, TROUPE_E_MEMORY. */
int jpeg_decode_reduced(struct jpeg_decoder *decoder, const uint8_t *data, size_t size,
			enum jpeg_pixels as, uint32_t least_width, uint32_t least_height,
			struct jpeg_picture *picture);

#endif
