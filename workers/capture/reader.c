/* Demuxing and decoding. One decoder thread and no guesses that depend on time: the same file gives
 * the same frames on every run. */
#include "workers/capture/reader.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* No single operation on a file takes longer. */
#define OPERATION_MAX (10 * NS_PER_S)

/* How far before its target a seek goes: decoding that starts at the last key frame of all may lack
 * what earlier frames would have given (open groups of pictures). */
#define SEEK_MARGIN NS_PER_S

struct reader {
	const struct source_host *host;
	int64_t deadline; /* of the operation that runs */
	AVFormatContext *format;
	AVCodecContext *codec;
	AVStream *stream;
	AVPacket *packet;
	AVFrame *frame;
	struct reader_info info;
	int64_t last_pts;
};

/* libavformat asks this while it reads: non-zero gives up. */
static int interrupted(void *arg)
{
	const struct reader *reader = arg;
	return clock_now() > reader->deadline;
}

static void begin(struct reader *reader)
{
	reader->deadline = clock_now() + OPERATION_MAX;
	if (reader->host->alive)
		reader->host->alive(reader->host->arg);
}

static int error_from_av(int averror)
{
	if (averror == AVERROR_EXIT)
		return TROUPE_E_TIMEOUT;
	if (averror == AVERROR(ENOMEM))
		return TROUPE_E_MEMORY;
	if (averror == AVERROR(ENOENT) || averror == AVERROR(EACCES) || averror == AVERROR(EIO))
		return error_from_errno(AVUNERROR(averror));
	return TROUPE_E_CONFIG;
}

static int explain(const char *path, const char *what, int code, char *why, size_t why_size)
{
	snprintf(why, why_size, "cannot open %s: %s", path, what);
	return code;
}

static int explain_av(const char *path, int averror, char *why, size_t why_size)
{
	char text[AV_ERROR_MAX_STRING_SIZE];
	int code = error_from_av(averror);
	if (code == TROUPE_E_CONFIG)
		return explain(path, "it is no video that can be read", code, why, why_size);
	return explain(path, av_make_error_string(text, sizeof(text), averror), code, why,
		       why_size);
}

/* Only regular files: opening a pipe or a device could wait for ever, and neither can be resumed.
 */
static int check_file(const char *path, char *why, size_t why_size)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return explain(path, strerror(errno), error_from_errno(errno), why, why_size);
	struct stat st;
	int rc = fstat(fd, &st) < 0 ? TROUPE_E_SYSTEM : 0;
	close(fd);
	if (rc < 0)
		return explain(path, strerror(errno), rc, why, why_size);
	if (!S_ISREG(st.st_mode))
		return explain(path, "it is not a regular file", TROUPE_E_CONFIG, why, why_size);
	if (st.st_size == 0)
		return explain(path, "it is empty", TROUPE_E_CONFIG, why, why_size);
	return 0;
}

static int open_format(struct reader *reader, const char *path, char *why, size_t why_size)
{
	char url[PATH_MAX + 8];
	snprintf(url, sizeof(url), "file:%s", path);
	reader->format = avformat_alloc_context();
	if (!reader->format)
		return explain(path, error_text(TROUPE_E_MEMORY), TROUPE_E_MEMORY, why, why_size);
	reader->format->interrupt_callback = (AVIOInterruptCB){interrupted, reader};
	/* A playlist must not make us read from the network. */
	AVDictionary *options = NULL;
	av_dict_set(&options, "protocol_whitelist", "file", 0);
	int rc = avformat_open_input(&reader->format, url, NULL, &options);
	av_dict_free(&options);
	if (rc >= 0) {
		begin(reader);
		rc = avformat_find_stream_info(reader->format, NULL);
	}
	return rc < 0 ? explain_av(path, rc, why, why_size) : 0;
}

