/* Making a folder as a power cut could leave it. */
#include "tests/power/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define PAGE   4096

struct bytes {
	uint8_t *data;
	uint64_t size;
};

struct entry {
	char name[DISK_NAME];
	uint32_t node;
};

/* A file or folder: what the disk has, and what has happened since and may be on it or not. */
struct node {
	struct bytes synced;
	struct entry *entries;
	uint32_t n_entries;
	struct disk_event *pending; /* their data is the log's */
	uint32_t n_pending, room;
	bool folder; /* names happened to it */
};

static void *grow(void *block, size_t size)
{
	void *more = realloc(block, size > 0 ? size : 1);

	if (more == NULL)
		abort();
	return more;
}

/* ---- a folder's names ---- */

static void set_entry(struct node *folder, const char *name, uint32_t node)
{
	for (uint32_t i = 0; i < folder->n_entries; i++) {
		if (strcmp(folder->entries[i].name, name) != 0)
			continue;
		if (node != UINT32_MAX)
			folder->entries[i].node = node;
		else
			folder->entries[i] = folder->entries[--folder->n_entries];
		return;
	}
	if (node == UINT32_MAX)
		return;
	folder->entries = grow(folder->entries, (folder->n_entries + 1) * sizeof(*folder->entries));
	folder->entries[folder->n_entries].node = node;
	memcpy(folder->entries[folder->n_entries++].name, name, DISK_NAME);
}

static void apply_name(struct node *folder, const struct disk_event *event)
{
	switch (event->kind) {
	case DISK_MAKE:
		set_entry(folder, event->name, event->child);
		break;
	case DISK_RENAME:
		set_entry(folder, event->name, UINT32_MAX);
		set_entry(folder, event->to, event->child);
		break;
	default:
		set_entry(folder, event->name, UINT32_MAX);
	}
}

/* ---- a file's bytes ---- */

static uint64_t size_after(const struct node *file, uint32_t n)
{
	uint64_t size = file->synced.size;

	for (uint32_t i = 0; i < n; i++) {
		const struct disk_event *event = &file->pending[i];

		if (event->kind == DISK_TRUNCATE)
			size = event->size;
		else if (event->at + event->size > size)
			size = event->at + event->size;
	}
	return size;
}

/* What [at, at + size) holds after the first n pending changes. */
static void bytes_after(const struct node *file, uint32_t n, uint64_t at, uint64_t size,
			uint8_t *out)
{
	uint64_t known = file->synced.size > at ? file->synced.size - at : 0;

	if (known > size)
		known = size;
	if (known > 0)
		memcpy(out, file->synced.data + at, known);
	memset(out + known, 0, size - known);
	for (uint32_t i = 0; i < n; i++) {
		const struct disk_event *event = &file->pending[i];
		uint64_t from = event->at > at ? event->at : at;
		uint64_t to =
			event->at + event->size < at + size ? event->at + event->size : at + size;

		if (event->kind == DISK_TRUNCATE) {
			if (event->size < at + size) {
				from = event->size > at ? event->size - at : 0;
				memset(out + from, 0, size - from);
			}
		} else if (from < to) {
			memcpy(out + (from - at), event->data + (from - event->at), to - from);
		}
	}
}

static bool ever_written(const struct node *file, uint32_t n, uint64_t at)
{
	if (at < file->synced.size)
		return true;
	for (uint32_t i = 0; i < n; i++) {
		const struct disk_event *event = &file->pending[i];

		if (event->kind == DISK_WRITE && event->at < at + SECTOR &&
		    at < event->at + event->size)
			return true;
	}
	return false;
}

enum grain { OLD, NEW, MOMENT, PAGES, SECTORS, N_GRAINS };

/* One of the states that the file may have on the disk now. */
static struct bytes choose(const struct node *file, struct chance *chance)
{
	enum grain grain = (enum grain)chance_below(chance, N_GRAINS);
	bool garbage = chance_below(chance, 4) == 0;
	uint32_t all = file->n_pending;
	uint32_t n = grain == OLD   ? 0
		     : grain == NEW ? all
				    : (uint32_t)chance_below(chance, all + 1);
	struct bytes chosen = {.size = size_after(file, n)};

