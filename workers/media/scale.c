/* Views by libyuv, which has each row operation in SIMD; thumbnails exactly. */
#include "workers/media/scale.h"

#include "ipc/base/errors.h"

#include <libyuv.h>
#include <stdlib.h>
#include <string.h>

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

/* How the planes of an I420 image lie; the chroma of an odd side is rounded up. */
struct shape {
	int width, height, chroma_width, chroma_height;
	size_t u_at, v_at, size; /* bytes from its beginning */
};

static struct shape shape_of(uint32_t width, uint32_t height)
{
	size_t luma = (size_t)width * height;
	size_t chroma = (size_t)((width + 1) / 2) * ((height + 1) / 2);
	return (struct shape){
		.width = (int)width,
		.height = (int)height,
		.chroma_width = (int)(width + 1) / 2,
		.chroma_height = (int)(height + 1) / 2,
		.u_at = luma,
		.v_at = luma + chroma,
		.size = luma + 2 * chroma,
	};
}

static int to_rgb(const uint8_t *i420, struct shape shape, uint8_t *rgb)
{
	int rc = J420ToRAW(i420, shape.width, i420 + shape.u_at, shape.chroma_width,
			   i420 + shape.v_at, shape.chroma_width, rgb, shape.width * 3, shape.width,
			   shape.height);
	return rc ? TROUPE_E_ARGUMENT : 0;
}

/* A plane to be read. */
struct plane {
	const uint8_t *pixels;
	uint32_t stride, width, height;
};

/* The sums of so many rows fit into 16 bits. */
#define ROWS_MAX 257

/* So many columns are summed at once; gcc 12 makes no such vectors of a plain loop at -O2. */
#define STEP 16
typedef uint8_t step_bytes __attribute__((vector_size(STEP)));
typedef uint16_t step_sums __attribute__((vector_size(2 * STEP)));

static void add_row(uint16_t *sums, const uint8_t *row, uint32_t width)
{
	uint32_t at = 0;
	for (; at + STEP <= width; at += STEP) {
		step_bytes bytes;
		step_sums some;
		memcpy(&bytes, row + at, sizeof(bytes));
		memcpy(&some, sums + at, sizeof(some));
		some += __builtin_convertvector(bytes, step_sums);
		memcpy(sums + at, &some, sizeof(some));
	}
	for (; at < width; at++)
		sums[at] = (uint16_t)(sums[at] + row[at]);
}

/* The sum of each column over the rows [top, bottom). */
static void sum_columns(struct plane plane, uint32_t top, uint32_t bottom, uint32_t sums[SIDE_MAX])
{
	uint16_t some[SIDE_MAX];
	memset(sums, 0, plane.width * sizeof(*sums));
	while (top < bottom) {
		uint32_t end = bottom - top > ROWS_MAX ? top + ROWS_MAX : bottom;
		memset(some, 0, plane.width * sizeof(*some));
		for (; top < end; top++)
			add_row(some, plane.pixels + (size_t)top * plane.stride, plane.width);
		for (uint32_t i = 0; i < plane.width; i++)
			sums[i] += some[i];
	}
}

