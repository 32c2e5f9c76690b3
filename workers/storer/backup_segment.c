/* Copying one segment, or what it has grown by. */
#include "workers/storer/backup_segment.h"

#include "ipc/base/errors.h"
#include "workers/storer/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_MODE 0644
#define PIECE	     ((uint64_t)4 << 20)

/* The size of the backup's file if it is the same segment, else 0. */
static uint64_t size_there(const struct segment_copy *copy)
{
	struct segment_reader reader;
	int64_t size = 0;

	if (segment_open(&reader, copy->to, copy->number) < 0)
		return 0;
	if (reader.header.created_wall == copy->created_wall)
		size = segment_size(&reader);
	segment_close(&reader);
	return size > 0 ? (uint64_t)size : 0;
}

static uint64_t lesser(uint64_t left, uint64_t right)
{
	return left < right ? left : right;
}

uint64_t segment_copy_missing(const struct segment_copy *copy)
{
	return copy->bytes - lesser(size_there(copy), copy->bytes);
}

static int open_in(int folder, uint32_t number, int flags)
{
	char name[SEGMENT_NAME_SIZE];
	int fd = openat(folder, segment_name(number, name), flags | O_CLOEXEC, SEGMENT_MODE);

	return fd >= 0 ? fd : error_from_errno(errno);
}

