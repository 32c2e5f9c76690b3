/* Log pipes to log files. */
#include "supervisor/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* So much is read at a time: a flood from one worker must not keep the others waiting. */
#define READ_AT_ONCE 65536
/* A log file that has grown so large becomes WORKER.log.1, in place of the one before it. */
#define LOG_LIMIT (16 << 20)

static void append(const struct part *part, const char *bytes, size_t size)
{
	char path[600], old[620];
	struct stat st;
	const struct member *m = part->member;
	snprintf(path, sizeof(path), "%s/%s.log", m->supervisor->runtime.state, m->name);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	ssize_t ignored = write(fd, bytes, size);
	(void)ignored; /* a full disk costs log lines and nothing else */
	if (fstat(fd, &st) == 0 && st.st_size > LOG_LIMIT) {
		snprintf(old, sizeof(old), "%s.1", path);
		rename(path, old);
	}
	close(fd);
}

/* Returns what read(2) returned. */
static ssize_t take(struct part *part)
{
	char bytes[READ_AT_ONCE];
	ssize_t n = read(part->process.log_fd, bytes, sizeof(bytes));
	if (n > 0) {
		append(part, bytes, (size_t)n);
		words_add(&part->process.words, bytes, (size_t)n);
	}
	return n;
}

void logs_on_output(void *arg, int fd, short revents)
{
	struct part *part = arg;
	(void)revents;
	ssize_t n = take(part);
	/* Closed by the worker: nothing more will come, and an end of file would wake us for ever.
	 */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		loop_watch_fd(part->member->supervisor->loop, fd, 0, NULL, NULL);
}

void logs_take_rest(struct part *part)
{
	/* What a pipe can hold, and no more: a child that escaped may go on writing. */
	for (int i = 0; i < 16 && take(part) > 0; i++)
		continue;
}
