/* A disk that fails when told to. */
#include "tests/unit/disk_faults.h"

#include <errno.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

/* The names are the linker's. NOLINTBEGIN(bugprone-reserved-identifier) */
ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t at);
int __real_fdatasync(int fd);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at);
int __wrap_fdatasync(int fd);
/* NOLINTEND(bugprone-reserved-identifier) */

struct disk_faults *disk_faults(void)
{
	static struct disk_faults disk;

	return &disk;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at)
{
	struct disk_faults *disk = disk_faults();

	if (disk->pwrite_errno == 0)
		return __real_pwrite(fd, data, size, at);
	if (disk->pwrite_first > 0) {
		size_t first = disk->pwrite_first < size ? disk->pwrite_first : size;

		disk->pwrite_first = 0;
		return __real_pwrite(fd, data, first, at);
	}
	errno = disk->pwrite_errno;
	return -1;
}

int __wrap_fdatasync(int fd)
{
	struct disk_faults *disk = disk_faults();

	if (++disk->fdatasyncs == disk->fdatasync_dies)
		kill(getpid(), SIGKILL);
	if (disk->fdatasync_errno == 0 ||
	    (disk->fdatasync_only != 0 && disk->fdatasync_only != disk->fdatasyncs))
		return __real_fdatasync(fd);
	errno = disk->fdatasync_errno;
	return -1;
}
