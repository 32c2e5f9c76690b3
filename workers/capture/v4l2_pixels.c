/* One row of a table for each format; a buffer is dressed up as a frame of a decoder, so that
 * convert.c has all of the conversion. */
#include "workers/capture/v4l2_pixels.h"

#include "ipc/base/errors.h"
#include "workers/media/convert.h"
#include "workers/media/jpeg.h"
#include "workers/media/jpeg_file.h"
#include "workers/media/scale.h"

#include <libv4lconvert.h>
#include <stdlib.h>

enum layout {
	LAYOUT_PACKED, /* one plane */
	LAYOUT_NV,     /* luma, then chroma in pairs */
	LAYOUT_YUV,    /* luma, U, V */
	LAYOUT_YVU,
	LAYOUT_JPEG,
};

static const struct row_of_pixels {
	uint32_t fourcc;
	enum layout layout;
	enum AVPixelFormat as;
	uint32_t bytes; /* of a pixel, in the first plane */
} table[] = {
	/* in order of preference */
	{V4L2_PIX_FMT_YUV420, LAYOUT_YUV, AV_PIX_FMT_YUV420P, 1},
	{V4L2_PIX_FMT_YVU420, LAYOUT_YVU, AV_PIX_FMT_YUV420P, 1},
	{V4L2_PIX_FMT_NV12, LAYOUT_NV, AV_PIX_FMT_NV12, 1},
	{V4L2_PIX_FMT_NV21, LAYOUT_NV, AV_PIX_FMT_NV21, 1},
	{V4L2_PIX_FMT_YUYV, LAYOUT_PACKED, AV_PIX_FMT_YUYV422, 2},
	{V4L2_PIX_FMT_UYVY, LAYOUT_PACKED, AV_PIX_FMT_UYVY422, 2},
	{V4L2_PIX_FMT_MJPEG, LAYOUT_JPEG, AV_PIX_FMT_NONE, 0},
	{V4L2_PIX_FMT_JPEG, LAYOUT_JPEG, AV_PIX_FMT_NONE, 0},
	{V4L2_PIX_FMT_RGB24, LAYOUT_PACKED, AV_PIX_FMT_RGB24, 3},
	{V4L2_PIX_FMT_BGR24, LAYOUT_PACKED, AV_PIX_FMT_BGR24, 3},
	{V4L2_PIX_FMT_GREY, LAYOUT_PACKED, AV_PIX_FMT_GRAY8, 1},
};

#define N_ROWS (sizeof(table) / sizeof(table[0]))

struct pixels {
	struct v4l2_pix_format format;
	const struct row_of_pixels *row; /* NULL: by `emulation` */
	AVFrame *frame; /* borrows a buffer while it is converted; libav itself never sees it */
	struct jpeg_decoder *decoder; /* for thumbnails of JPEG */
	struct v4lconvert_data *emulation;
	struct v4l2_format from, to;
	uint8_t *converted; /* to.fmt.pix.sizeimage bytes */
};

uint32_t pixels_rank(uint32_t fourcc)
{
	for (uint32_t i = 0; i < N_ROWS; i++)
		if (table[i].fourcc == fourcc)
			return i;
	return PIXELS_UNKNOWN;
}

bool pixels_are_jpeg(uint32_t fourcc)
{
	uint32_t rank = pixels_rank(fourcc);
	return rank != PIXELS_UNKNOWN && table[rank].layout == LAYOUT_JPEG;
}

static bool is_rgb(enum AVPixelFormat format)
{
	return format == AV_PIX_FMT_RGB24 || format == AV_PIX_FMT_BGR24;
}

/* What the driver says, else what V4L2 says about its colour space. */
static enum AVColorRange range_of(const struct v4l2_pix_format *format, enum AVPixelFormat as)
{
	uint32_t range = format->quantization;
	if (range == V4L2_QUANTIZATION_DEFAULT)
		range = V4L2_MAP_QUANTIZATION_DEFAULT(is_rgb(as), format->colorspace,
						      format->ycbcr_enc);
	return range == V4L2_QUANTIZATION_FULL_RANGE ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
}

static uint32_t stride_of(const struct pixels *p)
{
	uint32_t tight = p->format.width * p->row->bytes;
	return p->format.bytesperline > tight ? p->format.bytesperline : tight;
}

size_t pixels_size(const struct pixels *p)
{
	if (!p->row || p->row->layout == LAYOUT_JPEG)
		return 0;
	size_t first = (size_t)stride_of(p) * p->format.height;
	return p->row->layout == LAYOUT_PACKED ? first : first + first / 2;
}

/* libv4lconvert knows more formats than it lists: one frame of zeros tells whether it knows this.
 */
