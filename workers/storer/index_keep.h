/* The catalogue's side of keeping a recording within its limits: what it takes to know how old and
 * how large things are, and how a segment goes. */
#ifndef TROUPE_WORKERS_STORER_INDEX_KEEP_H
#define TROUPE_WORKERS_STORER_INDEX_KEEP_H

#include "workers/storer/index.h"

/* The boot of a run; "": not known. */
int index_keep_boot(struct index *index, uint64_t run, char *boot, size_t size);

/* Bytes of the catalogue's file that are in use. */
int64_t index_keep_bytes(struct index *index);

/* ---- each a transaction of its own ---- */

/* The segment is doomed, and up to `n` of its frames, the first ones, become ranges of `forgotten`.
 * Returns how many; fewer than `n`: it has no frame any more. To be called again until then; after
 * a death in between the next start does the rest. TROUPE_E_STATE: it is open or not there. */
int index_keep_doom(struct index *index, uint32_t number, int n, const char *why);

/* The file of a doomed segment is gone for good: so goes its row, with the spans of frames that
 * have no frame any more. */
int index_keep_forget(struct index *index, uint32_t number, const char *why);

#endif
