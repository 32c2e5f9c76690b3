/* What a running process has of the machine, as the kernel says. */
#ifndef TROUPE_SUPERVISOR_GIVEN_H
#define TROUPE_SUPERVISOR_GIVEN_H

#include "ipc/links/ask.h"
#include "supervisor/arena.h"

#include <sys/types.h>

/* Rows called as those of a section: nice, cpus, limit_memory, … */
void given_fill(pid_t pid, struct arena *arena, Troupe__Inspection *out);

#endif
