/* A full disk, a broken disk: nothing half-written stays, nothing unsynced is believed, and when
 * the disk is back the recording goes on as if nothing had been. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/disk_faults.h"
#include "tests/unit/recording_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int set_up(void **state)
{
	static char folder[RIG_PATH];

	*disk_faults() = (struct disk_faults){0};
	rig_folder(folder);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	*disk_faults() = (struct disk_faults){0};
	rig_remove(*state);
	return 0;
}

static int append(struct recorder *recorder, uint64_t seq)
{
	uint8_t coded[RIG_CODED_MAX];
	struct record record;

	rig_frame(seq, &record, coded);
	return recorder_append(recorder, 0, &record, coded);
}

static void expect_clean(const char *folder, uint64_t last)
{
	struct verify_report report;
	char text[RIG_TEXT];

	rig_expect(folder, RIG_RUN, last);
	assert_int_equal(rig_verify(folder, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.uncommitted, 0);
}

/* The disk fills up after any number of bytes of a record. */
static void full_while_appending(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	char path[RIG_PATH];
	uint64_t seq = 1;

	rig_append(recorder, seq, seq);
	assert_int_equal(recorder_commit(recorder), 0);
	rig_segment(*state, 1, path);
	for (size_t first = 0; first < 300; first += 37) {
		uint64_t size;

		seq++;
		rig_append(recorder, seq, seq); /* one that arrives and waits for its commit */
		size = rig_size(path);
		*disk_faults() =
			(struct disk_faults){.pwrite_errno = ENOSPC, .pwrite_first = first};
		assert_int_equal(append(recorder, seq + 1), TROUPE_E_NO_SPACE);
		assert_int_equal(rig_size(path), size);
		assert_int_equal(append(recorder, seq + 1), TROUPE_E_NO_SPACE);
		assert_int_equal(recorder_commit(recorder), 0); /* what it has it can still keep */
		*disk_faults() = (struct disk_faults){0};
		seq++;
		rig_append(recorder, seq, seq);
	}
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	expect_clean(*state, seq);
}

static void full_while_starting_a_segment(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	char path[RIG_PATH];

	*disk_faults() = (struct disk_faults){.pwrite_errno = ENOSPC, .pwrite_first = 10};
	assert_int_equal(append(recorder, 1), TROUPE_E_NO_SPACE);
	assert_int_equal(access(rig_segment(*state, 1, path), F_OK), -1);
	*disk_faults() = (struct disk_faults){0};
	rig_append(recorder, 1, 3);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	expect_clean(*state, 3);
}

static void broken_while_appending(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);

	rig_append(recorder, 1, 4);
	*disk_faults() = (struct disk_faults){.pwrite_errno = EIO, .pwrite_first = 200};
	assert_int_equal(append(recorder, 5), TROUPE_E_IO);
	*disk_faults() = (struct disk_faults){0};
	rig_append(recorder, 5, 6);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	expect_clean(*state, 6);
}

/* After a sync that failed nothing since the last one is kept, though the next sync would succeed.
 */
static void failed_sync_is_not_believed(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	struct index_tally tally;
	char path[RIG_PATH];
	uint64_t size;

	rig_append(recorder, 1, 3);
	assert_int_equal(recorder_commit(recorder), 0);
	size = rig_size(rig_segment(*state, 1, path));
	rig_append(recorder, 4, 8);
	disk_faults()->fdatasync_errno = EIO;
	assert_int_equal(recorder_commit(recorder), TROUPE_E_IO);
	assert_int_equal(recorder_pending(recorder, NULL), 0);
	assert_int_equal(rig_size(path), size);
	recorder_tally(recorder, 0, &tally);
	assert_int_equal(tally.last, 3);
	rig_expect(*state, RIG_RUN, 3);
	disk_faults()->fdatasync_errno = 0;
	assert_int_equal(recorder_commit(recorder), 0);
	rig_expect(*state, RIG_RUN, 3);
	rig_append(recorder, 4, 9);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	expect_clean(*state, 9);
}