/* Chooses the video stream; everything else in the file is passed over. */
static int open_codec(struct reader *reader, const char *path, char *why, size_t why_size)
{
	const AVCodec *decoder = NULL;
	int best = av_find_best_stream(reader->format, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
	if (best == AVERROR_DECODER_NOT_FOUND)
		return explain(path, "there is no decoder for its video", TROUPE_E_CONFIG, why,
			       why_size);
	if (best < 0 || reader->format->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC)
		return explain(path, "there is no video in it", TROUPE_E_CONFIG, why, why_size);
	reader->stream = reader->format->streams[best];
	for (unsigned i = 0; i < reader->format->nb_streams; i++)
		if ((int)i != best)
			reader->format->streams[i]->discard = AVDISCARD_ALL;
	reader->codec = avcodec_alloc_context3(decoder);
	reader->packet = av_packet_alloc();
	reader->frame = av_frame_alloc();
	if (!reader->codec || !reader->packet || !reader->frame)
		return explain(path, error_text(TROUPE_E_MEMORY), TROUPE_E_MEMORY, why, why_size);
	int rc = avcodec_parameters_to_context(reader->codec, reader->stream->codecpar);
	reader->codec->pkt_timebase = reader->stream->time_base;
	reader->codec->thread_count = 1;
	if (rc >= 0)
		rc = avcodec_open2(reader->codec, decoder, NULL);
	return rc < 0 ? explain_av(path, rc, why, why_size) : 0;
}

static void read_info(struct reader *reader)
{
	AVRational fps = av_guess_frame_rate(reader->format, reader->stream, NULL);
	if (fps.num <= 0 || fps.den <= 0)
		fps = (AVRational){25, 1};
	const AVCodecParameters *parameters = reader->stream->codecpar;
	reader->info = (struct reader_info){
		.width = parameters->width > 0 ? (uint32_t)parameters->width : 0,
		.height = parameters->height > 0 ? (uint32_t)parameters->height : 0,
		.fps_num = (uint32_t)fps.num,
		.fps_den = (uint32_t)fps.den,
		.frames = reader->stream->nb_frames > 0 ? (uint64_t)reader->stream->nb_frames : 0,
	};
}

int reader_open(struct reader **opened, const char *path, const struct source_host *host, char *why,
		size_t why_size)
{
	int rc = check_file(path, why, why_size);
	if (rc < 0)
		return rc;
	struct reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return explain(path, error_text(TROUPE_E_MEMORY), TROUPE_E_MEMORY, why, why_size);
	av_log_set_level(AV_LOG_QUIET); /* what matters is said by our own errors and counters */
	reader->host = host;
	reader->last_pts = READER_NO_PTS;
	begin(reader);
	rc = open_format(reader, path, why, why_size);
	if (rc == 0)
		rc = open_codec(reader, path, why, why_size);
	if (rc < 0) {
		reader_close(reader);
		return rc;
	}
	read_info(reader);
	*opened = reader;
	return 0;
}

void reader_close(struct reader *reader)
{
	if (!reader)
		return;
	av_frame_free(&reader->frame);
	av_packet_free(&reader->packet);
	avcodec_free_context(&reader->codec);
	avformat_close_input(&reader->format);
	free(reader);
}

const struct reader_info *reader_info(const struct reader *reader)
{
	return &reader->info;
}

int64_t reader_step(const struct reader *reader)
{
	return NS_PER_S * reader->info.fps_den / reader->info.fps_num;
}

static int64_t origin(const struct reader *reader)
{
	return reader->stream->start_time == AV_NOPTS_VALUE ? 0 : reader->stream->start_time;
}

static int64_t to_ns(const struct reader *reader, int64_t timestamp)
{
	if (timestamp == AV_NOPTS_VALUE)
		return READER_NO_PTS;
	return av_rescale_q(timestamp - origin(reader), reader->stream->time_base,
			    (AVRational){1, (int)NS_PER_S});
}

int64_t reader_pts(const struct reader *reader, const AVFrame *frame)
{
	return to_ns(reader, frame->best_effort_timestamp);
}

int64_t reader_last_pts(const struct reader *reader)
{
	return reader->last_pts;
}

/* Reads the next packet of the video. A file that breaks off in the middle of one ends there. */
static int read_packet(struct reader *reader)
{
	for (;;) {
		begin(reader);
		av_packet_unref(reader->packet);
		int rc = av_read_frame(reader->format, reader->packet);
		if (rc == AVERROR_EOF || rc == AVERROR_INVALIDDATA)
			return TROUPE_E_ENDED;
		if (rc < 0) {
			int code = error_from_av(rc);
			return code == TROUPE_E_CONFIG ? TROUPE_E_IO : code;
		}
		/* An empty packet repeats the last frame; to the decoder it would mean the end. */
		if (reader->packet->stream_index == reader->stream->index &&
		    reader->packet->size > 0)
			break;
	}
	int64_t pts = to_ns(reader, reader->packet->pts != AV_NOPTS_VALUE ? reader->packet->pts
									  : reader->packet->dts);
	if (pts > reader->last_pts)
		reader->last_pts = pts;
	return 0;
}

int reader_skip_all(struct reader *reader)
{
	int rc;
	while ((rc = read_packet(reader)) == 0)
		continue;
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* Gives the decoder one more packet, or the news that there is none. */
static int feed(struct reader *reader)
{
	int rc = read_packet(reader);
	if (rc < 0 && rc != TROUPE_E_ENDED)
		return rc;
	int sent = avcodec_send_packet(reader->codec, rc == 0 ? reader->packet : NULL);
	if (sent == AVERROR(ENOMEM))
		return TROUPE_E_MEMORY;
	return sent < 0 && rc == 0 ? TROUPE_E_CORRUPT : 0;
}

int reader_next(struct reader *reader, const AVFrame **frame)
{
	for (;;) {
		int rc = avcodec_receive_frame(reader->codec, reader->frame);
		if (rc == 0) {
			*frame = reader->frame;
			return 0;
		}
		if (rc == AVERROR_EOF)
			return TROUPE_E_ENDED;
		if (rc == AVERROR(ENOMEM))
			return TROUPE_E_MEMORY;
		if (rc != AVERROR(EAGAIN))
			return TROUPE_E_CORRUPT;
		rc = feed(reader);
		if (rc < 0)
			return rc;
	}
}

int reader_seek(struct reader *reader, int64_t pts)
{
	begin(reader);
	int64_t early = pts > SEEK_MARGIN ? pts - SEEK_MARGIN : 0;
	int64_t timestamp =
		av_rescale_q(early, (AVRational){1, (int)NS_PER_S}, reader->stream->time_base);
	if (av_seek_frame(reader->format, reader->stream->index, timestamp + origin(reader),
			  AVSEEK_FLAG_BACKWARD) < 0)
		return TROUPE_E_UNSUPPORTED;
	avcodec_flush_buffers(reader->codec);
	return 0;
}
