/* A ledger with one stream, and workers on it turn by turn in this process. */
#ifndef TROUPE_TESTS_UNIT_CAPTURE_RIG_H
#define TROUPE_TESTS_UNIT_CAPTURE_RIG_H

#include "ipc/worker/worker.h"

#define RIG_SLOTS     4
#define RIG_AHEAD     (RIG_SLOTS - 1) /* a source that can wait leaves one slot alone */
#define RIG_CAPTURE   1		      /* seats */
#define RIG_PROCESSOR 2

/* A ledger for frames of width x height, views of half that; nothing is owed to anybody, so a
 * processed frame is FREE at once. Labels: those of the pattern, from 1. */
struct ledger *rig_create(uint32_t width, uint32_t height, bool live);
void rig_destroy(struct ledger *ledger);

/* A worker that must start. */
struct worker *rig_worker(struct ledger *ledger, const struct worker_table *table, uint8_t seat,
			  const char *lines);

/* Takes a turn and says the new frame's record, NULL when none was published. */
const struct slot_record *rig_capture(struct ledger *ledger, struct worker *capture);

/* The same as often as it takes. */
const struct slot_record *rig_capture_when_due(struct ledger *ledger, struct worker *capture);

/* Lets everything that is queued pass unchanged, as a processor would. */
void rig_pass(struct ledger *ledger);

#endif
