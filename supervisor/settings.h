/* What the supervisor itself can be told: the rows at the top level of the config file, and those
 * that every worker's section takes beside the rows of its program. */
#ifndef TROUPE_SUPERVISOR_SETTINGS_H
#define TROUPE_SUPERVISOR_SETTINGS_H

#include "ipc/base/rows.h"
#include "ipc/slots/layout.h"
#include "supervisor/roster.h"

#include <stdbool.h>
#include <stdint.h>

struct top_settings {
	char name[NAME_SIZE];
	int64_t hang_after, bypass_after, drain_timeout; /* ns */
	int64_t low_water;				 /* percent */
	int64_t memory;					 /* bytes, 0: what is available */
	char strategy[16];				 /* who starts anew with one that died */
	int64_t quarantine_keep;			 /* folders */
	char sandbox[8];
	char on_orphan[32];		      /* see settings_orphan_wait */
	int64_t log_size, log_age, log_files; /* bytes, ns, count; 0: no limit, none */
	int64_t journal_size;		      /* bytes, 0: it is never rotated */
};

#define ENVIRONMENT_SIZE 1024

/* One section. `count` is for pools, what is behind `count` for streams. */
struct section_settings {
	char exec[512];
	bool enabled;
	int64_t max_restarts;
	int64_t restart_window, backoff, backoff_max, ready_timeout; /* ns */
	int64_t hang_after;					     /* ns, 0: the pipeline's */
	char strategy[16];
	int64_t nice;
	char cpus[128];
	int64_t limit_memory, limit_files; /* bytes, descriptors; 0: the supervisor's */
	char limit_core[32];
	char user[64];
	char environment[ENVIRONMENT_SIZE];
	char oom_score_adj[8];
	int64_t spares;
	int64_t count;
	int64_t view_width, quality, slots;
	bool record;
	double record_fps;
	struct keep_limit keep;
	char takes[8], tap[16]; /* of a stranger's worker */
};

extern const struct row_table settings_top;

/* So long workers go on without a supervisor, ns; 0: they drain at once. */
int64_t settings_orphan_wait(const struct top_settings *top);

/* The supervisor's rows for sections of that role: up to SETTINGS_PARTS tables that fill the same
 * struct. */
#define SETTINGS_PARTS 3
size_t settings_for(const struct role *role, const struct row_table *parts[SETTINGS_PARTS]);

/* The supervisor's row of that name for the role, NULL: none. */
const struct row *settings_find(const struct role *role, const char *name);

/* Sets all rows of a role to their defaults. */
void settings_defaults(const struct role *role, struct section_settings *settings);

#endif
