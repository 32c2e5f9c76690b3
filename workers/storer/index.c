/* Opening the index, its transactions, and the table of its statements. */
#include "workers/storer/index_private.h"

#include "generated/recording_sql.h"
#include "ipc/base/errors.h"
#include "workers/storer/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_MS 5000 /* a reader that recovers the log holds it for moments */
/* SQLite copies its log into the file when it has so many pages. Who takes over from a dead storer
 * writes and reads the whole log: 10 ms with SQLite's own 1,000, 4 with these, and commits take no
 * longer. */
#define LOG_PAGES 250

static const char *const sql[N_STATEMENTS] = {
	[BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[BEGIN_READ] = "BEGIN",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[ADD_RUN] = "INSERT INTO runs (run, pipeline, boot) VALUES (?1, ?2, ?3) "
		    "ON CONFLICT DO UPDATE SET pipeline = ?2, boot = ?3 WHERE pipeline = ''",
	[ADD_STREAM] = "INSERT INTO streams (run, stream, width, height, fps_num, fps_den) "
		       "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
	[SET_TALLY] = "UPDATE streams SET frames = ?3, bypassed = ?4, quarantined = ?5, "
		      "last_seq = ?6, last_ordinal = ?7 WHERE run = ?1 AND stream = ?2",
	[ADD_CLOCK] = "INSERT INTO clock (run, since, wall_offset) VALUES (?1, ?2, ?3) "
		      "ON CONFLICT DO UPDATE SET wall_offset = ?3",
	[ADD_FRAME] =
		"INSERT INTO frames (" FRAME_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		"?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[MOVE_FRAME] =
		"UPDATE frames SET segment = ?4, offset = ?5, length = ?6, coding = ?7, "
		"coded_at = ?8, coded_bytes = ?9 WHERE run = ?1 AND stream = ?2 AND seq = ?3",
	[SET_SEGMENT] = "INSERT OR REPLACE INTO segments (" SEGMENT_COLUMNS ") "
			"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[SET_STATE] = "UPDATE segments SET state = ?2 WHERE segment = ?1",
	[COUNT_BACK] = "UPDATE streams SET frames = frames - gone.n, "
		       "bypassed = streams.bypassed - gone.b, "
		       "quarantined = streams.quarantined - gone.q FROM (SELECT run AS r, "
		       "stream AS s, count(*) AS n, sum(bypassed) AS b, sum(quarantined) AS q "
		       "FROM frames WHERE segment = ?1 AND offset >= ?2 "
		       "GROUP BY run, stream) AS gone WHERE run = gone.r AND stream = gone.s",
	[LAST_BACK] = "UPDATE streams SET (last_seq, last_ordinal) = "
		      "(SELECT coalesce(max(seq), 0), coalesce(max(ordinal), 0) FROM "
		      "(SELECT * FROM (SELECT seq, ordinal FROM frames AS f WHERE f.run = "
		      "streams.run AND f.stream = streams.stream AND NOT (f.segment = ?1 AND "
		      "f.offset >= ?2) ORDER BY f.seq DESC LIMIT 1) UNION ALL "
		      "SELECT max(last_seq), max(last_ordinal) FROM forgotten AS g WHERE g.run = "
		      "streams.run AND g.stream = streams.stream)) WHERE (run, stream) IN "
		      "(SELECT run, stream FROM frames WHERE segment = ?1 AND "
		      "offset >= ?2)",
	[CUT_SEGMENT] = "DELETE FROM frames WHERE segment = ?1 AND offset >= ?2",
	[REMOVE_SEGMENT] = "DELETE FROM segments WHERE segment = ?1",
	[RANGES_OF_SEGMENT] =
		"SELECT run, stream, min(seq), max(seq), min(ordinal), max(ordinal), ?2, ?3 FROM "
		"(SELECT run, stream, seq, ordinal, ordinal - row_number() OVER "
		"(PARTITION BY run, stream ORDER BY ordinal) AS island FROM frames "
		"WHERE segment = ?1) GROUP BY run, stream, island",
	[ADD_RANGE] = "INSERT OR REPLACE INTO forgotten (" RANGE_COLUMNS ") "
		      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	[REMOVE_RANGE] = "DELETE FROM forgotten WHERE run = ?1 AND stream = ?2 AND first_seq = ?3",
	[RANGE_BEFORE] = "SELECT " RANGE_COLUMNS " FROM forgotten WHERE run = ?1 AND stream = ?2 "
			 "AND first_seq < ?3 ORDER BY first_seq DESC LIMIT 1",
	[NEXT_RANGE] = "SELECT " RANGE_COLUMNS " FROM forgotten WHERE run = ?1 AND stream = ?2 "
		       "AND first_seq > ?3 ORDER BY first_seq LIMIT 1",
	[ADD_GAPS] =
		"INSERT OR IGNORE INTO forgotten (" RANGE_COLUMNS ") SELECT run, stream, "
		"before + 1, seq - 1, before_ordinal + 1, ordinal - 1, 'gone', ?1 FROM "
		"(SELECT run, stream, seq, ordinal, segment, "
		"lag(seq, 1, 0) OVER w AS before, lag(ordinal, 1, 0) OVER w AS before_ordinal, "
		"lag(segment, 1, 0) OVER w AS before_segment FROM frames "
		"WINDOW w AS (PARTITION BY run, stream ORDER BY seq)) "
		"WHERE ordinal > before_ordinal + 1 AND segment <> before_segment",
	[GET_SEGMENT] = "SELECT " SEGMENT_COLUMNS " FROM segments WHERE segment = ?1",
	[NEXT_SEGMENT] = "SELECT " SEGMENT_COLUMNS " FROM segments WHERE segment > ?1 "
			 "ORDER BY segment LIMIT 1",
	[NEXT_UNFINISHED] = "SELECT " SEGMENT_COLUMNS " FROM segments WHERE segment > ?1 AND "
			    "state <> 'closed' ORDER BY segment LIMIT 1",
	[NEXT_JPEG] = "SELECT " SEGMENT_COLUMNS " FROM segments WHERE segment > ?1 AND "
		      "state = 'closed' AND coding = 0 AND frames > 0 AND stream <> '' AND "
		      "last_wall <= ?2 ORDER BY segment LIMIT 1",
	[ALL_SEGMENTS] = "SELECT segment, state = 'closed' FROM segments ORDER BY segment",
	[NEWER_SEGMENT] = "SELECT segment FROM segments WHERE segment > ?1 AND replaces = 0 AND "
			  "(?2 IS NULL OR stream = ?2) ORDER BY segment LIMIT 1",
	[OPEN_SEGMENT] = "SELECT " SEGMENT_COLUMNS " FROM segments WHERE state <> 'closed' AND "
			 "state = 'open' AND stream = ?1 ORDER BY segment DESC LIMIT 1",
	[SUM_SEGMENT] = "SELECT count(*), coalesce(min(captured_wall), 0), "
			"coalesce(max(captured_wall), 0), coalesce((SELECT coding > 0 FROM frames "
			"WHERE segment = ?1 ORDER BY offset LIMIT 1), 0) FROM frames "
			"WHERE segment = ?1",
	[HIGHEST_SEGMENT] = "SELECT max(segment) FROM segments",
	[NUMBERS_USED] = "PRAGMA user_version",
	[CLOCK_AT] = "SELECT since, wall_offset FROM clock WHERE run = ?1 AND since <= ?2 "
		     "ORDER BY since DESC LIMIT 1",
	[FIRST_CLOCK] = "SELECT since, wall_offset FROM clock WHERE run = ?1 AND since > ?2 "
			"ORDER BY since LIMIT 1",
	[NEWEST_RUN] = "SELECT max(run) FROM runs",
	[NEXT_STREAM] = "SELECT stream FROM streams WHERE run = ?1 AND stream > ?2 "
			"ORDER BY stream LIMIT 1",
	[NEXT_KEY] = "SELECT run, stream FROM frames WHERE (run, stream) > (?1, ?2) "
		     "ORDER BY run, stream LIMIT 1",
	[TALLY] = "SELECT frames, bypassed, quarantined, last_seq, last_ordinal FROM streams "
		  "WHERE run = ?1 AND stream = ?2",
	[FIND] = "SELECT " FRAME_COLUMNS " FROM frames WHERE run = ?1 AND stream = ?2 AND seq = ?3",
	[NEXT] = "SELECT " FRAME_COLUMNS " FROM frames WHERE run = ?1 AND stream = ?2 AND seq > ?3 "
		 "ORDER BY seq LIMIT 1",
	[PREVIOUS] = "SELECT " FRAME_COLUMNS " FROM frames WHERE run = ?1 AND stream = ?2 "
		     "AND seq < ?3 ORDER BY seq DESC LIMIT 1",
	[NEXT_RUN] = "SELECT min(run) FROM runs WHERE run > ?1",
	[PREVIOUS_RUN] = "SELECT max(run) FROM runs WHERE run < ?1",
	[FIRST_SINCE] = "SELECT " FRAME_COLUMNS " FROM frames WHERE stream = ?1 "
			"AND captured_wall >= ?2 ORDER BY captured_wall, run, seq LIMIT 1",
	[LAST_UNTIL] = "SELECT " FRAME_COLUMNS " FROM frames WHERE stream = ?1 "
		       "AND captured_wall <= ?2 ORDER BY captured_wall DESC, run DESC, seq DESC "
		       "LIMIT 1",
	/* The wall clock's index has all that this asks for. */
	[SPANS] = "SELECT run, min(seq), max(seq), count(*) FROM frames WHERE stream = ?1 "
		  "AND captured_wall BETWEEN ?2 AND ?3 GROUP BY run ORDER BY run",
	[NEXT_PLACE] = "SELECT " FRAME_COLUMNS " FROM frames WHERE segment = ?1 AND offset >= ?2 "
		       "ORDER BY offset LIMIT 1",
	[PREVIOUS_PLACE] = "SELECT " FRAME_COLUMNS " FROM frames WHERE segment = ?1 AND "
			   "offset < ?2 ORDER BY offset DESC LIMIT 1",
	[ADD_EVENT] = "INSERT INTO events (" EVENT_COLUMNS ") "
		      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[SET_EVENT] = "UPDATE events SET last_seq = ?2, ended = ?3, ended_wall = ?4, frames = ?5, "
		      "best = ?6, open = ?7 WHERE event = ?1",
	[CLOSE_EVENTS] = "UPDATE events SET open = 0 WHERE open AND run <> ?1",
	[STRETCH_LOST] = "UPDATE events SET ended = ?1, ended_wall = ?2 "
			 "WHERE open AND kind = 'lost'",
	[DROP_EVENTS] = "DELETE FROM events WHERE kind NOT IN ('lost', 'died')",
	[OPEN_EVENTS] = "SELECT " EVENT_COLUMNS " FROM events WHERE open",
	/* The longest event bounds how far back to look (index_events.c): so what is read of the
	 * index is what is found, and an hour. */
	[EVENTS_OF] = "SELECT " EVENT_COLUMNS " FROM events WHERE stream = ?1 AND kind = ?2 "
		      "AND begun_wall BETWEEN ?3 AND ?4 AND ended_wall >= ?5 AND best >= ?6 "
		      "AND (?7 = 0 OR run = ?7) AND what = ?8 ORDER BY begun_wall",
	[EVENTS_OF_KIND] = "SELECT " EVENT_COLUMNS " FROM events WHERE stream = ?1 AND kind = ?2 "
			   "AND begun_wall BETWEEN ?3 AND ?4 AND ended_wall >= ?5 AND best >= ?6 "
			   "AND (?7 = 0 OR run = ?7) ORDER BY begun_wall",
	[SAME_EVENT] = "SELECT " EVENT_COLUMNS " FROM events WHERE stream = ?1 AND kind = ?2 "
		       "AND what = ?3 AND run = ?4 AND begun = ?5",
	[NEXT_EVENT_STREAM] = "SELECT min(stream) FROM events WHERE stream > ?1",
	/* Those that are open may still get frames. */
	[FORGET_EVENTS] = "DELETE FROM events WHERE begun_wall BETWEEN ?1 AND ?2 AND "
			  "first_seq > 0 AND NOT open AND (stream = ?3 OR ?3 = '') AND NOT EXISTS "
			  "(SELECT 1 FROM frames f WHERE f.run = events.run AND "
			  "f.stream = events.stream AND "
			  "f.seq BETWEEN events.first_seq AND events.last_seq)",
	[LACKS_EVENTS] = "SELECT EXISTS (SELECT 1 FROM frames) AND NOT EXISTS "
			 "(SELECT 1 FROM events WHERE first_seq > 0)",
	[NEXT_EVENT_WHAT] = "SELECT min(what) FROM events WHERE stream = ?1 AND kind = ?2 "
			    "AND what > ?3",
};

static int error_from_sqlite(int code)
{
	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return TROUPE_E_MEMORY;
	case SQLITE_FULL:
		return TROUPE_E_NO_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return TROUPE_E_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return TROUPE_E_BUSY;
	case SQLITE_CONSTRAINT:
		return TROUPE_E_EXISTS;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_AUTH:
		return TROUPE_E_DENIED;
	case SQLITE_IOERR:
		return TROUPE_E_IO;
	default:
		return TROUPE_E_SYSTEM;
	}
}

