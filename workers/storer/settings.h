/* What the storer can be told by the config file. */
#ifndef TROUPE_WORKERS_STORER_SETTINGS_H
#define TROUPE_WORKERS_STORER_SETTINGS_H

#include "ipc/base/rows.h"
#include "workers/storer/events.h"

#include <stdint.h>

/* Times in ns. */
struct storer_config {
	char folder[512];
	int64_t commit_interval;
	int64_t commit_bytes;
	int64_t segment_bytes;
	int64_t segment_seconds;
	int64_t lock_wait;
	struct keep_limit keep;
	int64_t keep_events;
	int64_t keep_free;
	struct event_rules events;
	char archive[8]; /* "none", "h264" */
	int64_t archive_after;
	int64_t archive_quality;
	char archive_priority[8]; /* "idle", "normal" */
};

#define N_STORER_ROWS 16

extern const struct row storer_rows[N_STORER_ROWS];

#endif
