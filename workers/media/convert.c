/* One row of a table for each pixel format, all but the range by libyuv. */
#include "workers/media/convert.h"

#include "ipc/base/errors.h"

#include <libavutil/pixfmt.h>
#include <libyuv.h>
#include <string.h>

/* Where the three planes go. */
struct target {
	uint8_t *y, *u, *v;
	int width, height;
};

/* What the frame's numbers mean when it does not say itself. */
enum range { RANGE_STUDIO, RANGE_FULL, RANGE_RGB /* always full */ };

typedef int convert_fn(const AVFrame *f, const struct target *t);

/* Most of libyuv's functions differ in the number of source planes only. */
#define CONVERT_1(name, function)                                                                  \
	static int name(const AVFrame *f, const struct target *t)                                  \
	{                                                                                          \
		return function(f->data[0], f->linesize[0], t->y, t->width, t->u, t->width / 2,    \
				t->v, t->width / 2, t->width, t->height);                          \
	}
#define CONVERT_2(name, function)                                                                  \
	static int name(const AVFrame *f, const struct target *t)                                  \
	{                                                                                          \
		return function(f->data[0], f->linesize[0], f->data[1], f->linesize[1], t->y,      \
				t->width, t->u, t->width / 2, t->v, t->width / 2, t->width,        \
				t->height);                                                        \
	}
#define CONVERT_3(name, function)                                                                  \
	static int name(const AVFrame *f, const struct target *t)                                  \
	{                                                                                          \
		return function(f->data[0], f->linesize[0], f->data[1], f->linesize[1],            \
				f->data[2], f->linesize[2], t->y, t->width, t->u, t->width / 2,    \
				t->v, t->width / 2, t->width, t->height);                          \
	}
/* 16-bit samples: strides count samples. */
#define CONVERT_10(name, function)                                                                 \
	static int name(const AVFrame *f, const struct target *t)                                  \
	{                                                                                          \
		return function((const uint16_t *)(const void *)f->data[0], f->linesize[0] / 2,    \
				(const uint16_t *)(const void *)f->data[1], f->linesize[1] / 2,    \
				(const uint16_t *)(const void *)f->data[2], f->linesize[2] / 2,    \
				t->y, t->width, t->u, t->width / 2, t->v, t->width / 2, t->width,  \
				t->height);                                                        \
	}

CONVERT_3(from_420, I420Copy)
CONVERT_3(from_422, I422ToI420)
CONVERT_3(from_444, I444ToI420)
CONVERT_2(from_nv12, NV12ToI420)
CONVERT_2(from_nv21, NV21ToI420)
CONVERT_1(from_yuyv, YUY2ToI420)
CONVERT_1(from_uyvy, UYVYToI420)
CONVERT_1(from_rgb, RAWToJ420)
CONVERT_1(from_bgr, RGB24ToJ420)
CONVERT_1(from_bgra, ARGBToJ420)
CONVERT_1(from_rgba, ABGRToJ420)
CONVERT_10(from_420_10, I010ToI420)
CONVERT_10(from_422_10, I210ToI420)

static int from_gray(const AVFrame *f, const struct target *t)
{
	CopyPlane(f->data[0], f->linesize[0], t->y, t->width, t->width, t->height);
	size_t chroma = (size_t)t->width * (size_t)t->height / 4;
	memset(t->u, 128, chroma);
	memset(t->v, 128, chroma);
	return 0;
}

static const struct format {
	enum AVPixelFormat pixel_format;
	enum range range;
	convert_fn *convert;
} formats[] = {
	{AV_PIX_FMT_YUV420P, RANGE_STUDIO, from_420},
	{AV_PIX_FMT_YUVJ420P, RANGE_FULL, from_420},
	{AV_PIX_FMT_YUV422P, RANGE_STUDIO, from_422},
	{AV_PIX_FMT_YUVJ422P, RANGE_FULL, from_422},
	{AV_PIX_FMT_YUV444P, RANGE_STUDIO, from_444},
	{AV_PIX_FMT_YUVJ444P, RANGE_FULL, from_444},
	{AV_PIX_FMT_YUV420P10LE, RANGE_STUDIO, from_420_10},
	{AV_PIX_FMT_YUV422P10LE, RANGE_STUDIO, from_422_10},
	{AV_PIX_FMT_NV12, RANGE_STUDIO, from_nv12},
	{AV_PIX_FMT_NV21, RANGE_STUDIO, from_nv21},
	{AV_PIX_FMT_YUYV422, RANGE_STUDIO, from_yuyv},
	{AV_PIX_FMT_UYVY422, RANGE_STUDIO, from_uyvy},
	{AV_PIX_FMT_GRAY8, RANGE_FULL, from_gray},
	{AV_PIX_FMT_RGB24, RANGE_RGB, from_rgb},
	{AV_PIX_FMT_BGR24, RANGE_RGB, from_bgr},
	{AV_PIX_FMT_BGRA, RANGE_RGB, from_bgra},
	{AV_PIX_FMT_BGR0, RANGE_RGB, from_bgra},
	{AV_PIX_FMT_RGBA, RANGE_RGB, from_rgba},
	{AV_PIX_FMT_RGB0, RANGE_RGB, from_rgba},
};

static const struct format *format_find(int pixel_format)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if ((int)formats[i].pixel_format == pixel_format)
			return &formats[i];
	return NULL;
}

bool convert_supported(int pixel_format)
{
	return format_find(pixel_format) != NULL;
}

static bool is_full(const struct format *format, const AVFrame *frame)
{
	if (format->range == RANGE_RGB || frame->color_range == AVCOL_RANGE_JPEG)
		return true;
	return format->range == RANGE_FULL && frame->color_range != AVCOL_RANGE_MPEG;
}

static void map(uint8_t *plane, size_t size, const uint8_t level[256])
{
	for (size_t i = 0; i < size; i++)
		plane[i] = level[plane[i]];
}

/* Full-range level of a studio level that lies `off` from `middle`, where `span` steps become 255.
 */
static uint8_t stretched(int middle, int off, int span)
{
	int value = middle + (2 * 255 * off + (off < 0 ? -span : span)) / (2 * span);
	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Luma has 219 steps from 16 on, chroma 224 around 128; levels outside are cut. */
static void studio_to_full(const struct target *t)
{
	uint8_t luma_level[256], chroma_level[256];
	for (int i = 0; i < 256; i++) {
		luma_level[i] = stretched(0, i - 16, 219);
		chroma_level[i] = stretched(128, i - 128, 224);
	}
	size_t luma = (size_t)t->width * (size_t)t->height;
	map(t->y, luma, luma_level);
	map(t->u, luma / 4, chroma_level);
	map(t->v, luma / 4, chroma_level);
}

int convert_to_i420(const AVFrame *frame, uint32_t width, uint32_t height, uint8_t *i420)
{
	const struct format *format = format_find(frame->format);
	if (!format)
		return TROUPE_E_UNSUPPORTED;
	if (width % 2 || height % 2 || (int)width > frame->width || (int)height > frame->height)
		return TROUPE_E_ARGUMENT;
	size_t luma = (size_t)width * height;
	struct target target = {
		.y = i420,
		.u = i420 + luma,
		.v = i420 + luma + luma / 4,
		.width = (int)width,
		.height = (int)height,
	};
	if (format->convert(frame, &target) != 0)
		return TROUPE_E_ARGUMENT;
	if (!is_full(format, frame))
		studio_to_full(&target);
	return 0;
}
