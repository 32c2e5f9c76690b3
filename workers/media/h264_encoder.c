/* Encoding. Times go through libavcodec as ticks of 1/90000 s that always grow; what a picture was
 * given with is noted beside it, and its packet gets exactly that back. Time alone decides when a
 * key picture is due, because nobody knows the rate of a recording in advance. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/media/h264_private.h"

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICKS_PER_S   90000
#define RATE_SUPPOSED 25
#define DELAY_MAX     1024 /* pictures inside an encoder: more than any looks ahead */
#define NEVER_BY_RATE (1 << 30)

/* What a picture came with. */
struct note {
	int64_t tick, pts;
	uint64_t id;
};

struct h264_encoder {
	AVCodecContext *codec;
	AVFrame *frame;
	AVPacket *packet;
	bool studio;
	uint8_t levels[2][256]; /* then: what becomes of luma and chroma */
	int64_t gop_ns;
	bool begun;
	int64_t first_pts, last_tick; /* of what was put */
	int64_t last_key;	      /* pts of the last key picture, asked for or chosen */
	uint64_t n_put;
	struct note notes[DELAY_MAX];
};

static int explain(int code, const char *text, char *why, size_t why_size)
{
	snprintf(why, why_size, "H.264: %s", text);
	return code;
}

/* ---- opening ---- */

static void choose_quality(AVCodecContext *codec, const struct h264_settings *settings)
{
	if (av_opt_set_int(codec->priv_data, "crf", settings->quality, 0) < 0) /* not x264 */
		codec->bit_rate = (int64_t)settings->width * settings->height * 4;
	if (settings->preset)
		av_opt_set(codec->priv_data, "preset", settings->preset, 0);
	av_opt_set_int(codec->priv_data, "forced-idr", 1, 0);
}

/* Full range and BT.601 are what our images are (docs/architecture.md), as JPEG has them, and
 * JPEG's primaries are those of BT.709. Players that do not look take video for studio range. */
static void describe_colours(AVCodecContext *codec, bool studio)
{
	codec->color_range = studio ? AVCOL_RANGE_MPEG : AVCOL_RANGE_JPEG;
	codec->colorspace = studio ? AVCOL_SPC_SMPTE170M : AVCOL_SPC_BT470BG;
	codec->color_primaries = studio ? AVCOL_PRI_BT709 : AVCOL_PRI_UNSPECIFIED;
	codec->color_trc = studio ? AVCOL_TRC_BT709 : AVCOL_TRC_UNSPECIFIED;
}

static void choose_levels(struct h264_encoder *encoder, bool studio)
{
	encoder->studio = studio;
	for (int value = 0; value < 256; value++) {
		encoder->levels[0][value] = (uint8_t)(16 + (value * 219 + 127) / 255);
		encoder->levels[1][value] =
			(uint8_t)((128 * 255 + (value - 128) * 224 + 127) / 255);
	}
}

static void describe(AVCodecContext *codec, const struct h264_settings *settings)
{
	bool known = settings->fps_num > 0 && settings->fps_den > 0;
	codec->width = (int)settings->width;
	codec->height = (int)settings->height;
	codec->pix_fmt = AV_PIX_FMT_YUV420P;
	describe_colours(codec, settings->studio);
	codec->time_base = (AVRational){1, TICKS_PER_S};
	codec->framerate = (AVRational){RATE_SUPPOSED, 1};
	if (known)
		av_reduce(&codec->framerate.num, &codec->framerate.den, settings->fps_num,
			  settings->fps_den, INT32_MAX);
	codec->gop_size = NEVER_BY_RATE;
	codec->max_b_frames = settings->reorder ? 2 : 0;
	codec->thread_count = (int)settings->threads;
}

static AVCodecContext *open_codec(const AVCodec *with, const struct h264_settings *settings)
{
	AVCodecContext *codec = avcodec_alloc_context3(with);
	if (!codec)
		return NULL;
	describe(codec, settings);
	choose_quality(codec, settings);
	if (avcodec_open2(codec, with, NULL) < 0)
		avcodec_free_context(&codec);
	return codec;
}

