/* What /proc says of a process. */
#ifndef TROUPE_TOOLS_BENCH_LOOK_H
#define TROUPE_TOOLS_BENCH_LOOK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct memory {
	size_t resident;  /* bytes in memory, the shared ones too */
	size_t anonymous; /* … of these its alone: heap, stacks, changed pages of programs */
};

/* 0 or TROUPE_E_NOT_FOUND. */
int look_memory(pid_t pid, struct memory *memory);

/* How often its threads have got a core so far, or -1: no such process. What ends in between takes
 * its share with it. */
int64_t look_wakes(pid_t pid);

/* CPU time that it has used so far, with all its threads, in ns; -1: no such process. */
int64_t look_cpu(pid_t pid);

#endif
