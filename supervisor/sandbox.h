/* What a process may not do, made by the parent and taken on by the child of a vfork: a Landlock
 * ruleset (files, TCP, abstract sockets, signals) and a seccomp filter (system calls). */
#ifndef TROUPE_SUPERVISOR_SANDBOX_H
#define TROUPE_SUPERVISOR_SANDBOX_H

#include <linux/filter.h>

struct sandbox {
	int ruleset;		  /* a Landlock ruleset, -1: none */
	struct sock_fprog filter; /* len 0: none */
};

/* Both are raw system calls only, for the child of a vfork, which never comes back from them; NULL
 * is fine. -1 with errno. The first, with all descriptors still open: nothing new may be gained by
 * exec, and the ruleset. The second, right before exec: the filter. */
int sandbox_bind(const struct sandbox *sandbox);
int sandbox_filter(const struct sandbox *sandbox);

#endif
