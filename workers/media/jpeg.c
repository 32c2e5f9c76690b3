/* JPEG by libturbojpeg: the encoder owns one output buffer that only grows, so a steady stream of
 * frames allocates nothing. */
#include "workers/media/jpeg.h"

#include "ipc/base/errors.h"

#include <libyuv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <turbojpeg.h>

/* JPEG itself ends at 65535 pixels a side. */
#define SIDE_MAX 65500

struct jpeg_encoder {
	tjhandle handle;
	uint8_t *out;
	size_t capacity;
};

struct jpeg_decoder {
	tjhandle handle;
	uint8_t *out; /* of jpeg_decode_reduced and jpeg_decode_any; it only grows */
	size_t capacity;
};

struct jpeg_encoder *jpeg_encoder_create(void)
{
	struct jpeg_encoder *encoder = calloc(1, sizeof(*encoder));
	if (!encoder)
		return NULL;
	encoder->handle = tjInitCompress();
	if (!encoder->handle) {
		free(encoder);
		return NULL;
	}
	return encoder;
}

void jpeg_encoder_destroy(struct jpeg_encoder *encoder)
{
	if (!encoder)
		return;
	tjDestroy(encoder->handle);
	tjFree(encoder->out);
	free(encoder);
}

static bool valid(uint32_t width, uint32_t height, uint32_t quality)
{
	return width > 0 && height > 0 && width <= SIDE_MAX && height <= SIDE_MAX && quality >= 1 &&
	       quality <= 100;
}

/* Room for the worst case, so that the library never has to reallocate. */
static int reserve(struct jpeg_encoder *encoder, uint32_t width, uint32_t height)
{
	unsigned long need = tjBufSize((int)width, (int)height, TJSAMP_420);
	if (need == (unsigned long)-1)
		return TROUPE_E_ARGUMENT;
	if (need <= encoder->capacity)
		return 0;
	tjFree(encoder->out);
	encoder->capacity = 0;
	encoder->out = tjAlloc((int)need);
	if (!encoder->out)
		return TROUPE_E_MEMORY;
	encoder->capacity = need;
	return 0;
}

/* The accurate DCT is as fast with SIMD and gives the same bits with and without it. */
static const int encode_flags = TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT;

int jpeg_encode_i420(struct jpeg_encoder *encoder, const uint8_t *i420, uint32_t width,
		     uint32_t height, uint32_t quality, const uint8_t **out, size_t *size)
{
	if (!valid(width, height, quality) || width % 2 || height % 2)
		return TROUPE_E_ARGUMENT;
	int rc = reserve(encoder, width, height);
	if (rc < 0)
		return rc;
	size_t luma = (size_t)width * height;
	const unsigned char *planes[3] = {i420, i420 + luma, i420 + luma + luma / 4};
	unsigned long bytes = encoder->capacity;
	if (tjCompressFromYUVPlanes(encoder->handle, planes, (int)width, NULL, (int)height,
				    TJSAMP_420, &encoder->out, &bytes, (int)quality,
				    encode_flags) < 0)
		return TROUPE_E_SYSTEM;
	*out = encoder->out;
	*size = bytes;
	return 0;
}

int jpeg_encode_rgb(struct jpeg_encoder *encoder, const uint8_t *rgb, uint32_t width,
		    uint32_t height, uint32_t quality, const uint8_t **out, size_t *size)
{
	if (!valid(width, height, quality))
		return TROUPE_E_ARGUMENT;
	int rc = reserve(encoder, width, height);
	if (rc < 0)
		return rc;
	unsigned long bytes = encoder->capacity;
	if (tjCompress2(encoder->handle, rgb, (int)width, 0, (int)height, TJPF_RGB, &encoder->out,
			&bytes, TJSAMP_420, (int)quality, encode_flags) < 0)
		return TROUPE_E_SYSTEM;
	*out = encoder->out;
	*size = bytes;
	return 0;
}

struct jpeg_decoder *jpeg_decoder_create(void)
{
	struct jpeg_decoder *decoder = calloc(1, sizeof(*decoder));
	if (!decoder)
		return NULL;
	decoder->handle = tjInitDecompress();
	if (!decoder->handle) {
		free(decoder);
		return NULL;
	}
	return decoder;
}

