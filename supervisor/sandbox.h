/* What a process may not do, made by the parent and taken on by the child of a vfork: a Landlock
 * ruleset (files, TCP, abstract sockets, signals) and a seccomp filter (system calls). */
#ifndef TROUPE_SUPERVISOR_SANDBOX_H
#define TROUPE_SUPERVISOR_SANDBOX_H

#include <linux/filter.h>

struct sandbox {
	int ruleset;		  /* a Landlock ruleset, -1: none */
	struct sock_fprog filter; /* len 0: none */
	int tell,
		hear; /* a socket to send the filter's listener over, and its other end; -1: none */
	int keep;     /* the number by which the process itself keeps the listener open, -1: not */
};

/* Nothing new may be gained by exec, then the ruleset and the filter are in force for good. Raw
 * system calls only, for the child of a vfork; NULL is fine. -1 with errno. Behind it the child may
 * do only what its filter allows. */
int sandbox_apply(const struct sandbox *sandbox);

#endif
