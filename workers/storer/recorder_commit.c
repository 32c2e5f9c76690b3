/* Committing: the disk has the segments, then the index has the batch, in one transaction. */
#include "workers/storer/recorder_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"

#include <string.h>

static struct recorder_stream *stream_of(struct recorder *recorder, const char *name)
{
	for (int i = 0; i < recorder->n_streams; i++)
		if (strcmp(recorder->streams[i].name, name) == 0)
			return &recorder->streams[i];
	return NULL;
}

/* ---- the disk ---- */

/* Segments whose sync failed went back to their last synced end, and so do we. What lies before
 * that end goes on waiting: an earlier commit of it failed in the index, and nobody knows how far
 * that one got. If we are killed, SQLite's log may show it as done after all, so those records stay
 * where they are. So do those of segments that were synced just now. */
static void step_back(struct recorder *recorder)
{
	uint32_t kept = 0;

	for (int i = 0; i < recorder->n_streams; i++) {
		recorder->streams[i].appended = recorder->streams[i].tally.last;
		recorder->streams[i].n_pending = 0;
	}
	recorder->pending_bytes = 0;
	for (uint32_t i = 0; i < recorder->n_pending; i++) {
		struct index_row row = recorder->pending[i];
		struct recorder_stream *stream = stream_of(recorder, row.record.stream);

		if (row.offset >= stream->writer.synced)
			continue;
		stream->appended = row.record.seq;
		stream->n_pending++;
		recorder->pending_bytes += row.length;
		recorder->pending[kept++] = row;
	}
	recorder->n_pending = kept;
}

/* All are begun before the first is waited for. A segment that fails leaves the others as they are;
 * the first error counts. */
static int sync_segments(struct recorder *recorder)
{
	int rc = 0;

	for (int i = 0; i < recorder->n_streams; i++)
		segment_writer_begin_sync(&recorder->streams[i].writer);
	for (int i = 0; i < recorder->n_streams; i++) {
		int failed = segment_writer_sync(&recorder->streams[i].writer);

		FAIL_POINT(ONE_SYNCED);
		if (rc == 0)
			rc = failed;
	}
	return rc;
}

/* ---- the index ---- */

static void begin_batch(struct recorder *recorder)
{
	for (int i = 0; i < recorder->n_streams; i++) {
		struct recorder_stream *stream = &recorder->streams[i];
		const struct segment_writer *writer = &stream->writer;

		stream->next_tally = stream->tally;
		stream->next_segment = stream->segment;
		if (!writer->started || stream->segment.number != 0)
			continue;
		stream->next_segment = (struct index_segment){
			.number = writer->header.number,
			.created_wall = writer->header.created_wall,
		};
		memcpy(stream->next_segment.stream, stream->name, NAME_SIZE);
	}
}

static int enter_frames(struct recorder *recorder, int64_t stored, struct index_clock *clock)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < recorder->n_pending; i++) {
		struct index_row *row = &recorder->pending[i];
		struct recorder_stream *stream = stream_of(recorder, row->record.stream);

		row->stored = stored;
		index_tally_grow(&stream->next_tally, &row->record);
		index_segment_grow(&stream->next_segment, row);
		rc = index_add_frame(recorder->index, row);
		if (rc == 0)
			rc = event_book_take(&recorder->events, recorder->index, &row->record);
		if (rc == 0)
			rc = index_note_clock(recorder->index, &row->record, clock);
	}
	return rc;
}

/* A full segment ends with this commit. One of H.264 only when a keyframe comes: until then there
 * may be frames that need those in it. */
static int enter_segment(struct recorder *recorder, struct recorder_stream *stream)
{
	struct index_segment *segment = &stream->next_segment;
	bool ends = stream->coding == CODING_JPEG && recorder_is_due(recorder, stream);
	int rc = 0;

	if (stream->left != 0)
		rc = index_set_state(recorder->index, stream->left, SEGMENT_CLOSED);
	if (rc < 0 || segment->frames == 0 || (stream->n_pending == 0 && !ends))
		return rc;
	segment->bytes = stream->writer.synced;
	segment->state = ends ? SEGMENT_CLOSED : SEGMENT_OPEN;
	rc = index_set_segment(recorder->index, segment);
	return rc < 0 ? rc
		      : index_set_tally(recorder->index, recorder->options.run, stream->name,
					&stream->next_tally);
}

