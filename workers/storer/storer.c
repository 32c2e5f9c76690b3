/* The storer's table and callbacks: between the slots and the recorder. It takes the frames of each
 * stream in order, commits on time, bytes, or free slots running low, and settles what was
 * committed, never anything else. When the disk refuses, it says so once and tries again each
 * second; the slots keep the frames. The same when a successor cannot even open the recording: it
 * plays on without one and tries again, for only before the first frame of a run an error can be
 * left to the person who started it. */
#include "workers/storer/storer.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/media/jpeg.h"
#include "workers/storer/archivist.h"
#include "workers/storer/chain.h"
#include "workers/storer/describe.h"
#include "workers/storer/keeper.h"
#include "workers/storer/playback.h"
#include "workers/storer/quarantine.h"
#include "workers/storer/recorder.h"
#include "workers/storer/recorder_dump.h"
#include "workers/storer/reserve.h"
#include "workers/storer/settings.h"
#include "workers/storer/told.h"
#include "workers/storer/trouble.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_WAIT      (NS_PER_S / 2)
#define LASTING_EVERY  (5 * NS_PER_S)
#define LOW_PERCENT    25
#define DRAIN_PATIENCE (10 * NS_PER_S)

struct storer {
	struct recorder *recorder;
	struct jpeg_encoder *encoder;
	struct archivist *archivist; /* NULL: there is no archive */
	struct event_notes notes;    /* what the supervisor told */
	struct keeper *keeper;	     /* of the recorder */
	struct playback *playback;   /* for those who ask what was recorded */
	uint32_t tap;
	int streams[STREAMS_MAX];    /* number of the stream in the recorder */
	uint64_t floor[STREAMS_MAX]; /* settled when we started: never offered again */
	uint64_t taken[STREAMS_MAX]; /* the highest number the recorder took */
	uint32_t open_rows;	     /* bit per stream: the frame taken last needs later ones */
	uint64_t not_kept;	     /* number of the frame of which that was said last */
	int64_t since;		     /* when the first pending frame was taken */
	struct trouble trouble;	     /* with the disk */
	int64_t drain_since;	     /* 0: not draining */
	uint64_t drain_to[STREAMS_MAX];
};

/* Frames that are owed wait for us; an error of the disk, however long it lasts, must not make us
 * go. Another process that has the recording, or a recording of another version, is none. */
static bool can_be_waited_for(const struct worker *w, int why)
{
	const struct ledger *ledger = worker_ledger(w);
	bool disk = why == TROUPE_E_NO_SPACE || why == TROUPE_E_IO || why == TROUPE_E_DENIED ||
		    why == TROUPE_E_NOT_FOUND || why == TROUPE_E_SYSTEM;

	for (uint32_t i = 0; disk && i < ledger->header->n_streams; i++) {
		uint32_t slot;

		ledger_last_seq(ledger, i, &slot);
		if (slot != SLOT_NONE)
			return true;
	}
	return false;
}

/* ---- beginning ---- */

static int storer_open(struct worker *w, void **self)
{
	const struct storer_config *config = worker_config(w);
	struct storer *storer = calloc(1, sizeof(*storer));
	struct folder folder;
	char why[512];
	int rc = TROUPE_E_MEMORY;

	if (storer == NULL)
		return rc;
	storer->encoder = jpeg_encoder_create();
	if (storer->encoder != NULL) {
		/* A folder that cannot be written is said at once, long before the lock is taken.
		 */
		rc = folder_open(&folder, config->folder, false, why, sizeof(why));
		if (rc == 0)
			folder_close(&folder);
		else if (can_be_waited_for(w, rc))
			rc = 0; /* `ready` will find the same */
		else
			log_error("%s", why);
	}
	if (rc == 0)
		rc = archivist_create(&storer->archivist, w);
	if (rc < 0) {
		jpeg_encoder_destroy(storer->encoder);
		free(storer);
		return rc;
	}
	*self = storer;
	return 0;
}

static void still_alive(void *arg)
{
	worker_progress(arg);
}