	chosen.data = grow(NULL, chosen.size);
	for (uint64_t at = 0; at < chosen.size; at += SECTOR) {
		uint64_t size = chosen.size - at < SECTOR ? chosen.size - at : SECTOR;

		if (grain == SECTORS || (grain == PAGES && at % PAGE == 0))
			n = (uint32_t)chance_below(chance, all + 1);
		bytes_after(file, n, at, size, chosen.data + at);
		if (garbage && grain >= PAGES && !ever_written(file, n, at))
			for (uint64_t i = 0; i < size; i++)
				chosen.data[at + i] = (uint8_t)chance_next(chance);
	}
	return chosen;
}

static void become(struct node *file, struct bytes content)
{
	free(file->synced.data);
	file->synced = content;
	file->n_pending = 0;
}

/* ---- replaying the log ---- */

static void add_pending(struct node *node, const struct disk_event *event)
{
	if (node->n_pending == node->room) {
		node->room = node->room > 0 ? node->room * 2 : 16;
		node->pending = grow(node->pending, node->room * sizeof(*node->pending));
	}
	node->pending[node->n_pending++] = *event;
	node->folder |= event->kind <= DISK_RENAME;
}

static void sync_node(struct node *node)
{
	struct bytes content;

	if (node->n_pending == 0)
		return;
	if (node->folder) {
		for (uint32_t i = 0; i < node->n_pending; i++)
			apply_name(node, &node->pending[i]);
		node->n_pending = 0;
		return;
	}
	content.size = size_after(node, node->n_pending);
	content.data = grow(NULL, content.size);
	bytes_after(node, node->n_pending, 0, content.size, content.data);
	become(node, content);
}

/* The pages count as clean whatever became of them; the length is still to be written. Names are
 * not thrown away by that. */
static void fail_sync(struct node *node, struct chance *chance)
{
	struct disk_event length = {.kind = DISK_TRUNCATE,
				    .size = size_after(node, node->n_pending)};

	if (node->folder || node->n_pending == 0)
		return;
	become(node, choose(node, chance));
	add_pending(node, &length);
}

static void replay(const struct disk *disk, size_t at, struct node *nodes, struct chance *chance)
{
	for (size_t i = 0; i < at; i++) {
		const struct disk_event *event = &disk->events[i];
		struct node *node = &nodes[event->node];

		if (event->kind == DISK_SYNC)
			sync_node(node);
		else if (event->kind == DISK_SYNC_FAILED)
			fail_sync(node, chance);
		else if (event->kind != DISK_NOTE)
			add_pending(node, event);
	}
}

/* ---- writing it down ---- */

static void write_file(struct node *file, int folder, const char *name, struct chance *chance)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	struct bytes chosen = choose(file, chance);
	uint64_t at = 0;

	if (fd < 0)
		abort();
	while (at < chosen.size) {
		ssize_t put = write(fd, chosen.data + at, chosen.size - at);

		if (put <= 0)
			abort();
		at += (uint64_t)put;
	}
	close(fd);
	free(chosen.data);
}

static void write_folder(const struct disk *disk, struct node *nodes, uint32_t number, int fd,
			 struct chance *chance)
{
	struct node *folder = &nodes[number];
	enum grain grain = (enum grain)chance_below(chance, N_GRAINS);
	uint64_t moment = chance_below(chance, folder->n_pending + 1);

	for (uint32_t i = 0; i < folder->n_pending; i++) {
		if (grain == NEW || (grain == MOMENT && i < moment) ||
		    (grain > MOMENT && chance_below(chance, 2) == 0))
			apply_name(folder, &folder->pending[i]);
	}
	for (uint32_t i = 0; i < folder->n_entries; i++) {
		const struct entry *entry = &folder->entries[i];
		int below;

		if (!disk->nodes[entry->node].folder) {
			write_file(&nodes[entry->node], fd, entry->name, chance);
			continue;
		}
		if (mkdirat(fd, entry->name, 0755) < 0)
			abort();
		below = openat(fd, entry->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		write_folder(disk, nodes, entry->node, below, chance);
	}
	close(fd);
}

void disk_cut(const struct disk *disk, size_t at, uint64_t seed, const char *folder)
{
	struct node *nodes = calloc(disk->n_nodes, sizeof(*nodes));
	struct chance chance = {seed};

	if (nodes == NULL)
		abort();
	replay(disk, at, nodes, &chance);
	write_folder(disk, nodes, 0, open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &chance);
	for (uint32_t i = 0; i < disk->n_nodes; i++) {
		free(nodes[i].synced.data);
		free(nodes[i].entries);
		free(nodes[i].pending);
	}
	free(nodes);
}
