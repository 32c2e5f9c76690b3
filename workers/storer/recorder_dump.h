/* What a recorder says about itself, for people. */
#ifndef TROUPE_WORKERS_STORER_RECORDER_DUMP_H
#define TROUPE_WORKERS_STORER_RECORDER_DUMP_H

#include "workers/storer/recorder.h"

#include <stdio.h>

/* As "key: value" lines. */
void recorder_dump(const struct recorder *recorder, FILE *out);

#endif
