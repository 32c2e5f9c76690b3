/* The processor worker: what it makes of a frame, and what it does for tests. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/model.h"
#include "tests/unit/capture_rig.h"
#include "workers/capture/capture.h"
#include "workers/media/barcode.h"
#include "workers/media/features.h"
#include "workers/media/jpeg.h"
#include "workers/media/model_file.h"
#include "workers/media/scale.h"
#include "workers/processor/processor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH  320
#define HEIGHT 240
#define SOURCE "source=pattern:320x240@30\npace=max\n"

struct rig {
	struct ledger *ledger;
	struct worker *capture, *processor;
};

static struct rig open_rig(const char *lines)
{
	struct rig rig = {.ledger = rig_create(WIDTH, HEIGHT, false)};
	rig.capture = rig_worker(rig.ledger, &capture_table, RIG_CAPTURE, SOURCE);
	rig.processor = rig_worker(rig.ledger, &processor_table, RIG_PROCESSOR, lines);
	return rig;
}

static void close_rig(struct rig *rig)
{
	worker_destroy(rig->processor);
	worker_destroy(rig->capture);
	rig_destroy(rig->ledger);
}

/* Captures and processes one frame; returns its slot. */
static uint32_t one_frame(struct rig *rig)
{
	const struct slot_record *record = rig_capture(rig->ledger, rig->capture);
	assert_non_null(record);
	assert_true(worker_turn(rig->processor, NULL) > 0);
	return (uint32_t)(record - rig->ledger->records);
}

static int64_t number_in_jpeg(const uint8_t *jpeg, size_t size)
{
	struct jpeg_decoder *decoder = jpeg_decoder_create();
	uint8_t *luma = malloc((size_t)WIDTH * HEIGHT);
	uint32_t width, height;
	assert_int_equal(jpeg_decode_gray(decoder, jpeg, size, luma, (size_t)WIDTH * HEIGHT, &width,
					  &height),
			 0);
	int64_t number = pattern_read_number(luma, width, width, height);
	free(luma);
	jpeg_decoder_destroy(decoder);
	return number;
}

static void a_frame_gets_view_motion_and_jpeg(void **state)
{
	(void)state;
	struct rig rig = open_rig("model=none");
	struct scaler *scaler = scaler_create();
	uint8_t *view = malloc(rig.ledger->streams[0].view_size);
	for (int64_t i = 0; i < 10; i++) {
		uint32_t slot = one_frame(&rig);
		const struct slot_record *record = &rig.ledger->records[slot];
		assert_int_equal(
			number_in_jpeg(ledger_coded(rig.ledger, slot), record->coded_bytes), i);
		assert_true(record->motion == thumb_motion(record->thumb, record->thumb_before));
		assert_true(record->motion > 0);
		assert_int_equal(record->model_version, 0);
		assert_int_equal(record->prediction, 0);
		assert_int_equal(record->processor, RIG_PROCESSOR);
		assert_true(record->claimed <= record->finished && record->claimed > 0);
		assert_int_equal(scale_i420_to_rgb(scaler, ledger_image(rig.ledger, slot), WIDTH,
						   HEIGHT, view, WIDTH / 2, HEIGHT / 2),
				 0);
		assert_memory_equal(view, ledger_view(rig.ledger, slot),
				    (size_t)WIDTH / 2 * (HEIGHT / 2) * 3);
	}
	free(view);
	scaler_destroy(scaler);
	close_rig(&rig);
}

/* Whoever does a frame, in whatever order and however often: the result is the same. */
static void the_result_depends_on_the_frame_only(void **state)
{
	(void)state;
	struct rig a = open_rig("model=none"), b = open_rig("model=none");
	for (int i = 0; i < 20; i++) {
		uint32_t slot_a = one_frame(&a), slot_b = one_frame(&b);
		const struct slot_record *record_a = &a.ledger->records[slot_a];
		const struct slot_record *record_b = &b.ledger->records[slot_b];
		assert_int_equal(record_a->coded_bytes, record_b->coded_bytes);
		assert_memory_equal(ledger_coded(a.ledger, slot_a), ledger_coded(b.ledger, slot_b),
				    record_a->coded_bytes);
		assert_true(record_a->motion == record_b->motion);
		if (i % 7 == 3) { /* another processor takes over */
			worker_destroy(b.processor);
			b.processor =
				rig_worker(b.ledger, &processor_table, RIG_PROCESSOR, "model=none");
		}
	}
	close_rig(&a);
	close_rig(&b);
}

static void what_a_dead_one_left_is_done_again(void **state)
{
	(void)state;
	struct rig rig = open_rig("model=none");
	uint32_t slot, again;
	assert_non_null(rig_capture(rig.ledger, rig.capture));
	assert_int_equal(ledger_claim(rig.ledger, RIG_PROCESSOR, &slot), 0);
	memset(ledger_coded(rig.ledger, slot), 0x55, 1000);
	rig.ledger->records[slot].coded_bytes = 1000;
	assert_int_equal(ledger_hand_back(rig.ledger, slot, RIG_PROCESSOR), 0);
	assert_true(worker_turn(rig.processor, NULL) > 0);
	ledger_last_seq(rig.ledger, 0, &again);
	assert_int_equal(again, slot);
	assert_int_equal(number_in_jpeg(ledger_coded(rig.ledger, slot),
					rig.ledger->records[slot].coded_bytes),
			 0);
	close_rig(&rig);
}

