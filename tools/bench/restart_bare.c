/* The least that a restart can cost: vfork, exec, and nothing else; and what a disk adds to it. */
#include "tools/bench/restart.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* posix_spawn of glibc is clone(CLONE_VM | CLONE_VFORK) and exec. */
static int start(const char *program, int output, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	char name[] = "troupe-first-instruction";
	char *const words[] = {name, NULL}, *const environment[] = {NULL};
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	int rc = posix_spawn(pid, program, &files, NULL, words, environment);
	posix_spawn_file_actions_destroy(&files);
	return rc ? error_from_errno(rc) : 0;
}

/* The program lies beside this one. */
static int find_program(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	path[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(path, '/');
	if (!slash)
		return TROUPE_E_NOT_FOUND;
	size_t used = (size_t)(slash - path);
	snprintf(path + used, size - used, "/troupe-first-instruction");
	return 0;
}

int64_t restart_bare(void)
{
	char program[512];
	int ends[2];
	pid_t pid;
	int64_t began = 0;
	int rc = find_program(program, sizeof(program));
	if (rc < 0)
		return rc;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_from_errno(errno);
	int64_t from = clock_now();
	rc = start(program, ends[1], &pid);
	close(ends[1]);
	if (rc == 0 && read(ends[0], &began, sizeof(began)) != sizeof(began))
		rc = TROUPE_E_IO;
	close(ends[0]);
	if (rc == 0 || rc == TROUPE_E_IO)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
		}
	return rc < 0 ? rc : began - from;
}

int64_t restart_sync(const char *folder)
{
	static const char page[4096];
	char path[128];
	snprintf(path, sizeof(path), "%s/sync", folder);
	int64_t from = clock_now();
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_from_errno(errno);
	int rc = write(fd, page, sizeof(page)) == sizeof(page) && fdatasync(fd) == 0
			 ? 0
			 : error_from_errno(errno);
	int64_t took = clock_now() - from;
	close(fd);
	unlink(path);
	return rc < 0 ? rc : took;
}
