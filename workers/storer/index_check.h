/* Whether the catalogue agrees with itself: SQLite's own check, and what its tables say of each
 * other. What records can vouch for is verify's to compare. */
#ifndef TROUPE_WORKERS_STORER_INDEX_CHECK_H
#define TROUPE_WORKERS_STORER_INDEX_CHECK_H

#include "workers/storer/index.h"

/* Called for each fault with one line. */
typedef void index_fault_fn(void *arg, const char *line);

/* 0 when everything was asked, or an error when the catalogue cannot be read on. `waiting` (may be
 * NULL) is called often meanwhile. */
int index_check(struct index *index, index_fault_fn *fault, folder_waiting_fn *waiting, void *arg);

#endif
