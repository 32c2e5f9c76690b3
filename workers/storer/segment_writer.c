/* Appending to segments, and going back when the disk did not take it. */
#include "workers/storer/segment_writer.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_MODE	0644
#define PAGE		((uint64_t)4096)
#define WRITE_OUT_AFTER 1000000 /* bytes */

void segment_writer_init(struct segment_writer *writer, int folder, const char *stream,
			 uint32_t *numbers)
{
	*writer = (struct segment_writer){.folder = folder, .numbers = numbers, .fd = -1};
	snprintf(writer->header.stream, sizeof(writer->header.stream), "%s", stream);
}

static int write_at(int fd, const uint8_t *data, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t put = pwrite(fd, data, FAIL_SHORT(size), (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return error_from_errno(errno);
		if (put == 0)
			return TROUPE_E_IO;
		data += put;
		offset += (uint64_t)put;
		size -= (size_t)put;
		if (size > 0)
			FAIL_POINT(RECORD_HALF);
	}
	return 0;
}

static int write_header(struct segment_writer *writer)
{
	uint8_t header[SEGMENT_HEADER];

	segment_encode_header(&writer->header, header);
	return write_at(writer->fd, header, sizeof(header), 0);
}

static int open_segment(struct segment_writer *writer, int flags)
{
	char name[SEGMENT_NAME_SIZE];

	writer->fd = openat(writer->folder, segment_name(writer->header.number, name),
			    O_RDWR | O_CLOEXEC | flags, SEGMENT_MODE);
	return writer->fd < 0 ? error_from_errno(errno) : 0;
}

/* The numbers of segments only grow, so the file is new; O_TRUNC clears what a failed try may have
 * left. */
static int start_segment(struct segment_writer *writer)
{
	char name[SEGMENT_NAME_SIZE];
	int rc;

	writer->header.number = ++*writer->numbers;
	writer->header.created_wall = clock_wall();
	writer->created = clock_now();
	rc = open_segment(writer, O_CREAT | O_TRUNC);
	FAIL_POINT(SEGMENT_MADE);
	if (rc == 0)
		rc = write_header(writer);
	FAIL_POINT(SEGMENT_BEGUN);
	if (rc == 0 && fsync(writer->folder) < 0)
		rc = error_from_errno(errno);
	if (rc == 0) {
		writer->started = true;
		writer->at = writer->synced = writer->handed = SEGMENT_HEADER;
		return 0;
	}
	if (writer->fd >= 0) {
		close(writer->fd);
		unlinkat(writer->folder, segment_name(writer->header.number, name), 0);
	}
	writer->fd = -1;
	--*writer->numbers;
	return rc;
}

/* Cuts off what lies behind `at`. A segment without a synced record may have lost its header too.
 */
static int mend(struct segment_writer *writer)
{
	if (writer->fd < 0) {
		int rc = open_segment(writer, 0);

		if (rc < 0)
			return rc;
	}
	if (ftruncate(writer->fd, (off_t)writer->at) < 0)
		return error_from_errno(errno);
	if (writer->at == SEGMENT_HEADER) {
		int rc = write_header(writer);

		if (rc < 0)
			return rc;
	}
	writer->torn = false;
	return 0;
}

int segment_writer_resume(struct segment_writer *writer, uint32_t number, uint64_t at,
			  int64_t created_wall)
{
	int64_t age = clock_wall() - created_wall;
	int rc;

	writer->header.number = number;
	writer->header.created_wall = created_wall;
	rc = open_segment(writer, 0);
	if (rc < 0)
		return rc;
	writer->started = true;
	writer->at = writer->synced = writer->handed = at;
	writer->created = clock_now() - (age > 0 ? age : 0);
	return 0;
}

static int make_room(struct segment_writer *writer, size_t size)
{
	uint8_t *more;

	if (size <= writer->capacity)
		return 0;
	more = realloc(writer->buffer, size);
	if (more == NULL)
		return TROUPE_E_MEMORY;
	writer->buffer = more;
	writer->capacity = size;
	return 0;
}

/* Lets the disk begin with what the next sync would else wait for as a whole. It promises nothing:
 * what is on the disk, and every error, is the sync's to tell. The last page goes with the next. */
static void write_out(struct segment_writer *writer, uint64_t to)
{
	uint64_t from = writer->handed;

	(void)sync_file_range(writer->fd, (off_t)from, (off_t)(to - from), SYNC_FILE_RANGE_WRITE);
	writer->handed = to;
}

int segment_writer_append(struct segment_writer *writer, const struct record *record,
			  const uint8_t *coded, uint64_t *offset, uint32_t *length)
{
	uint32_t size = record_length(record->coding, record->coded_bytes);
	int rc = size > 0 ? make_room(writer, size) : TROUPE_E_OVERSIZED;

	if (rc == 0 && !writer->started)
		rc = start_segment(writer);
	if (rc == 0 && writer->torn)
		rc = mend(writer);
	if (rc < 0)
		return rc;
	record_encode(record, coded, writer->buffer);
	rc = write_at(writer->fd, writer->buffer, size, writer->at);
	if (rc < 0) {
		writer->torn = true;
		(void)mend(writer); /* else before the next append, or by recovery */
		return rc;
	}
	*offset = writer->at;
	*length = size;
	writer->at += size;
	if (writer->at / PAGE * PAGE >= writer->handed + WRITE_OUT_AFTER)
		write_out(writer, writer->at / PAGE * PAGE);
	return 0;
}

void segment_writer_begin_sync(struct segment_writer *writer)
{
	if (writer->started && writer->fd >= 0 && writer->at > writer->handed)
		write_out(writer, writer->at);
}

int segment_writer_sync(struct segment_writer *writer)
{
	int rc;

	if (!writer->started || writer->at == writer->synced)
		return 0;
	if (fdatasync(writer->fd) == 0) {
		writer->synced = writer->handed = writer->at;
		return 0;
	}
	rc = error_from_errno(errno);
	/* A descriptor opened anew reports every error of its own writes. */
	close(writer->fd);
	writer->fd = -1;
	writer->at = writer->handed = writer->synced;
	writer->torn = true;
	(void)mend(writer);
	return rc;
}

void segment_writer_next(struct segment_writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = -1;
	writer->started = false;
	writer->torn = false;
}

void segment_writer_finish(struct segment_writer *writer)
{
	segment_writer_next(writer);
	free(writer->buffer);
	writer->buffer = NULL;
	writer->capacity = 0;
}
