/* The program writes into a pipe that holds an answer and no more; its end or a timer ends the
 * question. */
#include "supervisor/contain_ask.h"

#include "ipc/base/clock.h"
#include "ipc/worker/contract.h"
#include "supervisor/launch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S   10
#define ANSWER_LIMIT 65536 /* what a pipe holds */

struct program_question {
	struct loop *loop;
	struct known_program *known;
	pid_t pid;
	int pidfd, out, timer;
	told_fn *told;
	void *arg;
};

/* ---- its end ---- */

static void finish(struct program_question *q)
{
	const int fds[] = {q->pidfd, q->out, q->timer};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] < 0)
			continue;
		loop_watch_fd(q->loop, fds[i], 0, NULL, NULL);
		close(fds[i]);
	}
	if (q->pid > 0) {
		kill(-q->pid, SIGKILL);
		waitpid(q->pid, NULL, 0); /* or whoever waits for all has done so */
	}
	free(q);
}

void program_ask_no_more(struct program_question *question)
{
	if (!question)
		return;
	free(question->known);
	finish(question);
}

/* What is no answer is none. */
static void read_answer(struct program_question *q)
{
	char *text = malloc(ANSWER_LIMIT + 1);
	size_t used = 0;
	ssize_t n;
	while (text && used < ANSWER_LIMIT &&
	       (n = read(q->out, text + used, ANSWER_LIMIT - used)) > 0)
		used += (size_t)n;
	if (text) {
		text[used] = '\0';
		int count = rows_parse(text, &q->known->rows);
		q->known->n_rows = count > 0 ? (size_t)count : 0;
		if (count >= 0)
			needs_parse(text, &q->known->needs);
	}
	free(text);
}

static void on_end(void *arg, int fd, short revents)
{
	struct program_question *q = arg;
	told_fn *told = q->told;
	void *told_arg = q->arg;
	struct known_program *known = q->known;
	(void)revents;
	if (fd == q->pidfd)
		read_answer(q);
	finish(q);
	told(told_arg, known);
}

/* ---- its beginning ---- */

static int start(struct program_question *q)
{
	const struct itimerspec patience = {.it_value.tv_sec = PATIENCE_S};
	struct launched made;
	int ends[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		close(null);
		return -1;
	}
	q->out = ends[0];
	fcntl(q->out, F_SETFL, O_NONBLOCK);
	int rc = launch(&(struct launch){.program = q->known->program,
					 .title = q->known->program,
					 .argument = CONTRACT_ARG_ROWS,
					 .out = ends[1],
					 .err = null,
					 .close_from = 3},
			&made);
	q->pid = made.pid;
	q->pidfd = made.pidfd;
	close(null);
	close(ends[1]);
	q->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (rc < 0 || q->pidfd < 0 || q->timer < 0 ||
	    timerfd_settime(q->timer, 0, &patience, NULL) < 0 ||
	    loop_watch_fd(q->loop, q->pidfd, POLLIN, on_end, q) < 0)
		return -1;
	return loop_watch_fd(q->loop, q->timer, POLLIN, on_end, q);
}

struct program_question *program_ask(struct loop *loop, const char *program, told_fn *told,
				     void *arg)
{
	struct program_question *q = calloc(1, sizeof(*q));
	struct known_program *known = calloc(1, sizeof(*known));
	if (!q || !known) {
		free(q);
		free(known);
		return NULL;
	}
	snprintf(known->program, sizeof(known->program), "%s", program);
	*q = (struct program_question){.loop = loop,
				       .known = known,
				       .pidfd = -1,
				       .out = -1,
				       .timer = -1,
				       .told = told,
				       .arg = arg};
	if (start(q) == 0)
		return q;
	finish(q);
	told(arg, known);
	return NULL;
}
