/* Folders, lock, and what a killed supervisor left behind. */
#include "supervisor/runtime.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/folders.h"
#include "ipc/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The longest name below the runtime folder: "/capture.NAME.NNNNNN.pipe". */
#define LONGEST_SOCKET 48
#define LOOK_EVERY     (20 * NS_PER_MS)
/* How long the kernel may take to take down a process that was killed. */
#define KILL_PATIENCE (10 * NS_PER_S)

static int explain(char *why, size_t size, int rc, const char *what, const char *path)
{
	snprintf(why, size, "%s: %s: %s", path, what,
		 rc == TROUPE_E_SYSTEM ? strerror(errno) : error_text(rc));
	return rc;
}

uint64_t process_start_time(pid_t pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *in = fopen(path, "re");
	if (!in)
		return 0;
	size_t used = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[used] = '\0';
	/* The name (field 2) may hold anything; it ends with the last ')'. */
	char *at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at ? strtoull(at, NULL, 10) : 0;
}

/* Makes a folder and those above it; each that it makes is 0700. */
static int make_folders(const char *path)
{
	char copy[512];
	if (strlen(path) >= sizeof(copy))
		return TROUPE_E_OVERSIZED;
	memcpy(copy, path, strlen(path) + 1);
	for (char *at = copy + 1;; at++) {
		char was = *at;
		if (was != '/' && was != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return error_from_errno(errno);
		*at = was;
		if (was == '\0')
			return 0;
	}
}

/* Others must not be able to put sockets in our way: the folder is ours and nobody else's. */
static int check_owner(const char *path)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return error_from_errno(errno);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return TROUPE_E_DENIED;
	return chmod(path, 0700) < 0 ? error_from_errno(errno) : 0;
}

/* Opens and locks RUNTIME/lock. The one who removes a folder holds its lock, so a lock that is no
 * longer the file of that name is worth nothing. TROUPE_E_BUSY: held; TROUPE_E_AGAIN: try again. */
static int take_lock(const char *folder, int *fd)
{
	char path[LINK_PATH_SIZE + 8];
	struct stat held, named;
	snprintf(path, sizeof(path), "%s/lock", folder);
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

/* Lines "PID START_TIME" of a file below the runtime folder. */
static size_t read_remembered(const char *folder, const char *name, struct remembered *all,
			      size_t max)
{
	char path[LINK_PATH_SIZE + 32];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *in = fopen(path, "re");
	size_t n = 0;
	int pid;
	unsigned long long start;
	while (in && n < max && fscanf(in, "%d %llu", &pid, &start) == 2)
		if (pid > 1)
			all[n++] = (struct remembered){.pid = pid, .start_time = start};
	if (in)
		fclose(in);
	return n;
}

static pid_t living_supervisor(const char *folder)
{
	struct remembered it;
	if (read_remembered(folder, "supervisor.pid", &it, 1) == 0)
		return 0;
	return process_start_time(it.pid) == it.start_time ? it.pid : 0;
}

/* Sends it to the workers that a killed supervisor has left. */
static void signal_remembered(const char *folder, int number)
{
	struct remembered all[128];
	size_t n = read_remembered(folder, "workers", all, 128);
	for (size_t i = 0; i < n; i++) {
		if (!all[i].start_time || process_start_time(all[i].pid) != all[i].start_time)
			continue;
		if (number == SIGKILL)
			log_warn("killing %d, left by a killed supervisor", (int)all[i].pid);
		kill(-all[i].pid, SIGCONT);
		kill(-all[i].pid, number);
	}
}

/* Waits for the lock. A supervisor that lives keeps it; workers of a dead one are given `patience`.
 */
static int wait_for_lock(const char *folder, int64_t patience, int *fd, pid_t *pid)
{
	int64_t start = clock_now();
	bool said = false, killed = false;
	for (;;) {
		int rc = take_lock(folder, fd);
		if (rc != TROUPE_E_BUSY && rc != TROUPE_E_AGAIN)
			return rc;
		if (rc == TROUPE_E_AGAIN && (rc = make_folders(folder)) < 0)
			return rc;
		*pid = living_supervisor(folder);
		if (*pid)
			return TROUPE_E_BUSY;
		int64_t waited = clock_now() - start;
		if (!said && waited > NS_PER_S / 5) {
			log_info("waiting for the workers of a killed supervisor");
			said = true;
			/* One that was stopped has not heard of the death. */
			signal_remembered(folder, SIGCONT);
		}
		if (!killed && waited > patience) {
			signal_remembered(folder, SIGKILL);
			killed = true;
		}
		if (waited > patience + KILL_PATIENCE)
			return TROUPE_E_TIMEOUT;
		poll(NULL, 0, (int)(LOOK_EVERY / NS_PER_MS));
	}
}

/* Removes what is in the folder but the lock. */
static void empty_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, "lock") != 0 && entry->d_type != DT_DIR)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static int locked_out(int rc, pid_t pid, const char *pipeline, const char *folder, char *why,
		      size_t size)
{
	if (rc == TROUPE_E_BUSY) {
		snprintf(why, size,
			 "pipeline \"%s\" is running already (pid %d): troupe -n %s down ends it",
			 pipeline, (int)pid, pipeline);
	} else if (rc == TROUPE_E_TIMEOUT) {
		snprintf(why, size, "%s/lock: still held by a worker that cannot be killed",
			 folder);
	} else {
		explain(why, size, rc, "cannot be locked", folder);
	}
	return rc;
}

