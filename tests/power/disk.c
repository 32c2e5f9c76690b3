/* Writing down what happens to a watched folder. */
#include "tests/power/disk.h"

#include "workers/storer/index.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *grow(void *block, size_t size)
{
	void *more = realloc(block, size);

	if (more == NULL)
		abort();
	return more;
}

static struct disk **watched(void)
{
	static struct disk *disk;

	return &disk;
}

struct disk *disk_watched(void)
{
	return *watched();
}

void disk_add(struct disk *disk, const struct disk_event *event, const void *data, size_t size)
{
	struct disk_event *added;

	if (disk->n_events == disk->room) {
		disk->room = disk->room > 0 ? disk->room * 2 : 256;
		disk->events = grow(disk->events, disk->room * sizeof(*disk->events));
	}
	added = &disk->events[disk->n_events++];
	*added = *event;
	added->data = NULL;
	if (size > 0) {
		added->data = grow(NULL, size);
		memcpy(added->data, data, size);
	}
}

/* The newest first: the inode of a removed file may have been given out again. */
uint32_t disk_node(const struct disk *disk, dev_t dev, ino_t ino)
{
	for (uint32_t node = disk->n_nodes; node-- > 0;)
		if (disk->nodes[node].ino == ino && disk->nodes[node].dev == dev)
			return disk->nodes[node].gone ? UINT32_MAX : node;
	return UINT32_MAX;
}

uint32_t disk_new_node(struct disk *disk, const char *name, const struct stat *st)
{
	uint32_t node = disk->n_nodes++;

	if (node == disk->nodes_room) {
		disk->nodes_room = node > 0 ? node * 2 : 64;
		disk->nodes = grow(disk->nodes, disk->nodes_room * sizeof(*disk->nodes));
	}
	disk->nodes[node].dev = st->st_dev;
	disk->nodes[node].ino = st->st_ino;
	disk->nodes[node].folder = S_ISDIR(st->st_mode);
	disk->nodes[node].segment = strstr(name, "seg") != NULL;
	disk->nodes[node].index = strcmp(name, INDEX_FILE) == 0;
	disk->nodes[node].log = strstr(name, "-wal") != NULL;
	disk->nodes[node].gone = false;
	return node;
}

static void give_content(struct disk *disk, int folder, const char *name, uint32_t node)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	char block[65536];
	uint64_t at = 0;
	ssize_t got;

	if (fd < 0)
		abort();
	while ((got = read(fd, block, sizeof(block))) > 0) {
		disk_add(disk,
			 &(struct disk_event){
				 .kind = DISK_WRITE, .node = node, .at = at, .size = (uint64_t)got},
			 block, (size_t)got);
		at += (uint64_t)got;
	}
	close(fd);
	disk_add(disk, &(struct disk_event){.kind = DISK_SYNC, .node = node}, NULL, 0);
}

/* Everything below a folder, as events. */
static void give(struct disk *disk, int fd, uint32_t node)
{
	DIR *dir = fdopendir(fd);

	if (dir == NULL)
		abort();
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		struct disk_event made = {.kind = DISK_MAKE, .node = node};
		struct stat st;

		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
			continue;
		made.child = disk_new_node(disk, entry->d_name, &st);
		snprintf(made.name, sizeof(made.name), "%.39s", entry->d_name);
		disk_add(disk, &made, NULL, 0);
		if (!S_ISDIR(st.st_mode)) {
			give_content(disk, dirfd(dir), entry->d_name, made.child);
			continue;
		}
		give(disk, openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		     made.child);
	}
	closedir(dir);
	disk_add(disk, &(struct disk_event){.kind = DISK_SYNC, .node = node}, NULL, 0);
}

void disk_watch(struct disk *disk, const char *folder)
{
	struct stat st;
	int fd;

	disk_unwatch();
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		abort();
	give(disk, fd, disk_new_node(disk, "", &st));
	disk->n_given = disk->n_events;
	*watched() = disk;
}

void disk_unwatch(void)
{
	*watched() = NULL;
}

void disk_finish(struct disk *disk)
{
	disk_unwatch();
	for (size_t i = 0; i < disk->n_events; i++)
		free(disk->events[i].data);
	free(disk->events);
	free(disk->nodes);
	*disk = (struct disk){0};
}

bool disk_writes_index(const struct disk *disk, size_t at)
{
	const struct disk_event *event = &disk->events[at - 1];

	return event->kind == DISK_WRITE && disk->nodes[event->node].index;
}

const void *disk_noted(const struct disk *disk, size_t at)
{
	while (at-- > 0)
		if (disk->events[at].kind == DISK_NOTE)
			return disk->events[at].data;
	return NULL;
}
