/* Test clips: test card in, encoder, muxer, file out. */
#include "tests/unit/clip.h"

#include "workers/media/barcode.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <stdlib.h>
#include <string.h>

struct writer {
	const struct clip *clip;
	AVFormatContext *format;
	AVCodecContext *codec;
	AVStream *stream;
	AVFrame *frame;
	AVPacket *packet;
	uint32_t packets;
};

static int open_codec(struct writer *w, uint32_t width, uint32_t height)
{
	const AVCodec *encoder = avcodec_find_encoder_by_name(w->clip->codec);
	avcodec_free_context(&w->codec);
	w->codec = encoder ? avcodec_alloc_context3(encoder) : NULL;
	if (!w->codec)
		return -1;
	w->codec->width = (int)width;
	w->codec->height = (int)height;
	w->codec->time_base = (AVRational){1, (int)w->clip->fps};
	w->codec->framerate = (AVRational){(int)w->clip->fps, 1};
	w->codec->pix_fmt =
		strcmp(w->clip->codec, "mjpeg") == 0 ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
	w->codec->gop_size = w->clip->gop;
	w->codec->max_b_frames = w->clip->b_frames;
	w->codec->bit_rate = 4000000;
	w->codec->flags |= AV_CODEC_FLAG_BITEXACT;
	w->codec->thread_count = 1;
	av_opt_set_int(w->codec->priv_data, "sc_threshold", 0, 0); /* key frames by `gop` alone */
	if (w->format->oformat->flags & AVFMT_GLOBALHEADER)
		w->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	return avcodec_open2(w->codec, encoder, NULL);
}

static int open_writer(struct writer *w, const char *path)
{
	const struct clip *clip = w->clip;
	if (avformat_alloc_output_context2(&w->format, NULL, clip->format, path) < 0)
		return -1;
	if (open_codec(w, clip->width, clip->height) < 0)
		return -1;
	w->stream = avformat_new_stream(w->format, NULL);
	w->frame = av_frame_alloc();
	w->packet = av_packet_alloc();
	if (!w->stream || !w->frame || !w->packet)
		return -1;
	w->stream->time_base = w->codec->time_base;
	w->stream->avg_frame_rate = w->codec->framerate;
	avcodec_parameters_from_context(w->stream->codecpar, w->codec);
	if (avio_open(&w->format->pb, path, AVIO_FLAG_WRITE) < 0)
		return -1;
	return avformat_write_header(w->format, NULL);
}

/* Number and a box that runs: enough for predicted frames to differ from key frames. */
static void draw(const struct canvas *canvas, uint32_t index)
{
	for (int32_t y = 0; y < canvas->height; y++)
		draw_box(canvas, 0, y, canvas->width, 1,
			 (struct colour){(uint8_t)(y / 2), 90, 120});
	draw_box(canvas, (int32_t)(index * 5) % canvas->width, canvas->height / 4,
		 canvas->width / 8, canvas->height / 8,
		 (struct colour){200, 60, (uint8_t)(index * 3)});
	barcode_draw(canvas, index);
}

/* Draws on an even canvas, then copies as much as the frame has. */
static int fill_frame(struct writer *w, uint32_t index)
{
	int width = w->codec->width, height = w->codec->height;
	struct canvas canvas = {CANVAS_I420, NULL, (width + 1) & ~1, (height + 1) & ~1};
	size_t luma = (size_t)canvas.width * (size_t)canvas.height;
	av_frame_unref(w->frame);
	w->frame->format = w->codec->pix_fmt;
	w->frame->width = width;
	w->frame->height = height;
	w->frame->pts = index;
	canvas.pixels = malloc(luma * 3 / 2);
	if (!canvas.pixels || av_frame_get_buffer(w->frame, 0) < 0) {
		free(canvas.pixels);
		return -1;
	}
	draw(&canvas, index);
	const uint8_t *from[] = {canvas.pixels, canvas.pixels + luma,
				 canvas.pixels + luma + luma / 4};
	for (int plane = 0; plane < 3; plane++) {
		av_image_copy_plane(w->frame->data[plane], w->frame->linesize[plane], from[plane],
				    plane ? canvas.width / 2 : canvas.width,
				    plane ? (width + 1) / 2 : width,
				    plane ? (height + 1) / 2 : height);
	}
	free(canvas.pixels);
	return 0;
}

static int encode(struct writer *w, const AVFrame *frame)
{
	if (avcodec_send_frame(w->codec, frame) < 0)
		return -1;
	int rc;
	while ((rc = avcodec_receive_packet(w->codec, w->packet)) == 0) {
		if (w->packets && w->packets == w->clip->damage_at)
			memset(w->packet->data, 0x55, (size_t)w->packet->size);
		w->packets++;
		w->packet->stream_index = 0;
		w->packet->duration = 1;
		av_packet_rescale_ts(w->packet, w->codec->time_base, w->stream->time_base);
		if (av_interleaved_write_frame(w->format, w->packet) < 0)
			return -1;
	}
	return rc == AVERROR(EAGAIN) || rc == AVERROR_EOF ? 0 : -1;
}

static int write_frames(struct writer *w)
{
	const struct clip *clip = w->clip;
	for (uint32_t i = 0; i < clip->frames; i++) {
		if (clip->shrink_at && i == clip->shrink_at &&
		    open_codec(w, clip->width / 2, clip->height / 2) < 0)
			return -1;
		if (fill_frame(w, i) < 0 || encode(w, w->frame) < 0)
			return -1;
	}
	if (encode(w, NULL) < 0)
		return -1;
	return av_write_trailer(w->format);
}

int clip_write(const char *path, const struct clip *clip)
{
	struct writer w = {.clip = clip};
	int rc = open_writer(&w, path);
	if (rc >= 0)
		rc = write_frames(&w);
	if (w.format)
		avio_closep(&w.format->pb);
	avformat_free_context(w.format);
	avcodec_free_context(&w.codec);
	av_frame_free(&w.frame);
	av_packet_free(&w.packet);
	return rc < 0 ? -1 : 0;
}
