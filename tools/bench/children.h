/* Processes that a bench starts. Whatever happens to the bench, they end with it. */
#ifndef TROUPE_TOOLS_BENCH_CHILDREN_H
#define TROUPE_TOOLS_BENCH_CHILDREN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILDREN_MAX 32

struct children {
	pid_t pid[CHILDREN_MAX];
	size_t n;
};

/* Makes this process the one that orphans below it come to. */
void children_init(void);

/* Like fork(2). The child is in a process group of its own (a terminal's Ctrl-C is the bench's
 * alone), has the usual signals, and is killed when the bench dies. To be called while the bench
 * has only one thread. */
pid_t children_fork(struct children *children);

/* Starts the program of that name in this program's folder ("/…": that file). `environment`:
 * "NAME=VALUE" to add, ends with NULL; may be NULL. Output goes to `output` (-1: nowhere), and if
 * that is a terminal, input comes from it. The pid, or a negative error. */
pid_t children_start(struct children *children, const char *program, const char *const argv[],
		     const char *const environment[], int output);

/* Waits until it has ended, at most until `deadline` (monotonic ns): 0 and its wait status in
 * *status (may be NULL), TROUPE_E_TIMEOUT, or TROUPE_E_AGAIN when the bench was interrupted. */
int children_wait(struct children *children, pid_t pid, int64_t deadline, int *status);

/* Kills one and waits for it; 0 or less is fine. */
void children_kill(struct children *children, pid_t pid);

/* Kills everything that is left below this process, grandchildren too, and waits for it. */
void children_kill_all(struct children *children);

#endif