static uint32_t own_tap(const struct worker *w)
{
	const struct ledger *ledger = worker_ledger(w);

	for (uint32_t tap = 0; tap < ledger->header->n_taps; tap++)
		if (atomic_load(&ledger->taps[tap].owner) == worker_seat(w))
			return tap;
	return 0;
}

/* The stream row says what the recording holds; absolute numbers, so that a death between two of
 * them is mended by the next start. */
static void publish_tally(struct worker *w, uint32_t stream, const struct index_tally *tally)
{
	struct stream_row *row = &worker_ledger(w)->streams[stream];

	atomic_store(&row->stored, tally->frames);
	atomic_store(&row->stored_bypassed, tally->bypassed);
	atomic_store(&row->stored_quarantined, tally->quarantined);
}

/* Goes on behind what this run's recording has of the stream. What an earlier storer of this run
 * had settled can never be offered again, even if its segment has been taken away since. */
static int start_stream(struct worker *w, struct storer *storer, uint32_t stream)
{
	const struct stream_row *row = &worker_ledger(w)->streams[stream];
	uint64_t settled = atomic_load(&row->settled);
	struct index_tally tally;
	int number = recorder_add_stream(storer->recorder, row->name, row->width, row->height,
					 row->fps_num, row->fps_den);

	if (number < 0)
		return number;
	storer->streams[stream] = number;
	recorder_tally(storer->recorder, number, &tally);
	if (settled > tally.last) {
		log_warn("%s: the recording ends with frame %" PRIu64 ", but frames up to %" PRIu64
			 " were in it: somebody took them away",
			 row->name, tally.last, settled);
	} else {
		settled = tally.last;
	}
	publish_tally(w, stream, &tally);
	storer->floor[stream] = storer->taken[stream] = settled;
	worker_tap_start(w, stream, settled);
	return 0;
}

static int open_recorder(struct worker *w, struct storer *storer, char *why, size_t why_size)
{
	const struct storer_config *config = worker_config(w);
	const struct recorder_options options = {
		.folder = config->folder,
		.pipeline = worker_pipeline(w),
		.run = worker_ledger(w)->header->run,
		.segment_bytes = config->segment_bytes,
		.segment_ns = config->segment_seconds,
		.lock_wait = config->lock_wait,
		.events = config->events,
		.notes = &storer->notes,
		.waiting = still_alive,
		.arg = w,
	};

	return recorder_open(&storer->recorder, &options, why, why_size);
}

/* All or nothing, so that it can be tried again. */
static int begin(struct worker *w, struct storer *storer, char *why, size_t why_size)
{
	const struct storer_config *config = worker_config(w);
	int rc = open_recorder(w, storer, why, why_size);

	if (rc == TROUPE_E_NO_SPACE && config->keep_free > 0 && reserve_give_up_in(config->folder))
		rc = open_recorder(w, storer, why, why_size);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; rc == 0 && i < worker_ledger(w)->header->n_streams; i++)
		rc = start_stream(w, storer, i);
	if (rc < 0)
		snprintf(why, why_size, "%s", recorder_error(storer->recorder));
	if (rc == 0) {
		rc = keeper_begin(&storer->keeper, w, storer->recorder);
		snprintf(why, why_size, "%s", error_text(rc));
	}
	if (rc < 0) {
		recorder_close(storer->recorder);
		storer->recorder = NULL;
	}
	return rc;
}

static void on_playback(struct worker *w, void *self, int fd, short revents)
{
	(void)w;
	(void)fd;
	(void)revents;
	playback_turn(((struct storer *)self)->playback);
}

static int begin_playback(struct worker *w, struct storer *storer)
{
	const struct storer_config *config = worker_config(w);
	int rc = playback_open(&storer->playback, w, config->folder);

	if (rc < 0)
		return rc;
	rc = worker_watch(w, playback_fd(storer->playback), POLLIN, on_playback);
	return rc == TROUPE_E_UNSUPPORTED ? 0 : rc; /* in one process nobody asks */
}

