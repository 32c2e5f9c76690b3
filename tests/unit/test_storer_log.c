/* How much of SQLite's log counts, by SQLite's own word. */
#include "workers/storer/rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE  4096
#define FRAME (24 + PAGE)

struct place {
	char folder[64];
	char path[96], log[128];
	sqlite3 *db;
	int fd;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	snprintf(place->folder, sizeof(place->folder), "/tmp/test-log-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof(place->path), "%s/db", place->folder);
	snprintf(place->log, sizeof(place->log), "%s-wal", place->path);
	assert_int_equal(sqlite3_open(place->path, &place->db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(place->db,
				      "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; "
				      "PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	place->fd = open(place->log, O_RDONLY | O_CLOEXEC);
	assert_true(place->fd >= 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	sqlite3_close(place->db);
	close(place->fd);
	unlink(place->log);
	unlink(place->path);
	rmdir(place->folder);
	free(place);
	return 0;
}

/* So many transactions of some pages each. */
static void write_rows(struct place *place, int transactions)
{
	for (int i = 0; i < transactions; i++) {
		assert_int_equal(sqlite3_exec(place->db, "INSERT INTO t VALUES (randomblob(10000))",
					      NULL, NULL, NULL),
				 SQLITE_OK);
	}
}

static uint64_t size_of_log(const struct place *place)
{
	struct stat st;

	assert_int_equal(fstat(place->fd, &st), 0);
	return (uint64_t)st.st_size;
}

/* Copies the log into the file, so that the next write begins at its front. */
static uint64_t end_by_sqlite(struct place *place)
{
	int frames = 0, copied = 0;

	assert_int_equal(sqlite3_wal_checkpoint_v2(place->db, NULL, SQLITE_CHECKPOINT_FULL, &frames,
						   &copied),
			 SQLITE_OK);
	assert_true(frames > 0);
	return 32 + (uint64_t)frames * FRAME;
}

static void all_of_a_new_log(void **state)
{
	struct place *place = *state;

	write_rows(place, 20);
	uint64_t end = rewrite_log_end(place->fd, size_of_log(place));

	assert_int_equal(end, size_of_log(place));
	assert_int_equal(end, end_by_sqlite(place));
}

static void the_front_of_one_that_begins_again(void **state)
{
	struct place *place = *state;

	write_rows(place, 20);
	end_by_sqlite(place);
	for (int round = 0; round < 3; round++) {
		write_rows(place, 2 + round);
		uint64_t end = rewrite_log_end(place->fd, size_of_log(place));

		assert_true(end < size_of_log(place));
		assert_int_equal(end, end_by_sqlite(place));
	}
}

static void half_a_frame_and_no_header(void **state)
{
	struct place *place = *state;

	write_rows(place, 3);
	uint64_t size = size_of_log(place);

	assert_int_equal(rewrite_log_end(place->fd, size - 1), size - FRAME);
	assert_int_equal(rewrite_log_end(place->fd, 32), 32);
	int empty = open(place->folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	if (empty < 0) /* a file system without such files */
		return;
	assert_int_equal(rewrite_log_end(empty, 0), 0);
	close(empty);
}

static void rewritten_it_is_the_same(void **state)
{
	struct place *place = *state;
	int folder = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sqlite3_stmt *check;

	write_rows(place, 20);
	end_by_sqlite(place);
	write_rows(place, 5);
	assert_int_equal(rewrite_log(folder, "db-wal"), 0);
	assert_int_equal(rewrite_log(folder, "none"), 0);
	assert_int_equal(sqlite3_prepare_v2(place->db, "SELECT count(*) FROM t", -1, &check, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(check), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(check, 0), 25);
	sqlite3_finalize(check);
	close(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_of_a_new_log, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_front_of_one_that_begins_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(half_a_frame_and_no_header, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rewritten_it_is_the_same, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
