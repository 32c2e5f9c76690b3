/* Starting a program by vfork: the memory of the supervisor is never copied, whatever its size. The
 * child shares it until it becomes the program, and makes nothing but system calls meanwhile. */
#ifndef TROUPE_SUPERVISOR_LAUNCH_H
#define TROUPE_SUPERVISOR_LAUNCH_H

#include <stddef.h>
#include <sys/types.h>

#define LAUNCH_FDS 4

struct allotment;
struct sandbox;

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
	int close_from;			   /* descriptors from here on are closed */
	const struct allotment *allotment; /* what it is given; NULL: what we have */
	const struct sandbox *sandbox;	   /* what it may; NULL: what we may */
};

struct launched {
	pid_t pid;
	int pidfd;     /* the caller closes it; -1: this kernel has none */
	char why[128]; /* after an error: "its sandbox: Operation not permitted" */
};

/* Default signals, nothing blocked, a process group of its own. 0 and *out, or a negative error,
 * and then there is no process. */
int launch(const struct launch *what, struct launched *out);

#endif