static void storer_message(struct worker *w, void *self, enum message_kind kind,
			   const ProtobufCMessage *message)
{
	struct storer *storer = self;

	(void)w;
	if (kind == MESSAGE_HAPPENED)
		told_note(&storer->notes, (const Troupe__Happened *)message);
	if (kind == MESSAGE_QUESTION && storer->playback != NULL)
		playback_question(storer->playback, (const Troupe__Question *)message);
}

static int storer_ready(struct worker *w, void *self)
{
	struct storer *storer = self;
	char why[512];
	int rc;

	storer->tap = own_tap(w);
	rc = begin_playback(w, storer);
	if (rc < 0)
		return rc;
	rc = begin(w, storer, why, sizeof(why));
	if (rc < 0 && can_be_waited_for(w, rc)) {
		trouble_begin(&storer->trouble, w, rc, why);
		return 0;
	}
	if (rc < 0)
		log_error("%s", why);
	return rc;
}

/* Tries once more to open the recording, and takes charge of its streams. */
static int begin_again(struct worker *w, struct storer *storer)
{
	char why[512];
	int rc = begin(w, storer, why, sizeof(why));

	if (rc == 0) {
		storer->trouble.refused = false;
		trouble_end(&storer->trouble, w);
	} else {
		trouble_begin(&storer->trouble, w, rc, why);
	}
	return rc;
}

/* ---- taking ---- */

/* Whether the access unit of a frame that has one is stored, see chain.h. */
static enum chain_answer ask_chain(const struct worker *w, const struct storer *storer,
				   const struct frame *frame)
{
	uint32_t coded = frame->record->coded_at_source;
	bool linked =
		coded == CODED_UNIT &&
		recorder_links(storer->recorder, storer->streams[frame->stream_number], frame->seq);

	bool coming = worker_stream_goes_on(w, frame->stream_number);

	return coded_is_unit(coded)
		       ? chain_ask(worker_ledger(w), storer->tap, frame, linked, coming)
		       : CHAIN_BROKEN;
}

/* What must wait for frames that come after the drain began is our successor's. */
static int wait_for_row(struct worker *w, struct storer *storer, const struct frame *frame)
{
	uint64_t *to = &storer->drain_to[frame->stream_number];

	worker_progress(w);
	if (*to >= frame->seq)
		*to = frame->seq - 1;
	return TAP_AWAITS;
}

/* While a row of frames that need each other is taken in part, no commit may come between. */
static void note_row(struct storer *storer, uint32_t stream, const struct record *record)
{
	if (record->lacks)
		storer->open_rows |= 1u << stream;
	else
		storer->open_rows &= ~(1u << stream);
}

static int storer_frame(struct worker *w, void *self, struct frame *frame)
{
	struct storer *storer = self;
	uint32_t stream = frame->stream_number;
	enum chain_answer chain;
	struct record record;
	const uint8_t *coded;
	bool first;
	int rc;

	if (storer->recorder == NULL || trouble_waits(&storer->trouble))
		return TAP_LATER;
	chain = ask_chain(w, storer, frame);
	if (chain == CHAIN_WAIT)
		return wait_for_row(w, storer, frame);
	first = recorder_pending(storer->recorder, NULL) == 0;
	if (frame->quarantined)
		quarantine_keep(w, frame, &storer->not_kept);
	describe_frame(worker_ledger(w), storer->tap, frame, &record);
	rc = describe_coded(storer->encoder, frame, chain == CHAIN_STORE, &record, &coded);
	if (rc < 0) {
		log_error("%s: frame %" PRIu64 " cannot be encoded: %s", frame->stream->name,
			  frame->seq, error_text(rc));
		return rc;
	}
	rc = recorder_append(storer->recorder, storer->streams[stream], &record, coded);
	if (rc == TROUPE_E_BUSY) { /* it is to begin a segment */
		storer->since = 0;
		return TAP_LATER;
	}
	if (rc < 0 && rc != TROUPE_E_EXISTS) {
		trouble_begin(&storer->trouble, w, rc, recorder_error(storer->recorder));
		storer->trouble.refused = true;
		return TAP_LATER;
	}
	storer->trouble.refused = false;
	if (first)
		storer->since = clock_now();
	storer->taken[stream] = frame->seq;
	note_row(storer, stream, &record);
	return TAP_TAKEN;
}

