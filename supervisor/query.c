/* One question to a program, over two pipes. */
#include "supervisor/query.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "supervisor/launch.h"
#include "supervisor/words.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct question {
	pid_t pid;
	int out, err; /* -1: has ended */
	char *text;   /* QUERY_LIMIT + 1 bytes */
	size_t used;
	struct words words;
};

static int start(struct question *q, const char *program, const char *argument, const char *lines)
{
	int out[2], err[2];
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_from_errno(errno);
	if (pipe2(err, O_CLOEXEC) < 0) {
		close(out[0]);
		close(out[1]);
		return error_from_errno(errno);
	}
	q->out = out[0];
	q->err = err[0];
	struct launched made;
	int rc = launch(&(struct launch){.program = program,
					 .title = program,
					 .argument = argument,
					 .input = lines,
					 .out = out[1],
					 .err = err[1],
					 .close_from = 3},
			&made);
	q->pid = made.pid;
	if (made.pidfd >= 0)
		close(made.pidfd);
	close(out[1]);
	close(err[1]);
	return rc;
}

/* Reads what is there; at the end closes the descriptor and sets it to -1. */
static int take(struct question *q, int *fd)
{
	char bytes[4096];
	ssize_t n = read(*fd, bytes, sizeof(bytes));
	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
	} else if (fd == &q->err) {
		words_add(&q->words, bytes, (size_t)n);
	} else if (q->used + (size_t)n > QUERY_LIMIT) {
		return TROUPE_E_OVERSIZED;
	} else {
		for (ssize_t i = 0; i < n; i++)
			q->text[q->used++] = bytes[i];
	}
	return 0;
}

/* Until both pipes have ended or the time is up. */
static int listen_to(struct question *q, int64_t deadline)
{
	while (q->out >= 0 || q->err >= 0) {
		int64_t now = clock_now();
		struct pollfd items[2] = {{.fd = q->out, .events = POLLIN},
					  {.fd = q->err, .events = POLLIN}};
		if (now >= deadline)
			return TROUPE_E_TIMEOUT;
		if (poll(items, 2, clock_poll_ms(now, deadline)) < 0 && errno != EINTR)
			return error_from_errno(errno);
		int rc = items[0].revents ? take(q, &q->out) : 0;
		if (rc == 0 && items[1].revents)
			rc = take(q, &q->err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Its end: a program that has closed its pipes but still runs is given what is left of the time. */
static int end(struct question *q, int heard, int64_t deadline)
{
	int status = 0;
	pid_t done = 0;
	while (heard == 0 && (done = waitpid(q->pid, &status, WNOHANG)) == 0 &&
	       clock_now() < deadline)
		poll(NULL, 0, 1);
	kill(-q->pid, SIGKILL);
	if (done != q->pid) {
		waitpid(q->pid, &status, 0);
		return heard < 0 ? heard : TROUPE_E_TIMEOUT;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : TROUPE_E_STATE;
}

int query(const char *program, const char *argument, const char *lines, int64_t timeout,
	  char **answer, char *words, size_t words_size)
{
	struct question q = {.out = -1, .err = -1, .text = malloc(QUERY_LIMIT + 1)};
	int64_t deadline = clock_now() + timeout;
	*answer = NULL;
	*words = '\0';
	if (!q.text)
		return TROUPE_E_MEMORY;
	int rc = start(&q, program, argument, lines);
	if (rc == 0)
		rc = end(&q, listen_to(&q, deadline), deadline);
	if (q.out >= 0)
		close(q.out);
	if (q.err >= 0)
		close(q.err);
	words_last(&q.words, words, words_size);
	words_finish(&q.words);
	if (rc < 0) {
		free(q.text);
		return rc;
	}
	q.text[q.used] = '\0';
	*answer = q.text;
	return rc;
}
