/* The model board: how a trainer hands its newest model to every process that predicts, through the
 * ledger and without asking anybody. Shared state in its plainest form: one value, one writer, any
 * number of readers who never wait for each other. */
#ifndef TROUPE_IPC_SLOTS_MODEL_H
#define TROUPE_IPC_SLOTS_MODEL_H

#include "ipc/slots/ledger.h"

/* Publishes a copy of `model` as version current + 1; its version and checksum are filled in on the
 * way. There is one trainer at a time: two would fill the same bank at once. Should it happen, one
 * of them gets TROUPE_E_LOST, and readers may refuse that version by its checksum until the next
 * one; nobody is ever handed the mixture. TROUPE_E_ARGUMENT: classes or features are out of range.
 * A process that dies in here leaves the old model in force. */
int model_publish(struct ledger *ledger, const struct model_bank *model);

/* Copies the newest model into *copy if its version is not `known_version` (0: none known).
 * 0: *copy is a whole model; TROUPE_E_AGAIN: no other model is there, or it changed faster than it
 * could be copied; TROUPE_E_CORRUPT: the board is damaged. After anything but 0 *copy is
 * unspecified, and the caller goes on with the model it has: copy into a second bank. */
int model_read(const struct ledger *ledger, uint64_t known_version, struct model_bank *copy);

/* The version published last, 0: none yet. */
uint64_t model_current(const struct ledger *ledger);

/* The checksum that belongs into `bank`. */
uint32_t model_checksum(const struct model_bank *bank);

#endif
