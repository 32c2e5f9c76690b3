/* What a worker is given of the machine: niceness, CPUs, resource limits, its place before the
 * kernel's out-of-memory killer, and the user it runs as. The parent prepares all of it as plain
 * numbers; the child of a vfork, which may not do more than make system calls, applies it before it
 * becomes the worker. */
#ifndef TROUPE_SUPERVISOR_ALLOTMENT_H
#define TROUPE_SUPERVISOR_ALLOTMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ALLOTMENT_CPUS	 1024 /* the highest CPU that can be named is one less */
#define ALLOTMENT_LIMITS 3
#define ALLOTMENT_GROUPS 32

struct allotment {
	int nice; /* what to set; only where `renice` */
	bool renice;
	bool pinned; /* to `cpus`, a bit each */
	uint64_t cpus[ALLOTMENT_CPUS / 64];
	struct allotment_limit {
		int resource; /* RLIMIT_… */
		uint64_t value;
	} limits[ALLOTMENT_LIMITS];
	size_t n_limits;
	char oom_score_adj[8]; /* digits, "" leaves it */
	bool other_user;       /* `uid`, `gid` and `groups` in place of the supervisor's */
	uid_t uid;
	gid_t gid;
	gid_t groups[ALLOTMENT_GROUPS];
	size_t n_groups;
};

/* For the child of a vfork: raw system calls only, no memory, no locks, and errno is the parent's,
 * too. 0, or a negative number for allotment_explain(). To be called before no_new_privs and any
 * sandbox, for those take the rights away that it needs.
 *
 * A change of user makes the memory that the child shares with its parent undumpable, which must be
 * so while it does. Who has called it with `other_user` sets PR_SET_DUMPABLE again in the parent
 * when the child has executed. */
int allotment_apply(const struct allotment *allotment);

/* "nice: Operation not permitted": what allotment_apply could not do. Returns `out`. */
char *allotment_explain(int code, char *out, size_t size);

#endif
