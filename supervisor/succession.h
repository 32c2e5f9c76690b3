/* Who comes after a lead that dies: its spare, or a new process that starts while the dead one's
 * memory is still being torn down. docs/architecture.md, "Succession". */
#ifndef TROUPE_SUPERVISOR_SUCCESSION_H
#define TROUPE_SUPERVISOR_SUCCESSION_H

#include "supervisor/supervisor.h"

/* Listens for deaths from now on. Without it they are known by their pidfds. */
void succession_begin(struct supervisor *s);
void succession_finish(struct supervisor *s);

/* The process has said Hello, so it holds its mutex if it ever will. */
void succession_watch(struct part *part);

/* The part's process dies or is dead: its successor takes over, if there is one or would be started
 * at once whatever the cause. The part is the member's last then, and `succeeded` is set. */
void succession_follow(struct part *part);

/* Goes on where it can: successors that had to wait for the dead, new spares. Called after
 * everything that happens. */
void succession_advance(struct supervisor *s);

#endif
