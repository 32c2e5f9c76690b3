/* The one clock. Every time inside troupe is CLOCK_MONOTONIC in nanoseconds; the wall clock appears
 * only beside it, for people, and decides nothing. */
#ifndef TROUPE_IPC_BASE_CLOCK_H
#define TROUPE_IPC_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* A deadline or due time that never comes. */
#define CLOCK_NEVER INT64_MAX

/* Monotonic time in ns. */
int64_t clock_now(void);

/* Wall-clock time in ns since 1970, UTC. */
int64_t clock_wall(void);

/* Milliseconds from `now` to `deadline` for poll(): rounded up so that a wait never ends early, 0
 * when it is past, -1 for CLOCK_NEVER, at most one hour. */
int clock_poll_ms(int64_t now, int64_t deadline);

/* Writes a wall time as 2026-01-31T10:20:30.123Z into `out` (at least 25 bytes). */
void clock_format_wall(int64_t wall_ns, char *out, size_t size);

#endif
