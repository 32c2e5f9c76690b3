/* The storer's side of keeping the recording within its limits: what the config says goes to
 * retention.h, and what people should know comes from there. */
#ifndef TROUPE_WORKERS_STORER_KEEPER_H
#define TROUPE_WORKERS_STORER_KEEPER_H

#include "ipc/worker/worker.h"
#include "workers/storer/recorder.h"

struct keeper;

/* For a recorder that has just been opened; to be ended before that is closed. */
int keeper_begin(struct keeper **keeper, const struct worker *w, struct recorder *recorder);
void keeper_end(struct keeper *keeper); /* NULL is fine */

/* To be called after each commit, and while there is none; `full`: because the disk is. Returns
 * when it wants to be called again. */
int64_t keeper_tick(struct keeper *keeper, struct worker *w, bool full);

/* The segment that is going is let go to the end, so that nothing is left half-way. NULL is fine.
 */
void keeper_finish(struct keeper *keeper);

void keeper_dump(const struct keeper *keeper, FILE *out);

#endif
