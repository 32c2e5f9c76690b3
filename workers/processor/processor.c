/* One frame: scale, compare, predict, encode. */
#include "workers/processor/processor.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/model.h"
#include "workers/media/jpeg.h"
#include "workers/media/model_file.h"
#include "workers/media/predict.h"
#include "workers/media/scale.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

const struct row processor_rows[PROCESSOR_ROWS] = {
	{.name = "model",
	 .type = ROW_TEXT,
	 ROW_AT(struct processor_config, model),
	 .fallback = "live",
	 .help = "What predicts: live (the trainer's newest model), none, or the path of a "
		 "checkpoint."},
	{.name = "hold",
	 .type = ROW_TEXT,
	 ROW_AT(struct processor_config, hold),
	 .fallback = "",
	 .help = "For tests: SEQ:DURATION keeps the frame of that number so long, e.g. 5:3s."},
	{.name = "crash_on",
	 .type = ROW_INT,
	 ROW_AT(struct processor_config, crash_on),
	 .fallback = "0",
	 .help = "For tests: abort when given the frame of that number; 0: never."},
	{.name = "ballast",
	 .type = ROW_SIZE,
	 ROW_AT(struct processor_config, ballast),
	 .fallback = "0",
	 .help = "For tests: grow by so much memory, e.g. 500MB, a little with each frame."},
};

enum model_source { MODEL_NONE, MODEL_LIVE, MODEL_PINNED };

struct processor {
	struct jpeg_encoder *jpeg;
	struct jpeg_decoder *decoder; /* of frames that come as JPEG; made for the first */
	struct scaler *scaler;
	struct predictor *predictor;
	enum model_source from;
	struct model_file *pinned;
	uint32_t labels_known;	 /* names the pipeline had when the pinned model was translated */
	struct model_bank *bank; /* the model in force; version 0: none yet */
	struct model_bank *next; /* where the next one is copied to */
	bool refused;		 /* the model in force cannot be used; said once */
	uint64_t hold_seq;
	int64_t hold_time;
	uint64_t crash_seq;
	uint8_t *ballast; /* mapped, or NULL */
	size_t ballast_size, ballast_used;
};

/* For tests: a large worker. It is as quick to start as a small one and grows with its frames. */
#define BALLAST_STEP (4U << 20)

void processor_close(struct worker *w, void *self)
{
	(void)w;
	struct processor *p = self;
	jpeg_encoder_destroy(p->jpeg);
	jpeg_decoder_destroy(p->decoder);
	scaler_destroy(p->scaler);
	predictor_destroy(p->predictor);
	if (p->ballast)
		munmap(p->ballast, p->ballast_size);
	free(p->pinned);
	free(p->bank);
	free(p->next);
	free(p);
}

/* "SEQ:DURATION"; the duration is checked as any row of that type. */
static int parse_hold(struct processor *p, const char *text)
{
	if (!*text)
		return 0;
	static const struct row duration = {
		.name = "hold", .type = ROW_DURATION, .size = sizeof(int64_t), .fallback = "0"};
	char why[256], *colon;
	errno = 0;
	p->hold_seq = strtoull(text, &colon, 10);
	if (errno || colon == text || *colon != ':' || p->hold_seq == 0) {
		log_error("processor: hold = \"%s\" is not SEQ:DURATION like 5:3s", text);
		return TROUPE_E_CONFIG;
	}
	int rc = row_set(&duration, &p->hold_time, colon + 1, why, sizeof(why));
	if (rc < 0)
		log_error("processor: %s", why);
	return rc;
}

static int open_ballast(struct processor *p, size_t size)
{
	if (size == 0)
		return 0;
	p->ballast_size = size;
	p->ballast = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->ballast == MAP_FAILED) {
		p->ballast = NULL;
		return TROUPE_E_MEMORY;
	}
	/* Huge pages would be gone too soon for what is tested with it. */
	madvise(p->ballast, size, MADV_NOHUGEPAGE);
	return 0;
}