/* ---- committing ---- */

/* Up to which number a stream is kept for good. */
static uint64_t kept(struct worker *w, const struct storer *storer, uint32_t stream)
{
	struct index_tally tally;

	recorder_tally(storer->recorder, storer->streams[stream], &tally);
	publish_tally(w, stream, &tally);
	return tally.last > storer->floor[stream] ? tally.last : storer->floor[stream];
}

static void settle_all(struct worker *w, const struct storer *storer)
{
	for (uint32_t i = 0; i < worker_ledger(w)->header->n_streams; i++)
		worker_settle(w, i, kept(w, storer, i));
}

/* The segment went back to what the disk has: everything behind that is to be offered again, which
 * is possible because none of it was settled. */
static void offer_again(struct worker *w, struct storer *storer)
{
	for (uint32_t i = 0; i < worker_ledger(w)->header->n_streams; i++) {
		uint64_t taken = recorder_taken(storer->recorder, storer->streams[i]);

		storer->taken[i] = taken > storer->floor[i] ? taken : storer->floor[i];
		worker_tap_again(w, i, storer->taken[i]);
	}
	storer->open_rows = 0; /* a commit ends with whole rows, and so does what is left of it */
}

static int commit(struct worker *w, struct storer *storer)
{
	int rc;

	if (storer->recorder == NULL || storer->open_rows != 0 ||
	    !recorder_has_work(storer->recorder))
		return 0;
	worker_progress(w);
	rc = recorder_commit(storer->recorder);
	worker_progress(w);
	if (rc < 0) {
		trouble_begin(&storer->trouble, w, rc, recorder_error(storer->recorder));
		storer->trouble.refused = false;
		offer_again(w, storer);
		return rc;
	}
	settle_all(w, storer);
	trouble_end(&storer->trouble, w);
	return 0;
}

static bool slots_run_low(const struct worker *w)
{
	for (uint32_t i = 0; i < worker_ledger(w)->header->n_streams; i++)
		if (worker_free_percent(w, i) < LOW_PERCENT)
			return true;
	return false;
}

/* A note waits a moment for frames to go with; what lasts is written now and then. */
static int64_t commit_due(const struct storer *storer, int64_t interval, uint64_t *bytes)
{
	struct recorder_state state;

	if (recorder_pending(storer->recorder, bytes) > 0)
		return storer->since + interval;
	if (storer->notes.n > 0)
		return storer->notes.since + NOTE_WAIT;
	recorder_state(storer->recorder, &state);
	return recorder_has_lasting(storer->recorder) ? state.last_commit + LASTING_EVERY
						      : CLOCK_NEVER;
}

/* Returns when the next commit is due. */
static int64_t commit_in_time(struct worker *w, struct storer *storer, int64_t now)
{
	const struct storer_config *config = worker_config(w);
	uint64_t bytes;
	int64_t due = commit_due(storer, config->commit_interval, &bytes);

	if (trouble_waits(&storer->trouble))
		return storer->trouble.retry_at;
	if (due == CLOCK_NEVER)
		return CLOCK_NEVER;
	if (now < due && bytes < (uint64_t)config->commit_bytes && !slots_run_low(w))
		return due;
	return commit(w, storer) < 0 ? storer->trouble.retry_at : CLOCK_NEVER;
}

