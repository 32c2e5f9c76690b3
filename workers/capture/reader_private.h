/* The reader's own view of what is open. Only reader.c and reader_open.c include this. */
#ifndef TROUPE_WORKERS_CAPTURE_READER_PRIVATE_H
#define TROUPE_WORKERS_CAPTURE_READER_PRIVATE_H

#include "workers/capture/reader.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

/* No single operation on a file takes longer. */
#define OPERATION_MAX (10 * NS_PER_S)

struct reader {
	const struct source_host *host;
	const atomic_bool *stop; /* of a stream; NULL */
	bool live, known;
	int64_t read_max; /* ns, for the next packet of the video */
	int64_t deadline; /* of the operation that runs */
	AVFormatContext *format;
	AVCodecContext *codec;
	AVStream *stream;
	AVPacket *packet;
	AVFrame *frame;
	struct units *units;	 /* NULL: not wanted */
	const struct unit *unit; /* of `frame` */
	struct reader_info info;
	int64_t last_pts;
	uint64_t garbage;
};

/* An operation begins: it has `max` ns from now. */
void reader_begin(struct reader *reader, int64_t max);

int reader_error(int averror);

#endif
