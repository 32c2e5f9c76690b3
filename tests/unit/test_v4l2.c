/* Cameras on a driver that is not there: adoption after a death at every call, what was lost and by
 * whom, faults, and which mode is taken. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/seats.h"
#include "tests/unit/capture_rig.h"
#include "tests/unit/fake_camera.h"
#include "workers/capture/capture.h"
#include "workers/capture/v4l2_controls.h"
#include "workers/capture/v4l2_modes.h"
#include "workers/media/jpeg.h"
#include "workers/processor/processor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CAMERA "source=v4l2:/dev/null\nbuffers=4\n"

/* What every process of a trial saw published, in shared memory. */
#define SEEN_MAX 128
struct trial {
	uint32_t n;
	struct {
		uint64_t seq, index, drops;
		int64_t pts;
		uint8_t luma;
	} seen[SEEN_MAX];
	bool done;
};

static struct trial *trial_create(void)
{
	struct trial *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(t != MAP_FAILED);
	memset(fake_camera(), 0, sizeof(*fake_camera()));
	return t;
}

static uint64_t sum(const uint64_t *drops)
{
	uint64_t all = 0;
	for (int i = 0; i < N_DROP_REASONS; i++)
		all += drops[i];
	return all;
}

static void note(struct trial *t, struct ledger *ledger, const struct slot_record *record)
{
	uint32_t slot = (uint32_t)(record - ledger->records), i = t->n++;
	assert_true(i < SEEN_MAX);
	t->seen[i].seq = record->seq;
	t->seen[i].index = record->source_index;
	t->seen[i].drops = sum(record->drops_total);
	t->seen[i].pts = record->pts;
	t->seen[i].luma = *ledger_image(ledger, slot);
}

/* Captures until `frames` are published; every `pass`-th turn the slots are emptied. */
static void capture_some(struct trial *t, struct ledger *ledger, uint8_t seat, uint32_t frames,
			 uint32_t pass)
{
	struct worker *w = rig_worker(ledger, &capture_table, seat, CAMERA);
	for (uint32_t turn = 1; t->n < frames; turn++) {
		const struct slot_record *record = rig_capture(ledger, w);
		if (record)
			note(t, ledger, record);
		if (turn % pass == 0)
			rig_pass(ledger);
	}
	worker_destroy(w);
	t->done = true;
}

/* The same in a process that may be killed. Returns whether it was. */
static bool capture_in_child(struct trial *t, struct ledger *ledger, uint8_t seat, uint32_t frames,
			     uint32_t pass)
{
	int status;
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct ledger own = {.fd = -1};
		if (ledger_attach(&own, ledger->fd, true) == 0)
			capture_some(t, &own, seat, frames, pass);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 9 || t->done);
	return WEXITSTATUS(status) == 9;
}

#define FRAMES 14

/* Each frame of the driver is stored once or counted once. */
static void judge(const struct trial *t, uint32_t call, bool after, bool may_drop)
{
	for (uint32_t i = 0; i < t->n; i++) {
		bool right = t->seen[i].seq == i + 1 && t->seen[i].index == i + t->seen[i].drops &&
			     t->seen[i].luma == fake_luma((uint32_t)t->seen[i].index) &&
			     (may_drop || !t->seen[i].drops);
		if (right)
			continue;
		fail_msg("killed %s call %u: frame %u is number %u, index %u after %u drops, luma "
			 "%u",
			 after ? "after" : "before", call, i + 1, (unsigned)t->seen[i].seq,
			 (unsigned)t->seen[i].index, (unsigned)t->seen[i].drops, t->seen[i].luma);
	}
}

/* One capture dies at the given call, frames come meanwhile, another goes on. Returns whether
 * there was such a call. */
