/* What /proc says of a process. */
#ifndef TROUPE_SUPERVISOR_PROC_H
#define TROUPE_SUPERVISOR_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char state; /* 'R', 'S', 'T' … */
	uint64_t cpu_ticks;
	uint64_t rss_bytes;
};

/* False: there is no such process. */
bool proc_stat_read(pid_t pid, struct proc_stat *stat);

/* Reads /proc/PID/stat into `text` and returns where it says field 3, the state; the fields before
 * it are the pid and a name that may hold anything. NULL: there is no such process. */
const char *proc_stat_state(pid_t pid, char *text, size_t size);

/* Where field `number` (from 3 on) stands behind `state`, see proc(5). NULL: there are fewer. */
const char *proc_stat_field(const char *state, int number);

/* Whether its main thread is going, or has gone, as only the kernel can say. */
bool proc_is_ending(pid_t pid);

/* Whether a debugger holds it. */
bool proc_traced(pid_t pid);

#endif
