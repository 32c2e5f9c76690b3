/* Copying the catalogue while somebody writes it, and comparing it with another one. */
#include "workers/storer/index_copy.h"

#include "ipc/base/errors.h"
#include "workers/storer/index_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PAGES_AT_ONCE 1000

/* One copy: where it comes from, and the new database. */
struct copying {
	struct index *from;
	struct index to;
	index_copying_fn *going;
	void *arg;
};

/* 0: not known; then only the bytes that are told are wrong. */
static uint64_t page_size(sqlite3 *db)
{
	sqlite3_stmt *ask = NULL;
	int64_t bytes = 0;

	if (sqlite3_prepare_v2(db, "PRAGMA page_size", -1, &ask, NULL) == SQLITE_OK &&
	    sqlite3_step(ask) == SQLITE_ROW)
		bytes = sqlite3_column_int64(ask, 0);
	sqlite3_finalize(ask);
	return (uint64_t)bytes;
}

static int copy_pages(struct copying *copying, sqlite3_backup *backup)
{
	const uint64_t page_bytes = page_size(copying->from->db);
	int code;

	do {
		code = sqlite3_backup_step(backup, PAGES_AT_ONCE);
		uint64_t all = (uint64_t)sqlite3_backup_pagecount(backup);
		uint64_t left = (uint64_t)sqlite3_backup_remaining(backup);

		if (code == SQLITE_OK && copying->going != NULL &&
		    !copying->going(copying->arg, (all - left) * page_bytes, all * page_bytes))
			return TROUPE_E_CLOSED;
	} while (code == SQLITE_OK);
	return code == SQLITE_DONE ? 0 : TROUPE_E_IO;
}

/* The snapshot is held while the pages are copied, or every commit of the storer would begin the
 * copy anew. */
static int copy_snapshot(struct copying *copying)
{
	int rc = index_begin_read(copying->from);
	sqlite3_backup *backup;

	if (rc < 0)
		return rc;
	backup = sqlite3_backup_init(copying->to.db, "main", copying->from->db, "main");
	rc = backup != NULL ? copy_pages(copying, backup) : TROUPE_E_IO;
	/* The new database's own error says more than TROUPE_E_IO. */
	if (backup != NULL && sqlite3_backup_finish(backup) != SQLITE_OK && rc != TROUPE_E_CLOSED)
		rc = TROUPE_E_IO;
	if (rc == TROUPE_E_IO)
		rc = index_fail(&copying->to);
	index_rollback(copying->from);
	return rc;
}

static int sync_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd >= 0 && fsync(fd) == 0 ? 0 : error_from_errno(errno);

	if (fd >= 0)
		close(fd);
	return rc;
}

int index_copy(struct index *index, const char *path, index_copying_fn *going, void *arg, char *why,
	       size_t why_size)
{
	struct copying copying = {.from = index, .going = going, .arg = arg};
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int rc = 0;

	/* No journal: a copy that is not finished is thrown away. */
	if (sqlite3_open_v2(path, &copying.to.db, flags, NULL) != SQLITE_OK ||
	    sqlite3_exec(copying.to.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL) != SQLITE_OK)
		rc = copying.to.db != NULL ? index_fail(&copying.to) : TROUPE_E_MEMORY;
	if (rc == 0)
		rc = copy_snapshot(&copying);
	/* Without a log beside it: it can be renamed, and read by anybody. */
	if (rc == 0 && sqlite3_exec(copying.to.db, "PRAGMA journal_mode = DELETE", NULL, NULL,
				    NULL) != SQLITE_OK)
		rc = index_fail(&copying.to);
	if (rc < 0)
		snprintf(why, why_size, "%s", *copying.to.text ? copying.to.text : error_text(rc));
	sqlite3_close(copying.to.db);
	return rc < 0 ? rc : sync_file(path);
}

/* Has the catalogue of another folder attached as `other` while it asks. `segment` is ?1. */
static int64_t ask_other(struct index *index, const char *folder, const char *question,
			 uint32_t segment)
{
	sqlite3_stmt *attach = NULL, *ask = NULL;
	char path[4096];
	int64_t answer;

	if (snprintf(path, sizeof(path), "%s/" INDEX_FILE, folder) >= (int)sizeof(path))
		return TROUPE_E_OVERSIZED;
	if (sqlite3_prepare_v2(index->db, "ATTACH ?1 AS other", -1, &attach, NULL) != SQLITE_OK)
		return index_fail(index);
	sqlite3_bind_text(attach, 1, path, -1, SQLITE_STATIC);
	answer = sqlite3_step(attach) == SQLITE_DONE ? 0 : index_fail(index);
	sqlite3_finalize(attach);
	if (answer < 0)
		return answer;
	if (sqlite3_prepare_v2(index->db, question, -1, &ask, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(ask, 1, segment);
		answer = sqlite3_step(ask) == SQLITE_ROW ? sqlite3_column_int64(ask, 0)
							 : index_fail(index);
	} else {
		answer = index_fail(index);
	}
	sqlite3_finalize(ask);
	sqlite3_exec(index->db, "DETACH other", NULL, NULL, NULL);
	return answer;
}

int64_t index_strangers(struct index *index, const char *folder)
{
	return ask_other(
		index, folder,
		"SELECT count(*) FROM other.runs WHERE run NOT IN (SELECT run FROM main.runs)"
		" AND ?1 = 0",
		0);
}

int64_t index_lost_of(struct index *index, const char *folder, uint32_t segment)
{
	return ask_other(index, folder,
			 "SELECT count(*) FROM other.frames AS f JOIN main.forgotten AS g "
			 "ON g.run = f.run AND g.stream = f.stream "
			 "AND f.seq BETWEEN g.first_seq AND g.last_seq "
			 "WHERE f.segment = ?1 AND g.why = 'damaged'",
			 segment);
}
