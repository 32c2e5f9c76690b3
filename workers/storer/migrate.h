/* Brings the catalogue of an older version up to date, in place, with all data kept. */
#ifndef TROUPE_WORKERS_STORER_MIGRATE_H
#define TROUPE_WORKERS_STORER_MIGRATE_H

#include "workers/storer/folder.h"

#include <sqlite3.h>
#include <stdint.h>

/* From `version` to INDEX_VERSION step by step, each step one transaction: a death in here leaves a
 * whole catalogue of some version. `waiting` (may be NULL) is called often meanwhile. 0, or -1: the
 * database says why. */
int migrate(sqlite3 *db, int64_t version, folder_waiting_fn *waiting, void *arg);

#endif
