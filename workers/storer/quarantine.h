/* Keeps the raw pixels of a frame that caused three deaths, for the person who must find out why:
 * frame.i420 and frame.txt in the folder that the supervisor has made for it. */
#ifndef TROUPE_WORKERS_STORER_QUARANTINE_H
#define TROUPE_WORKERS_STORER_QUARANTINE_H

#include "ipc/worker/worker.h"

/* Writes both files durably, frame.txt last: where it is, all is whole. Does nothing where it is
 * already, or where there is no folder (nothing shall be kept). Before the frame is settled, so
 * that a storer which is killed half-way is offered the frame again. An error has left no half of
 * a file, and is explained in `why`. */
int quarantine_frame(const struct worker *w, const struct frame *frame, char *why, size_t why_size);

#endif
