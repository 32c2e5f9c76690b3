/* posix_spawn with everything that a child must not inherit taken away. */
#include "supervisor/launch.h"

#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_replaced(const char *entry, const struct launch *what)
{
	size_t name = strcspn(entry, "=") + 1;
	for (size_t i = 0; i < what->n_environment; i++)
		if (strncmp(entry, what->environment[i], name) == 0)
			return true;
	return false;
}

/* Ours first, then what we have ourselves. One heap block of pointers; the strings stay where they
 * are. */
static char **merge_environment(const struct launch *what)
{
	size_t own = 0, n = 0;
	while (environ[own])
		own++;
	const char **all = calloc(own + what->n_environment + 1, sizeof(*all));
	if (!all)
		return NULL;
	for (size_t i = 0; i < what->n_environment; i++)
		all[n++] = what->environment[i];
	for (size_t i = 0; i < own; i++)
		if (!is_replaced(environ[i], what))
			all[n++] = environ[i];
	void *same = all; /* exec takes char *const [] for historical reasons and changes nothing */
	return same;
}

/* A file of its own with `text`, open at its beginning, without a name. -1: errno says why. */
static int file_of(const char *text)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	size_t length = strlen(text), used = 0;
	while (fd >= 0 && used < length) {
		ssize_t n = write(fd, text + used, length - used);
		if (n < 0) {
			close(fd);
			return -1;
		}
		used += (size_t)n;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static void add_files(posix_spawn_file_actions_t *files, const struct launch *what, int input)
{
	posix_spawn_file_actions_adddup2(files, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(files, what->out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(files, what->err, STDERR_FILENO);
	for (size_t i = 0; i < what->n_fds; i++)
		posix_spawn_file_actions_adddup2(files, what->fds[i].from, what->fds[i].to);
	posix_spawn_file_actions_addclosefrom_np(files, what->close_from);
}

int launch(const struct launch *what, pid_t *pid)
{
	char **environment = merge_environment(what);
	int input = what->input ? file_of(what->input) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (!environment || input < 0) {
		int why = environment ? error_from_errno(errno) : TROUPE_E_MEMORY;
		free(environment);
		if (input >= 0)
			close(input);
		return why;
	}
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	add_files(&files, what, input);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP);
	char title[256] = "", argument[64] = "";
	strncpy(title, what->title, sizeof(title) - 1);
	strncpy(argument, what->argument ? what->argument : "", sizeof(argument) - 1);
	char *argv[] = {title, what->argument ? argument : NULL, NULL};
	int rc = posix_spawn(pid, what->program, &files, &attributes, argv, environment);
	FAIL_POINT(SPAWNED);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	free(environment);
	close(input);
	return rc ? error_from_errno(rc) : 0;
}
