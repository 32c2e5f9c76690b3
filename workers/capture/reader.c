/* Demuxing and decoding. One decoder thread and no guesses that depend on time: the same file gives
 * the same frames on every run. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/capture/reader_private.h"

#include <stdlib.h>
#include <time.h>

/* How far before its target a seek goes: decoding that starts at the last key frame of all may lack
 * what earlier frames would have given (open groups of pictures). */
#define SEEK_MARGIN NS_PER_S

/* 36 years. */
#define TIME_MAX (INT64_C(1) << 60)

/* How long a stream may take to be told that we go. */
#define GOODBYE_MAX (NS_PER_S / 2)

void reader_begin(struct reader *reader, int64_t max)
{
	reader->deadline = clock_now() + max;
	if (reader->host->alive)
		reader->host->alive(reader->host->arg);
}

void reader_close(struct reader *reader)
{
	if (!reader)
		return;
	reader_begin(reader, GOODBYE_MAX);
	av_frame_free(&reader->frame);
	av_packet_free(&reader->packet);
	avcodec_free_context(&reader->codec);
	units_destroy(reader->units);
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

/* A time that no video lasts to is none: sums of what is left never overflow. */
static int64_t to_ns(const struct reader *reader, int64_t timestamp)
{
	int64_t since;
	if (timestamp == AV_NOPTS_VALUE ||
	    __builtin_sub_overflow(timestamp, origin(reader), &since))
		return READER_NO_PTS;
	int64_t ns = av_rescale_q(since, reader->stream->time_base, (AVRational){1, (int)NS_PER_S});
	return ns > -TIME_MAX && ns < TIME_MAX ? ns : READER_NO_PTS;
}

int64_t reader_pts(const struct reader *reader, const AVFrame *frame)
{
	/* Of a stream without times libavformat makes some up, from a rate that it makes up too. */
	if (reader->live && reader->format->iformat->flags & AVFMT_NOTIMESTAMPS)
		return READER_NO_PTS;
	return to_ns(reader, frame->best_effort_timestamp);
}

int64_t reader_last_pts(const struct reader *reader)
{
	return reader->last_pts;
}

uint64_t reader_garbage(const struct reader *reader)
{
	return reader->garbage;
}

/* A stream may come to its senses: the next call reads on behind what was no packet. Not at once,
 * for some of libavformat's errors come back at once, too. TROUPE_E_MALFORMED: the time is up. */
static int skip_garbage(struct reader *reader, bool *garbage)
{
	static const struct timespec pause = {.tv_nsec = NS_PER_MS / 10};
	reader->garbage += !*garbage;
	*garbage = true;
	if (clock_now() > reader->deadline)
		return TROUPE_E_MALFORMED;
	nanosleep(&pause, NULL);
	return 0;
}

/* What av_read_frame() means for us: 0 goes on with its packet or, of a stream, behind garbage. A
 * file that breaks off in the middle of a packet ends there. */
static int judge(struct reader *reader, int averror, bool *garbage)
{
	if (averror >= 0)
		return 0;
	if (averror == AVERROR_EOF)
		return TROUPE_E_ENDED;
	if (averror == AVERROR_INVALIDDATA)
		return reader->live ? skip_garbage(reader, garbage) : TROUPE_E_ENDED;
	if (clock_now() > reader->deadline)
		return TROUPE_E_TIMEOUT;
	int code = reader_error(averror);
	return code == TROUPE_E_CONFIG ? TROUPE_E_IO : code;
}

/* Reads the next packet of the video. What else a file holds takes its time; a stream without
 * pictures in read_max is silent, whatever else it sends. */
static int read_packet(struct reader *reader)
{
	bool garbage = false;
	reader_begin(reader, reader->read_max);
	for (;;) {
		av_packet_unref(reader->packet);
		int rc = av_read_frame(reader->format, reader->packet);
		int code = judge(reader, rc, &garbage);
		if (code < 0)
			return code;
		/* An empty packet repeats the last frame; to the decoder it would mean the end. */
		if (rc >= 0 && reader->packet->stream_index == reader->stream->index &&
		    reader->packet->size > 0)
			break;
		if (!reader->live)
			reader_begin(reader, reader->read_max);
		else if (clock_now() > reader->deadline)
			return TROUPE_E_TIMEOUT;
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

/* Gives the decoder one more packet, or the news that there is none. With one thread it decodes a
 * packet before it takes the next, so the mark that is set now is that of the packet's picture. */
static int feed(struct reader *reader)
{
	int rc = read_packet(reader);
	if (rc < 0 && rc != TROUPE_E_ENDED)
		return rc;
	if (rc == 0 && reader->units)
		reader->codec->reordered_opaque = units_put(reader->units, reader->packet,
							    to_ns(reader, reader->packet->dts));
	int sent = avcodec_send_packet(reader->codec, rc == 0 ? reader->packet : NULL);
	if (sent < 0 && rc == 0 && reader->units)
		units_refused(reader->units);
	if (sent == AVERROR(ENOMEM))
		return TROUPE_E_MEMORY;
	return sent < 0 && rc == 0 ? TROUPE_E_CORRUPT : 0;
}

int reader_keep_units(struct reader *reader)
{
	if (reader->codec->codec_id != AV_CODEC_ID_H264)
		return TROUPE_E_UNSUPPORTED;
	return units_create(&reader->units, reader->stream->codecpar, reader_step(reader));
}

const struct unit *reader_unit(const struct reader *reader)
{
	return reader->unit;
}

/* Every picture that comes out passes here, wanted or not: their units are counted. */
static void find_unit(struct reader *reader)
{
	const AVFrame *frame = reader->frame;
	bool damaged = frame->flags & AV_FRAME_FLAG_CORRUPT || frame->decode_error_flags;
	if (reader->units)
		reader->unit = units_take(reader->units, frame->reordered_opaque, damaged,
					  reader->codec->has_b_frames);
}

int reader_next(struct reader *reader, const AVFrame **frame)
{
	for (;;) {
		int rc = avcodec_receive_frame(reader->codec, reader->frame);
		if (rc == 0) {
			find_unit(reader);
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
	reader_begin(reader, OPERATION_MAX);
	int64_t early = pts > SEEK_MARGIN ? pts - SEEK_MARGIN : 0;
	int64_t timestamp =
		av_rescale_q(early, (AVRational){1, (int)NS_PER_S}, reader->stream->time_base);
	if (av_seek_frame(reader->format, reader->stream->index, timestamp + origin(reader),
			  AVSEEK_FLAG_BACKWARD) < 0)
		return TROUPE_E_UNSUPPORTED;
	avcodec_flush_buffers(reader->codec);
	if (reader->units)
		units_flush(reader->units);
	return 0;
}