void jpeg_decoder_destroy(struct jpeg_decoder *decoder)
{
	if (!decoder)
		return;
	tjDestroy(decoder->handle);
	free(decoder->out);
	free(decoder);
}

static int read_header(struct jpeg_decoder *decoder, const uint8_t *data, size_t size,
		       uint32_t *width, uint32_t *height, int *subsampling)
{
	int w = 0, h = 0, space = 0;
	if (tjDecompressHeader3(decoder->handle, data, size, &w, &h, subsampling, &space) < 0 ||
	    w <= 0 || h <= 0)
		return TROUPE_E_CORRUPT;
	*width = (uint32_t)w;
	*height = (uint32_t)h;
	return 0;
}

int jpeg_size(struct jpeg_decoder *decoder, const uint8_t *data, size_t size, uint32_t *width,
	      uint32_t *height)
{
	int subsampling;
	return read_header(decoder, data, size, width, height, &subsampling);
}

/* A cut or damaged JPEG is an error, not a grey lower half. */
static const int decode_flags = TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT;

int jpeg_decode_i420(struct jpeg_decoder *decoder, const uint8_t *data, size_t size, uint8_t *i420,
		     size_t capacity, uint32_t *width, uint32_t *height)
{
	int subsampling;
	int rc = read_header(decoder, data, size, width, height, &subsampling);
	if (rc < 0)
		return rc;
	if (subsampling != TJSAMP_420 || *width % 2 || *height % 2)
		return TROUPE_E_UNSUPPORTED;
	size_t luma = (size_t)*width * *height;
	if (luma + luma / 2 > capacity)
		return TROUPE_E_OVERSIZED;
	unsigned char *planes[3] = {i420, i420 + luma, i420 + luma + luma / 4};
	if (tjDecompressToYUVPlanes(decoder->handle, data, size, planes, (int)*width, NULL,
				    (int)*height, decode_flags) < 0)
		return TROUPE_E_CORRUPT;
	return 0;
}

int jpeg_decode_gray(struct jpeg_decoder *decoder, const uint8_t *data, size_t size, uint8_t *luma,
		     size_t capacity, uint32_t *width, uint32_t *height)
{
	int subsampling;
	int rc = read_header(decoder, data, size, width, height, &subsampling);
	if (rc < 0)
		return rc;
	if ((size_t)*width * *height > capacity)
		return TROUPE_E_OVERSIZED;
	if (tjDecompress2(decoder->handle, data, size, luma, (int)*width, 0, (int)*height,
			  TJPF_GRAY, decode_flags) < 0)
		return TROUPE_E_CORRUPT;
	return 0;
}

/* The strongest reduction that is not below what is wanted; the library has eighths. */
static tjscalingfactor reduction(uint32_t width, uint32_t height, uint32_t least_width,
				 uint32_t least_height)
{
	tjscalingfactor factor = {1, 8};
	while (factor.denom > 1 && (TJSCALED((int)width, factor) < (int)least_width ||
				    TJSCALED((int)height, factor) < (int)least_height))
		factor.denom /= 2;
	return factor;
}

static int make_room(struct jpeg_decoder *decoder, size_t need)
{
	if (need <= decoder->capacity)
		return 0;
	free(decoder->out);
	decoder->capacity = 0;
	decoder->out = malloc(need);
	if (!decoder->out)
		return TROUPE_E_MEMORY;
	decoder->capacity = need;
	return 0;
}

/* Warnings are let pass here and below: cameras send bytes too many between the marks, and the
 * pixels are whole. */
static int judge(const struct jpeg_decoder *decoder, int rc)
{
	return rc < 0 && tjGetErrorCode(decoder->handle) == TJERR_FATAL ? TROUPE_E_CORRUPT : 0;
}

static int decode_reduced(struct jpeg_decoder *decoder, const uint8_t *data, size_t size,
			  int format, uint32_t width, uint32_t height)
{
	int rc = make_room(decoder, (size_t)width * height * (size_t)tjPixelSize[format]);
	if (rc < 0)
		return rc;
	return judge(decoder,
		     tjDecompress2(decoder->handle, data, size, decoder->out, (int)width, 0,
				   (int)height, format, TJFLAG_FASTDCT | TJFLAG_FASTUPSAMPLE));
}

