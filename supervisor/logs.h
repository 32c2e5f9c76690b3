/* What workers write to stdout and stderr: read from a descriptor each, appended to
 * STATE/WORKER.log, as the rows log_size, log_age and log_files say. The worker's end never blocks:
 * a supervisor that is slow costs lines, not frames. Of each process only so much is taken in a
 * while; who writes more finds its pipe full, and counts itself what it drops. So a flood keeps
 * nobody else waiting. */
#ifndef TROUPE_SUPERVISOR_LOGS_H
#define TROUPE_SUPERVISOR_LOGS_H

#include "supervisor/supervisor.h"

/* From here on what the supervisor logs goes to STATE/supervisor.log. Returns a descriptor for
 * where it went before, -1: none. */
int logs_divert(struct supervisor *s);

/* Loop callback; `arg` is the struct part. */
void logs_on_output(void *arg, int fd, short revents);

/* Takes what is still in the pipe of a process that has ended. */
void logs_take_rest(struct part *part);

/* Goes on reading from those that have waited long enough, and rotates the supervisor's own log.
 * Returns when to look again, CLOCK_NEVER: when something happens. */
int64_t logs_advance(struct supervisor *s, int64_t now);

#endif
