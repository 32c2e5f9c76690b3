/* Opening a recording for writing, and taking frames. */
#include "workers/storer/recorder_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "workers/storer/index_events.h"
#include "workers/storer/rewrite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

int recorder_fail(struct recorder *recorder, int code, const char *what, const char *detail)
{
	snprintf(recorder->error, sizeof(recorder->error), "%s: %s%s%s", what, error_text(code),
		 detail[0] != 0 ? ", " : "", detail);
	return code;
}

static int fail_index(struct recorder *recorder, int code)
{
	return recorder_fail(recorder, code, INDEX_FILE, index_error(recorder->index));
}

/* ---- opening ---- */

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
	char why[256] = "";
	bool made = false;
	/* SQLite believes what its log shows; a dead writer may have left it clean and not synced.
	 */
	int rc = rewrite_log(recorder->folder.folder, INDEX_FILE "-wal");

	if (rc < 0)
		return recorder_fail(recorder, rc, INDEX_FILE "-wal", "");
	rc = index_open_writer(&recorder->index, options->folder, &made, options->waiting,
			       options->arg, why, sizeof(why));
	if (rc < 0) {
		snprintf(recorder->error, sizeof(recorder->error), "%s: %s", INDEX_FILE, why);
		return rc;
	}
	rc = recovery_run(recorder->index, &recorder->events, made, recorder->folder.segments,
			  &recorder->numbers, &recorder->state.recovery, options->waiting,
			  options->arg);
	if (rc == 0)
		return 0;
	fail_index(recorder, rc);
	index_close(recorder->index);
	recorder->index = NULL;
	return rc;
}

static void tell_recovery(const struct recorder *recorder)
{
	const struct recovery *done = &recorder->state.recovery;

	if (done->rows_added + done->rows_removed + done->bytes_cut + done->damaged +
		    done->removed >
	    0) {
		log_info("recovered '%s': %" PRIu64 " frames entered into the index, %" PRIu64
			 " rows removed, %" PRIu64 " bytes of half a record cut off, %" PRIu32
			 " segments removed, %" PRIu32 " damaged places left",
			 recorder->options.folder, done->rows_added, done->rows_removed,
			 done->bytes_cut, done->removed, done->damaged);
	}
}

/* Which boot of the machine this is; "": not known. */
static void read_boot(char boot[64])
{
	FILE *file = fopen(BOOT_ID, "re");

	boot[0] = 0;
	if (file == NULL)
		return;
	if (fgets(boot, 64, file) != NULL)
		boot[strcspn(boot, "\n")] = 0;
	fclose(file);
}

/* The run, and how its clocks go together; one that goes on has said both before. */
static int enter_run(struct recorder *recorder)
{
	const struct recorder_options *options = &recorder->options;
	struct index_clock *clock = &recorder->clock;
	char boot[64];
	int rc;

	read_boot(boot);
	rc = index_add_run(recorder->index, options->run, options->pipeline, boot);
	if (rc < 0)
		return rc;
	rc = index_clock_at(recorder->index, options->run, INT64_MAX, clock);
	if (rc != TROUPE_E_NOT_FOUND)
		return rc;
	clock->since = clock_now();
	clock->wall_offset = clock_wall() - clock->since;
	return index_add_clock(recorder->index, options->run, clock);
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
	rc = index_begin(recorder->index);
	if (rc == 0)
		rc = enter_run(recorder);
	if (rc == 0)
		rc = index_close_events(recorder->index, options->run);
	if (rc == 0)
		rc = index_commit(recorder->index);
	return rc < 0 ? fail_index(recorder, rc) : 0;
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
	if (options->events.gap == 0)
		opened->options.events = EVENT_RULES_USUAL;
	event_book_init(&opened->events, &opened->options.events);
	opened->folder = (struct folder){.folder = -1, .segments = -1, .lock = -1};
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
	for (int i = 0; i < recorder->n_streams; i++)
		segment_writer_finish(&recorder->streams[i].writer);
	event_book_finish(&recorder->events);
	index_close(recorder->index);
	folder_close(&recorder->folder);
	free(recorder->pending);
	free(recorder);
}

/* ---- streams ---- */

/* The stream's last segment is gone on with. */
static int resume_segment(struct recorder *recorder, struct recorder_stream *stream)
{
	struct index_segment *segment = &stream->segment;
	int rc = index_open_segment(recorder->index, stream->name, segment);

	if (rc < 0) {
		*segment = (struct index_segment){0};
		return rc == TROUPE_E_NOT_FOUND ? 0 : rc;
	}
	stream->coding = segment->coding;
	return segment_writer_resume(&stream->writer, segment->number, segment->bytes,
				     segment->created_wall);
}

int recorder_add_stream(struct recorder *recorder, const char *name, uint32_t width,
			uint32_t height, uint32_t fps_num, uint32_t fps_den)
{
	struct recorder_stream *stream = &recorder->streams[recorder->n_streams];
	uint64_t run = recorder->options.run;
	int rc;

	if (recorder->n_streams == STREAMS_MAX)
		return recorder_fail(recorder, TROUPE_E_FULL, "streams", "");
	*stream = (struct recorder_stream){0};
	snprintf(stream->name, sizeof(stream->name), "%s", name);
	segment_writer_init(&stream->writer, recorder->folder.segments, stream->name,
			    &recorder->numbers);
	rc = index_begin(recorder->index);
	if (rc == 0)
		rc = index_add_stream(recorder->index, run, stream->name, width, height, fps_num,
				      fps_den);
	if (rc == 0)
		rc = index_tally(recorder->index, run, stream->name, &stream->tally);
	if (rc == 0)
		rc = index_commit(recorder->index);
	if (rc == 0)
		rc = resume_segment(recorder, stream);
	if (rc < 0) {
		index_rollback(recorder->index);
		segment_writer_finish(&stream->writer);
		return fail_index(recorder, rc);
	}
	stream->appended = stream->tally.last;
	return recorder->n_streams++;
}

