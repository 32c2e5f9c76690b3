/* Taking over from an old catalogue what segments do not tell. */
#include "workers/storer/index_adopt.h"

#include "ipc/base/errors.h"
#include "workers/storer/index_private.h"

#include <stdio.h>

/* Of every version. */
static const char *const adopt_any[] = {
	"INSERT OR IGNORE INTO runs (run, pipeline) SELECT run, pipeline FROM old.runs",
	"UPDATE runs SET pipeline = (SELECT pipeline FROM old.runs AS o WHERE o.run = runs.run) "
	"WHERE "
	"pipeline = '' AND run IN (SELECT run FROM old.runs)",
	"INSERT OR IGNORE INTO streams (run, stream, width, height, fps_num, fps_den) SELECT run, "
	"stream, "
	"width, height, fps_num, fps_den FROM old.streams",
	"UPDATE streams SET (width, height, fps_num, fps_den) = (SELECT width, height, fps_num, "
	"fps_den "
	"FROM old.streams AS o WHERE o.run = streams.run AND o.stream = streams.stream) WHERE "
	"(run, "
	"stream) IN (SELECT run, stream FROM old.streams)",
	NULL,
};

/* Of version 2. What is forgotten there and lies in the segments all the same is not forgotten. */
static const char *const adopt_2[] = {
	"UPDATE runs SET boot = (SELECT boot FROM old.runs AS o WHERE o.run = runs.run) WHERE run "
	"IN "
	"(SELECT run FROM old.runs)",
	"DELETE FROM clock WHERE run IN (SELECT run FROM old.clock)",
	"INSERT INTO clock SELECT run, since, wall_offset FROM old.clock WHERE run IN (SELECT run "
	"FROM "
	"runs)",
	"DELETE FROM forgotten WHERE why = 'gone'",
	"INSERT INTO forgotten (" RANGE_COLUMNS ") SELECT " RANGE_COLUMNS
	" FROM old.forgotten AS o WHERE "
	"NOT EXISTS (SELECT 1 FROM frames AS f WHERE f.run = o.run AND f.stream = o.stream AND "
	"f.seq "
	"BETWEEN o.first_seq AND o.last_seq)",
	/* Behind the last frame there is nothing that would show the hole. */
	"INSERT INTO forgotten (" RANGE_COLUMNS ") SELECT o.run, o.stream, t.seq + 1, o.last_seq, "
	"t.ordinal + 1, o.last_ordinal, 'damaged', CAST(strftime('%s') AS INTEGER) * 1000000000 "
	"FROM "
	"old.streams AS o JOIN (SELECT run, stream, max(seq) AS seq, max(ordinal) AS ordinal FROM "
	"(SELECT "
	"run, stream, seq, ordinal FROM frames UNION ALL SELECT run, stream, last_seq, "
	"last_ordinal FROM "
	"forgotten UNION ALL SELECT run, stream, 0, 0 FROM streams) GROUP BY run, stream) AS t ON "
	"t.run = "
	"o.run AND t.stream = o.stream WHERE o.last_ordinal > t.ordinal AND o.last_seq - t.seq >= "
	"o.last_ordinal - t.ordinal",
	"INSERT INTO events (run, stream, kind, what, first_seq, last_seq, begun, ended, "
	"begun_wall, "
	"ended_wall, frames, best, open) SELECT run, stream, kind, what, first_seq, last_seq, "
	"begun, "
	"ended, begun_wall, ended_wall, frames, best, 0 FROM old.events WHERE kind IN ('lost', "
	"'died') "
	"AND run IN (SELECT run FROM runs)",
	NULL,
};

static int execute(struct index *index, const char *text)
{
	return sqlite3_exec(index->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : index_fail(index);
}

static int execute_all(struct index *index, const char *const *texts)
{
	int rc = 0;

	for (; rc == 0 && *texts != NULL; texts++)
		rc = execute(index, *texts);
	return rc;
}

static int select_number(struct index *index, const char *text, int64_t *number)
{
	sqlite3_stmt *statement = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(index->db, text, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	else
		rc = index_fail(index);
	sqlite3_finalize(statement);
	return rc;
}

static int attach(struct index *index, const char *old)
{
	sqlite3_stmt *statement = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(index->db, "ATTACH ?1 AS old", -1, &statement, NULL) != SQLITE_OK)
		return index_fail(index);
	sqlite3_bind_text(statement, 1, old, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) != SQLITE_DONE)
		rc = index_fail(index);
	sqlite3_finalize(statement);
	return rc;
}

