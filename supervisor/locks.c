/* The two locks of a pipeline, and ending what a killed supervisor left.
 *
 * RUNTIME/supervisor.lock is the supervisor's alone: whoever has it is the only one of that name.
 * RUNTIME/lock is on an open file description that all workers inherit: it is free when they are
 * all gone. Who has the first and not the second looks at the workers of somebody dead. */
#include "supervisor/runtime_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "supervisor/orphans.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_EVERY   (20 * NS_PER_MS)
#define SIGNAL_EVERY (NS_PER_S / 5)
/* How long the kernel may take to take down a process that was killed. */
#define KILL_PATIENCE (10 * NS_PER_S)

/* Opens and locks a file of the folder. The one who removes a folder holds its lock, so a lock that
 * is no longer the file of that name is worth nothing. TROUPE_E_BUSY: held; TROUPE_E_AGAIN: try
 * again. */
static int take_lock(const char *folder, const char *name, int *fd)
{
	char path[LINK_PATH_SIZE + 24];
	struct stat held, named;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return errno == ENOENT ? TROUPE_E_AGAIN : error_from_errno(errno);
	int rc = 0;
	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		rc = errno == EWOULDBLOCK ? TROUPE_E_BUSY : error_from_errno(errno);
	else if (fstat(lock, &held) < 0 || stat(path, &named) < 0 || held.st_ino != named.st_ino)
		rc = TROUPE_E_AGAIN;
	if (rc < 0)
		close(lock);
	else
		*fd = lock;
	return rc;
}

static pid_t living_supervisor(const char *folder)
{
	struct remembered it;
	if (runtime_remembered(folder, "supervisor.pid", &it, 1) == 0)
		return 0;
	return process_start_time(it.pid) == it.start_time ? it.pid : 0;
}

/* ---- the supervisor's own ---- */

static void nap(void)
{
	poll(NULL, 0, (int)(LOOK_EVERY / NS_PER_MS));
}

static int locked_out(int rc, pid_t pid, const char *pipeline, const char *folder, char *why,
		      size_t size)
{
	if (rc != TROUPE_E_BUSY)
		return runtime_explain(why, size, rc, "cannot be locked", folder);
	if (pid) {
		snprintf(why, size,
			 "pipeline \"%s\" is running already (pid %d): troupe -n %s down ends it",
			 pipeline, (int)pid, pipeline);
	} else {
		snprintf(why, size, "pipeline \"%s\": its supervisor begins or ends just now",
			 pipeline);
	}
	return rc;
}

/* One that is about to end, or has not said yet that it is there, is waited for. */
static int take_own_lock(struct runtime *runtime, const char *pipeline, int64_t patience,
			 pid_t *pid, char *why, size_t why_size)
{
	int64_t deadline = clock_now() + patience;
	for (;;) {
		int rc = take_lock(runtime->folder, RUNTIME_OWN_LOCK, &runtime->own_lock);
		if (rc == TROUPE_E_AGAIN)
			rc = runtime_make_folders(runtime->folder);
		else if (rc == 0)
			return 0;
		*pid = rc == TROUPE_E_BUSY ? living_supervisor(runtime->folder) : 0;
		if (rc < 0 && (rc != TROUPE_E_BUSY || *pid || clock_now() >= deadline))
			return locked_out(rc, *pid, pipeline, runtime->folder, why, why_size);
		nap();
	}
}

int runtime_take(struct runtime *runtime, const char *pipeline, int64_t patience, char *why,
		 size_t why_size)
{
	pid_t pid = 0;
	int rc = runtime_find(runtime, pipeline, why, why_size);
	if (rc < 0)
		return rc;
	const char *const folders[] = {runtime->folder, runtime->state};
	for (int i = 0; i < 2; i++) {
		rc = runtime_make_folders(folders[i]);
		if (rc == 0)
			rc = runtime_check_owner(folders[i]);
		if (rc < 0)
			return runtime_explain(why, why_size, rc,
					       "cannot be made, or is somebody else's", folders[i]);
	}
	return take_own_lock(runtime, pipeline, patience, &pid, why, why_size);
}

/* ---- what a killed one left ---- */

bool runtime_has_orphans(struct runtime *runtime)
{
	int rc;
	if (runtime->lock >= 0)
		return false;
	do
		rc = take_lock(runtime->folder, RUNTIME_LOCK, &runtime->lock);
	while (rc == TROUPE_E_AGAIN);
	if (rc == 0)
		runtime_empty(runtime->folder);
	return rc == TROUPE_E_BUSY;
}

