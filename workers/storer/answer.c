/* Answers from the recording; see answer.h. */
#include "workers/storer/answer.h"

#include "ipc/base/errors.h"
#include "workers/storer/frames.h"
#include "workers/storer/timeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUALITY 85 /* of the JPEG of a frame whose stream is not recorded any more */

struct answerer {
	const char *folder;
	struct ledger *ledger;
	uint8_t seat;
	struct frames *frames; /* NULL: not open */
};

/* What an answer points to. */
struct words {
	Troupe__Answer answer;
	struct timeline *timeline;
	char text[512];
};

struct answerer *answerer_create(const char *folder, struct ledger *ledger, uint8_t seat)
{
	struct answerer *answerer = calloc(1, sizeof(*answerer));

	if (answerer == NULL)
		return NULL;
	answerer->folder = folder;
	answerer->ledger = ledger;
	answerer->seat = seat;
	return answerer;
}

void answerer_destroy(struct answerer *answerer)
{
	if (answerer == NULL)
		return;
	frames_close(answerer->frames);
	free(answerer);
}

static struct words *words_create(const struct question *question)
{
	struct words *words = calloc(1, sizeof(*words));

	if (words == NULL)
		return NULL;
	troupe__answer__init(&words->answer);
	words->answer.id = question->id;
	words->answer.text = words->text;
	return words;
}

void answer_destroy(Troupe__Answer *answer)
{
	struct words *words = (struct words *)(void *)answer; /* its first member */

	if (words == NULL)
		return;
	timeline_destroy(words->timeline);
	free(words);
}

/* ---- finding ---- */

typedef int next_run_fn(struct recording *recording, uint64_t run, uint64_t *next);
typedef int next_row_fn(struct recording *recording, uint64_t run, const char *stream, uint64_t seq,
			struct index_row *row);

/* The neighbour of (run, seq) in one direction, in its run or in one behind that. */
static int find_neighbour(struct recording *recording, const struct question *q,
			  next_row_fn *next_row, next_run_fn *next_run, uint64_t edge,
			  struct index_row *row)
{
	uint64_t run = q->run;
	int rc = next_row(recording, run, q->stream, q->seq, row);

	while (rc == TROUPE_E_ENDED && (rc = next_run(recording, run, &run)) == 0)
		rc = next_row(recording, run, q->stream, edge, row);
	return rc;
}

static int find_row(struct recording *recording, const struct question *q, struct index_row *row)
{
	int rc;

	switch (q->which) {
	case TROUPE__WHICH__AT:
		rc = recording_last_until(recording, q->stream, q->wall, row);
		return rc == TROUPE_E_ENDED
			       ? recording_first_since(recording, q->stream, q->wall, row)
			       : rc;
	case TROUPE__WHICH__NUMBER:
		return recording_find(recording, q->run, q->stream, q->seq, row);
	case TROUPE__WHICH__AFTER:
		return find_neighbour(recording, q, recording_next, recording_next_run, 0, row);
	case TROUPE__WHICH__BEFORE:
		return find_neighbour(recording, q, recording_previous, recording_previous_run,
				      (uint64_t)INT64_MAX, row);
	case TROUPE__WHICH__FIRST:
		return recording_first_since(recording, q->stream, INT64_MIN, row);
	case TROUPE__WHICH__LAST:
		return recording_last_until(recording, q->stream, INT64_MAX, row);
	default:
		return TROUPE_E_UNSUPPORTED;
	}
}

/* ---- a frame into a slot ---- */

static void describe(const struct index_row *row, const struct frames_picture *picture,
		     struct playback_record *out)
{
	const struct record *record = &picture->record;

	*out = (struct playback_record){
		.run = record->run,
		.seq = record->seq,
		.ordinal = record->ordinal,
		.source_index = record->source_index,
		.pts = record->pts,
		.captured = record->captured,
		.captured_wall = record->captured_wall,
		.published = record->published,
		.claimed = record->claimed,
		.finished = record->finished,
		.stored = row->stored,
		.model_version = record->model_version,
		.width = picture->width,
		.height = picture->height,
		.marks = record->marks,
		.coded_bytes = (uint32_t)picture->jpeg_bytes,
		.motion = record->motion,
		.probability = record->probability,
	};
	memcpy(out->drops_before, record->drops_before, sizeof(out->drops_before));
	memcpy(out->stream, record->stream, NAME_SIZE);
	memcpy(out->label, record->label, NAME_SIZE);
	memcpy(out->prediction, record->prediction, NAME_SIZE);
}

