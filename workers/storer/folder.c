/* Making, opening and locking the folder of a recording. */
#include "workers/storer/folder.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0755
#define LOCK_MODE   0644
#define RETRY_MS    50

/* Digits of a pid and spaces behind them. */
#define HOLDER_WIDTH 20

static int explain(char *why, size_t why_size, const char *path, const char *what)
{
	int errnum = errno;

	snprintf(why, why_size, "%s '%s': %s", what, path, strerror(errnum));
	return error_from_errno(errnum);
}

/* A folder's name is durable when the folder above it was synced. */
static int sync_parent(const char *path)
{
	char parent[4096];
	char *slash;
	int fd, rc = 0;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash == NULL)
		snprintf(parent, sizeof(parent), ".");
	else
		slash[slash == parent ? 1 : 0] = 0;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

static int make_one(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	if (mkdir(path, FOLDER_MODE) < 0)
		return -1;
	return sync_parent(path);
}

/* mkdir -p */
static int make_path(const char *path)
{
	char part[4096];
	size_t length = strlen(path);

	if (length == 0 || length >= sizeof(part)) {
		errno = length == 0 ? ENOENT : ENAMETOOLONG;
		return -1;
	}
	memcpy(part, path, length + 1);
	for (char *at = part + 1; *at != 0; at++) {
		if (*at != '/')
			continue;
		*at = 0;
		if (make_one(part) < 0)
			return -1;
		*at = '/';
	}
	return part[length - 1] == '/' ? 0 : make_one(part);
}

int folder_open(struct folder *folder, const char *path, bool durably, char *why, size_t why_size)
{
	int rc;

	*folder = (struct folder){.folder = -1, .segments = -1, .lock = -1};
	if (make_path(path) < 0)
		return explain(why, why_size, path, "cannot make the recording's folder");
	folder->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->folder < 0)
		return explain(why, why_size, path, "cannot open the recording's folder");
	if (faccessat(folder->folder, ".", W_OK | X_OK, AT_EACCESS) < 0)
		goto no_write;
	if (mkdirat(folder->folder, FOLDER_SEGMENTS, FOLDER_MODE) < 0 && errno != EEXIST)
		goto no_write;
	folder->segments =
		openat(folder->folder, FOLDER_SEGMENTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->segments < 0 || faccessat(folder->segments, ".", W_OK | X_OK, AT_EACCESS) < 0 ||
	    (durably && fsync(folder->folder) < 0))
		goto no_write;
	return 0;
no_write:
	rc = explain(why, why_size, path, "cannot write into the recording's folder");
	folder_close(folder);
	return rc;
}

/* Who holds the lock wrote its pid into the file; 0: cannot be read. */
static long holder_of(int fd)
{
	char text[32] = "";
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	return got > 0 ? strtol(text, NULL, 10) : 0;
}

static void write_holder(int fd)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%-*d\n", HOLDER_WIDTH, (int)getpid());

	/* Only for people: the lock itself holds without it. Always as long, for to cut a file may
	 * have to wait for the disk. */
	ssize_t ignored = pwrite(fd, text, (size_t)length, 0);
	(void)ignored;
}

int folder_lock(struct folder *folder, const char *path, int64_t wait, folder_waiting_fn *waiting,
		void *arg, char *why, size_t why_size)
{
	int64_t deadline = clock_now() + wait;

	folder->lock = openat(folder->folder, FOLDER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, LOCK_MODE);
	if (folder->lock < 0)
		return explain(why, why_size, path, "cannot lock the recording");
	while (flock(folder->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return explain(why, why_size, path, "cannot lock the recording");
		if (clock_now() >= deadline) {
			snprintf(why, why_size,
				 "recording '%s' is in use by process %ld; stop that one or choose "
				 "another folder",
				 path, holder_of(folder->lock));
			return TROUPE_E_BUSY;
		}
		if (waiting != NULL)
			waiting(arg);
		poll(NULL, 0, RETRY_MS);
	}
	write_holder(folder->lock);
	return 0;
}

void folder_close(struct folder *folder)
{
	/* The lock last: who takes it finds everything else let go. */
	int *const fds[] = {&folder->segments, &folder->folder, &folder->lock};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