/* Sends it to those that were written down: they are workers for sure. */
static void signal_remembered(const char *folder, int number)
{
	struct remembered all[128];
	size_t n = runtime_remembered(folder, "workers", all, 128);
	for (size_t i = 0; i < n; i++)
		if (all[i].start_time && process_start_time(all[i].pid) == all[i].start_time)
			kill(-all[i].pid, number);
}

static void kill_all(const char *folder)
{
	struct orphan all[ORPHANS_MAX];
	size_t n = orphans_find(folder, all, ORPHANS_MAX);
	for (size_t i = 0; i < n; i++) {
		log_warn("killing %d, left by a killed supervisor", (int)all[i].pid);
		orphan_kill(&all[i]);
	}
	orphans_finish(all, n);
	signal_remembered(folder, SIGKILL);
}

/* One that was stopped has not heard of the death; one that would go on without a supervisor for a
 * while (then there is an image) shall not. */
static void hasten(const char *folder)
{
	char path[LINK_PATH_SIZE + 8];
	snprintf(path, sizeof(path), "%s/image", folder);
	if (access(path, F_OK) == 0)
		signal_remembered(folder, SIGHUP);
	signal_remembered(folder, SIGCONT);
}

int runtime_end_orphans(struct runtime *runtime, int64_t patience, char *why, size_t why_size)
{
	int64_t start = clock_now(), next = SIGNAL_EVERY;
	bool killed = false;
	while (runtime_has_orphans(runtime)) {
		int64_t waited = clock_now() - start;
		if (waited > patience + KILL_PATIENCE) {
			snprintf(why, why_size,
				 "%s/lock: still held by a worker that cannot be killed",
				 runtime->folder);
			return TROUPE_E_TIMEOUT;
		}
		if (waited > next && !killed) {
			if (next == SIGNAL_EVERY)
				log_info("waiting for the workers of a killed supervisor");
			hasten(runtime->folder);
			next += SIGNAL_EVERY;
		}
		if (!killed && waited > patience) {
			kill_all(runtime->folder);
			killed = true;
		}
		nap();
	}
	return runtime->lock < 0 ? runtime_explain(why, why_size, TROUPE_E_SYSTEM,
						   "cannot be locked", runtime->folder)
				 : 0;
}

int runtime_open(struct runtime *runtime, const char *pipeline, int64_t patience, char *why,
		 size_t why_size)
{
	int rc = runtime_take(runtime, pipeline, patience, why, why_size);
	if (rc == 0)
		rc = runtime_end_orphans(runtime, patience, why, why_size);
	if (rc < 0)
		runtime_close(runtime);
	return rc;
}

static void let_go(const char *folder, const char *name, int *lock, bool remove)
{
	char path[LINK_PATH_SIZE + 24];
	if (*lock < 0)
		return;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (remove)
		unlink(path);
	close(*lock);
	*lock = -1;
}

/* Without the workers' lock there may be some, and what is there is theirs. */
void runtime_close(struct runtime *runtime)
{
	bool last = runtime->lock >= 0;
	if (last)
		runtime_empty(runtime->folder);
	int own = runtime->own_lock;
	char path[LINK_PATH_SIZE + 24];
	snprintf(path, sizeof(path), "%s/%s", runtime->folder, RUNTIME_OWN_LOCK);
	if (last && own >= 0)
		unlink(path);
	let_go(runtime->folder, RUNTIME_LOCK, &runtime->lock, last);
	if (last)
		rmdir(runtime->folder);
	let_go(runtime->folder, RUNTIME_OWN_LOCK, &runtime->own_lock, false);
}

int runtime_clean(const char *pipeline, int64_t patience, pid_t *pid, char *why, size_t why_size)
{
	struct runtime runtime;
	*pid = 0;
	int rc = runtime_find(&runtime, pipeline, why, why_size);
	if (rc < 0)
		return rc;
	if (access(runtime.folder, F_OK) < 0)
		return 0;
	rc = runtime_check_owner(runtime.folder);
	if (rc < 0)
		return runtime_explain(why, why_size, rc, "is somebody else's", runtime.folder);
	rc = take_own_lock(&runtime, pipeline, patience, pid, why, why_size);
	if (rc == 0)
		rc = runtime_end_orphans(&runtime, patience, why, why_size);
	runtime_close(&runtime);
	return rc;
}
