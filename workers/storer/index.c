/* Opening and writing the index. */
#include "workers/storer/index_private.h"

#include "generated/recording_sql.h"
#include "ipc/base/errors.h"
#include "ipc/slots/word.h"

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
	[ADD_RUN] = "INSERT INTO runs VALUES (?1, ?2) ON CONFLICT DO UPDATE SET pipeline = ?2 "
		    "WHERE pipeline = ''",
	[ADD_STREAM] = "INSERT INTO streams VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
	[ADD_FRAME] =
		"INSERT INTO frames (" FRAME_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		"?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[SET_SEGMENT] = "INSERT INTO segments VALUES (?1, ?2, ?3) "
			"ON CONFLICT DO UPDATE SET created_wall = ?2, bytes = ?3",
	[CUT_SEGMENT] = "DELETE FROM frames WHERE segment = ?1 AND offset + length > ?2",
	[FORGET_SEGMENT] = "DELETE FROM segments WHERE segment = ?1",
	[GET_SEGMENT] = "SELECT bytes FROM segments WHERE segment = ?1",
	[NEXT_SEGMENT] = "SELECT segment FROM segments WHERE segment > ?1 ORDER BY segment LIMIT 1",
	[NEWEST_RUN] = "SELECT max(run) FROM runs",
	[NEXT_STREAM] = "SELECT stream FROM streams WHERE run = ?1 AND stream > ?2 "
			"ORDER BY stream LIMIT 1",
	[NEXT_KEY] = "SELECT run, stream FROM frames WHERE (run, stream) > (?1, ?2) "
		     "ORDER BY run, stream LIMIT 1",
	[TALLY] = "SELECT count(*), coalesce(sum(bypassed), 0), coalesce(sum(quarantined), 0), "
		  "coalesce(max(seq), 0) FROM frames WHERE run = ?1 AND stream = ?2",
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
	[ADD_EVENT] = "INSERT INTO events (" EVENT_COLUMNS ") "
		      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[SET_EVENT] = "REPLACE INTO events (" EVENT_COLUMNS ") "
		      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[CLOSE_EVENTS] = "UPDATE events SET open = 0 WHERE open AND run <> ?1",
	[STRETCH_LOST] = "UPDATE events SET ended = ?1, ended_wall = ?2 "
			 "WHERE open AND kind = 'lost'",
	[DROP_EVENTS] = "DELETE FROM events WHERE kind NOT IN ('lost', 'died') "
			"AND (?1 = 0 OR (run = ?1 AND stream = ?2))",
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

