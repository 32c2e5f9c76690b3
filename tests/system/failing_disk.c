/* Preloaded into a storer: while the file named by TROUPE_TEST_BAD is there, one in four of its
 * writes, syncs and truncations of the recording's files fails, SQLite's included: a write with
 * ENOSPC or after a part of it, a sync with EIO. Which ones follows from TROUPE_TEST_SEED. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ONE_IN 4

#pragma GCC visibility push(default)

/* Each under the name that libc has for it. */
ssize_t on_pwrite(int fd, const void *data, size_t size, off_t at) __asm__("pwrite");
ssize_t on_pwrite64(int fd, const void *data, size_t size, off_t at) __asm__("pwrite64");
int on_fdatasync(int fd) __asm__("fdatasync");
int on_fsync(int fd) __asm__("fsync");
int on_ftruncate(int fd, off_t size) __asm__("ftruncate");
int on_ftruncate64(int fd, off_t size) __asm__("ftruncate64");

#pragma GCC visibility pop

static bool of_recording(int fd)
{
	char name[64], path[4096];
	ssize_t length;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	length = readlink(name, path, sizeof(path) - 1);
	if (length < 0)
		return false;
	path[length] = 0;
	return strstr(path, "/recording/") != NULL;
}

static bool fails(int fd)
{
	static atomic_uint calls;
	const char *bad = getenv("TROUPE_TEST_BAD"), *seed = getenv("TROUPE_TEST_SEED");
	unsigned n;

	if (bad == NULL || seed == NULL || access(bad, F_OK) < 0 || !of_recording(fd))
		return false;
	n = atomic_fetch_add(&calls, 1) + (unsigned)atoi(seed);
	return (n * 2654435761u >> 16) % ONE_IN == 0;
}

ssize_t on_pwrite(int fd, const void *data, size_t size, off_t at)
{
	if (!fails(fd))
		return syscall(SYS_pwrite64, fd, data, size, at);
	if (size % 3 == 0)
		return syscall(SYS_pwrite64, fd, data, size / 3, at);
	errno = ENOSPC;
	return -1;
}

ssize_t on_pwrite64(int fd, const void *data, size_t size, off_t at)
{
	return on_pwrite(fd, data, size, at);
}

static int refuse(int fd, long call, off_t size)
{
	if (!fails(fd))
		return (int)syscall(call, fd, size);
	errno = EIO;
	return -1;
}

int on_fdatasync(int fd)
{
	return refuse(fd, SYS_fdatasync, 0);
}

int on_fsync(int fd)
{
	return refuse(fd, SYS_fsync, 0);
}

int on_ftruncate(int fd, off_t size)
{
	return refuse(fd, SYS_ftruncate, size);
}

int on_ftruncate64(int fd, off_t size)
{
	return refuse(fd, SYS_ftruncate, size);
}
