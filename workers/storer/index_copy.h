/* Copying the catalogue while somebody writes it, and comparing it with another one. */
#ifndef TROUPE_WORKERS_STORER_INDEX_COPY_H
#define TROUPE_WORKERS_STORER_INDEX_COPY_H

#include "workers/storer/index.h"

/* Called between parts of the copy, with bytes; `false` ends it. */
typedef bool index_copying_fn(void *arg, uint64_t done, uint64_t total);

/* Copies what is committed now into a new file, durably; who writes goes on meanwhile. `going`
 * may be NULL; when it ended the copy: TROUPE_E_CLOSED. On an error `why` says more. */
int index_copy(struct index *index, const char *path, index_copying_fn *going, void *arg, char *why,
	       size_t why_size);

/* How many runs the catalogue in another folder has that this one has not, or an error. */
int64_t index_strangers(struct index *index, const char *folder);

/* How many frames of a segment, by the catalogue in another folder, this one has forgotten because
 * they were damaged; or an error. */
int64_t index_lost_of(struct index *index, const char *folder, uint32_t segment);

#endif
