/* From lines to entries. */
#include "supervisor/journald.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define ENTRY_SIZE    2048
#define LINES_AT_ONCE 256

bool journald_is(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	uintmax_t device, inode;
	return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(fd, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

int journald_open(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	/* Errors may have gone to a log file already: a supervisor that was upgraded. */
	if ((!journald_is(STDOUT_FILENO) && !journald_is(STDERR_FILENO)) ||
	    strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A line of ours is "TIME LEVEL text": *line becomes the text. Of others nothing is known. */
static int take_priority(const char **line, size_t *length)
{
	static const struct {
		const char *name; /* with the blanks that fill its column */
		int priority;
	} levels[] = {{" error ", LOG_ERR},
		      {" warn  ", LOG_WARNING},
		      {" info  ", LOG_INFO},
		      {" debug ", LOG_DEBUG}};
	const char *blank = memchr(*line, ' ', *length);
	size_t left = blank ? *length - (size_t)(blank - *line) : 0;
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		size_t size = strlen(levels[i].name);
		if (left > size && memcmp(blank, levels[i].name, size) == 0) {
			*line = blank + size;
			*length = left - size;
			return levels[i].priority;
		}
	}
	return LOG_INFO;
}

static void tell_line(int fd, const char *pipeline, const char *worker, const char *line,
		      size_t length)
{
	char entry[ENTRY_SIZE];
	int priority = take_priority(&line, &length);
	int used = snprintf(entry, sizeof(entry),
			    "PRIORITY=%d\nSYSLOG_IDENTIFIER=troupe\nTROUPE_PIPELINE=%s\n"
			    "TROUPE_WORKER=%s\nMESSAGE=%s: ",
			    priority, pipeline, worker, worker);
	size_t room = sizeof(entry) - (size_t)used - 1;
	length = length < room ? length : room;
	memcpy(entry + used, line, length);
	entry[(size_t)used + length] = '\n';
	ssize_t ignored = send(fd, entry, (size_t)used + length + 1, MSG_NOSIGNAL);
	(void)ignored;
}

void journald_tell(int fd, const char *pipeline, const char *worker, const char *bytes, size_t size)
{
	for (int lines = 0; fd >= 0 && size > 0 && lines < LINES_AT_ONCE; lines++) {
		const char *end = memchr(bytes, '\n', size);
		size_t length = end ? (size_t)(end - bytes) : size, step = length + (end != NULL);
		if (length > 0)
			tell_line(fd, pipeline, worker, bytes, length);
		bytes += step;
		size -= step;
	}
}
