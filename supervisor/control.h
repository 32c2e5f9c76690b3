/* The control socket: every request of schemas/control.proto. */
#ifndef TROUPE_SUPERVISOR_CONTROL_H
#define TROUPE_SUPERVISOR_CONTROL_H

#include "supervisor/supervisor.h"

/* Loop callback; `arg` is the struct supervisor. */
void control_on_request(void *arg, struct link *link);

/* The number of a label in the ledger, added if it is new; 0 for "" (none), or an error. */
int control_label(struct supervisor *s, const char *label);

#endif
