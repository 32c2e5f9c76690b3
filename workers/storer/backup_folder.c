/* Making and recognising the folder of a backup. */
#include "workers/storer/backup_folder.h"

#include "ipc/base/errors.h"
#include "workers/storer/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNFINISHED  "unfinished"
#define FOLDER_MODE 0755
#define MARK_MODE   0644

static int explain(char *why, size_t why_size, const char *what, const char *path)
{
	int errnum = errno;

	snprintf(why, why_size, "cannot %s '%s': %s", what, path, strerror(errnum));
	return error_from_errno(errnum);
}

/* The first entry of a folder that is not in `known` (which ends with NULL); false: there is none.
 */
static bool stranger_in(const char *path, const char *const *known, char *name, size_t size)
{
	DIR *folder = opendir(path);
	bool found = false;

	for (struct dirent *entry = folder != NULL ? readdir(folder) : NULL;
	     entry != NULL && !found; entry = readdir(folder)) {
		const char *const *at = known;

		while (*at != NULL && strcmp(*at, entry->d_name) != 0)
			at++;
		found = *at == NULL;
		snprintf(name, size, "%s", entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
	return found;
}

/* A folder may become a backup if it is one, or if nothing is in it but what a backup that died at
 * once has left. */
static int refuse_others(const char *path, char *why, size_t why_size)
{
	static const char *const ours[] = {".", "..", FOLDER_LOCK, FOLDER_SEGMENTS, NULL};
	static const char *const none[] = {".", "..", NULL};
	char inner[BACKUP_PATH + 16], name[NAME_MAX + 1] = "";
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : explain(why, why_size, "look into", path);
	if (!S_ISDIR(st.st_mode)) {
		snprintf(why, why_size, "'%s' is not a folder", path);
		return TROUPE_E_EXISTS;
	}
	snprintf(inner, sizeof(inner), "%s/" BACKUP_MARK, path);
	if (stat(inner, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	snprintf(inner, sizeof(inner), "%s/" FOLDER_SEGMENTS, path);
	if (!stranger_in(path, ours, name, sizeof(name)) &&
	    !stranger_in(inner, none, name, sizeof(name)))
		return 0;
	snprintf(why, why_size,
		 "'%s' is no backup, and '%s' is in it; choose a new or an empty folder", path,
		 name);
	return TROUPE_E_EXISTS;
}

/* What is below the recording would be taken for a part of it one day. */
static int refuse_itself(const char *path, const char *from, char *why, size_t why_size)
{
	char there[PATH_MAX], recording[PATH_MAX], part[PATH_MAX];
	char *slash;
	size_t length;

	if (realpath(from, recording) == NULL)
		return explain(why, why_size, "find", from);
	snprintf(part, sizeof(part), "%s", path);
	/* The folder need not be there yet, nor the ones above it. */
	while (realpath(part, there) == NULL) {
		slash = strrchr(part, '/');
		if (errno != ENOENT)
			return explain(why, why_size, "find", path);
		if (slash == NULL)
			snprintf(part, sizeof(part), ".");
		else
			slash[slash == part] = 0;
	}
	length = strlen(recording);
	if (strncmp(there, recording, length) != 0 || (there[length] != 0 && there[length] != '/'))
		return 0;
	snprintf(why, why_size, "'%s' lies in the recording '%s' itself; choose a folder elsewhere",
		 path, from);
	return TROUPE_E_EXISTS;
}

/* The mark is durable before anything is copied: from then on the folder is ours to clear up. */
static int mark(const struct backup_folder *backup, const char *from)
{
	char text[PATH_MAX + 128], real[PATH_MAX];
	int fd = openat(backup->folder.folder, BACKUP_MARK,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, MARK_MODE);
	int length =
		snprintf(text, sizeof(text),
			 "A backup of %s. `troupe backup` removes from here what is not in that "
			 "recording any more.\n",
			 realpath(from, real) != NULL ? real : from);
	int rc = 0;

	if (fd < 0 || write(fd, text, (size_t)length) != length || fsync(fd) < 0 ||
	    fsync(backup->folder.folder) < 0)
		rc = -1;
	if (fd >= 0)
		close(fd);
	return rc;
}

static void empty(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL;
	     entry = readdir(dir))
		if (entry->d_name[0] != '.')
			unlinkat(folder, entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
}

static int open_unfinished(struct backup_folder *backup, const char *path)
{
	snprintf(backup->unfinished_path, sizeof(backup->unfinished_path), "%.*s/" UNFINISHED,
		 BACKUP_PATH - 16, path);
	if (mkdirat(backup->folder.folder, UNFINISHED, FOLDER_MODE) < 0 && errno != EEXIST)
		return -1;
	backup->unfinished =
		openat(backup->folder.folder, UNFINISHED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (backup->unfinished < 0)
		return -1;
	empty(backup->unfinished);
	return 0;
}

int backup_folder_open(struct backup_folder *backup, const char *path, const char *from, char *why,
		       size_t why_size)
{
	int rc;

	*backup = (struct backup_folder){.folder = {.folder = -1, .segments = -1, .lock = -1},
					 .unfinished = -1};
	if (strlen(path) >= BACKUP_PATH - 32) {
		snprintf(why, why_size, "'%s' is too long a path", path);
		return TROUPE_E_OVERSIZED;
	}
	rc = refuse_itself(path, from, why, why_size);
	if (rc == 0)
		rc = refuse_others(path, why, why_size);
	if (rc == 0)
		rc = folder_open(&backup->folder, path, true, why, why_size);
	if (rc == 0)
		rc = folder_lock(&backup->folder, path, 0, NULL, NULL, why, why_size);
	if (rc == 0 && (mark(backup, from) < 0 || open_unfinished(backup, path) < 0))
		rc = explain(why, why_size, "write into", path);
	if (rc < 0)
		backup_folder_close(backup);
	return rc;
}

void backup_folder_close(struct backup_folder *backup)
{
	if (backup->unfinished >= 0) {
		empty(backup->unfinished);
		close(backup->unfinished);
		unlinkat(backup->folder.folder, UNFINISHED, AT_REMOVEDIR);
	}
	backup->unfinished = -1;
	folder_close(&backup->folder);
}
