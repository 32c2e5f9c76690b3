/* What the recording says of a frame that is in a slot. Pure; any thread. */
#ifndef TROUPE_WORKERS_STORER_DESCRIBE_H
#define TROUPE_WORKERS_STORER_DESCRIBE_H

#include "ipc/worker/worker.h"
#include "workers/storer/record.h"

#include <stdint.h>

/* Fills everything but run, stream and coded_bytes. `tap`: whose ordinals count. */
void describe_frame(const struct ledger *ledger, uint32_t tap, const struct frame *frame,
		    struct record *record);

#endif
