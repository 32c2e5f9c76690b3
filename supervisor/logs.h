/* What workers write to stdout and stderr: read from their pipes, appended to STATE/WORKER.log. The
 * worker's end never blocks: a supervisor that is slow costs lines, not frames. */
#ifndef TROUPE_SUPERVISOR_LOGS_H
#define TROUPE_SUPERVISOR_LOGS_H

#include "supervisor/supervisor.h"

/* Loop callback; `arg` is the struct part. */
void logs_on_output(void *arg, int fd, short revents);

/* Takes what is still in the pipe of a process that has ended. */
void logs_take_rest(struct part *part);

#endif
