/* Folders and the small files in them. */
#include "supervisor/runtime.h"

#include "supervisor/proc.h"
#include "supervisor/runtime_private.h"

#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The longest name below the runtime folder: "/capture.NAME.NNNNNN.pipe". */
#define LONGEST_SOCKET 48

int runtime_explain(char *why, size_t size, int rc, const char *what, const char *path)
{
	snprintf(why, size, "%s: %s: %s", path, what,
		 rc == TROUPE_E_SYSTEM ? strerror(errno) : error_text(rc));
	return rc;
}

uint64_t process_start_time(pid_t pid)
{
	char text[1024];
	const char *at = proc_stat_field(proc_stat_state(pid, text, sizeof(text)), 22);
	return at ? strtoull(at, NULL, 10) : 0;
}

/* Makes a folder and those above it; each that it makes is 0700. */
int runtime_make_folders(const char *path)
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
int runtime_check_owner(const char *path)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return error_from_errno(errno);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return TROUPE_E_DENIED;
	return chmod(path, 0700) < 0 ? error_from_errno(errno) : 0;
}

/* Lines "PID START_TIME" of a file below the runtime folder. */
size_t runtime_remembered(const char *folder, const char *name, struct remembered *all, size_t max)
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

void runtime_empty(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, RUNTIME_LOCK) != 0 &&
		    strcmp(entry->d_name, RUNTIME_OWN_LOCK) != 0 && entry->d_type != DT_DIR)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

int runtime_find(struct runtime *runtime, const char *pipeline, char *why, size_t size)
{
	*runtime = (struct runtime){.lock = -1, .own_lock = -1};
	char folder[512];
	int rc = folder_runtime(pipeline, folder, sizeof(folder));
	if (rc == 0)
		rc = folder_state(pipeline, runtime->state, sizeof(runtime->state));
	if (rc < 0)
		return runtime_explain(why, size, rc, "no name for a pipeline or its folders",
				       pipeline);
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

/* A reader sees the old file or the new one, never half of one. */
static int write_whole(const char *folder, const char *name, const struct remembered *all,
		       size_t count)
{
	char path[LINK_PATH_SIZE + 32], draft[LINK_PATH_SIZE + 40];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(draft, sizeof(draft), "%s.new", path);
	unlink(draft); /* whoever left it: it must be ours */
	FILE *out = fopen(draft, "wxe");
	if (!out)
		return error_from_errno(errno);
	fchmod(fileno(out), 0600);
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
	unlink(path); /* that of one that was killed */
	if (symlink(target, path) < 0)
		return error_from_errno(errno);
	return write_whole(runtime->folder, "supervisor.pid", &self, 1);
}

char *runtime_image(const struct runtime *runtime)
{
	char path[LINK_PATH_SIZE + 8];
	char *text = NULL;
	size_t size = 0;
	snprintf(path, sizeof(path), "%s/image", runtime->folder);
	FILE *in = fopen(path, "re");
	if (!in)
		return NULL;
	if (getdelim(&text, &size, '\0', in) < 0) {
		free(text);
		text = NULL;
	}
	fclose(in);
	return text;
}

/* Whoever reads it may do so at any time; it may name a password. */
int runtime_keep_image(const struct runtime *runtime, const char *text)
{
	char path[LINK_PATH_SIZE + 8], draft[LINK_PATH_SIZE + 16];
	size_t length = strlen(text);
	snprintf(path, sizeof(path), "%s/image", runtime->folder);
	snprintf(draft, sizeof(draft), "%s.new", path);
	unlink(draft);
	int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_from_errno(errno);
	ssize_t written = write(fd, text, length);
	close(fd);
	FAIL_POINT(IMAGE_DRAFTED);
	if (written != (ssize_t)length)
		return TROUPE_E_IO;
	return rename(draft, path) < 0 ? error_from_errno(errno) : 0;
}
