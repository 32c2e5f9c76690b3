/* Taking frames and committing them in groups. */
#include "workers/storer/recorder.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/word.h"
#include "workers/storer/rewrite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One stream of this run. */
struct recorder_stream {
	char name[NAME_SIZE];
	struct index_tally tally; /* committed */
	uint64_t appended;	  /* the highest seq in the segments, committed or not */
};

struct recorder {
	struct recorder_options options;
	struct folder folder;
	struct index *index;
	struct segment_writer writer;
	struct recorder_stream streams[STREAMS_MAX];
	int n_streams;
	struct index_row *pending;
	uint32_t n_pending, room;
	uint64_t pending_bytes;
	struct recorder_state state;
	char error[320];
};

static int fail(struct recorder *recorder, int code, const char *what, const char *detail)
{
	snprintf(recorder->error, sizeof(recorder->error), "%s: %s%s%s", what, error_text(code),
		 detail[0] != 0 ? ", " : "", detail);
	return code;
}

/* ---- opening ---- */

/* A batch never spans two segments, so that only the newest one can hold what nobody vouches for.
 */
static void next_segment(struct recorder *recorder)
{
	const struct segment_writer *writer = &recorder->writer;

	if (writer->started && !writer->torn && writer->at > SEGMENT_HEADER &&
	    writer->at == writer->synced &&
	    (writer->at >= (uint64_t)recorder->options.segment_bytes ||
	     clock_now() - writer->created >= recorder->options.segment_ns))
		segment_writer_next(&recorder->writer);
}

/* A damaged index is kept beside the new one, which the segments then fill. */
static void set_aside(const char *folder)
{
	static const char *const tails[] = {"", "-wal", "-shm"};
	char from[4096], to[4096];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(from, sizeof(from), "%s/%s%s", folder, INDEX_FILE, tails[i]);
		snprintf(to, sizeof(to), "%s/%s.damaged%s", folder, INDEX_FILE, tails[i]);
		if (rename(from, to) < 0 && i == 0)
			log_warn("cannot rename '%s'", from);
	}
}

static int open_index(struct recorder *recorder)
{
	const struct recorder_options *options = &recorder->options;
	bool made = false;
	/* SQLite believes what its log shows; a dead writer may have left it clean and not synced.
	 */
	int rc = rewrite_file(recorder->folder.folder, INDEX_FILE "-wal");

	if (rc == 0)
		rc = index_open(&recorder->index, options->folder, true, &made);
	if (rc == 0) {
		rc = recovery_run(recorder->index, made, recorder->folder.segments,
				  &recorder->writer, &recorder->state.recovery, options->waiting,
				  options->arg);
	}
	if (rc < 0) {
		fail(recorder, rc, INDEX_FILE,
		     recorder->index != NULL ? index_error(recorder->index) : "");
		index_close(recorder->index);
		recorder->index = NULL;
	}
	return rc;
}

static void tell_recovery(const struct recorder *recorder)
{
	const struct recovery *done = &recorder->state.recovery;

	if (done->rows_added + done->rows_removed + done->bytes_cut + done->damaged > 0) {
		log_info("recovered '%s': %" PRIu64 " frames entered into the index, %" PRIu64
			 " rows removed, %" PRIu64 " bytes of half a record cut off, %" PRIu32
			 " damaged places left",
			 recorder->options.folder, done->rows_added, done->rows_removed,
			 done->bytes_cut, done->damaged);
	}
}

static int open_all(struct recorder *recorder)
{
	const struct recorder_options *options = &recorder->options;
	int rc = folder_open(&recorder->folder, options->folder, true, recorder->error,
			     sizeof(recorder->error));

	if (rc == 0) {
		rc = folder_lock(&recorder->folder, options->folder, options->lock_wait,
				 options->waiting, options->arg, recorder->error,
				 sizeof(recorder->error));
	}
	if (rc < 0)
		return rc;
	rc = open_index(recorder);
	if (rc == TROUPE_E_CORRUPT) {
		log_warn("%s; it is kept as %s.damaged and made again from the segments",
			 recorder->error, INDEX_FILE);
		set_aside(options->folder);
		rc = open_index(recorder);
	}
	if (rc < 0)
		return rc;
	tell_recovery(recorder);
	next_segment(recorder);
	rc = index_begin(recorder->index);
	if (rc == 0)
		rc = index_add_run(recorder->index, options->run, options->pipeline);
	if (rc == 0)
		rc = index_commit(recorder->index);
	return rc < 0 ? fail(recorder, rc, INDEX_FILE, index_error(recorder->index)) : 0;
}