static bool die_at(uint32_t call, bool after, uint32_t pass)
{
	struct trial *t = trial_create();
	struct fake_camera *camera = fake_camera();
	struct ledger *ledger = rig_create(FAKE_WIDTH, FAKE_HEIGHT, true);
	camera->kill_at = call;
	camera->kill_after = after;
	bool killed = capture_in_child(t, ledger, RIG_CAPTURE, FRAMES, pass);
	if (killed) {
		struct reclaimed what;
		seat_reclaim(ledger, RIG_CAPTURE, false, &what);
		fake_tick(camera);
		fake_tick(camera);
		camera->kill_at = 0;
		int seat = seat_assign(ledger, "capture.cam1", 2);
		assert_true(seat > 0);
		assert_false(capture_in_child(t, ledger, (uint8_t)seat, t->n + FRAMES, pass));
	}
	judge(t, call, after, pass > 1);
	rig_destroy(ledger);
	munmap(t, sizeof(*t));
	return killed;
}

static void die_at_every_call(uint32_t pass)
{
	uint32_t calls = 0;
	while (die_at(++calls, false, pass))
		assert_true(die_at(calls, true, pass));
	assert_true(calls > 2 * FRAMES);
}

static void no_frame_is_lost_by_a_death_at_any_call(void **state)
{
	(void)state;
	die_at_every_call(1);
}

static void a_frame_without_a_slot_is_counted_once_by_a_death_at_any_call(void **state)
{
	(void)state;
	die_at_every_call(9);
}

/* ---- in this process ---- */

struct rig {
	struct ledger *ledger;
	struct worker *worker;
	struct fake_camera *camera;
	struct stream_row *stream;
};

static struct rig begin(void)
{
	struct rig rig = {.camera = fake_camera()};
	memset(rig.camera, 0, sizeof(*rig.camera));
	rig.ledger = rig_create(FAKE_WIDTH, FAKE_HEIGHT, true);
	rig.stream = &rig.ledger->streams[0];
	rig.worker = rig_worker(rig.ledger, &capture_table, RIG_CAPTURE, CAMERA);
	return rig;
}

static void end(struct rig *rig)
{
	worker_destroy(rig->worker);
	rig_destroy(rig->ledger);
}

/* The next frame, however many turns it takes. */
static const struct slot_record *next(struct rig *rig)
{
	rig_pass(rig->ledger);
	return rig_capture_when_due(rig->ledger, rig->worker);
}

static void driver_and_stamps_are_kept(void **state)
{
	(void)state;
	struct rig rig = begin();
	for (uint64_t i = 0; i < 20; i++) {
		const struct slot_record *record = next(&rig);
		assert_int_equal(record->source_index, i);
		assert_int_equal(record->pts, i * 40 * NS_PER_MS);
		assert_int_equal(record->captured, (i + 1) * 40 * NS_PER_MS);
	}
	assert_int_equal(rig.camera->starts, 1);
	end(&rig);
}

static void what_the_driver_lost_is_counted_apart(void **state)
{
	(void)state;
	struct rig rig = begin();
	next(&rig);
	rig.camera->lose = 3;
	while (rig.camera->lose)
		rig_capture(rig.ledger, rig.worker);
	const struct slot_record *record = next(&rig);
	assert_int_equal(record->source_index, 4);
	assert_int_equal(record->drops_before[DROP_DEVICE], 3);
	rig.camera->damage = true;
	while (rig.camera->damage)
		rig_capture(rig.ledger, rig.worker);
	record = next(&rig);
	assert_int_equal(record->drops_total[DROP_DAMAGED], 1);
	assert_int_equal(record->source_index, record->seq + 3);
	end(&rig);
}

static void the_first_frames_that_were_lost_count(void **state)
{
	(void)state;
	struct rig rig = begin();
	rig.camera->lose = 2;
	const struct slot_record *record = next(&rig);
	assert_int_equal(record->source_index, 2);
	assert_int_equal(record->drops_before[DROP_DEVICE], 2);
	end(&rig);
}

static void numbers_may_begin_anywhere_and_wrap(void **state)
{
	(void)state;
	struct rig rig = begin();
	worker_destroy(rig.worker);
	rig.camera->start = UINT32_MAX - 5;
	rig.worker = rig_worker(rig.ledger, &capture_table, RIG_CAPTURE, CAMERA);
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(next(&rig)->source_index, i);
	assert_int_equal(atomic_load(&rig.stream->drops[DROP_DEVICE]), 0);
	end(&rig);
}

