/* Segments of JPEG become segments of H.264 while their recording is written, and every frame is
 * shown as before; what a child does wrong costs nothing. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/media/barcode.h"
#include "workers/media/jpeg.h"
#include "workers/storer/archive.h"
#include "workers/storer/frames.h"

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH	    192
#define HEIGHT	    192
#define I420	    ((size_t)WIDTH * HEIGHT * 3 / 2)
#define FRAMES	    60
#define A_SEGMENT   INT64_C(30000)
#define LONG_ENOUGH (60 * NS_PER_S) /* for a child on a busy machine */
#define SOON	    (NS_PER_S / 10)

struct stage {
	char folder[RIG_PATH];
	uint8_t i420[I420];
	struct jpeg_encoder *encoder;
	struct recorder *recorder;
	struct archive *archive;
	int told;
	char text[256];
};

static void note(void *arg, const char *text)
{
	struct stage *stage = arg;

	stage->told++;
	snprintf(stage->text, sizeof(stage->text), "%s", text);
}

static int set_up(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	rig_folder(stage->folder);
	stage->encoder = jpeg_encoder_create();
	*state = stage;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;

	archive_destroy(stage->archive);
	recorder_close(stage->recorder);
	jpeg_encoder_destroy(stage->encoder);
	rig_remove(stage->folder);
	free(stage);
	return 0;
}

/* Frame `seq`, with its number in the pixels, or with bytes that are no picture. */
static void append(struct stage *stage, uint64_t seq, bool garbage)
{
	struct canvas canvas = {CANVAS_I420, stage->i420, WIDTH, HEIGHT};
	uint8_t rubbish[RIG_CODED_MAX];
	const uint8_t *jpeg = rubbish;
	struct record record;
	size_t size;

	rig_frame(seq, &record, rubbish);
	record.width = WIDTH;
	record.height = HEIGHT;
	draw_box(&canvas, 0, 0, WIDTH, HEIGHT, (struct colour){(uint8_t)seq, 90, 200});
	draw_disc(&canvas, (int32_t)(seq % 180), 60, 30, (struct colour){240, 240, 20});
	barcode_draw(&canvas, seq);
	if (!garbage) {
		assert_int_equal(jpeg_encode_i420(stage->encoder, stage->i420, WIDTH, HEIGHT, 90,
						  &jpeg, &size),
				 0);
		record.coded_bytes = (uint32_t)size;
	}
	assert_int_equal(recorder_append(stage->recorder, 0, &record, jpeg), 0);
}

static void record(struct stage *stage, uint64_t first, uint64_t last, uint64_t garbage)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		append(stage, seq, seq == garbage);
		if (seq % 5 == 0)
			assert_int_equal(recorder_commit(stage->recorder), 0);
	}
	assert_int_equal(recorder_commit(stage->recorder), 0);
}

static void begin_with(struct stage *stage, int64_t hang_after, bool eager)
{
	const struct archive_options options = {
		.pipeline = "test",
		.folder = stage->folder,
		.after = NS_PER_S,
		.quality = 20,
		.eager = eager,
		.hang_after = hang_after,
		.tell = note,
		.arg = stage,
	};

	stage->archive = archive_create(&options);
	assert_non_null(stage->archive);
}

/* On a busy machine one that stands back might keep a test waiting. */
static void begin(struct stage *stage, int64_t hang_after)
{
	begin_with(stage, hang_after, true);
}

static struct index *index_of(struct stage *stage)
{
	return recorder_index(stage->recorder);
}

/* Turns until nothing is left to do; `meddle` sees each child once. */
static void turn_until_done(struct stage *stage, void (*meddle)(struct stage *stage))
{
	int64_t deadline = clock_now() + LONG_ENOUGH;
	int seen = -1;

	for (;;) {
		int64_t now = clock_now();
		int64_t due = archive_turn(stage->archive, stage->recorder, now);
		struct pollfd wait = {.fd = archive_fd(stage->archive), .events = POLLIN};

		assert_true(now < deadline);
		if (wait.fd >= 0 && seen < 0 && meddle)
			meddle(stage);
		seen = wait.fd;
		if (wait.fd < 0 && due > now)
			break;
		poll(&wait, 1, wait.fd < 0 ? 0 : 20);
	}
}

static uint32_t count_segments(struct stage *stage, uint32_t coding, enum segment_state state)
{
	struct index_segment segment = {0};
	uint32_t n = 0;

	while (index_next_segment(index_of(stage), segment.number, &segment) == 0)
		n += segment.coding == coding && segment.state == state;
	return n;
}

