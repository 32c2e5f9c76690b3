/* Looking at a process from outside. */
#include "tools/bench/look.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The numbers behind the keys, which stand there in that order. -1: not all are there. */
static int status_numbers(const char *path, const char *const keys[], size_t n, int64_t *numbers)
{
	char line[256];
	size_t found = 0;
	FILE *file = fopen(path, "re");
	if (!file)
		return -1;
	while (found < n && fgets(line, sizeof(line), file)) {
		long long value;
		size_t length = strlen(keys[found]);
		if (strncmp(line, keys[found], length) == 0 &&
		    sscanf(line + length, "%lld", &value) == 1)
			numbers[found++] = value;
	}
	fclose(file);
	return found == n ? 0 : -1;
}

int look_memory(pid_t pid, struct memory *memory)
{
	static const char *const keys[] = {"VmRSS:", "RssAnon:"};
	char path[64];
	int64_t kilobytes[2];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (status_numbers(path, keys, 2, kilobytes) < 0)
		return TROUPE_E_NOT_FOUND;
	memory->resident = (size_t)kilobytes[0] * 1024;
	memory->anonymous = (size_t)kilobytes[1] * 1024;
	return 0;
}

static int64_t wakes_of_thread(pid_t pid, const char *thread)
{
	static const char *const keys[] = {"voluntary_ctxt_switches:",
					   "nonvoluntary_ctxt_switches:"};
	char path[320];
	int64_t switches[2];
	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, thread);
	return status_numbers(path, keys, 2, switches) < 0 ? 0 : switches[0] + switches[1];
}

int64_t look_wakes(pid_t pid)
{
	char path[64];
	int64_t wakes = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *threads = opendir(path);
	if (!threads)
		return -1;
	for (const struct dirent *thread = readdir(threads); thread; thread = readdir(threads))
		if (thread->d_name[0] != '.')
			wakes += wakes_of_thread(pid, thread->d_name);
	closedir(threads);
	return wakes;
}

int64_t look_cpu(pid_t pid)
{
	clockid_t clock;
	struct timespec used;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
		return -1;
	return (int64_t)used.tv_sec * NS_PER_S + used.tv_nsec;
}
