/* Keeps the raw pixels of a frame that caused three deaths, for the person who must find out why:
 * frame.i420 and frame.txt in the folder that the supervisor has made for it. */
#ifndef TROUPE_WORKERS_STORER_QUARANTINE_H
#define TROUPE_WORKERS_STORER_QUARANTINE_H

#include "ipc/worker/worker.h"

/* For the person who must find out what killed three processors; the recording does not wait for
 * that. What cannot be kept is said once a frame, however often it is offered: *not_kept is the
 * number of the last one. */
void quarantine_keep(struct worker *w, const struct frame *frame, uint64_t *not_kept);

#endif