/* Runs a statement that returns no rows, and lets go of its locks. */
static int run(struct index *index, sqlite3_stmt *statement)
{
	int rc;

	if (statement == NULL)
		return index_fail(index);
	rc = sqlite3_step(statement) == SQLITE_DONE ? 0 : index_fail(index);
	sqlite3_reset(statement);
	return rc;
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

static int check_schema(struct index *index, bool writable, bool *made)
{
	int64_t value = 0;
	int rc = select_number(index, "SELECT count(*) FROM sqlite_schema", &value);

	*made = rc == 0 && value == 0 && writable;
	if (*made)
		return make_schema(index);
	if (rc == 0) {
		rc = select_number(
			index, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'",
			&value);
	}
	if (rc == 0 && value == 0) {
		snprintf(index->text, sizeof(index->text), "not the index of a recording");
		return TROUPE_E_CORRUPT;
	}
	if (rc == 0)
		rc = select_number(index, "SELECT version FROM schema_version", &value);
	if (rc == 0 && value != INDEX_VERSION) {
		snprintf(index->text, sizeof(index->text),
			 "schema version %lld, this program knows %d", (long long)value,
			 INDEX_VERSION);
		rc = TROUPE_E_SCHEMA;
	}
	return rc;
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

static int open_writable(struct index *index, const char *path, bool *made)
{
	int rc = open_database(index, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

	if (rc == 0)
		rc = execute(index, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
	if (rc == 0 && sqlite3_wal_autocheckpoint(index->db, LOG_PAGES) != SQLITE_OK)
		rc = index_fail(index);
	return rc < 0 ? rc : check_schema(index, true, made);
}

/* A reader of a database in WAL mode wants the shared-memory file beside it. Where it may not make
 * one (a folder of somebody else, a read-only medium) and there is no log, the file cannot change:
 * read it as it is. */
static int open_readable(struct index *index, const char *path)
{
	char name[4096 + 64];
	struct stat st;
	bool made;
	int rc;

	if (stat(path, &st) < 0)
		return TROUPE_E_NOT_FOUND;
	rc = open_database(index, path, SQLITE_OPEN_READONLY);
	if (rc == 0)
		rc = check_schema(index, false, &made);
	if (rc != TROUPE_E_DENIED)
		return rc;
	snprintf(name, sizeof(name), "%s-wal", path);
	if (stat(name, &st) == 0 || strpbrk(path, "?#%") != NULL)
		return rc;
	sqlite3_close(index->db);
	index->db = NULL;
	snprintf(name, sizeof(name), "file:%s?immutable=1", path);
	rc = open_database(index, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
	return rc < 0 ? rc : check_schema(index, false, &made);
}

int index_open(struct index **index, const char *folder, bool writable, bool *made)
{
	struct index *opened = calloc(1, sizeof(*opened));
	bool unused;
	char path[4096];
	int rc;

	*index = NULL;
	if (opened == NULL)
		return TROUPE_E_MEMORY;
	if (snprintf(path, sizeof(path), "%s/%s", folder, INDEX_FILE) >= (int)sizeof(path))
		rc = TROUPE_E_OVERSIZED;
	else if (writable)
		rc = open_writable(opened, path, made != NULL ? made : &unused);
	else
		rc = open_readable(opened, path);
	if (rc < 0)
		index_close(opened);
	else
		*index = opened;
	return rc;
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
	return run(index, index_statement(index, BEGIN_WRITE));
}

/* SQLite takes the snapshot at the first question, so ask one. */
int index_begin_read(struct index *index)
{
	int rc = run(index, index_statement(index, BEGIN_READ));
	int64_t first = rc == 0 ? index_next_segment(index, 0) : rc;

	return first < 0 && first != TROUPE_E_ENDED ? (int)first : 0;
}

int index_commit(struct index *index)
{
	int rc = run(index, index_statement(index, COMMIT));

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

static void bind_text(sqlite3_stmt *statement, int column, const char *text)
{
	sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

static void bind_optional(sqlite3_stmt *statement, int column, const char *text)
{
	if (text[0] != 0)
		bind_text(statement, column, text);
	else
		sqlite3_bind_null(statement, column);
}

int index_add_run(struct index *index, uint64_t run_, const char *pipeline)
{
	sqlite3_stmt *statement = index_statement(index, ADD_RUN);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run_);
	bind_text(statement, 2, pipeline);
	return run(index, statement);
}

int index_add_stream(struct index *index, uint64_t run_, const char *stream, uint32_t width,
		     uint32_t height, uint32_t fps_num, uint32_t fps_den)
{
	sqlite3_stmt *statement = index_statement(index, ADD_STREAM);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run_);
	bind_text(statement, 2, stream);
	sqlite3_bind_int64(statement, 3, width);
	sqlite3_bind_int64(statement, 4, height);
	sqlite3_bind_int64(statement, 5, fps_num);
	sqlite3_bind_int64(statement, 6, fps_den);
	return run(index, statement);
}

int index_add_frame(struct index *index, const struct index_row *row)
{
	const struct record *record = &row->record;
	sqlite3_stmt *statement = index_statement(index, ADD_FRAME);
	int n = 0;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->run);
	bind_text(statement, ++n, record->stream);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->seq);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->ordinal);
	sqlite3_bind_int64(statement, ++n, row->segment);
	sqlite3_bind_int64(statement, ++n, (int64_t)row->offset);
	sqlite3_bind_int64(statement, ++n, row->length);
	sqlite3_bind_int64(statement, ++n, record->coded_bytes);
	sqlite3_bind_int64(statement, ++n, record->width);
	sqlite3_bind_int64(statement, ++n, record->height);
	sqlite3_bind_int64(statement, ++n, record->pts);
	sqlite3_bind_int64(statement, ++n, record->captured);
	sqlite3_bind_int64(statement, ++n, record->captured_wall);
	sqlite3_bind_int64(statement, ++n, record->published);
	sqlite3_bind_int64(statement, ++n, record->claimed);
	sqlite3_bind_int64(statement, ++n, record->finished);
	sqlite3_bind_int64(statement, ++n, row->stored);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->source_index);
	bind_optional(statement, ++n, record->label);
	bind_optional(statement, ++n, record->prediction);
	sqlite3_bind_double(statement, ++n, (double)record->probability);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->model_version);
	sqlite3_bind_double(statement, ++n, (double)record->motion);
	for (size_t i = 0; i < N_DROP_REASONS; i++)
		sqlite3_bind_int64(statement, ++n, record->drops_before[i]);
	sqlite3_bind_int64(statement, ++n, (record->marks & MARK_BYPASSED) != 0);
	sqlite3_bind_int64(statement, ++n, (record->marks & MARK_QUARANTINED) != 0);
	return run(index, statement);
}

int index_set_segment(struct index *index, uint32_t segment, int64_t created_wall, uint64_t bytes)
{
	sqlite3_stmt *statement = index_statement(index, SET_SEGMENT);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment);
	sqlite3_bind_int64(statement, 2, created_wall);
	sqlite3_bind_int64(statement, 3, (int64_t)bytes);
	return run(index, statement);
}

int index_cut_segment(struct index *index, uint32_t segment, uint64_t bytes)
{
	sqlite3_stmt *statement = index_statement(index, CUT_SEGMENT);
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment);
	sqlite3_bind_int64(statement, 2, (int64_t)bytes);
	rc = run(index, statement);
	return rc < 0 ? rc : sqlite3_changes(index->db);
}

int index_forget_segment(struct index *index, uint32_t segment)
{
	int frames = index_cut_segment(index, segment, 0);
	sqlite3_stmt *statement;
	int rc;

	if (frames < 0)
		return frames;
	statement = index_statement(index, FORGET_SEGMENT);
	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment);
	rc = run(index, statement);
	return rc < 0 ? rc : frames;
}
