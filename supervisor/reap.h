/* The end of processes: confirmed by the kernel, explained, and everything they held given back. */
#ifndef TROUPE_SUPERVISOR_REAP_H
#define TROUPE_SUPERVISOR_REAP_H

#include "supervisor/supervisor.h"

#include <sys/wait.h>

/* Loop callback for pidfds; `arg` is the struct supervisor. */
void reap_on_pidfd(void *arg, int fd, short revents);

/* Deals with every child that has ended. */
void reap_all(struct supervisor *s);

/* Loop callback for the pidfd of a process that is no child of ours; `arg` is its part. */
void reap_adopted(void *arg, int fd, short revents);

/* The process of a part has ended while nobody supervised: deals with that now. */
void reap_gone(struct part *part);

/* What an end means. */
struct ending {
	bool fault; /* the worker's own: counts as an attempt of the frame it held */
	bool clean; /* exit code 0 */
	bool lost;  /* its device was gone by then */
	enum exit_kind kind;
	int signal; /* that it died of, 0: none */
	bool core;
	char cause[CAUSE_SIZE];
};

/* `killed_for`: why we sent SIGKILL, NULL: we did not; `asked`: it was told to end;
 * `out_of_memory`: the kernel's killer was at work. Pure. */
struct ending ending_of(const siginfo_t *info, const char *killed_for, bool asked,
			bool out_of_memory);

/* oom_kill of /proc/vmstat. */
uint64_t oom_kills(void);

#endif
