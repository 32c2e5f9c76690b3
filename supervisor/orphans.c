/* Going through /proc. */
#include "supervisor/orphans.h"

#include "ipc/base/errors.h"
#include "ipc/worker/contract.h"
#include "supervisor/ended.h"
#include "supervisor/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* More than the environment of any worker takes; of one that has more, the contract's variables
 * come first. */
#define ENVIRONMENT_ROOM 65536

/* The text of /proc/PID/environ; returns its size. */
static size_t read_environment(pid_t pid, char *out, size_t size)
{
	char path[64];
	size_t used = 0;
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && used < size - 1) {
		ssize_t n = read(fd, out + used, size - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	out[used] = '\0';
	return used;
}

/* NULL: it is not set. */
static const char *value_of(const char *environment, size_t size, const char *name)
{
	size_t length = strlen(name);
	for (size_t at = 0; at < size; at += strlen(environment + at) + 1)
		if (strncmp(environment + at, name, length) == 0 && environment[at + length] == '=')
			return environment + at + length + 1;
	return NULL;
}

/* "FOLDER/WORKER.INCARNATION.pipe" */
static uint32_t incarnation_of(const char *pipe)
{
	char copy[256];
	snprintf(copy, sizeof(copy), "%s", pipe);
	char *kind = strrchr(copy, '.');
	if (!kind)
		return 0;
	*kind = '\0';
	const char *number = strrchr(copy, '.');
	return number ? (uint32_t)strtoul(number + 1, NULL, 10) : 0;
}

static bool is_of(pid_t pid, const char *folder, char *environment, struct orphan *out)
{
	size_t size = read_environment(pid, environment, ENVIRONMENT_ROOM);
	const char *of = value_of(environment, size, CONTRACT_ENV_RUNTIME);
	if (!of || strcmp(of, folder) != 0 || getpgid(pid) != pid)
		return false;
	const char *worker = value_of(environment, size, CONTRACT_ENV_WORKER);
	const char *seat = value_of(environment, size, CONTRACT_ENV_SEAT);
	const char *pipe = value_of(environment, size, CONTRACT_ENV_PIPE);
	if (!worker || !seat || !pipe)
		return false;
	*out = (struct orphan){.pid = pid,
			       .pidfd = -1,
			       .start_time = process_start_time(pid),
			       .incarnation = incarnation_of(pipe),
			       .seat = (uint8_t)strtoul(seat, NULL, 10)};
	snprintf(out->worker, sizeof(out->worker), "%s", worker);
	return true;
}

/* The pidfd first: if it still runs after all was read, it was read of that process. */
static bool look_at(pid_t pid, const char *folder, char *room, struct orphan *out)
{
	int fd = pidfd_open(pid, 0);
	struct pollfd end = {.fd = fd, .events = POLLIN};
	if (fd < 0)
		return false;
	if (!is_of(pid, folder, room, out) || poll(&end, 1, 0) != 0) {
		close(fd);
		return false;
	}
	out->pidfd = fd;
	return true;
}

size_t orphans_find(const char *folder, struct orphan *all, size_t max)
{
	char *room = malloc(ENVIRONMENT_ROOM);
	DIR *dir = room ? opendir("/proc") : NULL;
	const struct dirent *entry;
	size_t n = 0;
	while (dir && n < max && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 1 && pid != getpid() && look_at(pid, folder, room, &all[n]))
			n++;
	}
	if (dir)
		closedir(dir);
	free(room);
	return n;
}

void orphans_finish(struct orphan *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].pidfd >= 0)
			close(all[i].pidfd);
}

void orphan_kill(const struct orphan *orphan)
{
	ended_signal_group(orphan->pidfd, orphan->pid, SIGKILL);
}

int orphan_descriptor(const struct orphan *orphan, int fd, int least)
{
	int got = pidfd_getfd(orphan->pidfd, fd, 0);
	if (got < 0)
		return error_from_errno(errno);
	int moved = fcntl(got, F_DUPFD_CLOEXEC, least);
	int rc = moved < 0 ? error_from_errno(errno) : moved;
	close(got);
	return rc;
}