/* The very first sync of a segment fails: its header is not to be believed either. */
static void failed_first_sync(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	char path[RIG_PATH];

	rig_append(recorder, 1, 2);
	disk_faults()->fdatasync_errno = EIO;
	assert_int_equal(recorder_commit(recorder), TROUPE_E_IO);
	assert_int_equal(rig_size(rig_segment(*state, 1, path)), 64);
	*disk_faults() = (struct disk_faults){.pwrite_errno = EIO};
	assert_int_equal(append(recorder, 1), TROUPE_E_IO);
	*disk_faults() = (struct disk_faults){0};
	rig_append(recorder, 1, 2);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	expect_clean(*state, 2);
}

/* A start that cannot sync what it found does not speak of it. */
static void recovery_syncs_before_it_believes(void **state)
{
	const struct recorder_options options = {.folder = *state,
						 .pipeline = "test",
						 .run = RIG_RUN,
						 .segment_bytes = 64000000,
						 .segment_ns = 3600 * NS_PER_S};
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	struct index_tally tally;
	char why[256];
	int before;

	rig_append(recorder, 1, 3);
	assert_int_equal(recorder_commit(recorder), 0);
	rig_append(recorder, 4, 6);
	recorder_close(recorder);
	disk_faults()->fdatasync_errno = EIO;
	assert_int_equal(recorder_open(&recorder, &options, why, sizeof(why)), TROUPE_E_IO);
	rig_expect(*state, RIG_RUN, 3);
	disk_faults()->fdatasync_errno = 0;
	before = disk_faults()->fdatasyncs;
	recorder = rig_open(*state, RIG_RUN, 64000000);
	assert_true(disk_faults()->fdatasyncs > before);
	recorder_tally(recorder, 0, &tally);
	assert_int_equal(tally.last, 6);
	recorder_close(recorder);
	expect_clean(*state, 6);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The segment has them, the index cannot grow: they wait and come in by a later commit. */
static void index_that_cannot_grow(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	char path[RIG_PATH];
	struct index_tally tally;
	uint64_t segment;

	signal(SIGXFSZ, SIG_IGN);
	rig_append(recorder, 1, 5);
	assert_int_equal(recorder_commit(recorder), 0);
	rig_append(recorder, 6, 9);
	segment = rig_size(rig_segment(*state, 1, path));
	limit_files(segment);
	assert_true(recorder_commit(recorder) < 0);
	limit_files(RLIM_INFINITY);
	assert_int_equal(recorder_pending(recorder, NULL), 4);
	assert_non_null(strstr(recorder_error(recorder), "recording.sqlite"));
	recorder_tally(recorder, 0, &tally);
	assert_int_equal(tally.last, 5);
	rig_append(recorder, 10, 10);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	expect_clean(*state, 10);
}

/* They are in the segment and synced, they wait for the index, and then a later sync fails: they go
 * on waiting where they are, only what followed is taken again, and nothing is there twice. */
static void sync_fails_while_the_index_waits(void **state)
{
	struct recorder *recorder = rig_open(*state, RIG_RUN, 64000000);
	char path[RIG_PATH];

	signal(SIGXFSZ, SIG_IGN);
	rig_append(recorder, 1, 5);
	assert_int_equal(recorder_commit(recorder), 0);
	rig_append(recorder, 6, 9);
	limit_files(rig_size(rig_segment(*state, 1, path)));
	assert_true(recorder_commit(recorder) < 0);
	limit_files(RLIM_INFINITY);
	assert_int_equal(recorder_pending(recorder, NULL), 4);
	rig_append(recorder, 10, 11);
	disk_faults()->fdatasync_errno = EIO;
	assert_int_equal(recorder_commit(recorder), TROUPE_E_IO);
	assert_int_equal(recorder_pending(recorder, NULL), 4);
	assert_int_equal(recorder_taken(recorder, 0), 9);
	disk_faults()->fdatasync_errno = 0;
	rig_append(recorder, 10, 12);
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	expect_clean(*state, 12);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(full_while_appending),   TEST(full_while_starting_a_segment),
		TEST(broken_while_appending), TEST(failed_sync_is_not_believed),
		TEST(failed_first_sync),      TEST(recovery_syncs_before_it_believes),
		TEST(index_that_cannot_grow), TEST(sync_fails_while_the_index_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