/* x264 if it is there, else whoever can: libavcodec lists encoders whose hardware is not there. */
static AVCodecContext *open_any(const struct h264_settings *settings)
{
	const AVCodec *best = avcodec_find_encoder_by_name("libx264");
	AVCodecContext *codec = best ? open_codec(best, settings) : NULL;
	void *at = NULL;
	for (const AVCodec *next; !codec && (next = av_codec_iterate(&at));)
		if (next != best && next->id == AV_CODEC_ID_H264 && av_codec_is_encoder(next))
			codec = open_codec(next, settings);
	return codec;
}

static int make_frame(struct h264_encoder *encoder)
{
	encoder->packet = av_packet_alloc();
	encoder->frame = av_frame_alloc();
	if (!encoder->packet || !encoder->frame)
		return TROUPE_E_MEMORY;
	encoder->frame->width = encoder->codec->width;
	encoder->frame->height = encoder->codec->height;
	encoder->frame->format = encoder->codec->pix_fmt;
	encoder->frame->color_range = encoder->codec->color_range;
	encoder->frame->colorspace = encoder->codec->colorspace;
	return av_frame_get_buffer(encoder->frame, 0) < 0 ? TROUPE_E_MEMORY : 0;
}

static bool sensible(const struct h264_settings *settings)
{
	return settings->width >= 2 && settings->height >= 2 && settings->width % 2 == 0 &&
	       settings->height % 2 == 0 && settings->width <= 16384 && settings->height <= 16384 &&
	       settings->gop_ns > 0 && settings->quality <= 51 && settings->threads >= 1 &&
	       settings->threads <= 64;
}

int h264_encoder_create(struct h264_encoder **encoder, const struct h264_settings *settings,
			char *why, size_t why_size)
{
	*encoder = NULL;
	if (!sensible(settings))
		return explain(TROUPE_E_ARGUMENT, "no such picture or setting", why, why_size);
	struct h264_encoder *made = calloc(1, sizeof(*made));
	if (!made)
		return explain(TROUPE_E_MEMORY, error_text(TROUPE_E_MEMORY), why, why_size);
	av_log_set_level(AV_LOG_QUIET); /* what matters comes back as an error */
	made->gop_ns = settings->gop_ns;
	choose_levels(made, settings->studio);
	made->codec = open_any(settings);
	if (!made->codec) {
		h264_encoder_destroy(made);
		return explain(TROUPE_E_UNSUPPORTED,
			       "no encoder of libavcodec works; install libx264", why, why_size);
	}
	int rc = make_frame(made);
	if (rc < 0) {
		h264_encoder_destroy(made);
		return explain(rc, error_text(rc), why, why_size);
	}
	*encoder = made;
	return 0;
}

void h264_encoder_destroy(struct h264_encoder *encoder)
{
	if (!encoder)
		return;
	av_packet_free(&encoder->packet);
	av_frame_free(&encoder->frame);
	avcodec_free_context(&encoder->codec);
	free(encoder);
}

/* ---- pictures in ---- */

static void copy_row(const struct h264_encoder *encoder, int plane, const uint8_t *from,
		     uint8_t *to, int width)
{
	const uint8_t *levels = encoder->levels[plane > 0];
	if (!encoder->studio)
		memcpy(to, from, (size_t)width);
	for (int x = 0; encoder->studio && x < width; x++)
		to[x] = levels[from[x]];
}

static int copy_in(struct h264_encoder *encoder, const uint8_t *i420)
{
	AVFrame *frame = encoder->frame;
	if (av_frame_make_writable(frame) < 0) /* the encoder may still look at the last one */
		return TROUPE_E_MEMORY;
	for (int plane = 0; plane < 3; plane++) {
		int width = plane ? frame->width / 2 : frame->width;
		int height = plane ? frame->height / 2 : frame->height;
		for (int y = 0; y < height; y++, i420 += width)
			copy_row(encoder, plane, i420,
				 frame->data[plane] + (ptrdiff_t)y * frame->linesize[plane], width);
	}
	return 0;
}