int recorder_open(struct recorder **recorder, const struct recorder_options *options, char *why,
		  size_t why_size)
{
	struct recorder *opened = calloc(1, sizeof(*opened));
	int rc;

	*recorder = NULL;
	if (opened == NULL) {
		snprintf(why, why_size, "%s", error_text(TROUPE_E_MEMORY));
		return TROUPE_E_MEMORY;
	}
	opened->options = *options;
	opened->folder = (struct folder){.folder = -1, .segments = -1, .lock = -1};
	segment_writer_init(&opened->writer, -1, 0);
	rc = open_all(opened);
	if (rc < 0) {
		snprintf(why, why_size, "%s", opened->error);
		recorder_close(opened);
		return rc;
	}
	*recorder = opened;
	return 0;
}

void recorder_close(struct recorder *recorder)
{
	if (recorder == NULL)
		return;
	segment_writer_finish(&recorder->writer);
	index_close(recorder->index);
	folder_close(&recorder->folder);
	free(recorder->pending);
	free(recorder);
}

int recorder_add_stream(struct recorder *recorder, const char *name, uint32_t width,
			uint32_t height, uint32_t fps_num, uint32_t fps_den)
{
	struct recorder_stream *stream = &recorder->streams[recorder->n_streams];
	int rc;

	if (recorder->n_streams == STREAMS_MAX)
		return fail(recorder, TROUPE_E_FULL, "streams", "");
	*stream = (struct recorder_stream){0};
	snprintf(stream->name, sizeof(stream->name), "%s", name);
	rc = index_begin(recorder->index);
	if (rc == 0)
		rc = index_add_stream(recorder->index, recorder->options.run, stream->name, width,
				      height, fps_num, fps_den);
	if (rc == 0)
		rc = index_tally(recorder->index, recorder->options.run, stream->name,
				 &stream->tally);
	if (rc == 0)
		rc = index_commit(recorder->index);
	if (rc < 0) {
		index_rollback(recorder->index);
		return fail(recorder, rc, INDEX_FILE, index_error(recorder->index));
	}
	stream->appended = stream->tally.last;
	return recorder->n_streams++;
}

/* ---- taking ---- */

static int make_room(struct recorder *recorder)
{
	uint32_t room = recorder->room > 0 ? recorder->room * 2 : 64;
	struct index_row *more;

	if (recorder->n_pending < recorder->room)
		return 0;
	more = realloc(recorder->pending, room * sizeof(*more));
	if (more == NULL)
		return TROUPE_E_MEMORY;
	recorder->pending = more;
	recorder->room = room;
	return 0;
}

int recorder_append(struct recorder *recorder, int stream, struct record *record,
		    const uint8_t *coded)
{
	struct recorder_stream *into = &recorder->streams[stream];
	struct index_row *row;
	int rc;

	if (record->seq <= into->appended)
		return fail(recorder, TROUPE_E_EXISTS, into->name, "");
	rc = make_room(recorder);
	if (rc < 0)
		return fail(recorder, rc, into->name, "");
	record->run = recorder->options.run;
	memcpy(record->stream, into->name, NAME_SIZE);
	row = &recorder->pending[recorder->n_pending];
	*row = (struct index_row){.record = *record};
	rc = segment_writer_append(&recorder->writer, record, coded, &row->offset, &row->length);
	if (rc < 0)
		return fail(recorder, rc, "writing the segment", "");
	row->segment = recorder->writer.number;
	recorder->n_pending++;
	recorder->pending_bytes += row->length;
	into->appended = record->seq;
	FAIL_POINT(APPENDED);
	return 0;
}