/* Segments of streams that are not there any more are closed. */
static int tidy(struct recorder *recorder)
{
	struct index_segment segment = {0};
	int rc = recorder->tidy ? TROUPE_E_ENDED : 0;

	while (rc == 0 &&
	       (rc = index_next_unfinished(recorder->index, segment.number, &segment)) == 0) {
		bool written = segment.state != SEGMENT_OPEN;

		for (int i = 0; i < recorder->n_streams; i++)
			written |= recorder->streams[i].writer.started &&
				   recorder->streams[i].writer.header.number == segment.number;
		if (!written)
			rc = index_set_state(recorder->index, segment.number, SEGMENT_CLOSED);
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

static int enter_batch(struct recorder *recorder, int64_t stored)
{
	struct index_clock clock = recorder->clock;
	int rc = index_begin(recorder->index);

	begin_batch(recorder);
	if (rc == 0)
		rc = enter_frames(recorder, stored, &clock);
	for (int i = 0; rc == 0 && i < recorder->n_streams; i++)
		rc = enter_segment(recorder, &recorder->streams[i]);
	if (rc == 0)
		rc = tidy(recorder);
	if (rc == 0)
		rc = event_book_enter(&recorder->events, recorder->index, recorder->options.notes,
				      recorder->options.run);
	if (rc == 0)
		rc = index_commit(recorder->index);
	if (rc < 0) {
		index_rollback(recorder->index);
		event_book_forget(&recorder->events);
		return rc;
	}
	recorder->clock = clock;
	recorder->tidy = true;
	return 0;
}

/* ---- both ---- */

static void end_batch(struct recorder *recorder)
{
	for (int i = 0; i < recorder->n_streams; i++) {
		struct recorder_stream *stream = &recorder->streams[i];

		stream->tally = stream->next_tally;
		stream->segment = stream->next_segment;
		stream->n_pending = 0;
		stream->left = 0;
		if (stream->segment.state == SEGMENT_CLOSED)
			recorder_leave_segment(stream);
	}
	recorder->n_pending = 0;
	recorder->pending_bytes = 0;
	if (recorder->options.notes != NULL)
		recorder->options.notes->n = 0;
}

static void tell_commit(struct recorder *recorder, int64_t begun)
{
	struct recorder_state *state = &recorder->state;

	state->commits++;
	state->committed += recorder->n_pending;
	state->last_frames = recorder->n_pending;
	state->last_bytes = recorder->pending_bytes;
	state->last_commit = clock_now();
	state->last_duration = state->last_commit - begun;
}

bool recorder_has_lasting(const struct recorder *recorder)
{
	return recorder->events.lost;
}

bool recorder_has_work(const struct recorder *recorder)
{
	const struct event_notes *notes = recorder->options.notes;

	return recorder->n_pending > 0 || (notes != NULL && notes->n > 0) ||
	       recorder_has_lasting(recorder);
}

int recorder_commit(struct recorder *recorder)
{
	int64_t begun = clock_now();
	int rc;

	if (!recorder_has_work(recorder))
		return 0;
	rc = sync_segments(recorder);
	if (rc < 0) {
		step_back(recorder);
		return recorder_fail(recorder, rc, "syncing the segment", "");
	}
	FAIL_POINT(SYNCED);
	rc = enter_batch(recorder, clock_now());
	if (rc < 0)
		return recorder_fail(recorder, rc, INDEX_FILE, index_error(recorder->index));
	FAIL_POINT(COMMITTED);
	tell_commit(recorder, begun);
	end_batch(recorder);
	return 0;
}
