/* The storer's side of the archive: what the config says goes to archive.h, what people should know
 * comes from there, and its child is watched by the storer's loop. */
#ifndef TROUPE_WORKERS_STORER_ARCHIVIST_H
#define TROUPE_WORKERS_STORER_ARCHIVIST_H

#include "ipc/worker/worker.h"
#include "workers/storer/recorder.h"

struct archivist;

/* *archivist stays NULL, which is fine everywhere below, where the config wants no archive, and in
 * one process. */
int archivist_create(struct archivist **archivist, struct worker *w);
void archivist_destroy(struct archivist *archivist);

/* To be called between commits. Returns when it wants to be called again. */
int64_t archivist_tick(struct archivist *archivist, struct recorder *recorder, int64_t now);

/* Gives up what is on its way: the recorder will be closed, or it is time to go. */
void archivist_stop(struct archivist *archivist);

void archivist_dump(const struct archivist *archivist, FILE *out);

#endif