int jpeg_decode_reduced(struct jpeg_decoder *decoder, const uint8_t *data, size_t size,
			enum jpeg_pixels as, uint32_t least_width, uint32_t least_height,
			struct jpeg_picture *picture)
{
	int subsampling;
	*picture = (struct jpeg_picture){0};
	int rc = read_header(decoder, data, size, &picture->full_width, &picture->full_height,
			     &subsampling);
	if (rc < 0)
		return rc;
	tjscalingfactor factor =
		reduction(picture->full_width, picture->full_height, least_width, least_height);
	picture->width = (uint32_t)TJSCALED((int)picture->full_width, factor);
	picture->height = (uint32_t)TJSCALED((int)picture->full_height, factor);
	rc = decode_reduced(decoder, data, size, as == JPEG_GRAY ? TJPF_GRAY : TJPF_BGRA,
			    picture->width, picture->height);
	picture->pixels = decoder->out;
	return rc;
}

/* The planes of width x height in `to`, tight; those of 4:2:0 and 4:2:2 have even width. */
static int decode_planes(struct jpeg_decoder *decoder, const uint8_t *data, size_t size,
			 uint8_t *to, uint32_t width, uint32_t height, int subsampling)
{
	size_t luma = (size_t)width * height;
	size_t chroma = tjPlaneSizeYUV(1, (int)width, 0, (int)height, subsampling);
	unsigned char *planes[3] = {to, to + luma, to + luma + chroma};
	return judge(decoder,
		     tjDecompressToYUVPlanes(decoder->handle, data, size, planes, (int)width, NULL,
					     (int)height, TJFLAG_ACCURATEDCT));
}

/* Half the chroma rows are in excess: what cameras send. */
static void halve_rows(const uint8_t *from, uint8_t *i420, uint32_t width, uint32_t height)
{
	size_t luma = (size_t)width * height;
	int w = (int)width, half = w / 2;
	I422ToI420(from, w, from + luma, half, from + luma + luma / 2, half, i420, w, i420 + luma,
		   half, i420 + luma + luma / 4, half, w, (int)height);
}

static int decode_by_colours(struct jpeg_decoder *decoder, const uint8_t *data, size_t size,
			     uint8_t *bgra, uint8_t *i420, uint32_t width, uint32_t height)
{
	int rc = judge(decoder, tjDecompress2(decoder->handle, data, size, bgra, (int)width, 0,
					      (int)height, TJPF_BGRA, TJFLAG_ACCURATEDCT));
	int w = (int)(width & ~1U), h = (int)(height & ~1U);
	size_t luma = (size_t)w * (size_t)h;
	if (rc == 0)
		ARGBToJ420(bgra, (int)width * 4, i420, w, i420 + luma, w / 2,
			   i420 + luma + luma / 4, w / 2, w, h);
	return rc;
}

int jpeg_decode_any(struct jpeg_decoder *decoder, const uint8_t *data, size_t size,
		    const uint8_t **i420, uint32_t *width, uint32_t *height)
{
	int subsampling;
	uint32_t w = 0, h = 0;
	int rc = read_header(decoder, data, size, &w, &h, &subsampling);
	/* First the image, then room for what it is made of. */
	size_t image = ((size_t)w * h * 3 / 2 + 63) & ~(size_t)63;
	if (rc == 0)
		rc = w < 2 || h < 2 ? TROUPE_E_CORRUPT
				    : make_room(decoder, image + (size_t)w * h * 4);
	if (rc < 0)
		return rc;
	bool even = w % 2 == 0 && h % 2 == 0;
	uint8_t *rest = decoder->out + image;
	if (even && subsampling == TJSAMP_420)
		rc = decode_planes(decoder, data, size, decoder->out, w, h, subsampling);
	else if (even && subsampling == TJSAMP_422)
		rc = decode_planes(decoder, data, size, rest, w, h, subsampling);
	else
		rc = decode_by_colours(decoder, data, size, rest, decoder->out, w, h);
	if (rc == 0 && even && subsampling == TJSAMP_422)
		halve_rows(rest, decoder->out, w, h);
	*i420 = decoder->out;
	*width = w & ~1U;
	*height = h & ~1U;
	return rc;
}