static int find_folders(struct runtime *runtime, const char *pipeline, char *why, size_t size)
{
	*runtime = (struct runtime){.lock = -1};
	char folder[512];
	int rc = folder_runtime(pipeline, folder, sizeof(folder));
	if (rc == 0)
		rc = folder_state(pipeline, runtime->state, sizeof(runtime->state));
	if (rc < 0)
		return explain(why, size, rc, "no name for a pipeline or its folders", pipeline);
	if (strlen(folder) + LONGEST_SOCKET >= sizeof(runtime->folder)) {
		snprintf(
			why, size,
			"%s: %zu bytes, %zu are the most: set TROUPE_RUNTIME_DIR to a shorter path",
			folder, strlen(folder), sizeof(runtime->folder) - LONGEST_SOCKET - 1);
		return TROUPE_E_OVERSIZED;
	}
	memcpy(runtime->folder, folder, strlen(folder) + 1);
	snprintf(runtime->control, sizeof(runtime->control), "%.90s/control", folder);
	snprintf(runtime->reports, sizeof(runtime->reports), "%.90s/reports", folder);
	return 0;
}

int runtime_open(struct runtime *runtime, const char *pipeline, int64_t patience, char *why,
		 size_t why_size)
{
	int rc = find_folders(runtime, pipeline, why, why_size);
	if (rc < 0)
		return rc;
	const char *const folders[] = {runtime->folder, runtime->state};
	for (int i = 0; i < 2; i++) {
		rc = make_folders(folders[i]);
		if (rc == 0)
			rc = check_owner(folders[i]);
		if (rc < 0)
			return explain(why, why_size, rc, "cannot be made, or is somebody else's",
				       folders[i]);
	}
	pid_t pid = 0;
	rc = wait_for_lock(runtime->folder, patience, &runtime->lock, &pid);
	if (rc < 0)
		return locked_out(rc, pid, pipeline, runtime->folder, why, why_size);
	empty_folder(runtime->folder);
	return 0;
}

void runtime_close(struct runtime *runtime)
{
	if (runtime->lock < 0)
		return;
	char path[LINK_PATH_SIZE + 8];
	empty_folder(runtime->folder);
	snprintf(path, sizeof(path), "%s/lock", runtime->folder);
	unlink(path);
	rmdir(runtime->folder);
	close(runtime->lock);
	runtime->lock = -1;
}

int runtime_clean(const char *pipeline, int64_t patience, pid_t *pid, char *why, size_t why_size)
{
	struct runtime runtime;
	*pid = 0;
	int rc = find_folders(&runtime, pipeline, why, why_size);
	if (rc < 0)
		return rc;
	if (access(runtime.folder, F_OK) < 0)
		return 0;
	rc = check_owner(runtime.folder);
	if (rc < 0)
		return explain(why, why_size, rc, "is somebody else's", runtime.folder);
	rc = wait_for_lock(runtime.folder, patience, &runtime.lock, pid);
	if (rc < 0)
		return locked_out(rc, *pid, pipeline, runtime.folder, why, why_size);
	runtime_close(&runtime);
	return 0;
}

/* A reader sees the old file or the new one, never half of one. */
static int write_whole(const char *folder, const char *name, const struct remembered *all,
		       size_t count)
{
	char path[LINK_PATH_SIZE + 32], draft[LINK_PATH_SIZE + 40];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(draft, sizeof(draft), "%s.new", path);
	FILE *out = fopen(draft, "we");
	if (!out)
		return error_from_errno(errno);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%d %llu\n", (int)all[i].pid, (unsigned long long)all[i].start_time);
	if (fclose(out) != 0)
		return error_from_errno(errno);
	FAIL_POINT(WORKERS_DRAFTED);
	return rename(draft, path) < 0 ? error_from_errno(errno) : 0;
}

int runtime_remember(const struct runtime *runtime, const struct remembered *all, size_t count)
{
	return write_whole(runtime->folder, "workers", all, count);
}

int runtime_announce(const struct runtime *runtime, int ledger_fd)
{
	char path[LINK_PATH_SIZE + 8], target[64];
	struct remembered self = {.pid = getpid(), .start_time = process_start_time(getpid())};
	snprintf(path, sizeof(path), "%s/ledger", runtime->folder);
	snprintf(target, sizeof(target), "/proc/%d/fd/%d", (int)getpid(), ledger_fd);
	if (symlink(target, path) < 0)
		return error_from_errno(errno);
	return write_whole(runtime->folder, "supervisor.pid", &self, 1);
}
