/* JPEG in, H.264 out, record by record. */
#include "workers/storer/recode.h"

#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "workers/media/h264.h"
#include "workers/media/jpeg.h"
#include "workers/storer/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRESET "veryfast"
#define ALONE  1 /* thread: nobody waits for an archive */

struct recode {
	const struct recode_job *job;
	const struct h264_module *h264;
	struct h264_encoder *encoder;
	struct jpeg_decoder *decoder;
	struct segment_reader reader; /* what is encoded next */
	struct segment_reader again;  /* the records of what comes out, a little later */
	uint64_t run;		      /* what the encoder is for */
	uint32_t width, height;
	int fd; /* the new file; -1: not open */
	uint64_t at;
	uint8_t *buffer;
	size_t capacity;
	char *why;
	size_t why_size;
};

static int explain(struct recode *recode, int code, const char *what)
{
	snprintf(recode->why, recode->why_size, "%s: %s", what, error_text(code));
	return code;
}

/* ---- the new file ---- */

static int write_out(struct recode *recode, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t put = pwrite(recode->fd, data, size, (off_t)recode->at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return explain(recode, error_from_errno(errno), "writing");
		data += put;
		size -= (size_t)put;
		recode->at += (uint64_t)put;
	}
	return 0;
}

static int make_room(struct recode *recode, size_t size)
{
	uint8_t *more;

	if (size <= recode->capacity)
		return 0;
	more = realloc(recode->buffer, size);
	if (more == NULL)
		return explain(recode, TROUPE_E_MEMORY, "writing");
	recode->buffer = more;
	recode->capacity = size;
	return 0;
}

/* The record of the picture, with a packet instead of a JPEG. */
static int write_packet(struct recode *recode, const struct h264_packet *packet)
{
	struct record record;
	uint32_t length;
	int rc = segment_read(&recode->again, packet->id, &record, NULL, &length);

	if (rc < 0)
		return explain(recode, rc, "reading");
	record.coding = packet->key ? CODING_H264_KEY : CODING_H264;
	record.dts = packet->dts;
	record.coded_bytes = (uint32_t)packet->size;
	length = packet->size <= RECORD_MAX ? record_length(record.coding, record.coded_bytes) : 0;
	if (length == 0)
		return explain(recode, TROUPE_E_OVERSIZED, "writing");
	rc = make_room(recode, length);
	if (rc < 0)
		return rc;
	record_encode(&record, packet->data, recode->buffer);
	FAIL_POINT(RECODE_HALF);
	return write_out(recode, recode->buffer, length);
}

static int write_packets(struct recode *recode, int until)
{
	struct h264_packet packet;
	int rc;

	while ((rc = recode->h264->encoder_take(recode->encoder, &packet)) == 0) {
		rc = write_packet(recode, &packet);
		if (rc < 0)
			return rc;
	}
	return rc == until ? 0 : explain(recode, rc, "encoding");
}

/* ---- pictures ---- */

static int end_sequence(struct recode *recode)
{
	int rc = 0;

	if (recode->encoder == NULL)
		return 0;
	rc = recode->h264->encoder_end(recode->encoder);
	rc = rc < 0 ? explain(recode, rc, "encoding") : write_packets(recode, TROUPE_E_ENDED);
	recode->h264->encoder_destroy(recode->encoder);
	recode->encoder = NULL;
	return rc;
}

/* A run has times of its own, and perhaps another size: it begins with a key picture. */
static int begin_sequence(struct recode *recode, uint64_t run, uint32_t width, uint32_t height)
{
	const struct h264_settings settings = {
		.width = width,
		.height = height,
		.gop_ns = recode->job->gop_ns,
		.quality = recode->job->quality,
		.preset = PRESET,
		.threads = ALONE,
	};
	int rc = end_sequence(recode);

	if (rc < 0)
		return rc;
	recode->run = run;
	recode->width = width;
	recode->height = height;
	return recode->h264->encoder_create(&recode->encoder, &settings, recode->why,
					    recode->why_size);
}

static int recode_picture(struct recode *recode, const struct record *record, uint64_t id,
			  const uint8_t *jpeg)
{
	const uint8_t *i420;
	uint32_t width, height;
	int rc =
		jpeg_decode_any(recode->decoder, jpeg, record->coded_bytes, &i420, &width, &height);

	if (rc < 0)
		return explain(recode, rc, "decoding");
	if (recode->encoder == NULL || record->run != recode->run || width != recode->width ||
	    height != recode->height)
		rc = begin_sequence(recode, record->run, width, height);
	if (rc < 0)
		return rc;
	rc = recode->h264->encoder_put(recode->encoder, i420, record->pts, id);
	return rc < 0 ? explain(recode, rc, "encoding") : write_packets(recode, TROUPE_E_AGAIN);
}

static int recode_all(struct recode *recode)
{
	const struct recode_job *job = recode->job;
	uint64_t at = SEGMENT_HEADER;
	int rc = 0;

	while (rc == 0 && at < job->bytes) {
		struct record record;
		const uint8_t *jpeg;
		uint32_t length;

		rc = segment_read(&recode->reader, at, &record, &jpeg, &length);
		if (rc == 0 && record.coding != CODING_JPEG)
			rc = TROUPE_E_UNSUPPORTED;
		if (rc < 0)
			return explain(recode, TROUPE_E_CORRUPT, "reading");
		rc = recode_picture(recode, &record, at, jpeg);
		at += length;
	}
	return rc < 0 ? rc : end_sequence(recode);
}

/* ---- beginning and end ---- */

static int begin_file(struct recode *recode)
{
	struct segment_header header = recode->reader.header;
	uint8_t bytes[SEGMENT_HEADER];
	char name[SEGMENT_NAME_SIZE];

	recode->fd = openat(recode->job->segments, segment_draft_name(recode->job->to, name),
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (recode->fd < 0)
		return explain(recode, error_from_errno(errno), name);
	header.number = recode->job->to;
	header.replaces = recode->job->from;
	segment_encode_header(&header, bytes);
	return write_out(recode, bytes, sizeof(bytes));
}

static int open_all(struct recode *recode)
{
	const struct recode_job *job = recode->job;
	int rc = h264_load(&recode->h264, recode->why, recode->why_size);

	if (rc < 0)
		return rc;
	recode->decoder = jpeg_decoder_create();
	if (recode->decoder == NULL)
		return explain(recode, TROUPE_E_MEMORY, "decoding");
	rc = segment_open(&recode->reader, job->segments, job->from);
	if (rc == 0)
		rc = segment_open(&recode->again, job->segments, job->from);
	if (rc < 0)
		return explain(recode, rc, "reading");
	return begin_file(recode);
}

static void close_all(struct recode *recode)
{
	if (recode->fd >= 0)
		close(recode->fd);
	segment_close(&recode->reader);
	segment_close(&recode->again);
	if (recode->h264 != NULL)
		recode->h264->encoder_destroy(recode->encoder);
	jpeg_decoder_destroy(recode->decoder);
	free(recode->buffer);
}

int recode_segment(const struct recode_job *job, char *why, size_t why_size)
{
	struct recode recode = {
		.job = job,
		.reader.fd = -1,
		.again.fd = -1,
		.fd = -1,
		.why = why,
		.why_size = why_size,
	};
	int rc = open_all(&recode);

	if (rc == 0)
		rc = recode_all(&recode);
	if (rc == 0 && fsync(recode.fd) < 0)
		rc = explain(&recode, error_from_errno(errno), "syncing");
	FAIL_POINT(RECODE_SYNCED);
	close_all(&recode);
	return rc;
}