static ssize_t read_some(int fd, uint8_t *out, uint64_t size, uint64_t at)
{
	ssize_t got;

	do {
		got = pread(fd, out, size, (off_t)at);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? error_from_errno(errno) : got;
}

/* How many of the first `size` bytes of both files are the same, in whole pieces, or an error. */
static int64_t same_bytes(int one, int other, uint64_t size)
{
	uint8_t *here = malloc(2 * PIECE);
	uint8_t *there = here != NULL ? here + PIECE : NULL;
	int64_t at = here != NULL ? 0 : TROUPE_E_MEMORY;

	while (at >= 0 && (uint64_t)at < size) {
		uint64_t piece = lesser(PIECE, size - (uint64_t)at);
		ssize_t got = read_some(one, here, piece, (uint64_t)at);
		ssize_t also = got < 0 ? got : read_some(other, there, piece, (uint64_t)at);

		if (also < 0) {
			at = also;
		} else if (got != also || (uint64_t)got != piece ||
			   memcmp(here, there, (size_t)piece) != 0) {
			break;
		} else {
			at += (int64_t)piece;
		}
	}
	free(here);
	return at;
}

/* One piece through memory, where the kernel cannot copy by itself. */
static ssize_t copy_by_hand(int in, int out, uint64_t at, uint64_t size)
{
	uint8_t buffer[65536];
	ssize_t got = read_some(in, buffer, lesser(size, sizeof(buffer)), at);

	for (ssize_t put = 0; got > 0 && put < got;) {
		ssize_t n = pwrite(out, buffer + put, (size_t)(got - put), (off_t)at + put);

		if (n < 0 && errno != EINTR)
			return error_from_errno(errno);
		put += n > 0 ? n : 0;
	}
	return got;
}

/* Within one file system that can, nothing is copied at all: both files share their blocks. */
static ssize_t copy_piece(int in, int out, uint64_t at, uint64_t size)
{
	off_t from = (off_t)at, to = (off_t)at;
	ssize_t done = copy_file_range(in, &from, out, &to, size, 0);

	if (done >= 0)
		return done;
	if (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
	    errno == EINTR)
		return copy_by_hand(in, out, at, size);
	return error_from_errno(errno);
}

/* Copies [from, copy->bytes) and syncs it. */
static int copy_bytes(struct segment_copy *copy, int in, int out, uint64_t from)
{
	for (uint64_t at = from; at < copy->bytes;) {
		ssize_t done = copy_piece(in, out, at, lesser(PIECE, copy->bytes - at));

		if (done < 0)
			return (int)done;
		if (done == 0)
			return TROUPE_E_TRUNCATED;
		at += (uint64_t)done;
		copy->copied += (uint64_t)done;
		if (copy->going != NULL && !copy->going(copy->arg, (uint64_t)done))
			return TROUPE_E_CLOSED;
	}
	return fsync(out) == 0 ? 0 : error_from_errno(errno);
}

/* What was copied is read again from the copy: a backup of damage should be known as one. */
static int look_at_copy(struct segment_copy *copy, int folder, uint64_t from)
{
	struct segment_reader reader;
	uint64_t at = from > SEGMENT_HEADER ? from : SEGMENT_HEADER;
	int rc = segment_open(&reader, folder, copy->number);

	if (rc == TROUPE_E_CORRUPT || rc == TROUPE_E_TRUNCATED)
		copy->damaged = true;
	if (rc < 0)
		return copy->damaged ? 0 : rc;
	while (rc == 0 && at < copy->bytes) {
		struct record record;
		uint32_t length = 0;

		rc = segment_read(&reader, at, &record, NULL, &length);
		at += length;
	}
	segment_close(&reader);
	if (rc == TROUPE_E_CORRUPT || rc == TROUPE_E_TRUNCATED || at != copy->bytes) {
		copy->damaged = true;
		rc = 0;
	}
	return rc;
}

/* Into the folder of unfinished things, and from there, whole and durable, to its place. */
static int copy_anew(struct segment_copy *copy, int in)
{
	char name[SEGMENT_NAME_SIZE];
	int out = open_in(copy->unfinished, copy->number, O_RDWR | O_CREAT | O_TRUNC);
	int rc = out < 0 ? out : copy_bytes(copy, in, out, 0);

	if (out >= 0)
		close(out);
	if (rc == 0)
		rc = look_at_copy(copy, copy->unfinished, 0);
	segment_name(copy->number, name);
	if (rc == 0 && renameat(copy->unfinished, name, copy->to, name) < 0)
		rc = error_from_errno(errno);
	if (rc < 0 && out >= 0)
		unlinkat(copy->unfinished, name, 0);
	return rc;
}

/* What lies behind `from` the backup before knows nothing of. */
static int grow(struct segment_copy *copy, int in, uint64_t from)
{
	int out = open_in(copy->to, copy->number, O_RDWR);
	int rc = out < 0 ? out : 0;

	if (rc == 0 && ftruncate(out, (off_t)from) < 0)
		rc = error_from_errno(errno);
	if (rc == 0)
		rc = copy_bytes(copy, in, out, from);
	if (out >= 0)
		close(out);
	/* Where records begin is known at an end that was vouched for. */
	return rc < 0 ? rc : look_at_copy(copy, copy->to, from == copy->vouched ? from : 0);
}

/* Compares before anything is believed. A recording may differ from what was copied of it: a power
 * loss took its end, and others came. */
static int grow_or_copy(struct segment_copy *copy, int in, uint64_t there)
{
	uint64_t limit = lesser(there, copy->vouched > 0 ? copy->vouched : copy->bytes);
	int out = open_in(copy->to, copy->number, O_RDONLY);
	int64_t same = out < 0 ? out : same_bytes(in, out, limit);

	if (out >= 0)
		close(out);
	if (same < 0)
		return (int)same;
	if (same == 0 || (copy->vouched > 0 && (uint64_t)same < copy->vouched))
		return copy_anew(copy, in);
	return grow(copy, in, (uint64_t)same);
}

int segment_copy_run(struct segment_copy *copy)
{
	uint64_t there = size_there(copy);
	int in, rc;

	if (copy->vouched == copy->bytes && there == copy->bytes)
		return 0;
	in = open_in(copy->from, copy->number, O_RDONLY);
	if (in < 0)
		return in;
	rc = there > 0 ? grow_or_copy(copy, in, there) : copy_anew(copy, in);
	close(in);
	return rc;
}
