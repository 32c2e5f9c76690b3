/* Films by libavformat; see movie.h. The only file of ours that writes containers, compiled into
 * the module alone. */
#include "workers/media/movie.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/media/annexb.h"

#include <errno.h>
#include <libavformat/avformat.h>
#include <libavutil/mathematics.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What every player takes for MP4, and 11 us is finer than any camera. */
#define TICKS_PER_S 90000

struct movie {
	AVFormatContext *format;
	AVStream *stream;
	AVPacket *packet;
	struct movie_settings settings;
	bool begun;	  /* the header is written */
	int64_t last_dts; /* ticks of the stream */
	uint8_t *unit;	  /* an access unit without its parameter sets */
	size_t unit_capacity;
};

static const char *const muxers[] = {
	[MOVIE_MP4] = "mp4",
	[MOVIE_MATROSKA] = "matroska",
	[MOVIE_QUICKTIME] = "mov",
};

static int error_from_av(int code)
{
	if (code == AVERROR(ENOMEM))
		return TROUPE_E_MEMORY;
	if (code == AVERROR_EXIT)
		return TROUPE_E_CLOSED;
	if (code == AVERROR(EINVAL) || code == AVERROR_INVALIDDATA)
		return TROUPE_E_CORRUPT;
	return AVUNERROR(code) > 0 ? error_from_errno(AVUNERROR(code)) : TROUPE_E_IO;
}

/* What the file itself said is the cause; a muxer that went on may say anything. */
static int outcome(const struct movie *movie, int code)
{
	const AVIOContext *file = movie->format->pb;
	if (file && file->error < 0)
		return error_from_av(file->error);
	return code < 0 ? error_from_av(code) : 0;
}

static int asks_to_stop(void *arg)
{
	const struct movie *movie = arg;
	return movie->settings.stopped && movie->settings.stopped(movie->settings.arg);
}

/* ---- its beginning ---- */

static void describe(struct movie *movie)
{
	const struct movie_settings *settings = &movie->settings;
	char created[32];
	clock_format_wall(settings->created_wall, created, sizeof(created));
	av_dict_set(&movie->format->metadata, "creation_time", created, 0);
	if (settings->title)
		av_dict_set(&movie->format->metadata, "title", settings->title, 0);
	movie->settings.title = NULL;
}

static int add_stream(struct movie *movie)
{
	const struct movie_settings *settings = &movie->settings;
	movie->stream = avformat_new_stream(movie->format, NULL);
	movie->packet = av_packet_alloc();
	if (!movie->stream || !movie->packet)
		return AVERROR(ENOMEM);
	AVCodecParameters *coded = movie->stream->codecpar;
	coded->codec_type = AVMEDIA_TYPE_VIDEO;
	coded->codec_id = settings->codec == MOVIE_H264 ? AV_CODEC_ID_H264 : AV_CODEC_ID_MJPEG;
	coded->width = (int)settings->width;
	coded->height = (int)settings->height;
	if (settings->studio) {
		coded->color_range = AVCOL_RANGE_MPEG;
		coded->color_space = AVCOL_SPC_SMPTE170M;
		coded->color_primaries = AVCOL_PRI_BT709;
		coded->color_trc = AVCOL_TRC_BT709;
	}
	movie->stream->time_base = (AVRational){1, TICKS_PER_S};
	return 0;
}

static int open_file(struct movie *movie, const char *path)
{
	const AVIOInterruptCB stop = {asks_to_stop, movie};
	AVFormatContext *format;
	int rc = avformat_alloc_output_context2(&movie->format, NULL,
						muxers[movie->settings.container], path);
	format = movie->format;
	if (rc < 0)
		return rc;
	format->interrupt_callback = stop;
	describe(movie);
	rc = add_stream(movie);
	return rc < 0 ? rc : avio_open2(&format->pb, path, AVIO_FLAG_WRITE, &stop, NULL);
}

static void movie_destroy(struct movie *movie)
{
	if (!movie)
		return;
	if (movie->format)
		avio_closep(&movie->format->pb);
	avformat_free_context(movie->format);
	av_packet_free(&movie->packet);
	free(movie->unit);
	free(movie);
}

static int movie_create(struct movie **created, const char *path,
			const struct movie_settings *settings, char *why, size_t why_size)
{
	struct movie *movie = calloc(1, sizeof(*movie));
	int rc = AVERROR(ENOMEM);
	av_log_set_level(AV_LOG_QUIET);
	if (movie) {
		movie->settings = *settings;
		movie->last_dts = INT64_MIN;
		rc = open_file(movie, path);
	}
	if (rc < 0) {
		snprintf(why, why_size, "cannot write %s: %s", path, av_err2str(rc));
		movie_destroy(movie);
		return error_from_av(rc);
	}
	*created = movie;
	return 0;
}

/* ---- frames ---- */

