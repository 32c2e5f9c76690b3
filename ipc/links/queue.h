/* The queue: many producers, many consumers (PUSH/PULL over ipc://). Each consumer has an inbox at
 * a path of its own; a producer keeps an outbox to each inbox it writes to. Bounded; what does not
 * fit is lost, which is harmless: the ledger is the backlog. Send and receive with link_send and
 * link_receive. */
#ifndef TROUPE_IPC_LINKS_QUEUE_H
#define TROUPE_IPC_LINKS_QUEUE_H

#include "ipc/links/pipe.h"

/* Binds an inbox. TROUPE_E_EXISTS when something is at that path already. */
int inbox_bind(struct links *links, const char *path, struct link **link);
/* Connects to an inbox, which need not exist yet. */
int outbox_connect(struct links *links, const char *path, struct link **link);

#endif
