/* What workers say on their pipes and in the inbox for reports. */
#ifndef TROUPE_SUPERVISOR_PIPES_H
#define TROUPE_SUPERVISOR_PIPES_H

#include "supervisor/supervisor.h"

/* Loop callbacks; `arg` is the struct part or the struct supervisor. */
void pipes_on_message(void *arg, struct link *link);
void pipes_on_report(void *arg, struct link *link);

/* Tells a worker to drain, or to tell about itself. */
void pipes_drain(struct part *part, const char *why);
int pipes_dump(struct part *part, uint64_t id);

/* Asks it to say what it has said; TROUPE_E_AGAIN: it has not connected yet. */
int pipes_say_again(struct part *part);

#endif
