/* Decoding. A packet's id rides through libavcodec as its time, which is what decoders carry from a
 * packet to its picture. */
#include "ipc/base/errors.h"
#include "workers/media/convert.h"
#include "workers/media/h264_private.h"

#include <libavcodec/avcodec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIXELS_MAX (INT64_C(16384) * 16384)
/* An access unit is never larger than this. */
#define UNIT_MAX (INT32_MAX / 2)

struct h264_decoder {
	AVCodecContext *codec;
	AVFrame *frame;
	AVPacket *packet;
	uint8_t *i420;
	size_t capacity;
};

static int open_codec(struct h264_decoder *decoder)
{
	const AVCodec *with = avcodec_find_decoder(AV_CODEC_ID_H264);
	if (!with)
		return TROUPE_E_UNSUPPORTED;
	decoder->codec = avcodec_alloc_context3(with);
	decoder->packet = av_packet_alloc();
	decoder->frame = av_frame_alloc();
	if (!decoder->codec || !decoder->packet || !decoder->frame)
		return TROUPE_E_MEMORY;
	decoder->codec->thread_count = 1; /* no pictures inside that a thread still works at */
	decoder->codec->max_pixels = PIXELS_MAX;
	return avcodec_open2(decoder->codec, with, NULL) < 0 ? TROUPE_E_UNSUPPORTED : 0;
}

int h264_decoder_create(struct h264_decoder **decoder, char *why, size_t why_size)
{
	struct h264_decoder *made = calloc(1, sizeof(*made));
	*decoder = NULL;
	av_log_set_level(AV_LOG_QUIET); /* what matters comes back as an error */
	int rc = made ? open_codec(made) : TROUPE_E_MEMORY;
	if (rc < 0) {
		h264_decoder_destroy(made);
		snprintf(why, why_size, "H.264: %s",
			 rc == TROUPE_E_MEMORY ? error_text(rc) : "libavcodec has no decoder");
		return rc;
	}
	*decoder = made;
	return 0;
}

void h264_decoder_destroy(struct h264_decoder *decoder)
{
	if (!decoder)
		return;
	av_packet_free(&decoder->packet);
	av_frame_free(&decoder->frame);
	avcodec_free_context(&decoder->codec);
	free(decoder->i420);
	free(decoder);
}

int h264_decoder_put(struct h264_decoder *decoder, const uint8_t *data, size_t size, uint64_t id)
{
	AVPacket *packet = decoder->packet;
	if (size == 0 || size > UNIT_MAX)
		return TROUPE_E_CORRUPT; /* an empty packet would mean the end */
	if (av_new_packet(packet, (int)size) < 0)
		return TROUPE_E_MEMORY;
	memcpy(packet->data, data, size);
	packet->pts = packet->dts = (int64_t)id;
	int rc = avcodec_send_packet(decoder->codec, packet);
	av_packet_unref(packet);
	if (rc == AVERROR(EAGAIN))
		return TROUPE_E_FULL;
	if (rc == AVERROR(ENOMEM))
		return TROUPE_E_MEMORY;
	return rc == AVERROR_EOF ? TROUPE_E_STATE : rc < 0 ? TROUPE_E_CORRUPT : 0;
}

int h264_decoder_end(struct h264_decoder *decoder)
{
	int rc = avcodec_send_packet(decoder->codec, NULL);
	return rc < 0 && rc != AVERROR_EOF ? TROUPE_E_STATE : 0;
}

static int make_room(struct h264_decoder *decoder, size_t size)
{
	if (size <= decoder->capacity)
		return 0;
	uint8_t *more = realloc(decoder->i420, size);
	if (!more)
		return TROUPE_E_MEMORY;
	decoder->i420 = more;
	decoder->capacity = size;
	return 0;
}

static int hand_out(struct h264_decoder *decoder, struct h264_picture *picture)
{
	const AVFrame *frame = decoder->frame;
	uint32_t width = (uint32_t)frame->width & ~1u, height = (uint32_t)frame->height & ~1u;
	if (width == 0 || height == 0 || !convert_supported(frame->format))
		return TROUPE_E_UNSUPPORTED;
	int rc = make_room(decoder, (size_t)width * height * 3 / 2);
	if (rc == 0)
		rc = convert_to_i420(frame, width, height, decoder->i420);
	if (rc < 0)
		return rc;
	*picture = (struct h264_picture){
		.i420 = decoder->i420,
		.width = width,
		.height = height,
		.id = (uint64_t)frame->pts,
		.damaged = frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT,
	};
	return 0;
}

int h264_decoder_take(struct h264_decoder *decoder, struct h264_picture *picture)
{
	int rc = avcodec_receive_frame(decoder->codec, decoder->frame);
	if (rc == AVERROR(EAGAIN))
		return TROUPE_E_AGAIN;
	if (rc == AVERROR_EOF)
		return TROUPE_E_ENDED;
	if (rc < 0)
		return rc == AVERROR(ENOMEM) ? TROUPE_E_MEMORY : TROUPE_E_CORRUPT;
	return hand_out(decoder, picture);
}

void h264_decoder_reset(struct h264_decoder *decoder)
{
	avcodec_flush_buffers(decoder->codec);
}
