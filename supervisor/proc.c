/* /proc/PID/stat and /proc/PID/status. */
#include "supervisor/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the flags in /proc/PID/stat (PF_EXITING), set before a thread lets go of anything. */
#define EXITING 0x4ul

const char *proc_stat_state(pid_t pid, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *in = fopen(path, "re");
	if (!in)
		return NULL;
	size_t used = fread(text, 1, size - 1, in);
	fclose(in);
	text[used] = '\0';
	/* Field 2 may hold anything and ends with the last ')'. */
	const char *at = strrchr(text, ')');
	return at && at[1] == ' ' ? at + 2 : NULL;
}

const char *proc_stat_field(const char *state, int number)
{
	const char *at = state;
	for (int field = 3; at && field < number; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at;
}

bool proc_stat_read(pid_t pid, struct proc_stat *stat)
{
	char text[1024];
	const char *at = proc_stat_state(pid, text, sizeof(text));
	unsigned long long user, system;
	long long pages;
	if (!at || sscanf(at,
			  "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d "
			  "%*d %*d %*u "
			  "%*u %lld",
			  &stat->state, &user, &system, &pages) != 4)
		return false;
	stat->cpu_ticks = user + system;
	stat->rss_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

bool proc_is_ending(pid_t pid)
{
	char text[1024];
	const char *state = proc_stat_state(pid, text, sizeof(text));
	const char *flags = state ? proc_stat_field(state, 9) : NULL;
	return !flags || (strtoul(flags, NULL, 10) & EXITING) != 0;
}

bool proc_traced(pid_t pid)
{
	char path[64], line[256];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *in = fopen(path, "re");
	bool traced = false;
	while (in && fgets(line, sizeof(line), in))
		if (strncmp(line, "TracerPid:", 10) == 0)
			traced = strtol(line + 10, NULL, 10) != 0;
	if (in)
		fclose(in);
	return traced;
}
