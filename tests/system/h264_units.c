/* Looks at H.264 for tests, by libavformat and libavcodec alone: `h264-units list FILE` writes the
 * access units of a file or stream in its order (`list FILE COUNT`: so many at most), as Annex B,
 * each as its length (4 bytes, little-endian) and its bytes. `h264-units show` reads such from
 * standard input, each with a number (8 bytes) before it; a length of 0 begins anew. It decodes
 * them, and writes for each picture, in the order of presentation, a line with the number of its
 * unit and the one in its pixels (barcode.h). */
#include "workers/media/barcode.h"

#include <endian.h>
#include <inttypes.h>
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int list(const char *path, unsigned long count)
{
	AVFormatContext *format = NULL;
	AVBSFContext *filter = NULL;
	AVPacket *packet = av_packet_alloc();
	if (!packet || avformat_open_input(&format, path, NULL, NULL) < 0 ||
	    avformat_find_stream_info(format, NULL) < 0 ||
	    av_bsf_alloc(av_bsf_get_by_name("h264_mp4toannexb"), &filter) < 0 ||
	    avcodec_parameters_copy(filter->par_in, format->streams[0]->codecpar) < 0 ||
	    av_bsf_init(filter) < 0)
		return 1;
	while (count-- > 0 && av_read_frame(format, packet) >= 0) {
		if (av_bsf_send_packet(filter, packet) < 0 ||
		    av_bsf_receive_packet(filter, packet) < 0)
			return 1;
		uint32_t length = htole32((uint32_t)packet->size);
		fwrite(&length, sizeof(length), 1, stdout);
		fwrite(packet->data, 1, (size_t)packet->size, stdout);
		av_packet_unref(packet);
	}
	av_packet_free(&packet);
	av_bsf_free(&filter);
	avformat_close_input(&format);
	return fflush(stdout) ? 1 : 0;
}

static void show_pictures(AVCodecContext *codec, AVFrame *frame)
{
	while (avcodec_receive_frame(codec, frame) >= 0) {
		bool damaged = frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT;
		int64_t number =
			pattern_read_number(frame->data[0], (uint32_t)frame->linesize[0],
					    (uint32_t)frame->width, (uint32_t)frame->height);
		printf("%" PRId64 " %" PRId64 "\n", frame->reordered_opaque,
		       damaged ? INT64_C(-1000) : number);
	}
}

static AVCodecContext *begin(void)
{
	AVCodecContext *codec = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
	if (codec && avcodec_open2(codec, NULL, NULL) < 0)
		avcodec_free_context(&codec);
	return codec;
}

static int show(void)
{
	AVCodecContext *codec = begin();
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	uint32_t length;
	uint64_t number;
	while (codec && fread(&number, sizeof(number), 1, stdin) == 1 &&
	       fread(&length, sizeof(length), 1, stdin) == 1) {
		length = le32toh(length);
		if (length && (av_new_packet(packet, (int)length) < 0 ||
			       fread(packet->data, 1, length, stdin) != length))
			return 1;
		codec->reordered_opaque = (int64_t)le64toh(number);
		if (avcodec_send_packet(codec, length ? packet : NULL) < 0)
			printf("%" PRIu64 " -1001\n", le64toh(number));
		av_packet_unref(packet);
		show_pictures(codec, frame);
		if (length)
			continue;
		avcodec_free_context(&codec);
		codec = begin();
	}
	avcodec_free_context(&codec);
	av_packet_free(&packet);
	av_frame_free(&frame);
	return fflush(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
	av_log_set_level(AV_LOG_QUIET);
	if (argc >= 3 && strcmp(argv[1], "list") == 0)
		return list(argv[2], argc > 3 ? strtoul(argv[3], NULL, 10) : ULONG_MAX);
	if (argc == 2 && strcmp(argv[1], "show") == 0)
		return show();
	return 2;
}