static int open_emulation(struct pixels *p, int fd)
{
	const uint32_t width = p->format.width & ~1U, height = p->format.height & ~1U;
	p->from = (struct v4l2_format){.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .fmt.pix = p->format};
	p->to = p->from;
	p->to.fmt.pix = (struct v4l2_pix_format){
		.width = width,
		.height = height,
		.pixelformat = V4L2_PIX_FMT_RGB24,
		.field = V4L2_FIELD_NONE,
		.bytesperline = width * 3,
		.sizeimage = width * height * 3,
		.colorspace = V4L2_COLORSPACE_SRGB,
	};
	p->emulation = v4lconvert_create(fd);
	p->converted = malloc(p->to.fmt.pix.sizeimage);
	uint8_t *zeros = calloc(1, p->format.sizeimage);
	int rc = p->emulation && p->converted && zeros ? 0 : TROUPE_E_MEMORY;
	if (rc == 0 &&
	    v4lconvert_convert(p->emulation, &p->from, &p->to, zeros, (int)p->format.sizeimage,
			       p->converted, (int)p->to.fmt.pix.sizeimage) < 0)
		rc = TROUPE_E_UNSUPPORTED;
	free(zeros);
	return rc;
}

int pixels_create(struct pixels **pixels, const struct v4l2_pix_format *format, int fd)
{
	struct pixels *p = calloc(1, sizeof(*p));
	uint32_t rank = pixels_rank(format->pixelformat);
	if (!p)
		return TROUPE_E_MEMORY;
	p->format = *format;
	p->row = rank == PIXELS_UNKNOWN ? NULL : &table[rank];
	p->frame = calloc(1, sizeof(*p->frame));
	p->decoder = jpeg_decoder_create();
	int rc = p->frame && p->decoder ? 0 : TROUPE_E_MEMORY;
	if (rc == 0 && !p->row)
		rc = open_emulation(p, fd);
	if (rc < 0) {
		pixels_destroy(p);
		return rc;
	}
	*pixels = p;
	return 0;
}

void pixels_destroy(struct pixels *p)
{
	if (!p)
		return;
	free(p->frame);
	jpeg_decoder_destroy(p->decoder);
	if (p->emulation)
		v4lconvert_destroy(p->emulation);
	free(p->converted);
	free(p);
}

static void set_plane(AVFrame *frame, int plane, const uint8_t *data, uint32_t stride)
{
	union {
		const uint8_t *from;
		uint8_t *to;
	} pixels = {.from = data}; /* which are only read */
	frame->data[plane] = pixels.to;
	frame->linesize[plane] = (int)stride;
}

static void set_planes(struct pixels *p, const uint8_t *data)
{
	uint32_t stride = stride_of(p);
	const uint8_t *chroma = data + (size_t)stride * p->format.height;
	const uint8_t *second = chroma + (size_t)stride * p->format.height / 4;
	bool swapped = p->row->layout == LAYOUT_YVU;
	set_plane(p->frame, 0, data, stride);
	if (p->row->layout == LAYOUT_NV)
		set_plane(p->frame, 1, chroma, stride);
	if (p->row->layout != LAYOUT_YUV && !swapped)
		return;
	set_plane(p->frame, 1, swapped ? second : chroma, stride / 2);
	set_plane(p->frame, 2, swapped ? chroma : second, stride / 2);
}

static int emulate(struct pixels *p, const uint8_t *data, size_t size)
{
	union {
		const uint8_t *from;
		uint8_t *to;
	} pixels = {.from = data};
	int n = v4lconvert_convert(p->emulation, &p->from, &p->to, pixels.to, (int)size,
				   p->converted, (int)p->to.fmt.pix.sizeimage);
	if (n < (int)p->to.fmt.pix.sizeimage)
		return TROUPE_E_CORRUPT;
	set_plane(p->frame, 0, p->converted, p->to.fmt.pix.bytesperline);
	return 0;
}

int pixels_convert(struct pixels *p, const uint8_t *data, size_t size, uint32_t width,
		   uint32_t height, uint8_t *i420)
{
	enum AVPixelFormat as = p->row ? p->row->as : AV_PIX_FMT_RGB24;
	int rc = 0;
	if (size < pixels_size(p))
		return TROUPE_E_TRUNCATED;
	if (p->row)
		set_planes(p, data);
	else
		rc = emulate(p, data, size);
	if (rc < 0)
		return rc;
	p->frame->format = as;
	p->frame->width = (int)p->format.width;
	p->frame->height = (int)p->format.height;
	p->frame->color_range = p->row ? range_of(&p->format, as) : AVCOL_RANGE_JPEG;
	return convert_to_i420(p->frame, width, height, i420);
}

int pixels_copy_jpeg(struct pixels *p, const uint8_t *data, size_t size, uint32_t width,
		     uint32_t height, struct source_coded *to)
{
	struct jpeg_picture picture = {0};
	int rc = jpeg_file_copy(data, size, to->jpeg, to->capacity, &to->size);
	if (rc == 0)
		rc = jpeg_decode_reduced(p->decoder, to->jpeg, to->size, JPEG_GRAY, THUMB_WIDTH,
					 THUMB_HEIGHT, &picture);
	if (rc == 0 && (picture.full_width != width || picture.full_height != height))
		rc = TROUPE_E_CORRUPT;
	if (rc < 0)
		return rc == TROUPE_E_MEMORY ? rc : TROUPE_E_CORRUPT;
	scale_luma_to_thumb(picture.pixels, picture.width, picture.width, picture.height,
			    to->thumb);
	return 0;
}
