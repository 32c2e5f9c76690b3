/* Repair: whatever happened to a recording, afterwards it is whole by every means of finding out,
 * has every frame that can still be read, and nothing was deleted. */
#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/recording.h"
#include "workers/storer/repair.h"
#include "workers/storer/segment.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRAMES	  40
#define PATH_ROOM 128

struct place {
	char folder[RIG_PATH];
};

static int set_up(void **state)
{
	static struct place place;
	struct recorder *recorder;

	rig_folder(place.folder);
	recorder = rig_open(place.folder, RIG_RUN, 4096);
	for (uint64_t seq = 1; seq <= FRAMES; seq += 4) {
		rig_append(recorder, seq, seq + 3);
		assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	*state = &place;
	return 0;
}

static int tear_down(void **state)
{
	const struct place *place = *state;

	rig_remove(place->folder);
	return 0;
}

static const char *path_in(const char *folder, const char *name, char out[PATH_ROOM])
{
	snprintf(out, PATH_ROOM, "%s/%s", folder, name);
	return out;
}

static bool is_there(const char *folder, const char *name)
{
	char path[PATH_ROOM];

	return access(path_in(folder, name, path), F_OK) == 0;
}

static void print_line(void *arg, const char *text)
{
	(void)arg;
	print_message("%s\n", text);
}

static struct repair_report repair(const char *folder, bool dry_run)
{
	const struct repair_options options = {
		.folder = folder, .dry_run = dry_run, .told = print_line};
	struct repair_report report;
	char why[1024] = "";

	if (repair_recording(&options, &report, why, sizeof(why)) < 0)
		fail_msg("repair: %s", why);
	return report;
}

/* All there is to say against the recording. */
static void expect_whole(const char *folder, uint64_t rows, uint64_t forgotten)
{
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(folder, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.rows, rows);
	assert_int_equal(report.records, rows);
	assert_int_equal(report.forgotten, forgotten);
	assert_int_equal(report.uncommitted, 0);
	assert_int_equal(report.notes, 0);
}

/* A storer goes on in it. */
static void expect_goes_on(const char *folder, uint64_t rows, uint64_t forgotten)
{
	rig_write(folder, RIG_RUN + 1, 1, 8, 4);
	expect_whole(folder, rows + 8, forgotten);
}

static void whole_stays_whole(void **state)
{
	const struct place *place = *state;
	struct repair_report report = repair(place->folder, false);

	assert_int_equal(report.damaged + report.tails + report.others, 0);
	assert_int_equal(report.frames, FRAMES);
	assert_true(report.adopted);
	assert_string_equal(report.catalogue, "recording.sqlite.before-repair-1");
	assert_true(is_there(place->folder, report.catalogue));
	assert_false(is_there(place->folder, "damaged"));
	assert_false(is_there(place->folder, "unfinished"));
	expect_whole(place->folder, FRAMES, 0);
	rig_expect(place->folder, RIG_RUN, FRAMES);
	report = repair(place->folder, false);
	assert_string_equal(report.catalogue, "recording.sqlite.before-repair-2");
	expect_goes_on(place->folder, FRAMES, 0);
}

static void remove_catalogue(const char *folder)
{
	char path[PATH_ROOM];

	assert_int_equal(unlink(path_in(folder, "recording.sqlite", path)), 0);
}

static void catalogue_missing(void **state)
{
	const struct place *place = *state;
	struct repair_report report;

	remove_catalogue(place->folder);
	report = repair(place->folder, false);
	assert_string_equal(report.catalogue, "");
	assert_false(report.adopted);
	expect_whole(place->folder, FRAMES, 0);
	rig_expect(place->folder, RIG_RUN, FRAMES);
	expect_goes_on(place->folder, FRAMES, 0);
}

static void catalogue_damaged(void **state)
{
	const struct place *place = *state;
	char path[PATH_ROOM];
	int fd = open(path_in(place->folder, "recording.sqlite", path), O_WRONLY | O_CLOEXEC);
	struct repair_report report;

	for (off_t at = 4096; at < 40960; at += 512)
		assert_int_equal(pwrite(fd, "damaged beyond recognition", 26, at), 26);
	close(fd);
	report = repair(place->folder, false);
	assert_false(report.adopted);
	assert_true(is_there(place->folder, "recording.sqlite.before-repair-1"));
	expect_whole(place->folder, FRAMES, 0);
}

static void catalogue_of_a_newer_version(void **state)
{
	const struct place *place = *state;

	rig_sql(place->folder, "UPDATE schema_version SET version = 99");
	assert_false(repair(place->folder, false).adopted);
	expect_whole(place->folder, FRAMES, 0);
}

static uint64_t frames_of(const char *folder, uint32_t segment)
{
	char path[RIG_PATH];
	struct stat st;

	assert_int_equal(stat(rig_segment(folder, segment, path), &st), 0);
	return (uint64_t)st.st_size;
}

/* In the middle of a segment in the middle. */
static void damage_in_the_middle(void **state)
{
	const struct place *place = *state;
	uint64_t size = frames_of(place->folder, 2);
	char path[RIG_PATH];
	struct repair_report report;

	rig_flip(rig_segment(place->folder, 2, path), size / 2, 3);
	report = repair(place->folder, true);
	assert_int_equal(report.damaged, 1);
	assert_false(is_there(place->folder, "damaged")); /* a dry run */
	assert_true(is_there(place->folder, "segments/000002.seg"));
	report = repair(place->folder, false);
	assert_int_equal(report.damaged, 1);
	assert_int_equal(report.salvaged, 1);
	assert_int_equal(report.forgotten, 1);
	assert_true(is_there(place->folder, "damaged/000002.seg"));
	assert_false(is_there(place->folder, "segments/000002.seg"));
	expect_whole(place->folder, FRAMES - 1, 1);
	expect_goes_on(place->folder, FRAMES - 1, 1);
}

static void damage_in_a_header(void **state)
{
	const struct place *place = *state;
	char path[RIG_PATH];
	struct repair_report report;

	rig_flip(rig_segment(place->folder, 2, path), 13, 0);
	report = repair(place->folder, false);
	assert_int_equal(report.damaged, 1);
	assert_int_equal(report.forgotten, 0);
	expect_whole(place->folder, FRAMES, 0);
	rig_expect(place->folder, RIG_RUN, FRAMES);
}

/* Half a record at the end, as a crash leaves it, and the catalogue is gone. */
static void half_a_record_at_the_end(void **state)
{
	const struct place *place = *state;
	char path[RIG_PATH];
	uint32_t last = 1;
	uint64_t size;
	struct repair_report report;

	while (access(rig_segment(place->folder, last + 1, path), F_OK) == 0)
		last++;
	size = rig_size(rig_segment(place->folder, last, path));
	assert_int_equal(truncate(path, (off_t)size - 50), 0);
	remove_catalogue(place->folder);
	report = repair(place->folder, false);
	assert_int_equal(report.tails, 1);
	assert_int_equal(report.damaged, 0);
	expect_whole(place->folder, FRAMES - 1, 0);
	rig_expect(place->folder, RIG_RUN, FRAMES - 1);
	expect_goes_on(place->folder, FRAMES - 1, 0);
}

/* The old catalogue knows that there was one more. */
static void last_frame_lost(void **state)
{
	const struct place *place = *state;
	char path[RIG_PATH];
	uint32_t last = 1;
	uint64_t size;

	while (access(rig_segment(place->folder, last + 1, path), F_OK) == 0)
		last++;
	size = rig_size(rig_segment(place->folder, last, path));
	assert_int_equal(truncate(path, (off_t)size - 50), 0);
	assert_int_equal(repair(place->folder, false).forgotten, 1);
	expect_whole(place->folder, FRAMES - 1, 1);
}

static void segment_missing(void **state)
{
	const struct place *place = *state;
	char path[RIG_PATH];
	struct repair_report report;

	assert_int_equal(unlink(rig_segment(place->folder, 2, path)), 0);
	report = repair(place->folder, false);
	assert_true(report.forgotten > 0);
	expect_whole(place->folder, FRAMES - report.forgotten, report.forgotten);
}

static void orphans_are_set_aside(void **state)
{
	const struct place *place = *state;
	char path[PATH_ROOM];
	struct repair_report report;

	close(open(path_in(place->folder, "segments/notes.txt", path), O_CREAT | O_WRONLY, 0644));
	close(open(path_in(place->folder, "segments/000099.new", path), O_CREAT | O_WRONLY, 0644));
	report = repair(place->folder, false);
	assert_int_equal(report.others, 2);
	assert_true(is_there(place->folder, "damaged/notes.txt"));
	assert_true(is_there(place->folder, "damaged/000099.new"));
	expect_whole(place->folder, FRAMES, 0);
}

/* Retention has removed the first segment, as it does. */
static void what_was_forgotten_stays_so(void **state)
{
	const struct place *place = *state;
	struct index_range range;
	struct index *index;
	char path[RIG_PATH], why[256];
	int frames;

	assert_int_equal(
		index_open_writer(&index, place->folder, NULL, NULL, NULL, why, sizeof(why)), 0);
	assert_int_equal(index_begin(index), 0);
	frames = index_forget_segment(index, 1, "keep");
	assert_true(frames > 0);
	assert_int_equal(index_commit(index), 0);
	index_close(index);
	assert_int_equal(unlink(rig_segment(place->folder, 1, path)), 0);
	expect_whole(place->folder, FRAMES - (uint64_t)frames, (uint64_t)frames);
	repair(place->folder, false);
	expect_whole(place->folder, FRAMES - (uint64_t)frames, (uint64_t)frames);
	assert_int_equal(index_open(&index, place->folder, why, sizeof(why)), 0);
	assert_int_equal(index_next_forgotten(index, RIG_RUN, RIG_STREAM, 0, &range), 0);
	assert_string_equal(range.why, "keep");
	index_close(index);
}

static void refuses_while_a_storer_runs(void **state)
{
	const struct place *place = *state;
	const struct repair_options options = {.folder = place->folder};
	struct recorder *recorder = rig_open(place->folder, RIG_RUN + 1, 4096);
	struct repair_report report;
	char why[1024] = "", pid[32];

	snprintf(pid, sizeof(pid), "process %d", (int)getpid());
	assert_int_equal(repair_recording(&options, &report, why, sizeof(why)), TROUPE_E_BUSY);
	assert_non_null(strstr(why, pid));
	recorder_close(recorder);
	assert_int_equal(repair_recording(&(struct repair_options){.folder = "/nowhere"}, &report,
					  why, sizeof(why)),
			 TROUPE_E_NOT_FOUND);
	assert_false(access("/nowhere", F_OK) == 0);
}

/* A newer troupe's segment: hands off. */
static void segment_of_a_newer_version(void **state)
{
	const struct place *place = *state;
	const struct repair_options options = {.folder = place->folder};
	uint8_t header[SEGMENT_HEADER];
	char path[RIG_PATH], why[1024] = "";
	struct repair_report report;
	const struct segment_header made = {.number = 2, .stream = RIG_STREAM};
	uint32_t crc;
	int fd = open(rig_segment(place->folder, 2, path), O_RDWR | O_CLOEXEC);

	segment_encode_header(&made, header);
	header[8] = 3;
	crc = htole32(crc32c(0, header, 60));
	memcpy(header + 60, &crc, sizeof(crc));
	assert_int_equal(pwrite(fd, header, sizeof(header), 0), sizeof(header));
	close(fd);
	assert_int_equal(repair_recording(&options, &report, why, sizeof(why)), TROUPE_E_SCHEMA);
	assert_true(is_there(place->folder, "recording.sqlite"));
	assert_false(is_there(place->folder, "recording.sqlite.before-repair-1"));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(whole_stays_whole),
		TEST(catalogue_missing),
		TEST(catalogue_damaged),
		TEST(catalogue_of_a_newer_version),
		TEST(damage_in_the_middle),
		TEST(damage_in_a_header),
		TEST(half_a_record_at_the_end),
		TEST(last_frame_lost),
		TEST(segment_missing),
		TEST(orphans_are_set_aside),
		TEST(what_was_forgotten_stays_so),
		TEST(refuses_while_a_storer_runs),
		TEST(segment_of_a_newer_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