static int open_model(struct processor *p, const char *model)
{
	if (strcmp(model, "none") == 0)
		return 0;
	p->bank = calloc(1, sizeof(*p->bank));
	p->next = calloc(1, sizeof(*p->next));
	if (!p->bank || !p->next)
		return TROUPE_E_MEMORY;
	p->from = MODEL_LIVE;
	if (strcmp(model, "live") == 0)
		return 0;
	p->from = MODEL_PINNED;
	p->pinned = malloc(sizeof(*p->pinned));
	if (!p->pinned)
		return TROUPE_E_MEMORY;
	int rc = model_file_load(model, p->pinned);
	if (rc >= 0)
		return 0;
	log_error("processor: cannot use model %s: %s (valid: live, none, or a checkpoint's path)",
		  model, rc == TROUPE_E_MALFORMED ? "it is no model file" : error_text(rc));
	/* What is wrong with the file itself, starting again will not mend. */
	bool around = rc == TROUPE_E_NOT_FOUND || rc == TROUPE_E_DENIED || rc == TROUPE_E_IO ||
		      rc == TROUPE_E_MEMORY;
	return around ? rc : TROUPE_E_CONFIG;
}

int processor_open(struct worker *w, void **self)
{
	const struct processor_config *config = worker_config(w);
	struct processor *p = calloc(1, sizeof(*p));
	if (!p)
		return TROUPE_E_MEMORY;
	p->crash_seq = (uint64_t)config->crash_on;
	p->jpeg = jpeg_encoder_create();
	p->scaler = scaler_create();
	int rc = p->jpeg && p->scaler ? predictor_create(&p->predictor) : TROUPE_E_MEMORY;
	rc = rc < 0 ? rc : parse_hold(p, config->hold);
	rc = rc < 0 ? rc : open_ballast(p, (size_t)config->ballast);
	rc = rc < 0 ? rc : open_model(p, config->model);
	if (rc < 0) {
		processor_close(w, p);
		return rc;
	}
	*self = p;
	return 0;
}

/* Labels of a pinned model are names; the pipeline may learn a name after the processor began. */
static void refresh_pinned(struct processor *p, const struct ledger *ledger)
{
	uint32_t known = atomic_load(&ledger->header->n_labels);
	if (p->bank->version && known == p->labels_known)
		return;
	model_file_to_bank(p->pinned, ledger->header, p->bank);
	p->labels_known = known;
}

static void refresh_live(struct processor *p, const struct ledger *ledger)
{
	if (model_current(ledger) == p->bank->version ||
	    model_read(ledger, p->bank->version, p->next) < 0)
		return;
	struct model_bank *old = p->bank;
	p->bank = p->next;
	p->next = old;
	p->refused = false;
}

static void predict_frame(struct worker *w, struct processor *p, struct frame *frame)
{
	struct slot_record *record = frame->record;
	record->model_version = 0;
	record->prediction = 0;
	record->probability = 0;
	if (p->from == MODEL_NONE)
		return;
	if (p->from == MODEL_PINNED)
		refresh_pinned(p, worker_ledger(w));
	else
		refresh_live(p, worker_ledger(w));
	if (p->bank->version == 0)
		return;
	int rc = predict(p->predictor, p->bank, frame->view, frame->stream->view_width,
			 frame->stream->view_height, &record->prediction, &record->probability);
	if (rc == 0) {
		record->model_version = p->bank->version;
	} else if (!p->refused) {
		log_warn("processor: model %" PRIu64 " cannot be used: %s", p->bank->version,
			 error_text(rc));
		p->refused = true;
	}
}

/* A picture too busy for its area is coded again at half the quality, down to 1. The areas are made
 * so that this is rare; a frame that is too large even so leaves coded_bytes 0, and the storer
 * encodes it. */
