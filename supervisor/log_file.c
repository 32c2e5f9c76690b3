/* Appending, rotating, and counting what did not fit. */
#include "supervisor/log_file.h"

#include "ipc/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 640
/* A line that is longer than this beyond the limit is cut by the new file. */
#define PATIENCE_WITH_A_LINE 65536

/* NAME.log, or with a number NAME.log.NUMBER. */
static char *path_of(const char *folder, const char *name, int64_t number, char *out)
{
	int used = snprintf(out, PATH_SIZE, "%s/%s.log", folder, name);
	if (number > 0 && used > 0 && used < PATH_SIZE)
		snprintf(out + used, PATH_SIZE - (size_t)used, ".%lld", (long long)number);
	return out;
}

void log_file_rotate(const char *folder, const char *name, int64_t files)
{
	char from[PATH_SIZE], to[PATH_SIZE];
	for (int64_t n = files > 0 ? files : 0; n > 0; n--)
		rename(path_of(folder, name, n - 1, from), path_of(folder, name, n, to));
	if (files <= 0)
		unlink(path_of(folder, name, 0, to));
	/* Left over from when more were kept. */
	for (int64_t n = files + 1; unlink(path_of(folder, name, n > 0 ? n : 1, to)) == 0; n++)
		continue;
}

bool log_file_is_full(const struct log_limits *limits, int64_t size, int64_t begun, int64_t now)
{
	return size > 0 && ((limits->size > 0 && size >= limits->size) ||
			    (limits->age > 0 && now - begun >= limits->age));
}

/* The time of its birth, or, where the file system does not keep that, of its last line. */
int64_t log_file_begun(int fd, int64_t now)
{
	struct statx about;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_MTIME | STATX_SIZE, &about) < 0 ||
	    about.stx_size == 0)
		return now;
	bool born = about.stx_mask & STATX_BTIME;
	int64_t wall = (born ? about.stx_btime.tv_sec : about.stx_mtime.tv_sec) * NS_PER_S;
	int64_t age = clock_wall() - wall;
	return age > 0 ? now - age : now;
}

/* ---- what did not fit ---- */

static void lose(struct log_file *log, const char *bytes, size_t size, int why)
{
	if (size == 0)
		return;
	if (!log->lost)
		log->why = why;
	uint64_t lines = 0;
	for (size_t i = 0; i < size; i++)
		lines += bytes[i] == '\n';
	log->lost += lines ? lines : 1;
}

/* Returns how much of it is there. */
static size_t put(struct log_file *log, int fd, const char *bytes, size_t size, int *why)
{
	ssize_t n = size ? write(fd, bytes, size) : 0;
	*why = n < 0 ? errno : ENOSPC; /* a piece is what a full disk takes */
	if (n > 0)
		log->in_a_line = bytes[n - 1] != '\n';
	return n > 0 ? (size_t)n : 0;
}

/* A line in the middle of which the disk became full gets its end first. */
static bool tell_lost(struct log_file *log, int fd, struct log_loss *loss)
{
	char line[192], when[32];
	int why;
	clock_format_wall(clock_wall(), when, sizeof(when));
	int used = snprintf(line, sizeof(line), "%s%s warn  %llu line%s dropped: %s\n",
			    log->in_a_line ? "\n" : "", when, (unsigned long long)log->lost,
			    log->lost == 1 ? "" : "s", strerror(log->why));
	if (put(log, fd, line, (size_t)used, &why) < (size_t)used)
		return false;
	loss->lines = log->lost;
	snprintf(loss->why, sizeof(loss->why), "%s", strerror(log->why));
	log->lost = 0;
	return true;
}

static void write_or_lose(struct log_file *log, int fd, const char *bytes, size_t size,
			  struct log_loss *loss)
{
	int why = log->why;
	size_t taken = 0;
	if (!log->lost || tell_lost(log, fd, loss))
		taken = put(log, fd, bytes, size, &why);
	lose(log, bytes + taken, size - taken, why);
}

/* ---- appending ---- */

static int open_log(struct log_file *log, const char *folder, const char *name)
{
	char path[PATH_SIZE];
	int fd = open(path_of(folder, name, 0, path),
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && !log->begun)
		log->begun = log_file_begun(fd, clock_now());
	return fd;
}

/* How many bytes still belong to a file that is full: the rest of a line that it has begun. */
static size_t belongs_before(const struct log_file *log, const char *bytes, size_t size)
{
	if (!log->in_a_line)
		return 0;
	const char *end = memchr(bytes, '\n', size);
	return end ? (size_t)(end + 1 - bytes) : size;
}

/* The file that is open is full. Returns the one that follows it, or itself for the rest of a line.
 */
static int follow(struct log_file *log, int fd, const char *folder, const char *name,
		  const struct log_limits *limits, bool at_once)
{
	if (log->in_a_line && !at_once)
		return fd;
	close(fd);
	log_file_rotate(folder, name, limits->files);
	log->begun = 0;
	log->in_a_line = false;
	return open_log(log, folder, name);
}

void log_file_append(struct log_file *log, const char *folder, const char *name,
		     const struct log_limits *limits, const char *bytes, size_t size,
		     struct log_loss *loss)
{
	struct stat st = {0};
	*loss = (struct log_loss){0};
	int fd = open_log(log, folder, name);
	if (fd >= 0 && fstat(fd, &st) == 0 &&
	    log_file_is_full(limits, st.st_size, log->begun, clock_now())) {
		size_t before = belongs_before(log, bytes, size);
		write_or_lose(log, fd, bytes, before, loss);
		bytes += before;
		size -= before;
		fd = follow(log, fd, folder, name, limits,
			    st.st_size >= limits->size + PATIENCE_WITH_A_LINE);
	}
	if (fd < 0) {
		lose(log, bytes, size, errno);
		return;
	}
	write_or_lose(log, fd, bytes, size, loss);
	close(fd);
}
