/* The folders of a pipeline and the lock that tells whether it lives. */
#ifndef TROUPE_SUPERVISOR_RUNTIME_H
#define TROUPE_SUPERVISOR_RUNTIME_H

#include "ipc/links/link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct runtime {
	char folder[LINK_PATH_SIZE]; /* sockets; 0700 */
	char state[512];	     /* logs and journal */
	char control[LINK_PATH_SIZE], reports[LINK_PATH_SIZE];
	int lock;     /* held while the supervisor or any worker lives; -1: not taken */
	int own_lock; /* held by the supervisor alone, so that there are never two; -1 */
};

/* A process that is remembered in RUNTIME/workers: pids are used again, start times are not. */
struct remembered {
	pid_t pid;
	uint64_t start_time; /* /proc/PID/stat field 22, clock ticks */
};

/* Fills in the names of the folders; neither need be there. An error is one line in `why`. */
int runtime_find(struct runtime *runtime, const char *pipeline, char *why, size_t size);

/* Makes both folders and becomes the one supervisor of that name: takes RUNTIME/supervisor.lock.
 * TROUPE_E_BUSY: there is one; TROUPE_E_OVERSIZED, DENIED, …: `why` is one line in each case. */
int runtime_take(struct runtime *runtime, const char *pipeline, int64_t patience, char *why,
		 size_t why_size);

/* Whether workers of a killed supervisor live. If none does, their lock is ours and what they left
 * is removed. After runtime_take. */
bool runtime_has_orphans(struct runtime *runtime);

/* Waits for them up to `patience` ns, those that would go on for a while as well, then kills those
 * that are there still. TROUPE_E_TIMEOUT: one cannot be killed. After runtime_take. */
int runtime_end_orphans(struct runtime *runtime, int64_t patience, char *why, size_t why_size);

/* All three. */
int runtime_open(struct runtime *runtime, const char *pipeline, int64_t patience, char *why,
		 size_t why_size);

/* Removes the runtime folder (its sockets, and so on) and lets go of the locks. */
void runtime_close(struct runtime *runtime);

/* Cleans what a killed supervisor left: 0 when nothing is left, TROUPE_E_BUSY: it lives (*pid is
 * its). */
int runtime_clean(const char *pipeline, int64_t patience, pid_t *pid, char *why, size_t why_size);

/* Writes RUNTIME/supervisor.pid and the link RUNTIME/ledger to descriptor `ledger_fd` of this
 * process. */
int runtime_announce(const struct runtime *runtime, int ledger_fd);

/* Rewrites RUNTIME/workers. */
int runtime_remember(const struct runtime *runtime, const struct remembered *all, size_t count);

/* The image beside them, RUNTIME/image; see image.h. A heap text; NULL: there is none. */
char *runtime_image(const struct runtime *runtime);
int runtime_keep_image(const struct runtime *runtime, const char *text);

/* Start time of a process; 0: there is none. */
uint64_t process_start_time(pid_t pid);

#endif
