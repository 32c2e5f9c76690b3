/* The workers that a killed supervisor left, found by /proc: the environment that each was started
 * with, and the time at which it was, because a pid alone may be another's by now. */
#ifndef TROUPE_SUPERVISOR_ORPHANS_H
#define TROUPE_SUPERVISOR_ORPHANS_H

#include "ipc/slots/layout.h"

#include <stdbool.h>
#include <sys/types.h>

#define ORPHANS_MAX 256

struct orphan {
	pid_t pid;
	int pidfd;
	uint64_t start_time; /* clock ticks */
	char worker[NAME_SIZE];
	uint32_t incarnation;
	uint8_t seat;
	bool taken; /* for who goes through them */
};

/* All processes whose environment says that they are workers of the pipeline with this runtime
 * folder and that lead a process group, as workers do and most of their children do not. Whether
 * each is what it says, its seat row must show. Free with orphans_finish. */
size_t orphans_find(const char *folder, struct orphan *all, size_t max);
void orphans_finish(struct orphan *all, size_t n);

/* SIGKILL to its group. */
void orphan_kill(const struct orphan *orphan);

/* A copy of a descriptor of it, close-on-exec, not below `least`. A negative error: TROUPE_E_DENIED
 * is the kernel's refusal, as by Yama or for another user's process. */
int orphan_descriptor(const struct orphan *orphan, int fd, int least);

#endif
