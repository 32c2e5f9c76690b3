/* What a process hangs in, kept before it is killed: STATE/stacks/WORKER.INCARNATION.txt. It has
 * what /proc knows of each thread and, where eu-stack (elfutils) is installed, the functions they
 * are in. The first is written at once; eu-stack is a process of its own that nobody waits for:
 * when it has ended, or its time is over, the hung one is killed. */
#ifndef TROUPE_SUPERVISOR_STACK_H
#define TROUPE_SUPERVISOR_STACK_H

#include "supervisor/supervisor.h"

#define STACK_PATH_SIZE 640 /* the state folder, the worker's name, and some words */

/* Keeps what `part`'s process hangs in; `state` is that of /proc/PID/stat. Returns whether eu-stack
 * is at it: then EVENT_KILL comes to the part by itself. Else the caller kills now; a process that
 * is stopped is in no function worth knowing, and needs no waiting for. */
bool stack_keep(struct part *part, char state, int64_t now);

/* Whether that is under way. */
bool stack_is_taken(const struct process *process);

/* Ends those that take too long; returns when to look again. */
int64_t stack_advance(struct supervisor *s, int64_t now);

/* The process has ended: nobody is to be killed any more. */
void stack_forget(struct process *process, struct supervisor *s);

/* Where it is kept. Returns `out`. */
char *stack_path(const struct supervisor *s, const char *worker, uint32_t incarnation, char *out,
		 size_t size);

#endif
