/* Removing old folders. Links are never followed. */
#include "supervisor/shelf.h"

#include "ipc/base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_ROOM 256
/* Somebody may be about to put a file in: so often it is tried to be last. */
#define TRIES 3

static DIR *open_folder(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static void empty(int at, const char *path)
{
	DIR *dir = open_folder(at, path);
	const struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static bool remove_at(int at, const char *path)
{
	for (int i = 0; i < TRIES; i++) {
		empty(at, path);
		if (unlinkat(at, path, AT_REMOVEDIR) == 0)
			return true;
	}
	return false;
}

void shelf_remove(const char *folder)
{
	remove_at(AT_FDCWD, folder);
}

struct oldest {
	char name[NAME_ROOM];
	int64_t time;
};

/* By time, and where that is the same by name. */
static bool is_older(const char *name, int64_t time, const struct oldest *than)
{
	return !*than->name || time < than->time ||
	       (time == than->time && strverscmp(name, than->name) < 0);
}

/* How many folders there are, and which is the oldest. */
static size_t count(DIR *dir, struct oldest *oldest)
{
	const struct dirent *entry;
	size_t n = 0;
	*oldest = (struct oldest){0};
	rewinddir(dir);
	while ((entry = readdir(dir))) {
		struct stat st;
		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		int64_t time = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
		n++;
		if (is_older(entry->d_name, time, oldest)) {
			snprintf(oldest->name, sizeof(oldest->name), "%s", entry->d_name);
			oldest->time = time;
		}
	}
	return n;
}

void shelf_prune(const char *shelf, size_t keep)
{
	DIR *dir = open_folder(AT_FDCWD, shelf);
	struct oldest oldest;
	while (dir && count(dir, &oldest) > keep)
		if (!remove_at(dirfd(dir), oldest.name))
			break;
	if (dir)
		closedir(dir);
}