int index_fail(struct index *index)
{
	int code = sqlite3_extended_errcode(index->db);

	snprintf(index->text, sizeof(index->text), "%s", sqlite3_errmsg(index->db));
	return error_from_sqlite(code);
}

int index_out_of_order(struct index *index)
{
	snprintf(index->text, sizeof(index->text), "the catalogue is out of order");
	return TROUPE_E_CORRUPT;
}

const char *index_error(const struct index *index)
{
	return index != NULL ? index->text : error_text(TROUPE_E_MEMORY);
}

sqlite3_stmt *index_statement(struct index *index, enum index_statement which)
{
	sqlite3_stmt **statement = &index->statements[which];

	if (*statement == NULL &&
	    sqlite3_prepare_v3(index->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement,
			       NULL) != SQLITE_OK)
		return NULL;
	sqlite3_reset(*statement);
	sqlite3_clear_bindings(*statement);
	return *statement;
}

int index_run(struct index *index, sqlite3_stmt *statement)
{
	int rc;

	if (statement == NULL)
		return index_fail(index);
	rc = sqlite3_step(statement) == SQLITE_DONE ? 0 : index_fail(index);
	sqlite3_reset(statement);
	return rc;
}

int index_step(struct index *index, sqlite3_stmt *statement)
{
	int rc;

	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		rc = 0;
		break;
	default:
		rc = index_fail(index);
	}
	sqlite3_reset(statement);
	return rc;
}

