/* /dev/v4l and sysfs. */
#include "workers/capture/v4l2_place.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The link in `folder` that leads to `node`. */
static bool find_link(const char *folder, const char *node, char out[PLACE_SIZE])
{
	char path[PLACE_SIZE], target[PATH_MAX];
	bool found = false;
	DIR *dir = opendir(folder);
	for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.' || (size_t)snprintf(path, sizeof(path), "%s/%s", folder,
								entry->d_name) >= sizeof(path))
			continue;
		found = realpath(path, target) && strcmp(target, node) == 0;
	}
	if (dir)
		closedir(dir);
	if (found)
		memcpy(out, path, sizeof(path));
	return found;
}

static bool find_in_sysfs(const char *node, char out[PLACE_SIZE])
{
	struct stat about;
	char path[128], folder[PATH_MAX];
	int index = 0;
	if (stat(node, &about) < 0 || !S_ISCHR(about.st_mode))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/index", major(about.st_rdev),
		 minor(about.st_rdev));
	FILE *in = fopen(path, "re");
	bool found = in && fscanf(in, "%9d", &index) == 1;
	if (in)
		fclose(in);
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device", major(about.st_rdev),
		 minor(about.st_rdev));
	return found && realpath(path, folder) &&
	       (size_t)snprintf(out, PLACE_SIZE, "%s#%d", folder, index) < PLACE_SIZE;
}

char *camera_place(const char *path, char out[PLACE_SIZE])
{
	static const char *const folders[] = {"/dev/v4l/by-id", "/dev/v4l/by-path"};
	char node[PATH_MAX];
	if (realpath(path, node)) {
		for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
			if (find_link(folders[i], node, out))
				return out;
		if (find_in_sysfs(node, out))
			return out;
	}
	snprintf(out, PLACE_SIZE, "%s", path);
	return out;
}
