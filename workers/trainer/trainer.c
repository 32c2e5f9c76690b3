/* The trainer's table and callbacks: samples come in by `frame`, everything else happens in `tick`,
 * in slices short enough that a request or a drain never waits for training. */
#include "workers/trainer/trainer.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/slots/model.h"
#include "workers/media/features.h"
#include "workers/media/model_file.h"
#include "workers/trainer/checkpoint.h"
#include "workers/trainer/learner.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#define SLICE	   (20 * NS_PER_MS) /* training at a time, and the pause after it while more is owed */
#define PASSES_MAX 64 /* training that may be owed, in passes: after that samples are free */

struct trainer {
	const struct trainer_config *config;
	const struct trainer_method *method;
	struct learner *learner;
	struct checkpoint checkpoint;
	int64_t steps_owed;	/* by the samples that came in */
	uint32_t steps_of_pass; /* until the features are measured anew */
	bool unpublished, unsaved;
	int64_t publish_due, save_due, train_due;
	int64_t saved;		/* when, 0: never */
	uint64_t version;	/* published last */
	uint64_t torn, unnamed; /* frames: gone while being looked at; with a label nobody named */
};

#define ROW(name_) .name = #name_, ROW_AT(struct trainer_config, name_)

const struct row trainer_rows[TRAINER_ROWS] = {
	{ROW(learning_rate), .type = ROW_REAL, .min = 1e-6, .max = 10, .fallback = "0.02",
	 .help = "How far one step goes, in features scaled to a spread of 1."},
	{ROW(momentum), .type = ROW_REAL, .min = 0, .max = 0.999, .fallback = "0.9",
	 .help = "Share of a step that is kept for the next one."},
	{ROW(l2), .type = ROW_REAL, .min = 0, .max = 10, .fallback = "0.002",
	 .help = "Pull of the weights to 0, against learning by heart."},
	{ROW(batch), .type = ROW_INT, .min = 1, .max = 512, .fallback = "64",
	 .help = "Samples a step."},
	{ROW(samples_per_class), .type = ROW_INT, .min = 1, .max = 65536, .fallback = "256",
	 .help = "Samples kept of each label; when full, a random one gives way to each new one."},
	{ROW(passes), .type = ROW_INT, .min = 1, .max = 64, .fallback = "2",
	 .help = "Passes over the samples that each new sample is worth."},
	{ROW(seed), .type = ROW_INT, .min = 0, .max = 9e15, .fallback = "1",
	 .help = "Another seed, another random choice of samples."},
	{ROW(publish_every), .type = ROW_DURATION, .min = 1e6, .max = 3600e9, .fallback = "1s",
	 .help = "Publish a better model at most this often."},
	{ROW(checkpoint_every), .type = ROW_DURATION, .min = 1e8, .max = 86400e9, .fallback = "10s",
	 .help = "Save the model at most this often."},
	{ROW(fresh), .type = ROW_BOOL, .fallback = "no",
	 .help = "Ignore the model saved by an earlier run."},
};

int trainer_open_as(struct worker *w, void **self, const struct trainer_method *method)
{
	const struct trainer_config *config = worker_config(w);
	struct trainer *t = calloc(1, sizeof(*t));
	if (!t)
		return TROUPE_E_MEMORY;
	t->config = config;
	t->method = method;
	struct learner_options options = {
		.learning_rate = config->learning_rate,
		.momentum = config->momentum,
		.l2 = config->l2,
		.batch = (uint32_t)config->batch,
		.samples_per_class = (uint32_t)config->samples_per_class,
		.seed = (uint64_t)config->seed,
	};
	int rc = checkpoint_init(&t->checkpoint, worker_state_folder(w), method->checkpoint);
	if (rc == 0)
		rc = learner_create(&t->learner, &options);
	if (rc < 0) {
		free(t);
		return rc;
	}
	*self = t;
	return 0;
}

/* Puts the model on the board. One class alone is not published: there is nothing to tell it from,
 * and every frame would be it for certain. */
