/* Writing bytes over themselves. */
#include "workers/storer/rewrite.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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

int rewrite_file(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDWR | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_from_errno(errno);
	rc = fstat(fd, &st) < 0 ? error_from_errno(errno)
				: rewrite_bytes(fd, 0, (uint64_t)st.st_size);
	if (rc == 0 && fdatasync(fd) < 0)
		rc = error_from_errno(errno);
	close(fd);
	return rc;
}