/* The slot is FILLING for no longer than the copy takes: the disk was waited for before. */
static void put_into_slot(struct answerer *a, const struct question *q, const struct index_row *row,
			  const struct frames_picture *picture)
{
	struct ledger *ledger = a->ledger;
	struct playback_record *record;
	uint32_t slot;

	if (playback_take(ledger, a->seat, &q->asker, &slot) < 0)
		return;
	record = playback_record(ledger, slot);
	describe(row, picture, record);
	record->question = q->id;
	record->filler = ledger->seats[a->seat].incarnation;
	memcpy(playback_area(ledger, slot), picture->jpeg, picture->jpeg_bytes);
	playback_owe(ledger, slot, a->seat);
}

static uint32_t quality_of(const struct ledger *ledger, const char *stream)
{
	for (uint32_t i = 0; i < ledger->header->n_streams; i++)
		if (strcmp(ledger->streams[i].name, stream) == 0)
			return ledger->streams[i].quality;
	return QUALITY;
}

/* ---- answering ---- */

static int open_frames(struct answerer *a, char *why, size_t why_size)
{
	return a->frames != NULL ? 0 : frames_open(&a->frames, a->folder, why, why_size);
}

/* What went wrong, when there is no row to name. */
static void explain_no_row(const struct question *q, int code, char *text, size_t size)
{
	if (code == TROUPE_E_ENDED && q->which == TROUPE__WHICH__AFTER) {
		snprintf(text, size, "There is no later frame of %s in the recording.", q->stream);
	} else if (code == TROUPE_E_ENDED && q->which == TROUPE__WHICH__BEFORE) {
		snprintf(text, size, "There is no earlier frame of %s in the recording.",
			 q->stream);
	} else if (code == TROUPE_E_ENDED) {
		snprintf(text, size, "The recording has no frame of %s.", q->stream);
	} else if (code == TROUPE_E_NOT_FOUND) {
		snprintf(text, size,
			 "Frame %" PRIu64 " of %s in run %" PRIu64 " is not in the recording.",
			 q->seq, q->stream, q->run);
	} else {
		snprintf(text, size, "The catalogue of the recording cannot be read: %s.",
			 error_text(code));
	}
}

static int show_frame(struct answerer *a, const struct question *q, struct words *words)
{
	struct frames_picture picture;
	struct index_row row;
	int rc = find_row(frames_recording(a->frames), q, &row);

	if (rc < 0) {
		explain_no_row(q, rc, words->text, sizeof(words->text));
		return rc;
	}
	words->answer.run = row.record.run;
	words->answer.seq = row.record.seq;
	rc = frames_show_jpeg(a->frames, &row, quality_of(a->ledger, q->stream), &picture);
	if (rc == 0 && picture.jpeg_bytes > a->ledger->playback_size)
		rc = TROUPE_E_OVERSIZED;
	if (rc < 0) {
		const char *more = frames_error(a->frames);

		snprintf(words->text, sizeof(words->text),
			 "Frame %" PRIu64 " of %s in run %" PRIu64 " cannot be shown: %s%s%s.",
			 row.record.seq, q->stream, row.record.run, error_text(rc),
			 *more ? ": " : "", more);
		return rc;
	}
	put_into_slot(a, q, &row, &picture);
	return 0;
}

static int tell_timeline(struct answerer *a, const struct question *q, struct words *words)
{
	int rc = timeline_make(&words->timeline, frames_recording(a->frames), q->stream, q->wall,
			       q->until);

	if (rc == 0) {
		words->answer.timeline = timeline_message(words->timeline);
	} else if (rc == TROUPE_E_ARGUMENT) {
		snprintf(words->text, sizeof(words->text), "That time ends before it begins.");
	} else {
		snprintf(words->text, sizeof(words->text),
			 "The catalogue of the recording cannot be read: %s.", error_text(rc));
	}
	return rc;
}

/* A handle that has failed is not used again: its file may have been replaced. */
static bool spoils_handle(int code)
{
	return code < 0 && code != TROUPE_E_ENDED && code != TROUPE_E_NOT_FOUND &&
	       code != TROUPE_E_OVERSIZED && code != TROUPE_E_ARGUMENT;
}

Troupe__Answer *answerer_answer(struct answerer *a, const struct question *q)
{
	struct words *words = words_create(q);
	bool timeline = q->which == TROUPE__WHICH__TIMELINE;
	int rc;

	if (words == NULL)
		return NULL;
	rc = open_frames(a, words->text, sizeof(words->text));
	if (rc == 0)
		rc = timeline ? tell_timeline(a, q, words) : show_frame(a, q, words);
	if (spoils_handle(rc)) {
		frames_close(a->frames);
		a->frames = NULL;
	}
	words->answer.code = rc;
	if (rc < 0 || timeline)
		return &words->answer;
	answer_destroy(&words->answer);
	return NULL;
}