static int encode(struct processor *p, struct frame *frame)
{
	const struct stream_row *stream = frame->stream;
	for (uint32_t quality = stream_quality(stream); quality > 0; quality /= 2) {
		const uint8_t *data;
		size_t size;
		int rc = jpeg_encode_i420(p->jpeg, frame->image, stream->width, stream->height,
					  quality, &data, &size);
		if (rc < 0)
			return rc;
		if (size > stream->coded_size)
			continue;
		memcpy(frame->coded, data, size);
		frame->record->coded_bytes = (uint32_t)size;
		return 0;
	}
	frame->record->coded_bytes = 0;
	return 0;
}

/* For tests: keeps the frame, and is seen to be alive meanwhile. */
static void hold(struct worker *w, const struct processor *p)
{
	static const struct timespec step = {.tv_nsec = 10 * NS_PER_MS};
	for (int64_t end = clock_now() + p->hold_time; clock_now() < end;) {
		worker_progress(w);
		nanosleep(&step, NULL);
	}
}

static void grow(struct processor *p)
{
	size_t step = p->ballast_size - p->ballast_used;
	if (step > BALLAST_STEP)
		step = BALLAST_STEP;
	memset(p->ballast + p->ballast_used, 1, step);
	p->ballast_used += step;
}

/* The view of a frame that came as JPEG: decoded no larger than is of use, and coded no more. One
 * that cannot be decoded is stored as it came; its view is black. */
static int make_view_of_coded(struct processor *p, struct frame *frame)
{
	const struct stream_row *stream = frame->stream;
	struct jpeg_picture picture;
	if (!p->decoder)
		p->decoder = jpeg_decoder_create();
	if (!p->decoder)
		return TROUPE_E_MEMORY;
	int rc = jpeg_decode_reduced(p->decoder, frame->coded, frame->record->coded_bytes,
				     JPEG_BGRA, stream->view_width, stream->view_height, &picture);
	if (rc == 0)
		return scale_bgra_to_rgb(p->scaler, picture.pixels, picture.width, picture.height,
					 frame->view, stream->view_width, stream->view_height);
	memset(frame->view, 0, stream->view_size);
	return rc == TROUPE_E_CORRUPT ? 0 : rc;
}

static int make_view(struct processor *p, struct frame *frame)
{
	const struct stream_row *stream = frame->stream;
	if (frame->record->coded_at_source == CODED_PICTURE)
		return make_view_of_coded(p, frame);
	return scale_i420_to_rgb(p->scaler, frame->image, stream->width, stream->height,
				 frame->view, stream->view_width, stream->view_height);
}

int processor_frame(struct worker *w, void *self, struct frame *frame)
{
	struct processor *p = self;
	struct slot_record *record = frame->record;
	if (p->crash_seq && frame->seq == p->crash_seq)
		abort();
	if (p->hold_seq && frame->seq == p->hold_seq)
		hold(w, p);
	if (p->ballast)
		grow(p);
	int rc = make_view(p, frame);
	if (rc < 0)
		return rc;
	record->motion = thumb_motion(record->thumb, record->thumb_before);
	predict_frame(w, p, frame);
	FAIL_POINT(VIEW_DONE);
	return record->coded_at_source == CODED_NOT ? encode(p, frame) : 0;
}

void processor_dump(struct worker *w, void *self, FILE *out)
{
	(void)w;
	const struct processor *p = self;
	static const char *const names[] = {
		[MODEL_NONE] = "none", [MODEL_LIVE] = "live", [MODEL_PINNED] = "pinned"};
	fprintf(out, "model: %s, version %" PRIu64 "%s\n", names[p->from],
		p->bank ? p->bank->version : 0, p->refused ? " (refused)" : "");
}

static const struct need needs[] = {
	{NEED_READ, "model"},
};

const struct worker_table processor_table = {
	.name = "processor",
	.version = TROUPE_VERSION,
	.summary = "scales, compares, predicts and encodes captured frames",
	.takes = WORKER_TAKES_QUEUE,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {processor_rows, PROCESSOR_ROWS, sizeof(struct processor_config)},
	.open = processor_open,
	.frame = processor_frame,
	.close = processor_close,
	.dump = processor_dump,
};