static void publish(struct trainer *t, struct ledger *ledger)
{
	struct model_file file;
	struct model_bank bank;
	t->unpublished = false;
	learner_export(t->learner, &file);
	if (model_file_to_bank(&file, ledger->header, &bank) < 2)
		return;
	int rc = model_publish(ledger, &bank);
	if (rc < 0)
		log_warn("model not published: %s", error_text(rc));
	t->version = model_current(ledger);
}

static void save(struct trainer *t, struct worker *w)
{
	struct model_file file;
	learner_export(t->learner, &file);
	file.version = model_current(worker_ledger(w));
	bool failed_before = t->checkpoint.failing;
	if (checkpoint_save(&t->checkpoint, &file) == 0) {
		t->unsaved = false;
		t->saved = clock_now();
	} else if (!failed_before) {
		worker_report(w, "the model cannot be saved");
	}
}

/* What is known already: the model saved last, and on top of it the one on the board, which is
 * newer if a predecessor of this run put it there, and perhaps another kind of trainer. */
int trainer_ready(struct worker *w, void *self)
{
	struct trainer *t = self;
	struct ledger *ledger = worker_ledger(w);
	struct model_file file;
	struct model_bank bank;
	bool loaded = !t->config->fresh && checkpoint_load(&t->checkpoint, &file) == 0;
	if (loaded) {
		int rc = learner_import(t->learner, &file);
		if (rc < 0)
			return rc;
		log_info("goes on from %s with %" PRIu32 " labels", t->checkpoint.path,
			 file.classes);
	}
	t->version = model_current(ledger);
	if (t->version == 0 || (loaded && !t->method->from_any))
		publish(t, ledger);
	else if (t->method->from_any && model_read(ledger, 0, &bank) == 0 &&
		 model_file_from_bank(&bank, ledger->header, &file) > 0)
		return learner_import(t->learner, &file);
	return 0;
}

static void owe_training(struct trainer *t)
{
	int64_t pass = learner_pass_steps(t->learner);
	t->steps_owed += pass * t->config->passes;
	if (t->steps_owed > pass * PASSES_MAX)
		t->steps_owed = pass * PASSES_MAX;
}

int trainer_frame(struct worker *w, void *self, struct frame *frame)
{
	struct trainer *t = self;
	if (frame->bypassed)
		return 0;
	int32_t label = frame->record->label;
	if (label == 0)
		return 0;
	/* No frame is owned here: the pixels may change while they are looked at, which costs
	 * nothing but this sample. Nothing is believed before worker_still(). */
	float features[FEATURES_COUNT];
	char name[NAME_SIZE];
	features_of_view(frame->view, frame->stream->view_width, frame->stream->view_height,
			 features);
	if (!worker_still(w, frame)) {
		t->torn++;
		return 0;
	}
	if (label_name(worker_ledger(w)->header, label, name) < 0) {
		t->unnamed++;
		return 0;
	}
	int class = learner_class(t->learner, name);
	if (class < 0)
		return class == TROUPE_E_FULL ? 0 : class;
	learner_add(t->learner, (uint32_t) class, features);
	owe_training(t);
	return 0;
}

/* Trains for one slice at most; returns when it was over. */
static int64_t train_steps(struct trainer *t, int64_t now)
{
	int64_t end = now;
	while (t->steps_owed > 0 && end - now < SLICE) {
		if (t->steps_of_pass == 0) {
			learner_measure(t->learner);
			t->steps_of_pass = learner_pass_steps(t->learner);
		}
		learner_step(t->learner);
		t->steps_of_pass--;
		t->steps_owed--;
		end = clock_now();
	}
	return end;
}

