/* Starting a program by posix_spawn: the memory of the supervisor is never copied, whatever its
 * size. */
#ifndef TROUPE_SUPERVISOR_LAUNCH_H
#define TROUPE_SUPERVISOR_LAUNCH_H

#include <stddef.h>
#include <sys/types.h>

#define LAUNCH_FDS 4

struct launch {
	const char *program;		/* path */
	const char *title;		/* argv[0] */
	const char *argument;		/* argv[1], NULL none */
	const char *const *environment; /* "NAME=value" on top of our own environment */
	size_t n_environment;
	const char *input; /* what it reads on 0, NULL nothing; nobody sees it from outside */
	int out, err;	   /* become 1 and 2 */
	struct launch_fd {
		int from, to; /* `from` must lie above all `to` */
	} fds[LAUNCH_FDS];
	size_t n_fds;
	int close_from; /* descriptors from here on are closed */
};

/* Default signals, nothing blocked, a process group of its own. 0 and *pid, or a negative error. */
int launch(const struct launch *what, pid_t *pid);

#endif
