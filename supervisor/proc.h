/* What /proc says of a process. */
#ifndef TROUPE_SUPERVISOR_PROC_H
#define TROUPE_SUPERVISOR_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char state; /* 'R', 'S', 'T' … */
	uint64_t cpu_ticks;
	uint64_t rss_bytes;
};

/* False: there is no such process. */
bool proc_stat_read(pid_t pid, struct proc_stat *stat);

/* Whether a debugger holds it. */
bool proc_traced(pid_t pid);

#endif
