/* A real pipeline for a bench: `troupe-supervisor` with a config of the bench's own, in the bench's
 * folder. */
#ifndef TROUPE_TOOLS_BENCH_RIG_H
#define TROUPE_TOOLS_BENCH_RIG_H

#include "ipc/base/folders.h"
#include "ipc/slots/ledger.h"
#include "tools/bench/bench.h"

struct rig {
	char name[PIPELINE_NAME_MAX + 1];
	pid_t supervisor;
	struct ledger ledger; /* mapped read-only, stays readable until rig_down */
};

/* Writes the config text, which must not set `name`, starts the pipeline and waits until all its
 * workers are ready. On an error says why (the supervisor's words). Its runtime, state and
 * recording folders are below bench->folder. */
int rig_up(struct bench *bench, struct rig *rig, const char *config);

/* The first half of that: names the pipeline, writes its config as bench->folder/rig.conf, and
 * tells everybody who is started from now on where the folders are. */
int rig_prepare(struct bench *bench, struct rig *rig, const char *config);

/* Drains and ends it; kills it when that takes longer than `patience` ns. A zeroed rig is fine. */
int rig_down(struct bench *bench, struct rig *rig, int64_t patience);

/* The pid and seat of who plays the worker ("processor.1") now; 0: nobody yet. */
pid_t rig_pid(const struct rig *rig, const char *worker, uint8_t *seat);

/* A file name below the bench's folder. Returns `out`. */
char *rig_path(const struct bench *bench, const char *name, char *out, size_t size);

#endif
