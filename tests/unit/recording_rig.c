/* Recordings made for tests. */
#include "tests/unit/recording_rig.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/storer/recording.h"

#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void rig_folder(char path[RIG_PATH])
{
	/* In memory where that is possible: thousands of syncs would only wear the disk. */
	snprintf(path, RIG_PATH, "/dev/shm/troupe-recording-XXXXXX");
	if (mkdtemp(path) != NULL)
		return;
	snprintf(path, RIG_PATH, "/tmp/troupe-recording-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void rig_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char buffer[65536];
	ssize_t got;

	assert_true(in >= 0 && out >= 0);
	while ((got = read(in, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(out, buffer, (size_t)got), got);
	assert_int_equal(got, 0);
	close(in);
	close(out);
}

/* Segments 1 … n and the index; the recording must be closed. */
void rig_copy(const char *from, const char *to)
{
	char a[RIG_PATH + 32], b[RIG_PATH + 32];

	snprintf(b, sizeof(b), "%s/segments", to);
	mkdir(b, 0755);
	for (uint32_t number = 1;; number++) {
		rig_segment(from, number, a);
		rig_segment(to, number, b);
		if (access(a, F_OK) < 0)
			break;
		copy_file(a, b);
	}
	snprintf(a, sizeof(a), "%s/recording.sqlite", from);
	snprintf(b, sizeof(b), "%s/recording.sqlite", to);
	copy_file(a, b);
}

void rig_frame(uint64_t seq, struct record *record, uint8_t *coded)
{
	*record = (struct record){
		.run = RIG_RUN,
		.stream = RIG_STREAM,
		.seq = seq,
		.ordinal = seq,
		.source_index = seq - 1,
		.pts = (int64_t)seq * 40 * NS_PER_MS,
		.captured = (int64_t)seq * 1000 + 1,
		.captured_wall = (int64_t)seq * 1000 + 2,
		.published = (int64_t)seq * 1000 + 3,
		.claimed = (int64_t)seq * 1000 + 4,
		.finished = (int64_t)seq * 1000 + 5,
		.width = 64,
		.height = 48,
		.label = "circle",
		.prediction = "square",
		.model_version = 7,
		.probability = 0.25f,
		.motion = 0.125f,
		.drops_before = {(uint32_t)seq, 0, 1, 2},
		.coded_bytes = (uint32_t)(100 + seq * 7 % 50),
	};
	for (uint32_t i = 0; i < record->coded_bytes; i++)
		coded[i] = (uint8_t)(seq * 31 + i);
}

void rig_same(const struct record *a, const uint8_t *coded_a, const struct record *b,
	      const uint8_t *coded_b)
{
	uint8_t bytes_a[RECORD_HEADER_MAX + RIG_CODED_MAX + 16], bytes_b[sizeof(bytes_a)];

	assert_int_equal(a->coded_bytes, b->coded_bytes);
	assert_int_equal(a->coding, b->coding);
	record_encode(a, coded_a, bytes_a);
	record_encode(b, coded_b, bytes_b);
	assert_memory_equal(bytes_a, bytes_b, record_length(a->coding, a->coded_bytes));
}

struct recorder *rig_open(const char *folder, uint64_t run, int64_t segment_bytes)
{
	const struct recorder_options options = {
		.folder = folder,
		.pipeline = "test",
		.run = run,
		.segment_bytes = segment_bytes,
		.segment_ns = 3600 * NS_PER_S,
	};
	struct recorder *recorder;
	char why[256] = "";

	if (recorder_open(&recorder, &options, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(recorder_add_stream(recorder, RIG_STREAM, 64, 48, 25, 1), 0);
	return recorder;
}

void rig_append(struct recorder *recorder, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		uint8_t coded[RIG_CODED_MAX];
		struct record record;

		rig_frame(seq, &record, coded);
		assert_int_equal(recorder_append(recorder, 0, &record, coded), 0);
	}
}

void rig_write(const char *folder, uint64_t run, uint64_t first, uint64_t last, uint64_t batch)
{
	struct recorder *recorder = rig_open(folder, run, 64000000);

	for (; first <= last; first += batch) {
		rig_append(recorder, first, first + batch - 1 < last ? first + batch - 1 : last);
		assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
}

void rig_expect(const char *folder, uint64_t run, uint64_t last)
{
	struct recording *recording;
	struct index_row row;
	uint64_t seq = 0;
	char why[256];

	assert_int_equal(recording_open(&recording, folder, why, sizeof(why)), 0);
	while (recording_next(recording, run, RIG_STREAM, seq, &row) == 0) {
		struct record wanted, record;
		uint8_t wanted_coded[RIG_CODED_MAX];
		const uint8_t *coded;

		assert_int_equal(row.record.seq, ++seq);
		rig_frame(seq, &wanted, wanted_coded);
		wanted.run = run;
		assert_int_equal(recording_read(recording, &row, &record, &coded), 0);
		rig_same(&record, coded, &wanted, wanted_coded);
		rig_same(&row.record, coded, &wanted, wanted_coded);
	}
	assert_int_equal(seq, last);
	recording_close(recording);
}

static void note_fault(void *arg, const char *line)
{
	char *text = arg;
	size_t used = strlen(text);

	snprintf(text + used, RIG_TEXT - used, "%s\n", line);
}

int rig_verify(const char *folder, const char *against, struct verify_report *report,
	       char text[RIG_TEXT])
{
	const struct verify_options options = {
		.folder = folder, .against = against, .fault = note_fault, .arg = text};

	*report = (struct verify_report){0};
	text[0] = 0;
	return verify_recording(&options, report);
}

void rig_sql(const char *folder, const char *sql)
{
	char path[RIG_PATH + 32], *why = NULL;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/recording.sqlite", folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static void run_script(sqlite3 *db, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL, *why = NULL;
	size_t size = 0;

	assert_non_null(file);
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	fclose(file);
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", path, why);
	free(text);
}

/* Some bytes of a segment, out of the table of files. */
static void write_bytes(const char *folder, sqlite3_stmt *row)
{
	char path[RIG_PATH + 64];
	int fd, size = sqlite3_column_bytes(row, 2);

	snprintf(path, sizeof(path), "%s/segments/%s", folder,
		 (const char *)sqlite3_column_text(row, 0));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(
		pwrite(fd, sqlite3_column_blob(row, 2), (size_t)size, sqlite3_column_int64(row, 1)),
		size);
	close(fd);
}

void rig_version_1(const char *folder)
{
	char path[RIG_PATH + 32];
	sqlite3_stmt *row;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/segments", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/recording.sqlite", folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	run_script(db, RECORDING_VERSION_1);
	assert_int_equal(
		sqlite3_prepare_v2(db, "SELECT name, at, bytes FROM files", -1, &row, NULL),
		SQLITE_OK);
	while (sqlite3_step(row) == SQLITE_ROW)
		write_bytes(folder, row);
	sqlite3_finalize(row);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE files", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

char *rig_segment(const char *folder, uint32_t number, char out[RIG_PATH])
{
	snprintf(out, RIG_PATH, "%s/segments/%06u.seg", folder, number);
	return out;
}

void rig_flip(const char *path, uint64_t at, unsigned bit)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= (uint8_t)(1u << bit);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

uint64_t rig_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}