/* Rounded mean of the columns [left, right) of `rows` rows, from the columns' sums. */
static uint8_t box_mean(const uint32_t *sums, uint32_t left, uint32_t right, uint32_t rows)
{
	uint32_t sum = 0, count = (right - left) * rows;
	for (uint32_t column = left; column < right; column++)
		sum += sums[column];
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
 * bits, whose error grows with the box (1 % at 50 x 50 pixels, nonsense above 256 x 256). Each row
 * is read once and as a whole: for a thumbnail of 1080p three times as fast as box after box. */
static void shrink_exactly(struct plane from, uint8_t *to, uint32_t width, uint32_t height)
{
	uint32_t sums[SIDE_MAX];
	for (uint32_t y = 0; y < height; y++) {
		uint32_t top, bottom, left, right;
		box_of(y, from.height, height, &top, &bottom);
		sum_columns(from, top, bottom, sums);
		for (uint32_t x = 0; x < width; x++) {
			box_of(x, from.width, width, &left, &right);
			*to++ = box_mean(sums, left, right, bottom - top);
		}
	}
}

/* Boxes above this many pixels are not left to libyuv. */
#define BOX_MAX 1024

static int scale_planes(const uint8_t *in, struct shape from, uint8_t *out, struct shape to)
{
	const struct {
		size_t from, to;
		int width, height, to_width, to_height;
	} planes[] = {
		{0, 0, from.width, from.height, to.width, to.height},
		{from.u_at, to.u_at, from.chroma_width, from.chroma_height, to.chroma_width,
		 to.chroma_height},
		{from.v_at, to.v_at, from.chroma_width, from.chroma_height, to.chroma_width,
		 to.chroma_height},
	};
	if ((int64_t)from.width * from.height <= (int64_t)to.width * to.height * BOX_MAX) {
		int rc = I420Scale(in, from.width, in + from.u_at, from.chroma_width,
				   in + from.v_at, from.chroma_width, from.width, from.height, out,
				   to.width, out + to.u_at, to.chroma_width, out + to.v_at,
				   to.chroma_width, to.width, to.height, kFilterBox);
		return rc ? TROUPE_E_MEMORY : 0;
	}
	for (size_t i = 0; i < sizeof(planes) / sizeof(planes[0]); i++) {
		uint32_t width = (uint32_t)planes[i].width;
		shrink_exactly((struct plane){in + planes[i].from, width, width,
					      (uint32_t)planes[i].height},
			       out + planes[i].to, (uint32_t)planes[i].to_width,
			       (uint32_t)planes[i].to_height);
	}
	return 0;
}

int scale_i420_to_rgb(struct scaler *scaler, const uint8_t *i420, uint32_t width, uint32_t height,
		      uint8_t *rgb, uint32_t out_width, uint32_t out_height)
{
	if (!width || !height || width % 2 || height % 2 || !out_width || !out_height ||
	    width > SIDE_MAX || height > SIDE_MAX || out_width > SIDE_MAX || out_height > SIDE_MAX)
		return TROUPE_E_ARGUMENT;
	struct shape from = shape_of(width, height), to = shape_of(out_width, out_height);
	if (width == out_width && height == out_height)
		return to_rgb(i420, from, rgb);
	int rc = reserve(scaler, to.size);
	if (rc == 0)
		rc = scale_planes(i420, from, scaler->planes, to);
	return rc < 0 ? rc : to_rgb(scaler->planes, to, rgb);
}

int scale_bgra_to_rgb(struct scaler *scaler, const uint8_t *bgra, uint32_t width, uint32_t height,
		      uint8_t *rgb, uint32_t out_width, uint32_t out_height)
{
	if (!width || !height || !out_width || !out_height || width > SIDE_MAX ||
	    height > SIDE_MAX || out_width > SIDE_MAX || out_height > SIDE_MAX)
		return TROUPE_E_ARGUMENT;
	int rc = reserve(scaler, (size_t)out_width * out_height * 4);
	if (rc < 0)
		return rc;
	if (ARGBScale(bgra, (int)width * 4, (int)width, (int)height, scaler->planes,
		      (int)out_width * 4, (int)out_width, (int)out_height, kFilterBox) ||
	    ARGBToRAW(scaler->planes, (int)out_width * 4, rgb, (int)out_width * 3, (int)out_width,
		      (int)out_height))
		return TROUPE_E_ARGUMENT;
	return 0;
}

void scale_luma_to_thumb(const uint8_t *luma, uint32_t stride, uint32_t width, uint32_t height,
			 uint8_t thumb[THUMB_SIZE])
{
	shrink_exactly((struct plane){luma, stride, width, height}, thumb, THUMB_WIDTH,
		       THUMB_HEIGHT);
}

float thumb_motion(const uint8_t a[THUMB_SIZE], const uint8_t b[THUMB_SIZE])
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < THUMB_SIZE; i++)
		sum += (uint32_t)abs(a[i] - b[i]);
	return (float)sum / (255.0F * THUMB_SIZE);
}