/* Where players find the index: in front, so that a browser can begin before it has the whole. */
static int write_header(struct movie *movie)
{
	AVDictionary *options = NULL;
	av_dict_set(&options, "movflags", "+faststart", 0);
	int rc = avformat_write_header(movie->format, &options);
	av_dict_free(&options);
	movie->begun = rc >= 0;
	return rc;
}

/* 4:2:0 in 8 bits, which all players decode: baseline, main, extended and high profile. The first
 * set is the sequence's, and its profile stands behind the start code and the unit's header. */
static bool plays_everywhere(const uint8_t *parameters, size_t size)
{
	uint8_t profile = size > 5 ? parameters[5] : 0;
	return profile == 66 || profile == 77 || profile == 88 || profile == 100;
}

/* Keeps the parameter sets of a key picture as the film's, or finds that they are the same. */
static int take_parameters(struct movie *movie, const struct movie_packet *packet)
{
	AVCodecParameters *coded = movie->stream->codecpar;
	size_t size = annexb_copy(packet->data, packet->size, ANNEXB_PARAMETERS, movie->unit);
	if (movie->begun) {
		/* None: those before go on. */
		bool same = size == 0 || (size == (size_t)coded->extradata_size &&
					  memcmp(coded->extradata, movie->unit, size) == 0);
		return same ? 0 : TROUPE_E_UNSUPPORTED;
	}
	if (!plays_everywhere(movie->unit, size))
		return TROUPE_E_UNSUPPORTED;
	coded->extradata = av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!coded->extradata)
		return TROUPE_E_MEMORY;
	memcpy(coded->extradata, movie->unit, size);
	coded->extradata_size = (int)size;
	return 0;
}

/* In MP4 the parameter sets are in the header and nowhere else. *data and *size lead to the rest.
 */
static int part_h264(struct movie *movie, const struct movie_packet *packet, const uint8_t **data,
		     size_t *size)
{
	size_t room = ANNEXB_ROOM(packet->size);
	if (room > movie->unit_capacity) {
		uint8_t *larger = realloc(movie->unit, room);
		if (!larger)
			return TROUPE_E_MEMORY;
		movie->unit = larger;
		movie->unit_capacity = room;
	}
	int rc = packet->key || !movie->begun ? take_parameters(movie, packet) : 0;
	if (rc < 0)
		return rc;
	*data = movie->unit;
	*size = annexb_copy(packet->data, packet->size, ANNEXB_PICTURE, movie->unit);
	return *size > 0 ? 0 : TROUPE_E_CORRUPT;
}

static int64_t ticks(const struct movie *movie, int64_t ns)
{
	return av_rescale_q(ns, (AVRational){1, (int)NS_PER_S}, movie->stream->time_base);
}

/* Frames closer than a tick come one tick after another. */
static void set_times(struct movie *movie, const struct movie_packet *from)
{
	AVPacket *packet = movie->packet;
	packet->dts = ticks(movie, from->dts);
	packet->pts = ticks(movie, from->pts);
	if (packet->dts <= movie->last_dts)
		packet->dts = movie->last_dts + 1;
	if (packet->pts < packet->dts)
		packet->pts = packet->dts;
	movie->last_dts = packet->dts;
	packet->duration = ticks(movie, from->duration);
	packet->flags = from->key ? AV_PKT_FLAG_KEY : 0;
}

/* The muxer reads the packet's bytes and does not keep them: one stream is never interleaved. */
static int write_packet(struct movie *movie, const struct movie_packet *from, const uint8_t *data,
			size_t size)
{
	AVPacket *packet = movie->packet;
	int rc = movie->begun ? 0 : write_header(movie);
	if (rc < 0)
		return outcome(movie, rc);
	rc = av_new_packet(packet, (int)size);
	if (rc < 0)
		return TROUPE_E_MEMORY;
	memcpy(packet->data, data, size);
	set_times(movie, from);
	rc = av_write_frame(movie->format, packet);
	av_packet_unref(packet);
	return outcome(movie, rc);
}

static int movie_put(struct movie *movie, const struct movie_packet *packet)
{
	const uint8_t *data = packet->data;
	size_t size = packet->size;
	if (size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE)
		return TROUPE_E_OVERSIZED;
	if (movie->settings.codec == MOVIE_H264) {
		int rc = part_h264(movie, packet, &data, &size);
		if (rc < 0)
			return rc;
	}
	return write_packet(movie, packet, data, size);
}

static int movie_finish(struct movie *movie)
{
	if (!movie->begun)
		return TROUPE_E_STATE;
	int rc = outcome(movie, av_write_trailer(movie->format));
	avio_flush(movie->format->pb);
	if (rc == 0)
		rc = outcome(movie, 0);
	int closed = avio_closep(&movie->format->pb);
	return rc < 0 || closed >= 0 ? rc : error_from_av(closed);
}

__attribute__((visibility("default"))) const struct movie_module movie_module = {
	.create = movie_create,
	.put = movie_put,
	.finish = movie_finish,
	.destroy = movie_destroy,
};