/* Times that stand still, go back or make no sense are a tick behind the one before. */
static int64_t tick_of(const struct h264_encoder *encoder, int64_t pts)
{
	int64_t since;
	if (!encoder->begun)
		return 0;
	if (__builtin_sub_overflow(pts, encoder->first_pts, &since))
		since = 0;
	int64_t tick = av_rescale(since, TICKS_PER_S, NS_PER_S);
	return tick > encoder->last_tick ? tick : encoder->last_tick + 1;
}

static bool key_is_due(const struct h264_encoder *encoder, int64_t pts)
{
	int64_t since;
	return !encoder->begun || __builtin_sub_overflow(pts, encoder->last_key, &since) ||
	       since >= encoder->gop_ns;
}

int h264_encoder_put(struct h264_encoder *encoder, const uint8_t *i420, int64_t pts, uint64_t id)
{
	int rc = copy_in(encoder, i420);
	if (rc < 0)
		return rc;
	bool key = key_is_due(encoder, pts);
	int64_t tick = tick_of(encoder, pts);
	encoder->frame->pts = tick;
	encoder->frame->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	int sent = avcodec_send_frame(encoder->codec, encoder->frame);
	if (sent == AVERROR(EAGAIN))
		return TROUPE_E_FULL;
	if (sent < 0)
		return sent == AVERROR(ENOMEM) ? TROUPE_E_MEMORY : TROUPE_E_STATE;
	if (!encoder->begun)
		encoder->first_pts = pts;
	if (key)
		encoder->last_key = pts;
	encoder->begun = true;
	encoder->last_tick = tick;
	encoder->notes[encoder->n_put++ % DELAY_MAX] = (struct note){tick, pts, id};
	return 0;
}

int h264_encoder_end(struct h264_encoder *encoder)
{
	int rc = avcodec_send_frame(encoder->codec, NULL);
	return rc < 0 && rc != AVERROR_EOF ? TROUPE_E_STATE : 0;
}

/* ---- packets out ---- */

static const struct note *note_of(const struct h264_encoder *encoder, int64_t tick)
{
	for (uint64_t back = 0; back < encoder->n_put && back < DELAY_MAX; back++) {
		const struct note *note = &encoder->notes[(encoder->n_put - 1 - back) % DELAY_MAX];
		if (note->tick == tick)
			return note;
	}
	return NULL;
}

/* Ticks below 0 are of the first packets when pictures change places. */
static int64_t dts_of(const struct h264_encoder *encoder, const struct note *note)
{
	const AVPacket *packet = encoder->packet;
	if (packet->dts == packet->pts || packet->dts == AV_NOPTS_VALUE)
		return note->pts;
	const struct note *other = note_of(encoder, packet->dts);
	return other ? other->pts
		     : encoder->first_pts + av_rescale(packet->dts, NS_PER_S, TICKS_PER_S);
}

int h264_encoder_take(struct h264_encoder *encoder, struct h264_packet *packet)
{
	av_packet_unref(encoder->packet);
	int rc = avcodec_receive_packet(encoder->codec, encoder->packet);
	if (rc == AVERROR(EAGAIN))
		return TROUPE_E_AGAIN;
	if (rc == AVERROR_EOF)
		return TROUPE_E_ENDED;
	if (rc < 0)
		return rc == AVERROR(ENOMEM) ? TROUPE_E_MEMORY : TROUPE_E_STATE;
	const struct note *note = note_of(encoder, encoder->packet->pts);
	if (!note)
		return TROUPE_E_STATE;
	*packet = (struct h264_packet){
		.data = encoder->packet->data,
		.size = (size_t)encoder->packet->size,
		.id = note->id,
		.pts = note->pts,
		.dts = dts_of(encoder, note),
		.key = encoder->packet->flags & AV_PKT_FLAG_KEY,
	};
	if (packet->key && packet->pts > encoder->last_key)
		encoder->last_key = packet->pts;
	return 0;
}