static uint32_t count_files(const struct stage *stage)
{
	char path[RIG_PATH + 16];
	uint32_t n = 0;

	snprintf(path, sizeof(path), "%s/segments", stage->folder);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* No segment is in the folder and not in the catalogue, or the other way round. */
static void expect_known_files(struct stage *stage)
{
	struct index_segment segment = {0};
	uint32_t known = 0;

	while (index_next_segment(index_of(stage), segment.number, &segment) == 0)
		known++;
	assert_int_equal(count_files(stage), known);
}

/* One frame: its fields, and its number in its pixels. */
static void expect_frame(struct frames *frames, const struct index_row *row, uint64_t seq)
{
	struct frames_picture picture;
	struct record wanted;
	uint8_t rubbish[RIG_CODED_MAX];

	rig_frame(seq, &wanted, rubbish);
	assert_int_equal(row->record.seq, seq);
	assert_int_equal(row->record.pts, wanted.pts);
	assert_int_equal(row->record.captured_wall, wanted.captured_wall);
	assert_string_equal(row->record.label, wanted.label);
	assert_int_equal(frames_show_i420(frames, row, &picture), 0);
	assert_false(picture.damaged);
	assert_int_equal(picture.width, WIDTH);
	assert_int_equal(pattern_read_number(picture.i420, WIDTH, WIDTH, HEIGHT), seq);
}

static struct frames *open_frames(const struct stage *stage)
{
	struct frames *frames;
	char why[256] = "";

	if (frames_open(&frames, stage->folder, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	return frames;
}

static void expect_all(struct stage *stage, uint64_t last)
{
	struct frames *frames = open_frames(stage);
	struct index_row row;
	uint64_t seq = 0;

	while (recording_next(frames_recording(frames), RIG_RUN, RIG_STREAM, seq, &row) == 0)
		expect_frame(frames, &row, ++seq);
	assert_int_equal(seq, last);
	while (recording_previous(frames_recording(frames), RIG_RUN, RIG_STREAM, seq, &row) == 0)
		expect_frame(frames, &row, --seq);
	assert_int_equal(seq, 1);
	frames_close(frames);
}

static void expect_whole(struct stage *stage)
{
	struct verify_report report;
	char text[RIG_TEXT];

	if (rig_verify(stage->folder, NULL, &report, text) < 0 || report.faults > 0)
		fail_msg("%s", text);
}

static void old_segments_are_coded_anew(void **state)
{
	struct stage *stage = *state;

	stage->recorder = rig_open(stage->folder, RIG_RUN, A_SEGMENT);
	record(stage, 1, FRAMES, 0);
	uint32_t closed = count_segments(stage, CODING_JPEG, SEGMENT_CLOSED);
	assert_true(closed >= 3);
	begin(stage, 0);
	turn_until_done(stage, NULL);
	assert_int_equal(stage->told, 0);
	assert_int_equal(count_segments(stage, CODING_JPEG, SEGMENT_CLOSED), 0);
	assert_int_equal(count_segments(stage, CODING_H264, SEGMENT_CLOSED), closed);
	assert_int_equal(count_segments(stage, CODING_JPEG, SEGMENT_DOOMED), 0);
	record(stage, FRAMES + 1, FRAMES + 5, 0);
	expect_known_files(stage);
	expect_all(stage, FRAMES + 5);
	expect_whole(stage);
}

static void they_take_far_less_space(void **state)
{
	struct stage *stage = *state;
	struct index_segment before, after;

	stage->recorder = rig_open(stage->folder, RIG_RUN, A_SEGMENT);
	record(stage, 1, FRAMES, 0);
	assert_int_equal(index_next_segment(index_of(stage), 0, &before), 0);
	begin(stage, 0);
	turn_until_done(stage, NULL);
	after.number = before.number;
	do {
		assert_int_equal(index_next_segment(index_of(stage), after.number, &after), 0);
	} while (after.replaces != before.number);
	assert_int_equal(after.frames, before.frames);
	assert_int_equal(after.first_wall, before.first_wall);
	assert_int_equal(after.last_wall, before.last_wall);
	assert_true(after.bytes * 3 < before.bytes);
}

static void remove_index(const struct stage *stage)
{
	static const char *const tails[] = {"", "-wal", "-shm"};
	char path[RIG_PATH + 32];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(path, sizeof(path), "%s/" INDEX_FILE "%s", stage->folder, tails[i]);
		unlink(path);
	}
}

/* The segments are the recording, whatever they are coded in. */
static void an_index_made_anew_knows_them(void **state)
{
	struct stage *stage = *state;

	stage->recorder = rig_open(stage->folder, RIG_RUN, A_SEGMENT);
	record(stage, 1, FRAMES, 0);
	begin(stage, 0);
	turn_until_done(stage, NULL);
	uint32_t coded = count_segments(stage, CODING_H264, SEGMENT_CLOSED);
	archive_stop(stage->archive);
	recorder_close(stage->recorder);
	remove_index(stage);
	stage->recorder = rig_open(stage->folder, RIG_RUN, A_SEGMENT);
	record(stage, FRAMES + 1, FRAMES + 5, 0);
	assert_int_equal(count_segments(stage, CODING_H264, SEGMENT_CLOSED), coded);
	expect_known_files(stage);
	expect_all(stage, FRAMES + 5);
	expect_whole(stage);
}

/* What a reader holds may be from before the swap. */
static void a_frame_that_has_moved_is_found(void **state)
{
	struct stage *stage = *state;
	struct index_row row;

	stage->recorder = rig_open(stage->folder, RIG_RUN, A_SEGMENT);
	record(stage, 1, FRAMES, 0);
	struct frames *frames = open_frames(stage);
	assert_int_equal(recording_find(frames_recording(frames), RIG_RUN, RIG_STREAM, 7, &row), 0);
	begin(stage, 0);
	turn_until_done(stage, NULL);
	expect_frame(frames, &row, 7);
	frames_close(frames);
}

static void what_cannot_be_coded_stays(void **state)
{
	struct stage *stage = *state;

	stage->recorder = rig_open(stage->folder, RIG_RUN, A_SEGMENT);
	record(stage, 1, FRAMES, 3);
	uint32_t closed = count_segments(stage, CODING_JPEG, SEGMENT_CLOSED);
	begin(stage, 0);
	turn_until_done(stage, NULL);
	assert_int_equal(stage->told, 1);
	assert_non_null(strstr(stage->text, "segment 000001 of cam1 cannot be coded anew"));
	assert_int_equal(count_segments(stage, CODING_JPEG, SEGMENT_CLOSED), 1);
	assert_int_equal(count_segments(stage, CODING_H264, SEGMENT_CLOSED), closed - 1);
	expect_known_files(stage);
	expect_whole(stage);
}

/* The process at the other end of the pidfd. */
static pid_t child_of(const struct stage *stage)
{
	char path[64], line[128];
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", archive_fd(stage->archive));
	FILE *in = fopen(path, "re");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in))
		sscanf(line, "Pid: %d", &pid);
	fclose(in);
	assert_true(pid > 0);
	return pid;
}