/* As vivid's thread does when it is kept from running. */
static void a_number_twice_is_the_next(void **state)
{
	(void)state;
	struct rig rig = begin();
	for (uint64_t i = 0; i < 9; i++) {
		rig.camera->sequence -= i == 3 || i == 6;
		const struct slot_record *record = next(&rig);
		assert_int_equal(record->source_index, i);
		assert_int_equal(record->captured, (i + 1) * 40 * NS_PER_MS);
	}
	assert_int_equal(atomic_load(&rig.stream->drops[DROP_DEVICE]), 0);
	assert_int_equal(rig.camera->starts, 1);
	end(&rig);
}

/* What fails is set up anew or tried again; frames are numbered on. */
static void after_failure(unsigned long request, int errnum, uint32_t starts)
{
	struct rig rig = begin();
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(next(&rig)->source_index, i);
	rig.camera->failure = (struct fake_failure){request, 1, errnum};
	for (uint64_t i = 3; i < 9; i++)
		assert_int_equal(next(&rig)->source_index, i);
	assert_int_equal(rig.camera->failure.request, 0);
	assert_int_equal(rig.camera->starts, starts);
	end(&rig);
}

static void a_fatal_error_begins_the_stream_anew(void **state)
{
	(void)state;
	after_failure(VIDIOC_DQBUF, EIO, 2);
}

static void a_buffer_that_is_refused_is_given_again(void **state)
{
	(void)state;
	after_failure(VIDIOC_QBUF, EINVAL, 1);
}

/* While it is set up for the first time. */
static void after_failure_at_start(unsigned long request)
{
	struct rig rig = begin();
	rig.camera->failure = (struct fake_failure){request, 0, EINVAL};
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(next(&rig)->source_index, i);
	assert_int_equal(rig.camera->failure.request, 0);
	end(&rig);
}

static void what_fails_at_the_start_is_tried_again(void **state)
{
	(void)state;
	after_failure_at_start(VIDIOC_STREAMON);
	after_failure_at_start(VIDIOC_REQBUFS);
	after_failure_at_start(VIDIOC_S_FMT);
}

static void a_camera_that_is_gone_ends_its_capture(void **state)
{
	(void)state;
	struct rig rig = begin();
	next(&rig);
	rig.camera->gone = true;
	assert_int_equal(worker_turn(rig.worker, NULL), TROUPE_E_NOT_FOUND);
	end(&rig);
}

static void a_camera_in_use_is_refused_at_the_start(void **state)
{
	(void)state;
	struct rig rig = begin();
	rig.camera->busy = true;
	assert_int_equal(worker_turn(rig.worker, NULL), TROUPE_E_BUSY);
	end(&rig);
}

/* ---- frames that come as JPEG ---- */

/* Takes segments of a kind out; returns the new size. */
static uint32_t without(uint8_t kind, uint8_t *jpeg, size_t size)
{
	size_t at = 2;
	while (at + 4 < size && jpeg[at + 1] != 0xda) {
		size_t length = 2 + ((size_t)jpeg[at + 2] << 8 | jpeg[at + 3]);
		if (jpeg[at + 1] == kind) {
			memmove(jpeg + at, jpeg + at + length, size - at - length);
			size -= length;
		} else {
			at += length;
		}
	}
	return (uint32_t)size;
}