static void train(struct trainer *t, struct worker *w, int64_t now)
{
	if (learner_trainable(t->learner) < 2)
		t->steps_owed = 0;
	if (t->steps_owed == 0 || now < t->train_due)
		return;
	if (t->method->fit) {
		/* Whatever came in is learned at once: no more often than it is published. */
		t->method->fit(t->learner);
		t->steps_owed = 0;
		t->train_due = now + t->config->publish_every;
	} else {
		t->train_due = train_steps(t, now) + SLICE;
	}
	t->unpublished = true;
	t->unsaved = true;
	worker_progress(w);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t trainer_tick(struct worker *w, void *self, int64_t now)
{
	struct trainer *t = self;
	train(t, w, now);
	if (t->unpublished && now >= t->publish_due) {
		publish(t, worker_ledger(w));
		t->publish_due = now + t->config->publish_every;
	}
	if (t->save_due == 0)
		t->save_due = now + t->config->checkpoint_every;
	if (t->unsaved && now >= t->save_due) {
		save(t, w);
		t->save_due = now + t->config->checkpoint_every;
	}
	int64_t due = CLOCK_NEVER;
	if (t->steps_owed > 0)
		due = t->train_due;
	if (t->unpublished)
		due = earlier(due, t->publish_due);
	if (t->unsaved)
		due = earlier(due, t->save_due);
	return due;
}

int trainer_drain(struct worker *w, void *self)
{
	struct trainer *t = self;
	if (t->unpublished)
		publish(t, worker_ledger(w));
	if (t->unsaved)
		save(t, w);
	return 0;
}

void trainer_close(struct worker *w, void *self)
{
	struct trainer *t = self;
	if (t->unsaved)
		save(t, w);
	learner_destroy(t->learner);
	free(t);
}

static void dump_checkpoint(const struct trainer *t, FILE *out)
{
	const char *failing = t->checkpoint.failing ? ", saving fails" : "";
	double ago = (double)(clock_now() - t->saved) / NS_PER_S;
	if (t->saved) {
		fprintf(out, "checkpoint: %s, %.0f s ago%s\n", t->checkpoint.path, ago, failing);
		return;
	}
	fprintf(out, "checkpoint: none saved yet%s\n", failing);
}

void trainer_dump(struct worker *w, void *self, FILE *out)
{
	struct trainer *t = self;
	(void)w;
	for (uint32_t c = 0; c < learner_classes(t->learner); c++) {
		struct learner_class_info info = learner_class_info(t->learner, c);
		fprintf(out,
			"label %s: %" PRIu64 " samples seen, %" PRIu32 " kept, %" PRIu32
			" held out\n",
			info.name, info.seen, info.kept, info.held_out);
	}
	struct learner_score score = learner_judge(t->learner);
	fprintf(out, "accuracy: %.1f %% of %" PRIu32 " held-out samples, loss %.3f\n",
		score.accuracy * 100, score.samples, score.loss);
	fprintf(out, "learns by: %s\n", t->method->name);
	if (!t->method->fit)
		fprintf(out, "training: %" PRIu64 " steps, loss %.3f\n", learner_steps(t->learner),
			learner_loss(t->learner));
	fprintf(out, "model: version %" PRIu64 "%s\n", t->version,
		t->unpublished ? ", a newer one is about to be published" : "");
	dump_checkpoint(t, out);
	fprintf(out,
		"passed over: %" PRIu64 " frames gone too early, %" PRIu64
		" with an unnamed label\n",
		t->torn, t->unnamed);
}

static int trainer_open(struct worker *w, void **self)
{
	static const struct trainer_method method = {
		.name = "softmax", .checkpoint = "model.bin", .from_any = true};
	return trainer_open_as(w, self, &method);
}

static const struct need needs[] = {
	{NEED_STATE, "trainer"},
};

const struct worker_table trainer_table = {
	.name = "trainer",
	.version = TROUPE_VERSION,
	.summary = "learns from labelled frames and publishes models",
	.takes = WORKER_TAKES_EACH,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {trainer_rows, TRAINER_ROWS, sizeof(struct trainer_config)},
	.open = trainer_open,
	.ready = trainer_ready,
	.frame = trainer_frame,
	.tick = trainer_tick,
	.drain = trainer_drain,
	.close = trainer_close,
	.dump = trainer_dump,
};