static int meddled;

static void stop_it_once(struct stage *stage)
{
	if (meddled++ == 0)
		kill(child_of(stage), SIGSTOP);
}

static void kill_it_twice(struct stage *stage)
{
	if (meddled++ < 2)
		kill(child_of(stage), SIGKILL);
}

static void children_that_die_are_followed_by_others(void **state)
{
	struct stage *stage = *state;

	meddled = 0;
	stage->recorder = rig_open(stage->folder, RIG_RUN, A_SEGMENT);
	record(stage, 1, FRAMES, 0);
	begin(stage, 0);
	turn_until_done(stage, kill_it_twice);
	assert_int_equal(stage->told, 0);
	assert_int_equal(count_segments(stage, CODING_JPEG, SEGMENT_CLOSED), 0);
	expect_all(stage, FRAMES);
}

static void a_child_that_hangs_is_killed(void **state)
{
	struct stage *stage = *state;

	meddled = 0;
	stage->recorder = rig_open(stage->folder, RIG_RUN, A_SEGMENT);
	record(stage, 1, FRAMES, 0);
	begin(stage, SOON);
	turn_until_done(stage, stop_it_once);
	assert_true(meddled > 1);
	expect_all(stage, FRAMES);
}

static void an_end_leaves_nothing_on_the_way(void **state)
{
	struct stage *stage = *state;

	stage->recorder = rig_open(stage->folder, RIG_RUN, A_SEGMENT);
	record(stage, 1, FRAMES, 0);
	uint32_t files = count_files(stage);
	begin_with(stage, 0, false);
	archive_turn(stage->archive, stage->recorder, clock_now());
	pid_t child = child_of(stage);
	int64_t deadline = clock_now() + LONG_ENOUGH;
	while (sched_getscheduler(child) != SCHED_IDLE) /* it stands back before it does anything */
		assert_true(clock_now() < deadline);
	archive_stop(stage->archive);
	assert_int_equal(archive_fd(stage->archive), -1);
	while (kill(child, 0) == 0) /* a zombie until it is waited for */
		if (waitpid(child, NULL, 0) == child)
			break;
	assert_int_equal(count_files(stage), files);
	expect_all(stage, FRAMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(old_segments_are_coded_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(they_take_far_less_space, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_index_made_anew_knows_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_frame_that_has_moved_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_coded_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(children_that_die_are_followed_by_others, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_child_that_hangs_is_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_end_leaves_nothing_on_the_way, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
