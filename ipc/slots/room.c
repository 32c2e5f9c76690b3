/* Reads what the kernel says about free memory: of the machine, and of our control group (v2). */
#include "ipc/slots/room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part of a limit that is left to others. */
#define OTHERS 16

/* The first number behind `key` in a file, UINT64_MAX without one ("max", no file, no key). */
static uint64_t number_in(const char *path, const char *key)
{
	uint64_t value = UINT64_MAX;
	char line[256];
	FILE *in = fopen(path, "re");
	if (!in)
		return value;
	while (value == UINT64_MAX && fgets(line, sizeof(line), in)) {
		size_t length = strlen(key);
		const char *at = line + length;
		if (strncmp(line, key, length) != 0)
			continue;
		at += strspn(at, " \t");
		if (*at >= '0' && *at <= '9')
			value = strtoull(at, NULL, 10);
		else
			break;
	}
	fclose(in);
	return value;
}

/* The page cache of a group: taken, but given back when asked for. Shared memory is not. */
static uint64_t cache_of_group(const char *folder)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/memory.stat", folder);
	uint64_t file = number_in(path, "file "), shared = number_in(path, "shmem ");
	return file != UINT64_MAX && shared < file ? file - shared : 0;
}

/* What the control group at `folder` may still take. */
static uint64_t room_in_group(const char *folder)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/memory.max", folder);
	uint64_t most = number_in(path, "");
	snprintf(path, sizeof(path), "%s/memory.current", folder);
	uint64_t now = number_in(path, "");
	if (most == UINT64_MAX || now == UINT64_MAX)
		return UINT64_MAX;
	uint64_t cache = cache_of_group(folder);
	now -= cache < now ? cache : now;
	return now < most ? most - now : 0;
}

/* Our group and all above it: each may have a limit. */
static uint64_t room_in_groups(void)
{
	char line[256], folder[320];
	uint64_t room = UINT64_MAX;
	FILE *in = fopen("/proc/self/cgroup", "re");
	if (!in)
		return room;
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "0::", 3) != 0)
			continue;
		for (char *end = line + strlen(line); end; end = strrchr(line + 3, '/')) {
			*end = 0;
			snprintf(folder, sizeof(folder), "/sys/fs/cgroup%s", line + 3);
			uint64_t here = room_in_group(folder);
			room = here < room ? here : room;
		}
	}
	fclose(in);
	return room;
}

uint64_t room_in_memory(void)
{
	uint64_t room = room_in_groups();
	uint64_t kib = number_in("/proc/meminfo", "MemAvailable:");
	if (kib < UINT64_MAX / 1024 && kib * 1024 < room)
		room = kib * 1024;
	return room == UINT64_MAX ? room : room - room / OTHERS;
}
