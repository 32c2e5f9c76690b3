/* Knowing at once that a worker dies. The kernel marks a robust futex (ipc/slots/alive.h) first of
 * all when its thread goes; the memory of the process, of which the pidfd waits for the end, comes
 * after. One small thread a process waits for that. Nothing depends on it: who does not take the
 * futex is known as dead by its pidfd, and what is written over it may tell a lie: ask the kernel.
 */
#ifndef TROUPE_SUPERVISOR_DYING_H
#define TROUPE_SUPERVISOR_DYING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct dying;

/* Waits for whoever holds `alive` by now; when that dies, `told` (an eventfd) is raised. NULL:
 * there is no thread to be had. */
struct dying *dying_watch(_Atomic uint32_t *alive, int told);

/* Whether it is said to have died. True once and for all. */
bool dying_seen(const struct dying *dying);

/* Returns when the thread is through with the futex, which is within milliseconds. NULL is fine. */
void dying_forget(struct dying *dying);

#endif
