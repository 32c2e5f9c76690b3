/* Making a recording of any size. The tables' indexes are left out while rows go in, and made
 * after. */
#include "tools/bench/catalogue.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/storer/folder.h"
#include "workers/storer/index.h"
#include "workers/storer/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_AT_ONCE 100000
#define HOUR	     (UINT64_C(60) * CATALOGUE_PER_SEGMENT) /* frames of a stream */

/* Of frame ?2 (from 1) of stream ?1; ?3 its segment, ?4 its offset there, ?5 and ?6 its capture on
 * both clocks, ?7 the run. The minute it is in decides how sure its prediction is. */
#define ADD_FRAME                                                                                  \
	"INSERT INTO frames (run, stream, seq, ordinal, segment, offset, length, coding, "         \
	"coded_at, coded_bytes, width, height, pts, captured, captured_wall, published, claimed, " \
	"finished, stored, source_index, label, prediction, probability, model_version, motion, "  \
	"drops_no_slot, drops_device, drops_damaged, drops_size, bypassed, quarantined) VALUES ("  \
	"?7, ?1, ?2, ?2, ?3, ?4, 35000, 0, ?4 + 240, 34752, 1920, 1080, ?2 * 33333333, ?5, ?6, "   \
	"?5 + 100000, ?5 + 200000, ?5 + 5000000, ?5 + 90000000, ?2 - 1, "                          \
	"iif(?2 % 1800 BETWEEN 100 AND 159, 'person', NULL), "                                     \
	"iif(?2 % 1800 BETWEEN 100 AND 159, 'person', NULL), "                                     \
	"0.5 + ((?2 / 1800) * 7 % 50) / 100.0, 1, iif(?2 % 1800 < 300, 0.2, 0.001), "              \
	"0, 0, 0, 0, 0, 0)"

/* All spans of a minute of a stream: ?2 its first frame, the rest as above. */
#define ADD_EVENT                                                                                  \
	"INSERT INTO events (run, stream, kind, what, first_seq, last_seq, begun, ended, "         \
	"begun_wall, ended_wall, frames, best, open) VALUES (?7, ?1, ?8, ?9, ?2, ?2 + ?3 - 1, "    \
	"?5, ?5 + (?3 - 1) * 33333333, ?6, ?6 + (?3 - 1) * 33333333, ?3, ?4, 0)"

struct catalogue {
	struct bench *bench;
	const struct catalogue_plan *plan;
	const char *folder;
	sqlite3 *db;
	sqlite3_stmt *frame, *event;
	struct folder files;
	uint64_t made;
};

static int fail(struct catalogue *made, const char *what)
{
	return bench_error(made->bench, TROUPE_E_IO, "a catalogue to measure in: %s: %s", what,
			   sqlite3_errmsg(made->db));
}

