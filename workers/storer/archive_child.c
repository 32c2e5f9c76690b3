/* Starting, watching and ending troupe-archive. */
#include "workers/storer/archive_child.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST_OTHER_FD 3
#define END_WAIT_MS    200
#define ROLE	       "TROUPE_WORKER="

/* What posix_spawn takes. */
struct launch {
	char program[1024];
	char words[ARCHIVE_ARGUMENTS][64];
	char folder[640];
	char role[32];
	char *argv[ARCHIVE_ARGUMENTS + 1];
	char **env; /* the texts are others' */
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
};

static int find_program(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;
	size_t room;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	room = slash != NULL ? size - (size_t)(slash - path) : 0;
	if (slash == NULL || (size_t)snprintf(slash, room, "/" ARCHIVE_PROGRAM) >= room)
		return TROUPE_E_OVERSIZED;
	return 0;
}

static void write_words(struct launch *launch, const struct archive_order *order)
{
	static const size_t size = sizeof(launch->words[0]);
	const long long numbers[ARCHIVE_ARGUMENTS] = {
		[1] = getpid(),	 [3] = order->from,    [4] = (long long)order->bytes,
		[5] = order->to, [6] = order->quality, [7] = order->eager,
	};

	for (size_t i = 0; i < ARCHIVE_ARGUMENTS; i++) {
		launch->argv[i] = launch->words[i];
		snprintf(launch->words[i], size, "%lld", numbers[i]);
	}
	snprintf(launch->words[0], size, "troupe: %s archive", order->pipeline);
	snprintf(launch->folder, sizeof(launch->folder), "%s", order->segments);
	launch->argv[2] = launch->folder;
}

/* Its role is its own: it is no worker. */
static int make_environment(struct launch *launch)
{
	size_t n = 0;

	snprintf(launch->role, sizeof(launch->role), ROLE "archive");
	while (environ[n] != NULL)
		n++;
	launch->env = calloc(n + 1, sizeof(*launch->env));
	if (launch->env == NULL)
		return TROUPE_E_MEMORY;
	for (size_t i = 0; i < n; i++) {
		bool role = strncmp(environ[i], ROLE, sizeof(ROLE) - 1) == 0;

		launch->env[i] = role ? launch->role : environ[i];
	}
	return 0;
}

/* Nothing of ours goes along but the log: neither the pipeline's lock nor the recording's, nor a
 * signal that we have blocked. Its group is its own: a Ctrl-C on the terminal is not for it. */
static int prepare(struct launch *launch)
{
	const short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	rc = posix_spawn_file_actions_addopen(&launch->actions, STDIN_FILENO, "/dev/null", O_RDONLY,
					      0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&launch->actions, FIRST_OTHER_FD);
	if (rc == 0)
		rc = posix_spawnattr_setflags(&launch->attributes, flags);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(&launch->attributes, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(&launch->attributes, &all);
	if (rc == 0)
		rc = posix_spawnattr_setpgroup(&launch->attributes, 0);
	return rc == 0 ? 0 : error_from_errno(rc);
}

static int spawn(struct archive_child *child, struct launch *launch)
{
	int rc = posix_spawn(&child->pid, launch->program, &launch->actions, &launch->attributes,
			     launch->argv, launch->env);

	if (rc != 0) {
		child->pid = 0;
		return error_from_errno(rc);
	}
	child->fd = pidfd_open(child->pid, 0);
	if (child->fd < 0) {
		rc = error_from_errno(errno);
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
		child->pid = 0;
		return rc;
	}
	child->cpu = -1;
	child->moved = clock_now();
	return 0;
}

int archive_child_start(struct archive_child *child, const struct archive_order *order)
{
	struct launch launch;
	int rc;

	*child = (struct archive_child){.fd = -1};
	if (posix_spawn_file_actions_init(&launch.actions) != 0)
		return TROUPE_E_MEMORY;
	if (posix_spawnattr_init(&launch.attributes) != 0) {
		posix_spawn_file_actions_destroy(&launch.actions);
		return TROUPE_E_MEMORY;
	}
	memset(launch.argv, 0, sizeof(launch.argv));
	write_words(&launch, order);
	launch.env = NULL;
	rc = find_program(launch.program, sizeof(launch.program));
	if (rc == 0)
		rc = make_environment(&launch);
	if (rc == 0)
		rc = prepare(&launch);
	if (rc == 0)
		rc = spawn(child, &launch);
	free(launch.env);
	posix_spawnattr_destroy(&launch.attributes);
	posix_spawn_file_actions_destroy(&launch.actions);
	return rc;
}

static void forget(struct archive_child *child)
{
	close(child->fd);
	*child = (struct archive_child){.fd = -1};
}

bool archive_child_ended(struct archive_child *child, int *code, int *status)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return false;
	*code = info.si_code;
	*status = info.si_status;
	forget(child);
	return true;
}

bool archive_child_hangs(struct archive_child *child, int64_t now, int64_t limit)
{
	struct timespec used;
	clockid_t clock;
	int64_t cpu;

	if (clock_getcpuclockid(child->pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
		return false; /* it has just ended */
	cpu = used.tv_sec * NS_PER_S + used.tv_nsec;
	if (cpu != child->cpu) {
		child->cpu = cpu;
		child->moved = now;
	}
	return now - child->moved >= limit;
}

void archive_child_kill(const struct archive_child *child)
{
	if (child->pid > 0)
		kill(child->pid, SIGKILL);
}

void archive_child_drop(struct archive_child *child)
{
	struct pollfd end = {.fd = child->fd, .events = POLLIN};
	int code, status;

	if (child->pid <= 0)
		return;
	archive_child_kill(child);
	(void)poll(&end, 1, END_WAIT_MS);
	if (!archive_child_ended(child, &code, &status))
		forget(child);
}
