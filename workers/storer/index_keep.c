/* Ages, sizes, and how a segment goes. Asked too seldom to keep statements prepared. */
#include "workers/storer/index_keep.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/storer/index_events.h"
#include "workers/storer/index_private.h"

#include <stdarg.h>
#include <stdio.h>

/* Its parameters: 'n' an int64_t, 't' a text. NULL: index_fail() says why. */
static sqlite3_stmt *prepare(struct index *index, const char *sql, const char *types, ...)
{
	sqlite3_stmt *statement = NULL;
	va_list args;

	if (sqlite3_prepare_v2(index->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return NULL;
	va_start(args, types);
	for (int i = 0; types[i] != 0; i++) {
		if (types[i] == 'n')
			sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
		else
			index_bind_text(statement, i + 1, va_arg(args, const char *));
	}
	va_end(args);
	return statement;
}

/* The first number of the first row, and the statement is done with. 1, 0: no row, or an error. */
static int ask(struct index *index, sqlite3_stmt *statement, int64_t *number)
{
	int rc = statement != NULL ? index_step(index, statement) : index_fail(index);

	if (rc > 0)
		*number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc;
}

static int run(struct index *index, sqlite3_stmt *statement)
{
	int rc = index_run(index, statement);

	sqlite3_finalize(statement);
	return rc;
}

int index_keep_boot(struct index *index, uint64_t run_, char *boot, size_t size)
{
	sqlite3_stmt *statement =
		prepare(index, "SELECT boot FROM runs WHERE run = ?1", "n", (int64_t)run_);
	int rc = statement != NULL ? index_step(index, statement) : index_fail(index);

	boot[0] = 0;
	if (rc > 0)
		index_column_text(statement, 0, boot, size);
	sqlite3_finalize(statement);
	return rc < 0 ? rc : 0;
}

int64_t index_keep_bytes(struct index *index)
{
	int64_t bytes = 0;
	int rc = ask(index,
		     prepare(index,
			     "SELECT (page_count - freelist_count) * page_size FROM "
			     "pragma_page_count, pragma_freelist_count, pragma_page_size",
			     ""),
		     &bytes);

	return rc < 0 ? rc : bytes;
}

/* ---- how a segment goes ---- */

static int finish(struct index *index, int rc)
{
	if (rc == 0)
		rc = index_commit(index);
	if (rc < 0)
		index_rollback(index);
	return rc;
}

/* The ranges of a segment's first frames; those that follow one another are one. */
#define FIRST_RANGES                                                                               \
	"SELECT run, stream, min(seq), max(seq), min(ordinal), max(ordinal), max(offset), "        \
	"count(*) FROM (SELECT *, ordinal - row_number() OVER (PARTITION BY run, stream ORDER BY " \
	"ordinal) AS island FROM (SELECT run, stream, seq, ordinal, offset FROM frames WHERE "     \
	"segment = ?1 ORDER BY offset LIMIT ?2)) GROUP BY run, stream, island"

static struct index_range read_range(sqlite3_stmt *row, const char *why)
{
	struct index_range range = {.run = (uint64_t)sqlite3_column_int64(row, 0),
				    .first_seq = (uint64_t)sqlite3_column_int64(row, 2),
				    .last_seq = (uint64_t)sqlite3_column_int64(row, 3),
				    .first_ordinal = (uint64_t)sqlite3_column_int64(row, 4),
				    .last_ordinal = (uint64_t)sqlite3_column_int64(row, 5),
				    .at_wall = clock_wall()};

	index_column_text(row, 1, range.stream, sizeof(range.stream));
	snprintf(range.why, sizeof(range.why), "%s", why);
	return range;
}

/* The rows of the segment's first `n` frames go, ranges come. Returns how many frames. */
static int forget_frames(struct index *index, uint32_t number, int n, const char *why)
{
	sqlite3_stmt *row = prepare(index, FIRST_RANGES, "nn", (int64_t)number, (int64_t)n);
	int rc = row != NULL ? 0 : index_fail(index), count = 0;
	int64_t last = -1;

	while (rc == 0 && (rc = index_step(index, row)) > 0) {
		struct index_range range = read_range(row, why);
		int64_t offset = sqlite3_column_int64(row, 6);

		last = offset > last ? offset : last;
		count += sqlite3_column_int(row, 7);
		rc = index_add_forgotten(index, &range);
	}
	sqlite3_finalize(row);
	if (rc == 0) {
		rc = run(index,
			 prepare(index, "DELETE FROM frames WHERE segment = ?1 AND offset <= ?2",
				 "nn", (int64_t)number, last));
	}
	return rc < 0 ? rc : count;
}

int index_keep_doom(struct index *index, uint32_t number, int n, const char *why)
{
	struct index_segment segment;
	int rc = index_begin(index), count = 0;

	if (rc == 0)
		rc = index_segment(index, number, &segment);
	if (rc == TROUPE_E_NOT_FOUND || (rc == 0 && segment.state == SEGMENT_OPEN))
		rc = TROUPE_E_STATE;
	if (rc == 0)
		rc = count = forget_frames(index, number, n, why);
	if (rc >= 0)
		rc = index_set_state(index, number, SEGMENT_DOOMED);
	rc = finish(index, rc);
	return rc < 0 ? rc : count;
}

int index_keep_forget(struct index *index, uint32_t number, const char *why)
{
	struct index_segment segment = {0};
	int rc = index_begin(index);

	if (rc == 0)
		rc = index_segment(index, number, &segment);
	if (rc == 0)
		rc = index_forget_segment(index, number, why);
	if (rc >= 0)
		rc = index_forget_events(index, &segment);
	if (rc == TROUPE_E_NOT_FOUND)
		rc = 0; /* somebody else has finished it */
	return finish(index, rc);
}
