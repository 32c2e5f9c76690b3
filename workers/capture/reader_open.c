/* Opening: a file must be one, and nothing in it makes us read elsewhere; a stream is waited for no
 * longer than was said, and no word about it has its credentials. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/redact.h"
#include "workers/capture/reader_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a stream may come by, and what it may name: no files of this machine. */
#define NETWORK_PROTOCOLS                                                                          \
	"rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto,rtmp,rtmps,rtmpt,rtmpe,srt,"  \
	"rist,mmsh,mmst,sctp,ftp"

/* How much of a stream is looked at to learn what is in it. */
#define ANALYZE_US "1000000"

/* A rate above this is a clock's, not a camera's. */
#define FPS_MAX 240

/* Of a picture: more than any stream may have. A few bytes can claim any size. */
#define PIXELS_MAX (INT64_C(16384) * 16384)

/* libavformat asks this while it reads: non-zero gives up. */
static int interrupted(void *arg)
{
	const struct reader *reader = arg;
	return clock_now() > reader->deadline || (reader->stop && atomic_load(reader->stop));
}

int reader_error(int averror)
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
	int code = reader_error(averror);
	if (code == TROUPE_E_CONFIG)
		return explain(path, "it is no video that can be read", code, why, why_size);
	return explain(path, av_make_error_string(text, sizeof(text), averror), code, why,
		       why_size);
}

/* Of a stream, all but its contents is the network's fault, or the camera's. */
static int explain_stream(const char *name, int averror, char *why, size_t why_size)
{
	char text[AV_ERROR_MAX_STRING_SIZE];
	if (averror == AVERROR_INVALIDDATA)
		return explain(name, "it is no video that can be read", TROUPE_E_CONFIG, why,
			       why_size);
	/* The latter is what a protocol gets that is not among ours. */
	if (averror == AVERROR_PROTOCOL_NOT_FOUND || averror == AVERROR(EINVAL))
		return explain(name, "no stream comes by such a URL", TROUPE_E_CONFIG, why,
			       why_size);
	int code = averror == AVERROR(ENOMEM) ? TROUPE_E_MEMORY : TROUPE_E_IO;
	return explain(name, av_make_error_string(text, sizeof(text), averror), code, why,
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

/* Whether the header says what the video is: all that a decoder needs. */
static bool says_all(AVFormatContext *format)
{
	int best = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
	return best >= 0 && !(format->ctx_flags & AVFMTCTX_NOHEADER) &&
	       format->streams[best]->codecpar->codec_id != AV_CODEC_ID_NONE;
}

/* Opens what is at `url` and finds its streams; *options is consumed. */
static int open_format(struct reader *reader, const char *url, AVDictionary **options)
{
	reader->format = avformat_alloc_context();
	if (!reader->format)
		return AVERROR(ENOMEM);
	reader->format->interrupt_callback = (AVIOInterruptCB){interrupted, reader};
	int rc = avformat_open_input(&reader->format, url, NULL, options);
	if (rc < 0)
		return rc;
	if (!reader->live)
		reader_begin(reader, OPERATION_MAX);
	if (reader->known && says_all(reader->format))
		return 0;
	return avformat_find_stream_info(reader->format, NULL);
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
	reader->codec->max_pixels = PIXELS_MAX;
	if (rc >= 0)
		rc = avcodec_open2(reader->codec, decoder, NULL);
	return rc < 0 ? explain_av(path, rc, why, why_size) : 0;
}

static void read_info(struct reader *reader)
{
	AVRational fps = av_guess_frame_rate(reader->format, reader->stream, NULL);
	if (fps.num <= 0 || fps.den <= 0)
		fps = (AVRational){25, 1};
	if (reader->live && fps.num / fps.den > FPS_MAX)
		fps = (AVRational){25, 1};
	const AVCodecParameters *parameters = reader->stream->codecpar;
	reader->info = (struct reader_info){
		.width = parameters->width > 0 ? (uint32_t)parameters->width : 0,
		.height = parameters->height > 0 ? (uint32_t)parameters->height : 0,
		.fps_num = (uint32_t)fps.num,
		.fps_den = (uint32_t)fps.den,
		.codec = avcodec_get_name(parameters->codec_id),
		.frames = reader->stream->nb_frames > 0 ? (uint64_t)reader->stream->nb_frames : 0,
	};
}

static int open_video(struct reader *reader, const char *name, const char *url,
		      AVDictionary *options, char *why, size_t why_size)
{
	int rc = open_format(reader, url, &options);
	bool late = rc < 0 && clock_now() > reader->deadline;
	av_dict_free(&options);
	if (late)
		return explain(name, "it does not answer", TROUPE_E_TIMEOUT, why, why_size);
	if (rc < 0)
		return reader->live ? explain_stream(name, rc, why, why_size)
				    : explain_av(name, rc, why, why_size);
	rc = open_codec(reader, name, why, why_size);
	if (rc == 0)
		read_info(reader);
	return rc;
}

static struct reader *create(const char *name, char *why, size_t why_size)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		explain(name, error_text(TROUPE_E_MEMORY), TROUPE_E_MEMORY, why, why_size);
	else
		reader->last_pts = READER_NO_PTS;
	av_log_set_level(AV_LOG_QUIET); /* what matters is said by our own errors and counters */
	return reader;
}

int reader_open(struct reader **opened, const char *path, const struct source_host *host, char *why,
		size_t why_size)
{
	int rc = check_file(path, why, why_size);
	if (rc < 0)
		return rc;
	struct reader *reader = create(path, why, why_size);
	if (!reader)
		return TROUPE_E_MEMORY;
	reader->host = host;
	reader->read_max = OPERATION_MAX;
	reader_begin(reader, OPERATION_MAX);
	char url[PATH_MAX + 8];
	snprintf(url, sizeof(url), "file:%s", path);
	/* A playlist must not make us read from the network. */
	AVDictionary *options = NULL;
	av_dict_set(&options, "protocol_whitelist", "file", 0);
	rc = open_video(reader, path, url, options, why, why_size);
	if (rc < 0) {
		reader_close(reader);
		return rc;
	}
	*opened = reader;
	return 0;
}

int reader_open_url(struct reader **opened, const struct reader_address *address, char *why,
		    size_t why_size)
{
	char name[512];
	redact(address->url, name, sizeof(name));
	struct reader *reader = create(name, why, why_size);
	if (!reader)
		return TROUPE_E_MEMORY;
	reader->live = true;
	reader->known = address->known;
	reader->stop = address->stop;
	reader->host = &address->host;
	reader->read_max = address->read_timeout;
	reader_begin(reader, address->open_timeout);
	AVDictionary *options = NULL;
	av_dict_set(&options, "protocol_whitelist", NETWORK_PROTOCOLS, 0);
	av_dict_set(&options, "rtsp_transport", address->rtsp_transport, 0);
	av_dict_set(&options, "analyzeduration", ANALYZE_US, 0);
	int rc = open_video(reader, name, address->url, options, why, why_size);
	if (rc < 0) {
		reader_close(reader);
		return rc;
	}
	*opened = reader;
	return 0;
}