static struct rig begin_with_jpeg(void)
{
	static const uint8_t grey[FAKE_I420] = {0, 99, 200, 13};
	struct fake_camera *camera = fake_camera();
	struct jpeg_encoder *encoder = jpeg_encoder_create();
	const uint8_t *jpeg;
	size_t size;
	memset(camera, 0, sizeof(*camera));
	int rc = jpeg_encode_i420(encoder, grey, FAKE_WIDTH, FAKE_HEIGHT, 80, &jpeg, &size);
	assert_int_equal(rc, 0);
	assert_true(size <= FAKE_BYTES);
	memcpy(camera->jpeg, jpeg, size);
	camera->jpeg_size = without(0xc4, camera->jpeg, size);
	assert_true(camera->jpeg_size < size);
	jpeg_encoder_destroy(encoder);
	struct rig rig = {.camera = camera};
	rig.ledger = rig_create(FAKE_WIDTH, FAKE_HEIGHT, true);
	rig.stream = &rig.ledger->streams[0];
	rig.worker = rig_worker(rig.ledger, &capture_table, RIG_CAPTURE, CAMERA);
	return rig;
}

static void a_jpeg_is_stored_as_it_came(void **state)
{
	(void)state;
	struct rig rig = begin_with_jpeg();
	const struct slot_record *record = next(&rig);
	uint32_t slot = (uint32_t)(record - rig.ledger->records), bytes = record->coded_bytes;
	assert_int_equal(record->coded_at_source, 1);
	uint8_t *coded = ledger_coded(rig.ledger, slot), copy[FAKE_BYTES];
	assert_true(bytes > rig.camera->jpeg_size && bytes <= sizeof(copy));
	memcpy(copy, coded, bytes);
	assert_int_equal(without(0xc4, copy, bytes), rig.camera->jpeg_size);
	assert_memory_equal(copy, rig.camera->jpeg, rig.camera->jpeg_size);

	struct worker *processor =
		rig_worker(rig.ledger, &processor_table, RIG_PROCESSOR, "model=none\n");
	memcpy(copy, coded, bytes);
	assert_int_equal(worker_turn(processor, NULL), 1);
	assert_int_equal(record->coded_bytes, bytes);
	assert_memory_equal(coded, copy, bytes);
	assert_int_not_equal(ledger_view(rig.ledger, slot)[100], 0);
	worker_destroy(processor);
	end(&rig);
}

static void a_jpeg_without_its_end_is_damaged(void **state)
{
	(void)state;
	struct rig rig = begin_with_jpeg();
	next(&rig);
	uint32_t whole = rig.camera->jpeg_size;
	rig.camera->jpeg_size = whole - 2;
	rig_pass(rig.ledger);
	assert_null(rig_capture(rig.ledger, rig.worker));
	assert_int_equal(atomic_load(&rig.stream->drops[DROP_DAMAGED]), 1);
	rig.camera->jpeg_size = whole;
	const struct slot_record *record = next(&rig);
	assert_int_equal(record->seq, 2);
	assert_int_equal(record->source_index, 2);
	assert_int_equal(record->drops_before[DROP_DAMAGED], 1);
	end(&rig);
}

/* ---- choosing ---- */

static const struct camera_mode webcam[] = {
	{V4L2_PIX_FMT_YUYV, 640, 480, 30, 1, false},
	{V4L2_PIX_FMT_YUYV, 1280, 720, 10, 1, false},
	{V4L2_PIX_FMT_YUYV, 1920, 1080, 5, 1, false},
	{V4L2_PIX_FMT_MJPEG, 640, 480, 30, 1, false},
	{V4L2_PIX_FMT_MJPEG, 1920, 1080, 30, 1, false},
	{V4L2_PIX_FMT_RGB24, 640, 480, 30, 1, false},
	{V4L2_PIX_FMT_SBGGR8, 3840, 2160, 60, 1, true},
};

static struct camera_mode best(struct camera_wish wish, size_t n)
{
	struct camera_modes *modes = calloc(1, sizeof(*modes));
	assert_non_null(modes);
	modes->n = n;
	memcpy(modes->mode, webcam, n * sizeof(webcam[0]));
	modes_sort(modes, &wish);
	struct camera_mode mode = modes->mode[0];
	free(modes);
	return mode;
}

