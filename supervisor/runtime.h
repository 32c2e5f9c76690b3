/* The folders of a pipeline and the lock that tells whether it lives. */
#ifndef TROUPE_SUPERVISOR_RUNTIME_H
#define TROUPE_SUPERVISOR_RUNTIME_H

#include "ipc/links/link.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct runtime {
	char folder[LINK_PATH_SIZE]; /* sockets; 0700 */
	char state[512];	     /* logs and journal */
	char control[LINK_PATH_SIZE], reports[LINK_PATH_SIZE];
	int lock; /* held while the supervisor or any worker lives; -1: not taken */
};

/* A process that is remembered in RUNTIME/workers: pids are used again, start times are not. */
struct remembered {
	pid_t pid;
	uint64_t start_time; /* /proc/PID/stat field 22, clock ticks */
};

/* Makes both folders and takes the lock. Where a killed supervisor left workers, waits for them up
 * to `patience` ns, then kills those it had written down. TROUPE_E_BUSY: a supervisor of that name
 * lives; TROUPE_E_OVERSIZED, DENIED, …: `why` is one line in each case. */
int runtime_open(struct runtime *runtime, const char *pipeline, int64_t patience, char *why,
		 size_t why_size);

/* Removes the runtime folder (its sockets, and so on) and lets go of the lock. */
void runtime_close(struct runtime *runtime);

/* Cleans what a killed supervisor left: 0 when nothing is left, TROUPE_E_BUSY: it lives (*pid is
 * its). */
int runtime_clean(const char *pipeline, int64_t patience, pid_t *pid, char *why, size_t why_size);

/* Writes RUNTIME/supervisor.pid and the link RUNTIME/ledger to descriptor `ledger_fd` of this
 * process. */
int runtime_announce(const struct runtime *runtime, int ledger_fd);

/* Rewrites RUNTIME/workers. */
int runtime_remember(const struct runtime *runtime, const struct remembered *all, size_t count);

/* Start time of a process; 0: there is none. */
uint64_t process_start_time(pid_t pid);

#endif
