/* The smallest worker of each role, and a ledger of one stream and one tap for them. */
#ifndef TROUPE_TESTS_UNIT_WORKER_TOYS_H
#define TROUPE_TESTS_UNIT_WORKER_TOYS_H

#include "ipc/worker/worker.h"

#define TOY_FRAMES 100 /* that a source has, unless its row says otherwise */

extern const struct worker_table toy_source, toy_queue, toy_tap, toy_peek;

/* 12 slots; ends the test if it cannot be made. */
void toy_ledger(struct ledger *ledger);

#endif