/* ---- taking ---- */

bool recorder_is_due(const struct recorder *recorder, const struct recorder_stream *stream)
{
	const struct segment_writer *writer = &stream->writer;

	return writer->started && !writer->torn && writer->at > SEGMENT_HEADER &&
	       (stream->ends || writer->at >= (uint64_t)recorder->options.segment_bytes ||
		clock_now() - writer->created >= recorder->options.segment_ns);
}

void recorder_leave_segment(struct recorder_stream *stream)
{
	segment_writer_next(&stream->writer);
	stream->segment = (struct index_segment){0};
	stream->ends = false;
}

static int close_segment(struct recorder *recorder, uint32_t number)
{
	int rc = index_begin(recorder->index);

	if (rc == 0)
		rc = index_set_state(recorder->index, number, SEGMENT_CLOSED);
	if (rc == 0)
		rc = index_commit(recorder->index);
	if (rc < 0) {
		index_rollback(recorder->index);
		return fail_index(recorder, rc);
	}
	return 0;
}

int recorder_end_segment(struct recorder *recorder, uint32_t number)
{
	for (int i = 0; i < recorder->n_streams; i++) {
		struct recorder_stream *stream = &recorder->streams[i];
		int rc;

		if (!stream->writer.started || stream->writer.header.number != number)
			continue;
		/* The next commit will do it, or the next keyframe. */
		stream->ends = true;
		if (stream->n_pending > 0 || stream->writer.torn || stream->coding != CODING_JPEG)
			return 0;
		rc = close_segment(recorder, number);
		if (rc == 0)
			recorder_leave_segment(stream);
		return rc;
	}
	return close_segment(recorder, number);
}

/* A segment begins only after a commit, so that only the last of a stream can hold what nobody
 * vouches for, and only with a frame that needs none before it. */
static int next_segment(struct recorder *recorder, struct recorder_stream *stream,
			const struct record *record)
{
	if (record->coding == CODING_H264 || !recorder_is_due(recorder, stream))
		return 0;
	if (stream->n_pending > 0)
		return record->coding == CODING_H264_KEY ? TROUPE_E_BUSY : 0;
	stream->left = stream->segment.number;
	recorder_leave_segment(stream);
	return 0;
}

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
		return recorder_fail(recorder, TROUPE_E_EXISTS, into->name, "");
	rc = make_room(recorder);
	if (rc == 0)
		rc = next_segment(recorder, into, record);
	if (rc < 0)
		return recorder_fail(recorder, rc, into->name, "");
	record->run = recorder->options.run;
	memcpy(record->stream, into->name, NAME_SIZE);
	row = &recorder->pending[recorder->n_pending];
	*row = (struct index_row){.record = *record};
	rc = segment_writer_append(&into->writer, record, coded, &row->offset, &row->length);
	if (rc < 0)
		return recorder_fail(recorder, rc, "writing the segment", "");
	row->segment = into->writer.header.number;
	row->coded_at = row->offset + record_header(record->coding);
	row->record.dts = 0; /* as the index has it */
	row->record.lacks = 0;
	recorder->n_pending++;
	recorder->pending_bytes += row->length;
	into->n_pending++;
	into->appended = record->seq;
	into->coding = record->coding;
	FAIL_POINT(APPENDED);
	return 0;
}

/* The row of the frame that was taken last. */
static int last_row(struct recorder *recorder, const struct recorder_stream *stream,
		    struct index_row *row)
{
	for (uint32_t i = recorder->n_pending; i-- > 0;) {
		*row = recorder->pending[i];
		if (strcmp(row->record.stream, stream->name) == 0)
			return 0;
	}
	return index_find(recorder->index, recorder->options.run, stream->name, stream->appended,
			  row);
}

bool recorder_links(struct recorder *recorder, int stream, uint64_t seq)
{
	const struct recorder_stream *into = &recorder->streams[stream];
	struct index_row row;

	return into->writer.started && into->appended + 1 == seq &&
	       last_row(recorder, into, &row) == 0 && row.record.coding != CODING_JPEG &&
	       row.record.seq == into->appended && row.segment == into->writer.header.number;
}

uint32_t recorder_pending(const struct recorder *recorder, uint64_t *bytes)
{
	if (bytes != NULL)
		*bytes = recorder->pending_bytes;
	return recorder->n_pending;
}

/* ---- what it says about itself ---- */

void recorder_tally(const struct recorder *recorder, int stream, struct index_tally *tally)
{
	*tally = recorder->streams[stream].tally;
}

uint64_t recorder_taken(const struct recorder *recorder, int stream)
{
	return recorder->streams[stream].appended;
}

struct index *recorder_index(struct recorder *recorder)
{
	return recorder->index;
}

int recorder_segments(const struct recorder *recorder)
{
	return recorder->folder.segments;
}

uint32_t recorder_new_number(struct recorder *recorder)
{
	return ++recorder->numbers;
}

void recorder_state(const struct recorder *recorder, struct recorder_state *state)
{
	*state = recorder->state;
	for (int i = 0; i < recorder->n_streams; i++) {
		const struct segment_writer *writer = &recorder->streams[i].writer;

		if (!writer->started)
			continue;
		state->open++;
		if (writer->header.number > state->segment) {
			state->segment = writer->header.number;
			state->offset = writer->at;
		}
	}
}

const char *recorder_error(const struct recorder *recorder)
{
	return recorder->error;
}