void index_bind_text(sqlite3_stmt *statement, int column, const char *text)
{
	sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

static int execute(struct index *index, const char *text)
{
	if (sqlite3_exec(index->db, text, NULL, NULL, NULL) != SQLITE_OK)
		return index_fail(index);
	return 0;
}

/* The first number that `text` selects. */
static int select_number(struct index *index, const char *text, int64_t *number)
{
	sqlite3_stmt *statement = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(index->db, text, -1, &statement, NULL) != SQLITE_OK)
		return index_fail(index);
	if (sqlite3_step(statement) == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	else
		rc = index_fail(index);
	sqlite3_finalize(statement);
	return rc;
}

/* Makes the tables in one transaction, so that a death in here leaves an empty file. */
static int make_schema(struct index *index)
{
	int rc = execute(index, "BEGIN EXCLUSIVE");

	if (rc == 0)
		rc = execute(index, recording_sql);
	if (rc == 0)
		rc = execute(index, "COMMIT");
	return rc;
}

/* The version of the schema there is; 0: the file is empty. */
static int read_version(struct index *index, int64_t *version)
{
	int64_t value = 0;
	int rc = select_number(index, "SELECT count(*) FROM sqlite_schema", version);

	if (rc < 0 || *version == 0)
		return rc;
	rc = select_number(
		index, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'", &value);
	if (rc == 0 && value == 0) {
		snprintf(index->text, sizeof(index->text), "not the index of a recording");
		return TROUPE_E_CORRUPT;
	}
	return rc < 0 ? rc : select_number(index, "SELECT version FROM schema_version", version);
}

static int too_new(struct index *index, int64_t version)
{
	snprintf(index->text, sizeof(index->text),
		 "schema version %lld, this program knows %d: use a newer troupe",
		 (long long)version, INDEX_VERSION);
	return TROUPE_E_SCHEMA;
}

static int check_readable(struct index *index)
{
	int64_t version = 0;
	int rc = read_version(index, &version);

	if (rc < 0 || version == INDEX_VERSION)
		return rc;
	if (version > INDEX_VERSION)
		return too_new(index, version);
	snprintf(index->text, sizeof(index->text),
		 "schema version %lld, this program reads %d: `troupe repair` or the next "
		 "`troupe up` with this recording brings it up to date",
		 (long long)version, INDEX_VERSION);
	return TROUPE_E_SCHEMA;
}

static int check_writable(struct index *index, bool *made, folder_waiting_fn *waiting, void *arg)
{
	int64_t version = 0;
	int rc = read_version(index, &version);

	*made = rc == 0 && version == 0;
	if (rc < 0 || version == INDEX_VERSION)
		return rc;
	if (*made)
		return make_schema(index);
	if (version > INDEX_VERSION)
		return too_new(index, version);
	rc = migrate(index->db, version, waiting, arg);
	return rc < 0 ? index_fail(index) : 0;
}

static int open_database(struct index *index, const char *name, int flags)
{
	if (sqlite3_open_v2(name, &index->db, flags, NULL) != SQLITE_OK) {
		int rc = index->db != NULL ? index_fail(index) : TROUPE_E_MEMORY;

		sqlite3_close(index->db);
		index->db = NULL;
		return rc;
	}
	sqlite3_extended_result_codes(index->db, 1);
	sqlite3_busy_timeout(index->db, BUSY_MS);
	return 0;
}

static int open_writable(struct index *index, const char *path)
{
	int rc = open_database(index, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

	if (rc == 0)
		rc = execute(index, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
	if (rc == 0 && sqlite3_wal_autocheckpoint(index->db, LOG_PAGES) != SQLITE_OK)
		rc = index_fail(index);
	return rc;
}

/* A reader of a database in WAL mode wants the shared-memory file beside it. Where it may not make
 * one (a folder of somebody else, a read-only medium) and there is no log, the file cannot change:
 * read it as it is. */
static int open_readable(struct index *index, const char *path)
{
	char name[4096 + 64];
	struct stat st;
	int rc;

	if (stat(path, &st) < 0)
		return TROUPE_E_NOT_FOUND;
	rc = open_database(index, path, SQLITE_OPEN_READONLY);
	if (rc == 0)
		rc = check_readable(index);
	if (rc != TROUPE_E_DENIED)
		return rc;
	snprintf(name, sizeof(name), "%s-wal", path);
	if (stat(name, &st) == 0 || strpbrk(path, "?#%") != NULL)
		return rc;
	sqlite3_close(index->db);
	index->db = NULL;
	snprintf(name, sizeof(name), "file:%s?immutable=1", path);
	rc = open_database(index, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
	return rc < 0 ? rc : check_readable(index);
}

/* Ends an opening: hands the index out, or says why not. */
static int opened(struct index *index, int rc, struct index **out, char *why, size_t why_size)
{
	*out = rc < 0 ? NULL : index;
	if (rc == 0)
		return 0;
	if (rc == TROUPE_E_SCHEMA)
		snprintf(why, why_size, "%s", index->text);
	else
		snprintf(why, why_size, "%s%s%s", error_text(rc), index->text[0] != 0 ? ", " : "",
			 index->text);
	index_close(index);
	return rc;
}

static struct index *allocate(char path[4096], const char *folder, int *rc)
{
	struct index *index = calloc(1, sizeof(*index));

	*rc = index != NULL ? 0 : TROUPE_E_MEMORY;
	if (snprintf(path, 4096, "%s/%s", folder, INDEX_FILE) >= 4096)
		*rc = TROUPE_E_OVERSIZED;
	return index;
}

int index_open(struct index **index, const char *folder, char *why, size_t why_size)
{
	char path[4096];
	int rc;
	struct index *opening = allocate(path, folder, &rc);

	*index = NULL;
	if (opening == NULL) {
		snprintf(why, why_size, "%s", error_text(rc));
		return rc;
	}
	if (rc == 0)
		rc = open_readable(opening, path);
	return opened(opening, rc, index, why, why_size);
}

int index_open_writer(struct index **index, const char *folder, bool *made,
		      folder_waiting_fn *waiting, void *arg, char *why, size_t why_size)
{
	bool unused;
	char path[4096];
	int rc;
	struct index *opening = allocate(path, folder, &rc);

	*index = NULL;
	if (opening == NULL) {
		snprintf(why, why_size, "%s", error_text(rc));
		return rc;
	}
	if (rc == 0)
		rc = open_writable(opening, path);
	if (rc == 0)
		rc = check_writable(opening, made != NULL ? made : &unused, waiting, arg);
	return opened(opening, rc, index, why, why_size);
}

void index_close(struct index *index)
{
	if (index == NULL)
		return;
	for (size_t i = 0; i < N_STATEMENTS; i++)
		sqlite3_finalize(index->statements[i]);
	sqlite3_close(index->db);
	free(index);
}

int index_begin(struct index *index)
{
	return index_run(index, index_statement(index, BEGIN_WRITE));
}

/* SQLite takes the snapshot at the first question, so ask one. */
int index_begin_read(struct index *index)
{
	struct index_segment first;
	int rc = index_run(index, index_statement(index, BEGIN_READ));

	if (rc == 0)
		rc = index_next_segment(index, 0, &first);
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

int index_commit(struct index *index)
{
	int rc = index_run(index, index_statement(index, COMMIT));

	if (rc < 0)
		index_rollback(index);
	return rc;
}

/* Some errors roll back by themselves; a second rollback would only be an error about that. */
void index_rollback(struct index *index)
{
	if (sqlite3_get_autocommit(index->db) == 0) {
		sqlite3_stmt *statement = index_statement(index, ROLLBACK);

		if (statement != NULL)
			sqlite3_step(statement);
		sqlite3_reset(statement);
	}
}