static int execute(struct catalogue *made, const char *sql)
{
	return sqlite3_exec(made->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(made, sql);
}

/* ---- one row ---- */

static uint64_t per_stream(const struct catalogue_plan *plan)
{
	return plan->frames / plan->streams;
}

/* Segments are numbered as they would be begun: one of each stream every minute. */
static uint32_t segment_of(const struct catalogue_plan *plan, uint32_t stream, uint64_t seq)
{
	return (uint32_t)((seq - 1) / CATALOGUE_PER_SEGMENT) * plan->streams + stream + 1;
}

static void bind_frame(struct catalogue *made, sqlite3_stmt *row, const char *stream, uint64_t seq)
{
	const struct catalogue_plan *plan = made->plan;
	int64_t back = (int64_t)(per_stream(plan) - seq) * CATALOGUE_FRAME_NS;

	sqlite3_reset(row);
	sqlite3_bind_text(row, 1, stream, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, (int64_t)seq);
	sqlite3_bind_int64(row, 5, plan->last_clock - back);
	sqlite3_bind_int64(row, 6, plan->last_wall - back);
	sqlite3_bind_int64(row, 7, (int64_t)plan->run);
}

static int add_frame(struct catalogue *made, uint32_t stream, const char *name, uint64_t seq)
{
	uint64_t place = (seq - 1) % CATALOGUE_PER_SEGMENT;

	bind_frame(made, made->frame, name, seq);
	sqlite3_bind_int64(made->frame, 3, segment_of(made->plan, stream, seq));
	sqlite3_bind_int64(made->frame, 4, (int64_t)(SEGMENT_HEADER + place * CATALOGUE_RECORD));
	return sqlite3_step(made->frame) == SQLITE_DONE ? 0 : fail(made, "frames");
}

static int add_event(struct catalogue *made, const char *name, uint64_t seq, int64_t frames,
		     const char *kind, const char *what, double best)
{
	bind_frame(made, made->event, name, seq);
	sqlite3_bind_int64(made->event, 3, frames);
	sqlite3_bind_double(made->event, 4, best);
	sqlite3_bind_text(made->event, 8, kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(made->event, 9, what, -1, SQLITE_STATIC);
	return sqlite3_step(made->event) == SQLITE_DONE ? 0 : fail(made, "events");
}

/* What the frames of a minute come to, as the storer would have found; and those of an hour, with
 * the last frame of the hour before. */
static int add_events(struct catalogue *made, const char *name, uint64_t seq)
{
	double sure = 0.5 + (double)(seq / 1800 * 7 % 50) / 100;
	int rc = add_event(made, name, seq, 300, "motion", "", 0.2);

	if (rc == 0)
		rc = add_event(made, name, seq + 100, 60, "label", "person", 1);
	if (rc == 0 && sure >= 0.8)
		rc = add_event(made, name, seq + 100, 60, "prediction", "person", sure);
	if (rc == 0 && seq % HOUR == 0)
		rc = add_event(made, name, seq == HOUR ? 1 : seq - HOUR,
			       (int64_t)(seq == HOUR ? HOUR : HOUR + 1), "recorded", "", 0);
	return rc;
}

static int add_stream(struct catalogue *made, uint32_t stream)
{
	char name[16];
	int rc = 0;

	snprintf(name, sizeof(name), "cam%02u", stream + 1);
	for (uint64_t seq = 1; rc == 0 && seq <= per_stream(made->plan); seq++) {
		if (made->made++ % ROWS_AT_ONCE == 0) {
			bench_progress(made->bench, "making a catalogue: %.1f of %.1f million rows",
				       (double)made->made / 1e6, (double)made->plan->frames / 1e6);
			rc = bench_interrupted() ? TROUPE_E_AGAIN : 0;
		}
		if (rc == 0)
			rc = add_frame(made, stream, name, seq);
		if (rc == 0 && seq % CATALOGUE_PER_SEGMENT == 0)
			rc = add_events(made, name, seq);
	}
	return rc;
}

/* ---- segments ---- */

/* Rows for what the frames say, and the streams' and the run's. */
static int add_summaries(struct catalogue *made)
{
	const struct catalogue_plan *plan = made->plan;
	char *sql = sqlite3_mprintf(
		"INSERT INTO runs (run, pipeline, boot) VALUES (%lld, 'bench', %Q);"
		"INSERT INTO clock (run, since, wall_offset) VALUES (%lld, 0, %lld);"
		"INSERT INTO streams (run, stream, width, height, fps_num, fps_den, frames, "
		"last_seq, last_ordinal) SELECT DISTINCT %lld, stream, 1920, 1080, 30, 1, %lld, "
		"%lld, "
		"%lld FROM events WHERE kind = 'motion';"
		"INSERT INTO segments (segment, stream, state, coding, created_wall, bytes, "
		"frames, "
		"first_wall, last_wall) SELECT segment, stream, 'closed', 0, min(captured_wall), "
		"max(offset) + 35000, count(*), min(captured_wall), max(captured_wall) "
		"FROM frames INDEXED BY frames_by_place GROUP BY segment",
		(long long)plan->run, plan->boot, (long long)plan->run,
		(long long)(plan->last_wall - plan->last_clock), (long long)plan->run,
		(long long)per_stream(plan), (long long)per_stream(plan),
		(long long)per_stream(plan));
	int rc = sql != NULL ? execute(made, sql) : TROUPE_E_MEMORY;

	sqlite3_free(sql);
	return rc;
}

static int add_file(struct catalogue *made, sqlite3_stmt *row)
{
	uint8_t header[SEGMENT_HEADER];
	char name[SEGMENT_NAME_SIZE];
	struct segment_header of = {.number = (uint32_t)sqlite3_column_int64(row, 0),
				    .created_wall = sqlite3_column_int64(row, 1)};
	int fd = openat(made->files.segments, segment_name(of.number, name),
			O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	bool written;

	snprintf(of.stream, sizeof(of.stream), "%s", (const char *)sqlite3_column_text(row, 3));
	segment_encode_header(&of, header);
	written =
		fd >= 0 && write(fd, header, sizeof(header)) == sizeof(header) &&
		(of.number <= made->plan->solid ? fallocate(fd, 0, 0, sqlite3_column_int64(row, 2))
						: ftruncate(fd, sqlite3_column_int64(row, 2))) == 0;
	if (fd >= 0)
		close(fd);
	return written ? 0
		       : bench_error(made->bench, error_from_errno(errno),
				     "a catalogue to measure in: %s: %s", name, strerror(errno));
}

static int add_files(struct catalogue *made)
{
	sqlite3_stmt *row = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(made->db,
			       "SELECT segment, created_wall, bytes, stream FROM segments", -1,
			       &row, NULL) != SQLITE_OK)
		return fail(made, "segments");
	while (rc == 0 && sqlite3_step(row) == SQLITE_ROW)
		rc = add_file(made, row);
	sqlite3_finalize(row);
	return rc;
}

/* ---- the whole ---- */

/* The indexes of frames, dropped: as statements that make them again. A text of the heap. */
static int without_indexes(struct catalogue *made, char **again)
{
	sqlite3_stmt *row = NULL;
	char *drop = sqlite3_mprintf(""), *make = sqlite3_mprintf("");
	int rc;

	if (sqlite3_prepare_v2(made->db,
			       "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND "
			       "tbl_name = 'frames' AND sql IS NOT NULL",
			       -1, &row, NULL) != SQLITE_OK)
		row = NULL;
	while (row != NULL && sqlite3_step(row) == SQLITE_ROW) {
		drop = sqlite3_mprintf("%z DROP INDEX %s;", drop, sqlite3_column_text(row, 0));
		make = sqlite3_mprintf("%z %s;", make, sqlite3_column_text(row, 1));
	}
	sqlite3_finalize(row);
	if (drop == NULL || make == NULL)
		rc = TROUPE_E_MEMORY;
	else
		rc = strlen(drop) > 0 ? execute(made, drop) : fail(made, "no indexes");
	sqlite3_free(drop);
	*again = make;
	return rc;
}

static int open_folder(struct catalogue *made)
{
	char path[256], why[512] = "";
	struct index *index = NULL;
	int rc = folder_open(&made->files, made->folder, false, why, sizeof(why));

	if (rc == 0)
		rc = index_open_writer(&index, made->folder, NULL, NULL, NULL, why, sizeof(why));
	if (rc < 0)
		return bench_error(made->bench, rc, "a catalogue to measure in: %s",
				   *why ? why : error_text(rc));
	index_close(index);
	snprintf(path, sizeof(path), "%s/" INDEX_FILE, made->folder);
	if (sqlite3_open_v2(path, &made->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		return fail(made, path);
	return execute(made, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
			     "PRAGMA cache_size = -200000; BEGIN");
}

static int add_rows(struct catalogue *made)
{
	int rc = 0;

	if (sqlite3_prepare_v2(made->db, ADD_FRAME, -1, &made->frame, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(made->db, ADD_EVENT, -1, &made->event, NULL) != SQLITE_OK)
		return fail(made, "rows");
	for (uint32_t i = 0; rc == 0 && i < made->plan->streams; i++)
		rc = add_stream(made, i);
	sqlite3_finalize(made->frame);
	sqlite3_finalize(made->event);
	return rc;
}

int catalogue_make(struct bench *bench, const char *folder, const struct catalogue_plan *plan)
{
	struct catalogue made = {.bench = bench,
				 .plan = plan,
				 .folder = folder,
				 .files = {.folder = -1, .segments = -1, .lock = -1}};
	char *indexes = NULL;
	int rc = open_folder(&made);

	if (rc == 0)
		rc = without_indexes(&made, &indexes);
	if (rc == 0)
		rc = add_rows(&made);
	bench_progress(bench, "making a catalogue: its indexes");
	if (rc == 0)
		rc = execute(&made, indexes);
	if (rc == 0)
		rc = add_summaries(&made);
	if (rc == 0)
		rc = execute(&made, "COMMIT; PRAGMA journal_mode = WAL");
	if (rc == 0)
		rc = add_files(&made);
	sqlite3_free(indexes);
	sqlite3_close(made.db);
	folder_close(&made.files);
	return rc;
}
