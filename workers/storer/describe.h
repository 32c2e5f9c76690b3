/* What the recording says of a frame that is in a slot. Any thread. */
#ifndef TROUPE_WORKERS_STORER_DESCRIBE_H
#define TROUPE_WORKERS_STORER_DESCRIBE_H

#include "ipc/worker/worker.h"
#include "workers/storer/record.h"

#include <stdbool.h>
#include <stdint.h>

struct jpeg_encoder;

/* Fills everything but run, stream and what describe_coded fills. `tap`: whose ordinals count. */
void describe_frame(const struct ledger *ledger, uint32_t tap, const struct frame *frame,
		    struct record *record);

/* Fills what says how the frame is coded; *coded is record->coded_bytes of the slot, or of the
 * encoder until it is used again. `as_it_came`: the access unit that came with it; else the JPEG
 * that the source or a processor made, or our own of its image when nobody did. */
int describe_coded(struct jpeg_encoder *encoder, const struct frame *frame, bool as_it_came,
		   struct record *record, const uint8_t **coded);

#endif