/* What is too much goes whether frames come or not, and all the more while the disk is full. */
static int64_t storer_tick(struct worker *w, void *self, int64_t now)
{
	struct storer *storer = self;
	int64_t due, next;

	if (storer->recorder == NULL &&
	    (trouble_waits(&storer->trouble) || begin_again(w, storer) < 0))
		return storer->trouble.retry_at;
	due = commit_in_time(w, storer, now);
	next = keeper_tick(storer->keeper, w, storer->trouble.code == TROUPE_E_NO_SPACE);
	due = next < due ? next : due;
	if (storer->trouble.code != 0 || storer->drain_since != 0)
		return due;
	next = archivist_tick(storer->archivist, storer->recorder, now);
	return next < due ? next : due;
}

/* ---- ending ---- */

/* What is finished and owed when the drain begins is still taken; what comes later is the
 * successor's. */
static void begin_drain(struct worker *w, struct storer *storer)
{
	const struct ledger *ledger = worker_ledger(w);

	storer->drain_since = clock_now();
	archivist_stop(storer->archivist);
	memcpy(storer->drain_to, storer->taken, sizeof(storer->drain_to));
	for (uint32_t slot = 0; slot < ledger->header->n_slots; slot++) {
		uint64_t *to = &storer->drain_to[ledger_stream_of(ledger, slot)];
		struct slot_word word = word_unpack(ledger_word(ledger, slot));

		if (word.phase == PHASE_DONE && (word.owed >> storer->tap & 1) != 0 &&
		    word.seq > *to)
			*to = word.seq;
	}
}

static bool drained(const struct worker *w, const struct storer *storer)
{
	for (uint32_t i = 0; i < worker_ledger(w)->header->n_streams; i++)
		if (storer->taken[i] < storer->drain_to[i])
			return false;
	return storer->recorder == NULL || recorder_pending(storer->recorder, NULL) == 0;
}

static int storer_drain(struct worker *w, void *self)
{
	struct storer *storer = self;

	if (storer->drain_since == 0)
		begin_drain(w, storer);
	if (!trouble_waits(&storer->trouble))
		(void)commit(w, storer);
	if (drained(w, storer)) {
		keeper_finish(storer->keeper);
		return 0;
	}
	if (clock_now() - storer->drain_since < DRAIN_PATIENCE)
		return 1;
	log_error("frames that are owed to the recording could not be stored: %s",
		  storer->trouble.code != 0 ? storer->trouble.why : "not offered in time");
	return storer->trouble.code != 0 ? storer->trouble.code : TROUPE_E_BUSY;
}

static void storer_close(struct worker *w, void *self)
{
	struct storer *storer = self;

	if (storer->playback != NULL)
		worker_watch(w, playback_fd(storer->playback), 0, on_playback);
	playback_close(storer->playback);
	archivist_destroy(storer->archivist);
	keeper_end(storer->keeper);
	recorder_close(storer->recorder);
	jpeg_encoder_destroy(storer->encoder);
	free(storer);
}

static void storer_dump(struct worker *w, void *self, FILE *out)
{
	const struct storer_config *config = worker_config(w);
	struct storer *storer = self;

	playback_dump(storer->playback, out);
	archivist_dump(storer->archivist, out);
	if (storer->recorder == NULL) {
		fprintf(out, "recording: %s, not open\n", config->folder);
		trouble_dump(&storer->trouble, out);
		return;
	}
	fprintf(out, "recording: %s\n", config->folder);
	recorder_dump(storer->recorder, out);
	keeper_dump(storer->keeper, out);
	trouble_dump(&storer->trouble, out);
}

static const struct need needs[] = {
	{NEED_WRITE, "folder"},
	{NEED_STATE, "quarantine"},
	{NEED_RUN, "troupe-archive"},
};

const struct worker_table storer_table = {
	.name = "storer",
	.version = TROUPE_VERSION,
	.summary = "keeps every frame in the recording, exactly once and in order",
	.takes = WORKER_TAKES_TAP,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {.rows = storer_rows,
		 .count = N_STORER_ROWS,
		 .config_size = sizeof(struct storer_config)},
	.open = storer_open,
	.ready = storer_ready,
	.frame = storer_frame,
	.tick = storer_tick,
	.message = storer_message,
	.drain = storer_drain,
	.close = storer_close,
	.dump = storer_dump,
};
