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

/* The first line of a file in a node's sysfs folder. */
static bool read_line(const char *folder, const char *file, char *out, size_t size)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", folder, file);
	FILE *in = fopen(path, "re");
	bool read = in && fgets(out, (int)size, in);
	if (in)
		fclose(in);
	if (read)
		out[strcspn(out, "\n")] = '\0';
	return read;
}

/* What sysfs says of a node. */
struct sysfs {
	char device[PATH_MAX]; /* the folder of what it belongs to */
	char index[16], name[64];
};

static bool look_up(const char *node, struct sysfs *sysfs)
{
	struct stat about;
	char folder[64], device[96];
	if (stat(node, &about) < 0 || !S_ISCHR(about.st_mode))
		return false;
	snprintf(folder, sizeof(folder), "/sys/dev/char/%u:%u", major(about.st_rdev),
		 minor(about.st_rdev));
	snprintf(device, sizeof(device), "%s/device", folder);
	return realpath(device, sysfs->device) &&
	       read_line(folder, "index", sysfs->index, sizeof(sysfs->index)) &&
	       read_line(folder, "name", sysfs->name, sizeof(sysfs->name));
}

/* Whether the index tells the node from all others of its device. A driver that makes several
 * cameras of one device counts each one's nodes from 0, and links know no more than the index. */
static bool is_told_by_index(const struct sysfs *sysfs)
{
	char nodes[PATH_MAX + 16], folder[PATH_MAX], index[16];
	int alike = 0;
	snprintf(nodes, sizeof(nodes), "%s/video4linux", sysfs->device);
	DIR *dir = opendir(nodes);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.' ||
		    (size_t)snprintf(folder, sizeof(folder), "%s/%s", nodes, entry->d_name) >=
			    sizeof(folder))
			continue;
		alike += read_line(folder, "index", index, sizeof(index)) &&
			 strcmp(index, sysfs->index) == 0;
	}
	if (dir)
		closedir(dir);
	return alike < 2;
}

char *camera_place(const char *path, char out[PLACE_SIZE])
{
	static const char *const folders[] = {"/dev/v4l/by-id", "/dev/v4l/by-path"};
	char node[PATH_MAX];
	struct sysfs sysfs;
	bool is_node = realpath(path, node) && look_up(node, &sysfs);
	if (is_node && is_told_by_index(&sysfs)) {
		for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
			if (find_link(folders[i], node, out))
				return out;
	}
	if (!is_node || (size_t)snprintf(out, PLACE_SIZE, "%s#%s %s", sysfs.device, sysfs.index,
					 sysfs.name) >= PLACE_SIZE)
		snprintf(out, PLACE_SIZE, "%s", path);
	return out;
}
