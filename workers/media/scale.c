/* Views by libyuv, which has each row operation in SIMD; thumbnails exactly. */
#include "workers/media/scale.h"

#include "ipc/base/errors.h"

#include <libyuv.h>
#include <stdlib.h>

#define SIDE_MAX 16384

struct scaler {
	uint8_t *planes;
	size_t capacity;
};

struct scaler *scaler_create(void)
{
	return calloc(1, sizeof(struct scaler));
}

void scaler_destroy(struct scaler *scaler)
{
	if (!scaler)
		return;
	free(scaler->planes);
	free(scaler);
}

static int reserve(struct scaler *scaler, size_t need)
{
	if (need <= scaler->capacity)
		return 0;
	uint8_t *planes = realloc(scaler->planes, need);
	if (!planes)
		return TROUPE_E_MEMORY;
	scaler->planes = planes;
	scaler->capacity = need;
	return 0;
}

/* Three planes of one I420 image; the chroma of an odd side is rounded up. */
struct planes {
	uint8_t *y, *u, *v;
	int width, height, chroma_width;
};

static struct planes planes_of(uint8_t *base, uint32_t width, uint32_t height)
{
	size_t luma = (size_t)width * height;
	size_t chroma = (size_t)((width + 1) / 2) * ((height + 1) / 2);
	return (struct planes){
		.y = base,
		.u = base + luma,
		.v = base + luma + chroma,
		.width = (int)width,
		.height = (int)height,
		.chroma_width = (int)(width + 1) / 2,
	};
}

static int to_rgb(struct planes from, uint8_t *rgb)
{
	int rc = J420ToRAW(from.y, from.width, from.u, from.chroma_width, from.v, from.chroma_width,
			   rgb, from.width * 3, from.width, from.height);
	return rc ? TROUPE_E_ARGUMENT : 0;
}

/* A plane to be read or written. */
struct plane {
	uint8_t *pixels;
	uint32_t stride, width, height;
};

/* Rounded mean of the columns [left, right) of the rows [top, bottom). */
static uint8_t box_mean(struct plane plane, uint32_t left, uint32_t right, uint32_t top,
			uint32_t bottom)
{
	uint32_t sum = 0, count = (right - left) * (bottom - top);
	for (uint32_t row = top; row < bottom; row++) {
		const uint8_t *at = plane.pixels + (size_t)row * plane.stride;
		for (uint32_t column = left; column < right; column++)
			sum += at[column];
	}
	return (uint8_t)((sum + count / 2) / count);
}

/* Where the box of an output pixel begins and ends; it covers one pixel at least. */
static void box_of(uint32_t at, uint32_t from, uint32_t to, uint32_t *begin, uint32_t *end)
{
	*begin = at * from / to;
	*end = (at + 1) * from / to;
	if (*end == *begin)
		++*end;
}

/* Exact means of what output pixels cover: what libyuv's box filter is too, but for its sums in 16
 * bits, whose error grows with the box (1 % at 50 x 50 pixels, nonsense above 256 x 256). */
static void shrink_exactly(struct plane from, struct plane to)
{
	for (uint32_t y = 0; y < to.height; y++) {
		uint32_t top, bottom, left, right;
		box_of(y, from.height, to.height, &top, &bottom);
		for (uint32_t x = 0; x < to.width; x++) {
			box_of(x, from.width, to.width, &left, &right);
			to.pixels[(size_t)y * to.stride + x] =
				box_mean(from, left, right, top, bottom);
		}
	}
}

/* Boxes above this many pixels are not left to libyuv. */
#define BOX_MAX 1024

static int scale_planes(struct planes from, struct planes to)
{
	if ((int64_t)from.width * from.height <= (int64_t)to.width * to.height * BOX_MAX)
		return I420Scale(from.y, from.width, from.u, from.chroma_width, from.v,
				 from.chroma_width, from.width, from.height, to.y, to.width, to.u,
				 to.chroma_width, to.v, to.chroma_width, to.width, to.height,
				 kFilterBox)
			       ? TROUPE_E_MEMORY
			       : 0;
	uint8_t *const source[] = {from.y, from.u, from.v}, *const target[] = {to.y, to.u, to.v};
	for (int i = 0; i < 3; i++) {
		uint32_t half = i ? 1 : 0;
		uint32_t stride = (uint32_t)(i ? from.chroma_width : from.width);
		uint32_t out_stride = (uint32_t)(i ? to.chroma_width : to.width);
		shrink_exactly(
			(struct plane){source[i], stride, stride, (uint32_t)from.height >> half},
			(struct plane){target[i], out_stride, out_stride,
				       ((uint32_t)to.height + half) >> half});
	}
	return 0;
}

int scale_i420_to_rgb(struct scaler *scaler, const uint8_t *i420, uint32_t width, uint32_t height,
		      uint8_t *rgb, uint32_t out_width, uint32_t out_height)
{
	if (!width || !height || width % 2 || height % 2 || !out_width || !out_height ||
	    width > SIDE_MAX || height > SIDE_MAX || out_width > SIDE_MAX || out_height > SIDE_MAX)
		return TROUPE_E_ARGUMENT;
	/* planes_of is for both sides of the scaling; the source is only read. */
	struct planes from = planes_of((uint8_t *)(uintptr_t)i420, width, height);
	if (width == out_width && height == out_height)
		return to_rgb(from, rgb);
	size_t chroma = (size_t)((out_width + 1) / 2) * ((out_height + 1) / 2);
	int rc = reserve(scaler, (size_t)out_width * out_height + 2 * chroma);
	if (rc < 0)
		return rc;
	struct planes to = planes_of(scaler->planes, out_width, out_height);
	rc = scale_planes(from, to);
	if (rc < 0)
		return rc;
	return to_rgb(to, rgb);
}

void scale_luma_to_thumb(const uint8_t *luma, uint32_t stride, uint32_t width, uint32_t height,
			 uint8_t thumb[THUMB_SIZE])
{
	/* shrink_exactly only reads what it shrinks. */
	shrink_exactly((struct plane){(uint8_t *)(uintptr_t)luma, stride, width, height},
		       (struct plane){thumb, THUMB_WIDTH, THUMB_WIDTH, THUMB_HEIGHT});
}

float thumb_motion(const uint8_t a[THUMB_SIZE], const uint8_t b[THUMB_SIZE])
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < THUMB_SIZE; i++)
		sum += (uint32_t)abs(a[i] - b[i]);
	return (float)sum / (255.0F * THUMB_SIZE);
}
