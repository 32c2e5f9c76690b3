/* Entering runs, streams and frames into the index. */
#include "workers/storer/index_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/word.h"

#define CLOCK_MOVED (50 * NS_PER_MS) /* else it is drift, or noise */

int index_add_run(struct index *index, uint64_t run, const char *pipeline, const char *boot)
{
	sqlite3_stmt *statement = index_statement(index, ADD_RUN);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run);
	index_bind_text(statement, 2, pipeline);
	index_bind_text(statement, 3, boot);
	return index_run(index, statement);
}

int index_add_stream(struct index *index, uint64_t run, const char *stream, uint32_t width,
		     uint32_t height, uint32_t fps_num, uint32_t fps_den)
{
	sqlite3_stmt *statement = index_statement(index, ADD_STREAM);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run);
	index_bind_text(statement, 2, stream);
	sqlite3_bind_int64(statement, 3, width);
	sqlite3_bind_int64(statement, 4, height);
	sqlite3_bind_int64(statement, 5, fps_num);
	sqlite3_bind_int64(statement, 6, fps_den);
	return index_run(index, statement);
}

void index_tally_grow(struct index_tally *tally, const struct record *record)
{
	tally->frames++;
	tally->bypassed += (record->marks & MARK_BYPASSED) != 0;
	tally->quarantined += (record->marks & MARK_QUARANTINED) != 0;
	if (record->seq > tally->last)
		tally->last = record->seq;
	if (record->ordinal > tally->last_ordinal)
		tally->last_ordinal = record->ordinal;
}

int index_set_tally(struct index *index, uint64_t run, const char *stream,
		    const struct index_tally *tally)
{
	sqlite3_stmt *statement = index_statement(index, SET_TALLY);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run);
	index_bind_text(statement, 2, stream);
	sqlite3_bind_int64(statement, 3, (int64_t)tally->frames);
	sqlite3_bind_int64(statement, 4, (int64_t)tally->bypassed);
	sqlite3_bind_int64(statement, 5, (int64_t)tally->quarantined);
	sqlite3_bind_int64(statement, 6, (int64_t)tally->last);
	sqlite3_bind_int64(statement, 7, (int64_t)tally->last_ordinal);
	return index_run(index, statement);
}

int index_add_clock(struct index *index, uint64_t run, const struct index_clock *clock)
{
	sqlite3_stmt *statement = index_statement(index, ADD_CLOCK);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run);
	sqlite3_bind_int64(statement, 2, clock->since);
	sqlite3_bind_int64(statement, 3, clock->wall_offset);
	return index_run(index, statement);
}

/* Frames of several streams need not come in the order of their capture: who was captured before
 * the clock was set says nothing about the time since. */
int index_note_clock(struct index *index, const struct record *record, struct index_clock *clock)
{
	int64_t offset = record->captured_wall - record->captured;
	int64_t moved = offset - clock->wall_offset;

	if (record->captured <= clock->since || (moved <= CLOCK_MOVED && moved >= -CLOCK_MOVED))
		return 0;
	*clock = (struct index_clock){.since = record->captured, .wall_offset = offset};
	return index_add_clock(index, record->run, clock);
}

static void bind_optional(sqlite3_stmt *statement, int column, const char *text)
{
	if (text[0] != 0)
		index_bind_text(statement, column, text);
	else
		sqlite3_bind_null(statement, column);
}

int index_add_frame(struct index *index, const struct index_row *row)
{
	const struct record *record = &row->record;
	sqlite3_stmt *statement = index_statement(index, ADD_FRAME);
	int n = 0;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->run);
	index_bind_text(statement, ++n, record->stream);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->seq);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->ordinal);
	sqlite3_bind_int64(statement, ++n, row->segment);
	sqlite3_bind_int64(statement, ++n, (int64_t)row->offset);
	sqlite3_bind_int64(statement, ++n, row->length);
	sqlite3_bind_int64(statement, ++n, record->coding);
	sqlite3_bind_int64(statement, ++n, (int64_t)row->coded_at);
	sqlite3_bind_int64(statement, ++n, record->coded_bytes);
	sqlite3_bind_int64(statement, ++n, record->width);
	sqlite3_bind_int64(statement, ++n, record->height);
	sqlite3_bind_int64(statement, ++n, record->pts);
	sqlite3_bind_int64(statement, ++n, record->captured);
	sqlite3_bind_int64(statement, ++n, record->captured_wall);
	sqlite3_bind_int64(statement, ++n, record->published);
	sqlite3_bind_int64(statement, ++n, record->claimed);
	sqlite3_bind_int64(statement, ++n, record->finished);
	sqlite3_bind_int64(statement, ++n, row->stored);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->source_index);
	bind_optional(statement, ++n, record->label);
	bind_optional(statement, ++n, record->prediction);
	sqlite3_bind_double(statement, ++n, (double)record->probability);
	sqlite3_bind_int64(statement, ++n, (int64_t)record->model_version);
	sqlite3_bind_double(statement, ++n, (double)record->motion);
	for (size_t i = 0; i < N_DROP_REASONS; i++)
		sqlite3_bind_int64(statement, ++n, record->drops_before[i]);
	sqlite3_bind_int64(statement, ++n, (record->marks & MARK_BYPASSED) != 0);
	sqlite3_bind_int64(statement, ++n, (record->marks & MARK_QUARANTINED) != 0);
	return index_run(index, statement);
}

int index_move_frame(struct index *index, const struct index_row *row)
{
	const struct record *record = &row->record;
	sqlite3_stmt *statement = index_statement(index, MOVE_FRAME);
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)record->run);
	index_bind_text(statement, 2, record->stream);
	sqlite3_bind_int64(statement, 3, (int64_t)record->seq);
	sqlite3_bind_int64(statement, 4, row->segment);
	sqlite3_bind_int64(statement, 5, (int64_t)row->offset);
	sqlite3_bind_int64(statement, 6, row->length);
	sqlite3_bind_int64(statement, 7, record->coding);
	sqlite3_bind_int64(statement, 8, (int64_t)row->coded_at);
	sqlite3_bind_int64(statement, 9, record->coded_bytes);
	rc = index_run(index, statement);
	return rc < 0 || sqlite3_changes(index->db) == 1 ? rc : TROUPE_E_NOT_FOUND;
}