uint32_t recorder_pending(const struct recorder *recorder, uint64_t *bytes)
{
	if (bytes != NULL)
		*bytes = recorder->pending_bytes;
	return recorder->n_pending;
}

/* ---- committing ---- */

static int enter_batch(struct recorder *recorder, int64_t stored)
{
	const struct segment_writer *writer = &recorder->writer;
	int rc = index_begin(recorder->index);

	for (uint32_t i = 0; rc == 0 && i < recorder->n_pending; i++) {
		recorder->pending[i].stored = stored;
		rc = index_add_frame(recorder->index, &recorder->pending[i]);
	}
	if (rc == 0)
		rc = index_set_segment(recorder->index, writer->number, writer->created_wall,
				       writer->synced);
	if (rc == 0)
		rc = index_commit(recorder->index);
	if (rc < 0)
		index_rollback(recorder->index);
	return rc;
}

static void forget_pending(struct recorder *recorder)
{
	recorder->n_pending = 0;
	recorder->pending_bytes = 0;
}

static struct recorder_stream *stream_of(struct recorder *recorder, const char *name)
{
	for (int i = 0; i < recorder->n_streams; i++)
		if (strcmp(recorder->streams[i].name, name) == 0)
			return &recorder->streams[i];
	return NULL;
}

/* The segment went back to its last synced end, and so do we. What lies before that end goes on
 * waiting: an earlier commit of it failed in the index, and nobody knows how far that one got. If
 * we are killed, SQLite's log may show it as done after all, so those records stay where they are.
 */
static void step_back(struct recorder *recorder)
{
	uint32_t kept = 0;

	for (int i = 0; i < recorder->n_streams; i++)
		recorder->streams[i].appended = recorder->streams[i].tally.last;
	recorder->pending_bytes = 0;
	for (; kept < recorder->n_pending; kept++) {
		const struct index_row *row = &recorder->pending[kept];

		if (row->offset >= recorder->writer.synced)
			break;
		stream_of(recorder, row->record.stream)->appended = row->record.seq;
		recorder->pending_bytes += row->length;
	}
	recorder->n_pending = kept;
}

static void count_batch(struct recorder *recorder)
{
	for (uint32_t i = 0; i < recorder->n_pending; i++) {
		const struct record *record = &recorder->pending[i].record;
		struct index_tally *tally = &stream_of(recorder, record->stream)->tally;

		tally->frames++;
		tally->bypassed += (record->marks & MARK_BYPASSED) != 0;
		tally->quarantined += (record->marks & MARK_QUARANTINED) != 0;
		tally->last = record->seq;
	}
}

int recorder_commit(struct recorder *recorder)
{
	struct recorder_state *state = &recorder->state;
	int64_t begun = clock_now(), stored;
	int rc;

	if (recorder->n_pending == 0)
		return 0;
	rc = segment_writer_sync(&recorder->writer);
	if (rc < 0) {
		step_back(recorder);
		return fail(recorder, rc, "syncing the segment", "");
	}
	FAIL_POINT(SYNCED);
	stored = clock_now();
	rc = enter_batch(recorder, stored);
	if (rc < 0)
		return fail(recorder, rc, INDEX_FILE, index_error(recorder->index));
	FAIL_POINT(COMMITTED);
	count_batch(recorder);
	state->commits++;
	state->committed += recorder->n_pending;
	state->last_frames = recorder->n_pending;
	state->last_bytes = recorder->pending_bytes;
	state->last_commit = clock_now();
	state->last_duration = state->last_commit - begun;
	forget_pending(recorder);
	next_segment(recorder);
	return 0;
}

void recorder_tally(const struct recorder *recorder, int stream, struct index_tally *tally)
{
	*tally = recorder->streams[stream].tally;
}

uint64_t recorder_taken(const struct recorder *recorder, int stream)
{
	return recorder->streams[stream].appended;
}

void recorder_state(const struct recorder *recorder, struct recorder_state *state)
{
	*state = recorder->state;
	state->segment = recorder->writer.number;
	state->offset = recorder->writer.started ? recorder->writer.at : 0;
}

const char *recorder_error(const struct recorder *recorder)
{
	return recorder->error;
}