static void a_picture_too_large_is_coded_smaller(void **state)
{
	(void)state;
	struct rig rig = open_rig("model=none");
	struct stream_row *stream = &rig.ledger->streams[0];
	uint32_t full = rig.ledger->records[one_frame(&rig)].coded_bytes,
		 capacity = stream->coded_size;
	stream->coded_size = full / 2;
	uint32_t slot = one_frame(&rig);
	uint32_t bytes = rig.ledger->records[slot].coded_bytes;
	assert_in_range(bytes, 1, full / 2);
	assert_int_equal(number_in_jpeg(ledger_coded(rig.ledger, slot), bytes), 1);
	stream->coded_size = 10; /* nothing fits: the storer will encode it */
	assert_int_equal(rig.ledger->records[one_frame(&rig)].coded_bytes, 0);
	stream->coded_size = capacity;
	assert_true(rig.ledger->records[one_frame(&rig)].coded_bytes > full / 2);
	close_rig(&rig);
}

/* ---- models ---- */

/* A model that always says `name`, by the bias alone. */
static void make_model(struct model_file *file, const char *name)
{
	memset(file, 0, sizeof(*file));
	file->version = 7;
	file->classes = 2;
	strcpy(file->name[0], "circle");
	strcpy(file->name[1], "cross");
	file->weight[strcmp(name, "cross") == 0][FEATURE_BIAS_AT] = 20;
}

static void a_pinned_model_predicts(void **state)
{
	(void)state;
	char path[] = "/tmp/troupe-model-XXXXXX", lines[64];
	struct model_file file;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	make_model(&file, "cross");
	assert_int_equal(model_file_save(path, &file), 0);
	snprintf(lines, sizeof(lines), "model=%s", path);
	struct rig rig = open_rig(lines);
	const struct slot_record *record = &rig.ledger->records[one_frame(&rig)];
	assert_int_equal(record->prediction, 4);
	assert_int_equal(record->model_version, 7);
	assert_true(record->probability > 0.9F && record->probability <= 1);
	/* A pipeline that does not know the names has no prediction; one that learns them has. */
	atomic_store(&rig.ledger->header->n_labels, 1);
	assert_int_equal(rig.ledger->records[one_frame(&rig)].prediction, 0);
	atomic_store(&rig.ledger->header->n_labels, 5);
	assert_int_equal(rig.ledger->records[one_frame(&rig)].prediction, 4);
	close_rig(&rig);
	unlink(path);
}

static void the_live_model_is_picked_up(void **state)
{
	(void)state;
	struct rig rig = open_rig("model=live");
	struct model_file file;
	struct model_bank *bank = malloc(sizeof(*bank));
	static const char *const names[] = {"cross", "circle", "cross"};
	static const int32_t labels[] = {4, 1, 4};
	assert_int_equal(rig.ledger->records[one_frame(&rig)].model_version, 0);
	for (uint64_t i = 0; i < 3; i++) {
		make_model(&file, names[i]);
		assert_int_equal(model_file_to_bank(&file, rig.ledger->header, bank), 2);
		assert_int_equal(model_publish(rig.ledger, bank), 0);
		const struct slot_record *record = &rig.ledger->records[one_frame(&rig)];
		assert_int_equal(record->model_version, i + 1);
		assert_int_equal(record->prediction, labels[i]);
	}
	free(bank);
	close_rig(&rig);
}

/* ---- config, and the rows for tests ---- */

static void bad_config_is_refused(void **state)
{
	static const struct {
		const char *lines;
		int code;
	} bad[] = {
		{"hold=3s", TROUPE_E_CONFIG},	      {"hold=0:3s", TROUPE_E_CONFIG},
		{"hold=5:", TROUPE_E_CONFIG},	      {"hold=5:soon", TROUPE_E_CONFIG},
		{"crash_on=-1", TROUPE_E_CONFIG},     {"model=/nowhere/model", TROUPE_E_NOT_FOUND},
		{"model=/dev/null", TROUPE_E_CONFIG},
	};
	(void)state;
	struct ledger *ledger = rig_create(WIDTH, HEIGHT, false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct worker *w;
		char why[512];
		assert_int_equal(worker_create(&w, &processor_table, ledger, RIG_PROCESSOR, 0,
					       bad[i].lines, why, sizeof(why)),
				 bad[i].code);
	}
	rig_destroy(ledger);
}

static void hold_keeps_one_frame(void **state)
{
	(void)state;
	struct rig rig = open_rig("model=none\nhold=2:60ms");
	struct seat_row *row = &rig.ledger->seats[RIG_PROCESSOR];
	one_frame(&rig);
	uint64_t progress = atomic_load(&row->progress);
	const struct slot_record *record = &rig.ledger->records[one_frame(&rig)];
	assert_int_equal(record->seq, 2);
	assert_true(record->finished - record->claimed >= 60 * NS_PER_MS);
	assert_true(atomic_load(&row->progress) > progress + 2); /* alive meanwhile */
	close_rig(&rig);
}

static void crash_on_aborts(void **state)
{
	(void)state;
	/* The child makes everything its own: a ledger's mapping is not inherited. */
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		struct rig child = open_rig("model=none\ncrash_on=2");
		one_frame(&child);
		one_frame(&child);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_gets_view_motion_and_jpeg),
		cmocka_unit_test(the_result_depends_on_the_frame_only),
		cmocka_unit_test(what_a_dead_one_left_is_done_again),
		cmocka_unit_test(a_picture_too_large_is_coded_smaller),
		cmocka_unit_test(a_pinned_model_predicts),
		cmocka_unit_test(the_live_model_is_picked_up),
		cmocka_unit_test(bad_config_is_refused),
		cmocka_unit_test(hold_keeps_one_frame),
		cmocka_unit_test(crash_on_aborts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
