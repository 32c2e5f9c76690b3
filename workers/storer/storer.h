/* The storer: takes every frame that is owed to the recording and settles it once the disk has it.
 */
#ifndef TROUPE_WORKERS_STORER_STORER_H
#define TROUPE_WORKERS_STORER_STORER_H

#include "ipc/worker/worker.h"

extern const struct worker_table storer_table;

#endif
