/* The plan of a pipeline as `troupe-supervisor --plan` prints it, read back: what the supervisor
 * would spawn, with every row resolved.
 *
 *     [pipeline]              name, folder, hang_after, bypass_after (ns), low_water, labels
 * (comma-separated) [stream]                name, slots, width, height, view_width, view_height,
 * fps_num, fps_den, quality, live, taps_on, tap_every_0 (ns) [worker]                name, role
 * ("capture", "storer", …), number (of its stream or tap), and each config row that was set as
 * row.NAME
 *
 * each followed by "key=value" lines. Unknown keys are passed over. */
#ifndef TROUPE_WORKERS_SEQUENTIAL_PLAN_H
#define TROUPE_WORKERS_SEQUENTIAL_PLAN_H

#include "ipc/slots/ledger.h"

#include <stdio.h>

#define PLAN_WORKERS_MAX 64
#define PLAN_ROWS_SIZE	 4096

struct plan_worker {
	char name[NAME_SIZE];
	char role[NAME_SIZE];
	uint32_t number;
	char rows[PLAN_ROWS_SIZE]; /* "key=value" lines */
};

struct plan {
	char name[NAME_SIZE];
	char folder[1024]; /* relative paths in rows count from here; "": from where we are */
	int64_t hang_after, bypass_after;
	uint32_t low_water;
	char labels[LABELS_MAX][NAME_SIZE];
	uint32_t n_labels; /* [0] is "none" */
	char stream_names[STREAMS_MAX][NAME_SIZE];
	struct stream_plan streams[STREAMS_MAX];
	uint32_t n_streams;
	struct plan_worker workers[PLAN_WORKERS_MAX];
	uint32_t n_workers;
};

/* Reads the whole text. TROUPE_E_MALFORMED with the line in `why` when it is not a plan. */
int plan_read(struct plan *plan, FILE *in, char *why, size_t why_size);

/* Adds or replaces a row of a worker. */
int plan_set_row(struct plan_worker *worker, const char *key, const char *value);

#endif
