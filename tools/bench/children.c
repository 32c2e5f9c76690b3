/* Starting processes so that none outlives the bench. Orphans below a dead child come to us (we are
 * their subreaper), so that killing "all that is left" finds them. */
#include "tools/bench/children.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Rounds of killing orphans: each round may make new ones of what they had started. */
#define KILL_ROUNDS 100

#define WAIT_PIECE_MS 200

void children_init(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void remember(struct children *children, pid_t pid)
{
	if (children->n < CHILDREN_MAX)
		children->pid[children->n++] = pid;
}

static void forget(struct children *children, pid_t pid)
{
	size_t i = 0;
	while (i < children->n && children->pid[i] != pid)
		i++;
	if (i < children->n)
		children->pid[i] = children->pid[--children->n];
}

/* What a child must not have of ours. */
static void become_child(pid_t parent)
{
	setpgid(0, 0);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before we asked to be told */
		_exit(EXIT_FAILURE);
}

pid_t children_fork(struct children *children)
{
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		become_child(parent);
	else if (pid > 0)
		remember(children, pid);
	return pid;
}

static void program_path(const char *program, char *path, size_t size)
{
	char self[512] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = n > 0 ? strrchr(self, '/') : NULL;
	if (program[0] == '/' || !slash)
		snprintf(path, size, "%s", program);
	else
		snprintf(path, size, "%.*s/%s", (int)(slash - self), self, program);
}

static void become_program(const char *program, const char *const argv[],
			   const char *const environment[], int output)
{
	char path[1024];
	union { /* execv wants pointers to writable words, which it does not write */
		const char *const *from;
		char *const *to;
	} words = {.from = argv};
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	program_path(program, path, sizeof(path));
	dup2(output >= 0 && isatty(output) ? output : nothing, STDIN_FILENO);
	dup2(output < 0 ? nothing : output, STDOUT_FILENO);
	dup2(output < 0 ? nothing : output, STDERR_FILENO);
	for (; environment && *environment; environment++) {
		const char *equals = strchr(*environment, '=');
		char name[64];
		snprintf(name, sizeof(name), "%.*s", (int)(equals - *environment), *environment);
		setenv(name, equals + 1, 1);
	}
	execv(path, words.to);
	fprintf(stderr, "cannot start %s: %s\n", path, strerror(errno));
	_exit(127);
}

pid_t children_start(struct children *children, const char *program, const char *const argv[],
		     const char *const environment[], int output)
{
	pid_t pid = children_fork(children);
	if (pid == 0)
		become_program(program, argv, environment, output);
	return pid < 0 ? error_from_errno(errno) : pid;
}

/* Waits in pieces, so that an interrupt just before a poll is seen soon. */
static int await_end(int pidfd, int64_t deadline)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	while (!bench_interrupted()) {
		int ms = clock_poll_ms(clock_now(), deadline);
		int ready = poll(&end, 1, ms < 0 || ms > WAIT_PIECE_MS ? WAIT_PIECE_MS : ms);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return error_from_errno(errno);
		if (clock_now() >= deadline)
			return TROUPE_E_TIMEOUT;
	}
	return TROUPE_E_AGAIN;
}

int children_wait(struct children *children, pid_t pid, int64_t deadline, int *status)
{
	int pidfd = pidfd_open(pid, 0);
	int rc = pidfd < 0 ? error_from_errno(errno) : await_end(pidfd, deadline);
	if (pidfd >= 0)
		close(pidfd);
	if (rc < 0)
		return rc;
	if (waitpid(pid, status, 0) < 0)
		return error_from_errno(errno);
	forget(children, pid);
	return 0;
}

void children_kill(struct children *children, pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
	forget(children, pid);
}

/* Kills every child this process has by now. Returns whether there was one. */
static bool kill_orphans(void)
{
	FILE *list = fopen("/proc/thread-self/children", "re");
	int pid;
	bool any = false;
	while (list && fscanf(list, "%d", &pid) == 1) {
		kill(pid, SIGKILL);
		any = true;
	}
	if (list)
		fclose(list);
	return any;
}

void children_kill_all(struct children *children)
{
	while (children->n > 0)
		children_kill(children, children->pid[0]);
	for (int round = 0; round < KILL_ROUNDS && kill_orphans(); round++)
		while (waitpid(-1, NULL, 0) > 0) {
		}
}