static void the_largest_that_is_fast_enough_is_taken(void **state)
{
	(void)state;
	const struct {
		struct camera_wish wish;
		size_t n;
		uint32_t fourcc, width;
	} cases[] = {
		{{0}, 7, V4L2_PIX_FMT_MJPEG, 1920},
		{{0}, 3, V4L2_PIX_FMT_YUYV, 640},
		{{.width = 640, .height = 480}, 7, V4L2_PIX_FMT_YUYV, 640},
		{{.fps = 5}, 3, V4L2_PIX_FMT_YUYV, 1920},
		{{.fps = 9.9}, 3, V4L2_PIX_FMT_YUYV, 1280},
		{{.fps = 100}, 3, V4L2_PIX_FMT_YUYV, 640},
		{{.width = 1280, .height = 720}, 7, V4L2_PIX_FMT_YUYV, 1280},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct camera_mode mode = best(cases[i].wish, cases[i].n);
		if (mode.fourcc != cases[i].fourcc || mode.width != cases[i].width) {
			char text[MODE_TEXT_SIZE];
			fail_msg("case %zu: %s", i, mode_text(&mode, text));
		}
	}
}

static void probe(const char *size, const char *format, const char *controls, int expected,
		  char why[512])
{
	struct capture_config config = {.source = "v4l2:/dev/null"};
	char text[512] = "";
	snprintf(config.size, sizeof(config.size), "%s", size);
	snprintf(config.format, sizeof(config.format), "%s", format);
	snprintf(config.controls, sizeof(config.controls), "%s", controls);
	FILE *out = fmemopen(text, sizeof(text), "w");
	assert_non_null(out);
	assert_int_equal(capture_table.probe(&config, out, why, 512), expected);
	fclose(out);
	if (expected == 0)
		snprintf(why, 512, "%s", text);
}

static void probing_says_what_comes_or_what_is_valid(void **state)
{
	char why[512];
	(void)state;
	memset(fake_camera(), 0, sizeof(*fake_camera()));
	probe("", "", "brightness_fake=-5", 0, why);
	assert_string_equal(why, "width=32\nheight=24\nfps_num=25\nfps_den=1\nlive=1\nframes=0\n"
				 "labels=\ndevice=/dev/null\n");
	probe("64x48", "", "", TROUPE_E_CONFIG, why);
	assert_non_null(strstr(why, "valid: 32x24"));
	probe("", "NV12", "", TROUPE_E_CONFIG, why);
	assert_non_null(strstr(why, "valid: RGB3, YUYV"));
	probe("", "", "brightness_fake=11", TROUPE_E_CONFIG, why);
	assert_non_null(strstr(why, "valid: -10 to 10 in steps of 5"));
	probe("", "", "brightness_fake=1", TROUPE_E_CONFIG, why);
	probe("", "", "zoom=1", TROUPE_E_CONFIG, why);
	assert_non_null(strstr(why, "valid: brightness_fake"));
	probe("", "", "zoom", TROUPE_E_CONFIG, why);
	probe("", "YUYV", "", 0, why);
	assert_int_equal(fake_camera()->n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(driver_and_stamps_are_kept),
		cmocka_unit_test(what_the_driver_lost_is_counted_apart),
		cmocka_unit_test(the_first_frames_that_were_lost_count),
		cmocka_unit_test(numbers_may_begin_anywhere_and_wrap),
		cmocka_unit_test(a_number_twice_is_the_next),
		cmocka_unit_test(a_fatal_error_begins_the_stream_anew),
		cmocka_unit_test(a_buffer_that_is_refused_is_given_again),
		cmocka_unit_test(what_fails_at_the_start_is_tried_again),
		cmocka_unit_test(a_camera_that_is_gone_ends_its_capture),
		cmocka_unit_test(a_camera_in_use_is_refused_at_the_start),
		cmocka_unit_test(a_jpeg_is_stored_as_it_came),
		cmocka_unit_test(a_jpeg_without_its_end_is_damaged),
		cmocka_unit_test(the_largest_that_is_fast_enough_is_taken),
		cmocka_unit_test(probing_says_what_comes_or_what_is_valid),
		cmocka_unit_test(no_frame_is_lost_by_a_death_at_any_call),
		cmocka_unit_test(a_frame_without_a_slot_is_counted_once_by_a_death_at_any_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
