/* Writing bytes over themselves. */
#include "workers/storer/rewrite.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE (1u << 20)

int rewrite_bytes(int fd, uint64_t from, uint64_t to)
{
	uint8_t *buffer = malloc(COPY_SIZE);
	int rc = buffer != NULL ? 0 : TROUPE_E_MEMORY;

	while (rc == 0 && from < to) {
		size_t want = to - from < COPY_SIZE ? (size_t)(to - from) : COPY_SIZE;
		ssize_t got = pread(fd, buffer, want, (off_t)from);

		if (got > 0)
			got = pwrite(fd, buffer, (size_t)got, (off_t)from);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			rc = got < 0 ? error_from_errno(errno) : TROUPE_E_IO;
		else
			from += (uint64_t)got;
	}
	free(buffer);
	return rc;
}

/* ---- SQLite's log ----
 *
 * https://www.sqlite.org/fileformat2.html#walformat: a header of 32 bytes and frames, each a header
 * of 24 bytes and a page. A frame counts if it has the salts of the header and its checksum is
 * right, which all before it go into; so what counts ends at the first that has other salts. Behind
 * it lies what an earlier use of the file has left. */

#define LOG_HEADER   32
#define LOG_SALTS    16 /* in the header */
#define FRAME_HEADER 24
#define FRAME_SALTS  8
#define SALTS_SIZE   8

static uint32_t big_endian(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

uint64_t rewrite_log_end(int fd, uint64_t size)
{
	uint8_t header[LOG_HEADER], frame[FRAME_HEADER];
	uint64_t at = LOG_HEADER, length;

	if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return size;
	length = FRAME_HEADER + (uint64_t)big_endian(header + 8);
	while (at + length <= size &&
	       pread(fd, frame, sizeof(frame), (off_t)at) == (ssize_t)sizeof(frame) &&
	       memcmp(frame + FRAME_SALTS, header + LOG_SALTS, SALTS_SIZE) == 0)
		at += length;
	return at;
}

int rewrite_log(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDWR | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_from_errno(errno);
	rc = fstat(fd, &st) < 0 ? error_from_errno(errno)
				: rewrite_bytes(fd, 0, rewrite_log_end(fd, (uint64_t)st.st_size));
	if (rc == 0 && fdatasync(fd) < 0)
		rc = error_from_errno(errno);
	close(fd);
	return rc;
}
