/* A video file, or a stream from the network, as a row of decoded frames, by libavformat and
 * libavcodec, which stay behind this header and convert.h. Every operation ends: by a deadline, or
 * because the video does. One thread at a time. */
#ifndef TROUPE_WORKERS_CAPTURE_READER_H
#define TROUPE_WORKERS_CAPTURE_READER_H

#include "workers/capture/source.h"
#include "workers/capture/units.h"

#include <libavutil/frame.h>
#include <stdatomic.h>

/* The file does not say when a frame is to be shown. */
#define READER_NO_PTS INT64_MIN

struct reader;

struct reader_info {
	uint32_t width, height; /* as the file says, not made even; 0: unknown */
	uint32_t fps_num, fps_den;
	uint64_t frames;   /* as the file says; 0: unknown */
	const char *codec; /* its name */
};

/* Opens the best video stream of a regular file. `path` and *host are borrowed. An error is
 * explained in `why`: TROUPE_E_NOT_FOUND, TROUPE_E_DENIED, TROUPE_E_CONFIG (not a video),
 * TROUPE_E_IO … */
int reader_open(struct reader **opened, const char *path, const struct source_host *host, char *why,
		size_t why_size);

/* Where a stream is and how long it is waited for; all borrowed until it is closed. */
struct reader_address {
	const char *url;	    /* with its credentials: never to be shown */
	const char *rtsp_transport; /* "tcp", "udp" */
	int64_t open_timeout;	    /* ns, until it is known what there is */
	int64_t read_timeout;	    /* ns, from one packet of the video to the next */
	bool known; /* size and rate are: begin at once, without a second of looking closely */
	const atomic_bool *stop; /* true: whatever runs comes back with an error */
	struct source_host host; /* alive: from the thread that reads */
};

/* As reader_open, of a stream. TROUPE_E_TIMEOUT: there was no answer. */
int reader_open_url(struct reader **opened, const struct reader_address *address, char *why,
		    size_t why_size);

void reader_close(struct reader *reader); /* NULL is fine */

const struct reader_info *reader_info(const struct reader *reader);

/* Decodes the next frame in order of presentation into *frame, which is the reader's and valid
 * until the next call. TROUPE_E_ENDED; TROUPE_E_CORRUPT: one frame could not be decoded, the next
 * may; TROUPE_E_IO, TROUPE_E_TIMEOUT, TROUPE_E_MEMORY, TROUPE_E_MALFORMED (of a stream: only
 * garbage for read_timeout). */
int reader_next(struct reader *reader, const AVFrame **frame);

/* From now on the access units of pictures are kept. Before the first reader_next.
 * TROUPE_E_UNSUPPORTED: the video is no H.264. */
int reader_keep_units(struct reader *reader);

/* That of the frame of the last reader_next, valid as long; NULL: it has none that can be relied
 * on, see units.h. */
const struct unit *reader_unit(const struct reader *reader);

/* When the frame is to be shown, ns from the file's first, or READER_NO_PTS. */
int64_t reader_pts(const struct reader *reader, const AVFrame *frame);

/* Stretches of a stream that were no packets and were passed over. */
uint64_t reader_garbage(const struct reader *reader);

/* The highest time among all packets read so far, or READER_NO_PTS. At the end of the file it does
 * not depend on where reading began. */
int64_t reader_last_pts(const struct reader *reader);

/* Reads to the end without decoding, for reader_last_pts. Nothing else is possible afterwards. */
int reader_skip_all(struct reader *reader);

/* Goes to a key frame safely before `pts`. TROUPE_E_UNSUPPORTED: not in this file. */
int reader_seek(struct reader *reader, int64_t pts);

/* Nominal time from one frame to the next, ns. */
int64_t reader_step(const struct reader *reader);

#endif
