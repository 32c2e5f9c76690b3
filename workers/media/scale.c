/* View and thumbnail by libyuv, which has each row operation in SIMD. */
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
	if (I420Scale(from.y, from.width, from.u, from.chroma_width, from.v, from.chroma_width,
		      from.width, from.height, to.y, to.width, to.u, to.chroma_width, to.v,
		      to.chroma_width, to.width, to.height, kFilterBox))
		return TROUPE_E_MEMORY;
	return to_rgb(to, rgb);
}

void scale_luma_to_thumb(const uint8_t *luma, uint32_t stride, uint32_t width, uint32_t height,
			 uint8_t thumb[THUMB_SIZE])
{
	ScalePlane(luma, (int)stride, (int)width, (int)height, thumb, THUMB_WIDTH, THUMB_WIDTH,
		   THUMB_HEIGHT, kFilterBox);
}

float thumb_motion(const uint8_t a[THUMB_SIZE], const uint8_t b[THUMB_SIZE])
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < THUMB_SIZE; i++)
		sum += (uint32_t)abs(a[i] - b[i]);
	return (float)sum / (255.0F * THUMB_SIZE);
}