/* No number is given twice, not even that of a segment which is long gone. */
static int adopt_numbers(struct index *index)
{
	int64_t used = 0, there = 0;
	char text[64];
	int rc = select_number(index, "PRAGMA old.user_version", &used);

	if (rc == 0)
		rc = select_number(index, "SELECT coalesce(max(segment), 0) FROM old.segments",
				   &there);
	used = there > used ? there : used;
	if (rc == 0)
		rc = select_number(index, "PRAGMA user_version", &there);
	if (rc < 0 || used <= there)
		return rc;
	snprintf(text, sizeof(text), "PRAGMA main.user_version = %u", (uint32_t)used);
	return execute(index, text);
}

static int adopt_attached(struct index *index)
{
	int64_t version = 0, faults = 0;
	int rc = select_number(index, "SELECT version FROM old.schema_version", &version);

	if (rc == 0 && (version < 1 || version > INDEX_VERSION))
		return TROUPE_E_SCHEMA;
	if (rc == 0) {
		rc = select_number(
			index,
			"SELECT count(*) FROM pragma_quick_check(1, 'old') WHERE quick_check <> "
			"'ok'",
			&faults);
	}
	if (rc == 0 && faults > 0)
		return TROUPE_E_CORRUPT;
	if (rc == 0)
		rc = execute(index, "BEGIN IMMEDIATE");
	if (rc == 0)
		rc = execute_all(index, adopt_any);
	if (rc == 0 && version >= 2)
		rc = execute_all(index, adopt_2);
	if (rc == 0)
		rc = adopt_numbers(index);
	if (rc == 0)
		rc = execute(index, "COMMIT");
	if (rc < 0)
		index_rollback(index);
	return rc;
}

int index_adopt(struct index *index, const char *old)
{
	int rc = attach(index, old);

	if (rc < 0)
		return rc;
	rc = adopt_attached(index);
	(void)execute(index, "DETACH old");
	return rc;
}

/* Frames and ranges side by side, in their order; what is missing between two. */
#define HOLES                                                                                      \
	"INSERT INTO forgotten (" RANGE_COLUMNS ") SELECT run, stream, before + 1, first - 1, "    \
	"before_ordinal + 1, first_ordinal - 1, '%s', %lld FROM (SELECT run, stream, first, "      \
	"first_ordinal, lag(last, 1, 0) OVER w AS before, lag(last_ordinal, 1, 0) OVER w AS "      \
	"before_ordinal FROM (SELECT run, stream, seq AS first, seq AS last, ordinal AS "          \
	"first_ordinal, ordinal AS last_ordinal FROM frames UNION ALL SELECT run, stream, "        \
	"first_seq, last_seq, first_ordinal, last_ordinal FROM forgotten) WINDOW w AS (PARTITION " \
	"BY run, stream ORDER BY first)) WHERE first_ordinal > before_ordinal + 1"

static const char *const count_anew[] = {
	/* What was forgotten tells how many frames it was, not how many of them were bypassed. */
	"UPDATE streams SET (frames, bypassed, quarantined, last_seq, last_ordinal) = (SELECT "
	"sum(frames), sum(bypassed), sum(quarantined), max(last_seq), max(last_ordinal) FROM "
	"(SELECT "
	"count(*) AS frames, coalesce(sum(bypassed), 0) AS bypassed, coalesce(sum(quarantined), 0) "
	"AS "
	"quarantined, coalesce(max(seq), 0) AS last_seq, coalesce(max(ordinal), 0) AS last_ordinal "
	"FROM "
	"frames AS f WHERE f.run = streams.run AND f.stream = streams.stream UNION ALL SELECT "
	"coalesce(sum(last_ordinal - first_ordinal + 1), 0), 0, 0, coalesce(max(last_seq), 0), "
	"coalesce(max(last_ordinal), 0) FROM forgotten AS g WHERE g.run = streams.run AND g.stream "
	"= "
	"streams.stream))",
	NULL,
};

int64_t index_explain_holes(struct index *index, const char *why, int64_t at_wall)
{
	char holes[sizeof(HOLES) + 64];
	int64_t frames = 0;
	int rc = index_begin(index);

	snprintf(holes, sizeof(holes), HOLES, why, (long long)at_wall);
	if (rc == 0)
		rc = execute(index, holes);
	if (rc == 0)
		rc = execute_all(index, count_anew);
	if (rc == 0) {
		rc = select_number(index,
				   "SELECT coalesce(sum(last_ordinal - first_ordinal + 1), 0) FROM "
				   "forgotten",
				   &frames);
	}
	if (rc == 0)
		rc = index_commit(index);
	if (rc < 0)
		index_rollback(index);
	return rc < 0 ? rc : frames;
}
