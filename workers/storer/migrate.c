/* The steps from version to version. */
#include "workers/storer/migrate.h"

#include "generated/recording_1_to_2_sql.h"
#include "ipc/base/log.h"
#include "workers/storer/index.h"

#include <inttypes.h>

#define PROGRESS_EVERY 100000 /* steps of SQLite's machine: some ms */

/* A step from version i + 1 to the next one. A newer version of the schema is a new step here, and
 * schemas/recording.sql as it is after it. */
static const char *const steps[] = {
	recording_1_to_2_sql,
};

static_assert(sizeof(steps) / sizeof(steps[0]) == INDEX_VERSION - 1,
	      "a step leads to each version");

struct progress {
	folder_waiting_fn *waiting;
	void *arg;
};

static int tell_progress(void *arg)
{
	const struct progress *progress = arg;

	if (progress->waiting != NULL)
		progress->waiting(progress->arg);
	return 0; /* go on */
}

static int execute(sqlite3 *db, const char *text)
{
	return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int take_step(sqlite3 *db, const char *step)
{
	int rc = execute(db, "BEGIN EXCLUSIVE");

	if (rc == 0)
		rc = execute(db, step);
	if (rc == 0)
		rc = execute(db, "COMMIT");
	return rc;
}

int migrate(sqlite3 *db, int64_t version, folder_waiting_fn *waiting, void *arg)
{
	struct progress progress = {.waiting = waiting, .arg = arg};
	int rc = version >= 1 ? 0 : -1;

	log_info("the recording's catalogue is of version %" PRId64 ", bringing it to version %d",
		 version, INDEX_VERSION);
	sqlite3_progress_handler(db, PROGRESS_EVERY, tell_progress, &progress);
	for (; rc == 0 && version < INDEX_VERSION; version++)
		rc = take_step(db, steps[version - 1]);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	return rc;
}
