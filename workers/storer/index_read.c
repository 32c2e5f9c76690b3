/* Asking the index. */
#include "workers/storer/index_private.h"

#include "ipc/base/errors.h"
#include "ipc/slots/word.h"

#include <stdio.h>
#include <string.h>

void index_column_text(sqlite3_stmt *statement, int column, char *out, size_t size)
{
	const unsigned char *text = sqlite3_column_text(statement, column);

	snprintf(out, size, "%s", text != NULL ? (const char *)text : "");
}

static uint32_t column_u32(sqlite3_stmt *statement, int column)
{
	return (uint32_t)sqlite3_column_int64(statement, column);
}

void index_read_row(sqlite3_stmt *statement, struct index_row *row)
{
	struct record *record = &row->record;
	int n = 0;

	*row = (struct index_row){0};
	record->run = (uint64_t)sqlite3_column_int64(statement, n++);
	index_column_text(statement, n++, record->stream, NAME_SIZE);
	record->seq = (uint64_t)sqlite3_column_int64(statement, n++);
	record->ordinal = (uint64_t)sqlite3_column_int64(statement, n++);
	row->segment = column_u32(statement, n++);
	row->offset = (uint64_t)sqlite3_column_int64(statement, n++);
	row->length = column_u32(statement, n++);
	record->coding = column_u32(statement, n++);
	row->coded_at = (uint64_t)sqlite3_column_int64(statement, n++);
	record->coded_bytes = column_u32(statement, n++);
	record->width = column_u32(statement, n++);
	record->height = column_u32(statement, n++);
	record->pts = sqlite3_column_int64(statement, n++);
	record->captured = sqlite3_column_int64(statement, n++);
	record->captured_wall = sqlite3_column_int64(statement, n++);
	record->published = sqlite3_column_int64(statement, n++);
	record->claimed = sqlite3_column_int64(statement, n++);
	record->finished = sqlite3_column_int64(statement, n++);
	row->stored = sqlite3_column_int64(statement, n++);
	record->source_index = (uint64_t)sqlite3_column_int64(statement, n++);
	index_column_text(statement, n++, record->label, NAME_SIZE);
	index_column_text(statement, n++, record->prediction, NAME_SIZE);
	record->probability = (float)sqlite3_column_double(statement, n++);
	record->model_version = (uint64_t)sqlite3_column_int64(statement, n++);
	record->motion = (float)sqlite3_column_double(statement, n++);
	for (size_t i = 0; i < N_DROP_REASONS; i++)
		record->drops_before[i] = column_u32(statement, n++);
	record->marks |= sqlite3_column_int(statement, n++) != 0 ? MARK_BYPASSED : 0;
	record->marks |= sqlite3_column_int(statement, n++) != 0 ? MARK_QUARANTINED : 0;
}

/* The row a prepared and bound statement finds, `none` when it finds nothing. */
static int one_row(struct index *index, sqlite3_stmt *statement, struct index_row *row, int none)
{
	int rc = index_step(index, statement);

	if (rc <= 0)
		return rc < 0 ? rc : none;
	index_read_row(statement, row);
	sqlite3_reset(statement);
	return 0;
}

int index_clock_at(struct index *index, uint64_t run, int64_t at, struct index_clock *clock)
{
	static const enum index_statement tries[] = {CLOCK_AT, FIRST_CLOCK};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		sqlite3_stmt *statement = index_statement(index, tries[i]);
		int rc;

		if (statement == NULL)
			return index_fail(index);
		sqlite3_bind_int64(statement, 1, (int64_t)run);
		sqlite3_bind_int64(statement, 2, at);
		rc = index_step(index, statement);
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		clock->since = sqlite3_column_int64(statement, 0);
		clock->wall_offset = sqlite3_column_int64(statement, 1);
		sqlite3_reset(statement);
		return 0;
	}
	return TROUPE_E_NOT_FOUND;
}

int index_newest_run(struct index *index, uint64_t *run)
{
	sqlite3_stmt *statement = index_statement(index, NEWEST_RUN);
	int rc;

	if (statement == NULL)
		return index_fail(index);
	rc = index_step(index, statement);
	if (rc < 0)
		return rc;
	*run = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return *run != 0 ? 0 : TROUPE_E_NOT_FOUND;
}

int index_next_stream(struct index *index, uint64_t run, const char *after, char name[NAME_SIZE])
{
	sqlite3_stmt *statement = index_statement(index, NEXT_STREAM);
	char next[NAME_SIZE];
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run);
	sqlite3_bind_text(statement, 2, after, -1, SQLITE_TRANSIENT);
	rc = index_step(index, statement);
	if (rc <= 0)
		return rc < 0 ? rc : TROUPE_E_ENDED;
	index_column_text(statement, 0, next, NAME_SIZE);
	sqlite3_reset(statement);
	if (strcmp(next, after) <= 0)
		return index_out_of_order(index);
	memcpy(name, next, NAME_SIZE);
	return 0;
}

int index_next_key(struct index *index, uint64_t *run, char stream[NAME_SIZE])
{
	sqlite3_stmt *statement = index_statement(index, NEXT_KEY);
	char next[NAME_SIZE];
	uint64_t next_run;
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)*run);
	sqlite3_bind_text(statement, 2, stream, -1, SQLITE_TRANSIENT);
	rc = index_step(index, statement);
	if (rc <= 0)
		return rc < 0 ? rc : TROUPE_E_ENDED;
	next_run = (uint64_t)sqlite3_column_int64(statement, 0);
	index_column_text(statement, 1, next, NAME_SIZE);
	sqlite3_reset(statement);
	if ((int64_t)next_run < (int64_t)*run || (next_run == *run && strcmp(next, stream) <= 0))
		return index_out_of_order(index);
	*run = next_run;
	memcpy(stream, next, NAME_SIZE);
	return 0;
}

int index_tally(struct index *index, uint64_t run, const char *stream, struct index_tally *tally)
{
	sqlite3_stmt *statement = index_statement(index, TALLY);
	int rc;

	*tally = (struct index_tally){0};
	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run);
	sqlite3_bind_text(statement, 2, stream, -1, SQLITE_STATIC);
	rc = index_step(index, statement);
	if (rc <= 0)
		return rc;
	tally->frames = (uint64_t)sqlite3_column_int64(statement, 0);
	tally->bypassed = (uint64_t)sqlite3_column_int64(statement, 1);
	tally->quarantined = (uint64_t)sqlite3_column_int64(statement, 2);
	tally->last = (uint64_t)sqlite3_column_int64(statement, 3);
	tally->last_ordinal = (uint64_t)sqlite3_column_int64(statement, 4);
	sqlite3_reset(statement);
	return 0;
}

static int by_key(struct index *index, enum index_statement which, uint64_t run, const char *stream,
		  uint64_t seq, struct index_row *row, int none)
{
	sqlite3_stmt *statement = index_statement(index, which);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run);
	sqlite3_bind_text(statement, 2, stream, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(statement, 3, (int64_t)seq);
	return one_row(index, statement, row, none);
}

int index_find(struct index *index, uint64_t run, const char *stream, uint64_t seq,
	       struct index_row *row)
{
	return by_key(index, FIND, run, stream, seq, row, TROUPE_E_NOT_FOUND);
}

int index_next(struct index *index, uint64_t run, const char *stream, uint64_t after,
	       struct index_row *row)
{
	int rc = by_key(index, NEXT, run, stream, after, row, TROUPE_E_ENDED);

	if (rc == 0 && (int64_t)row->record.seq <= (int64_t)after)
		return index_out_of_order(index);
	return rc;
}

int index_previous(struct index *index, uint64_t run, const char *stream, uint64_t before,
		   struct index_row *row)
{
	int rc = by_key(index, PREVIOUS, run, stream, before, row, TROUPE_E_ENDED);

	if (rc == 0 && (int64_t)row->record.seq >= (int64_t)before)
		return index_out_of_order(index);
	return rc;
}

/* The run that is next to `from` on one side. */
static int neighbour(struct index *index, enum index_statement side, uint64_t from, uint64_t *run)
{
	sqlite3_stmt *statement = index_statement(index, side);
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)from);
	rc = index_step(index, statement);
	if (rc < 0)
		return rc;
	*run = (uint64_t)sqlite3_column_int64(statement, 0); /* NULL, which is 0: none */
	sqlite3_reset(statement);
	return *run != 0 ? 0 : TROUPE_E_ENDED;
}

int index_next_run(struct index *index, uint64_t after, uint64_t *run)
{
	int rc = neighbour(index, NEXT_RUN, after, run);

	return rc == 0 && (int64_t)*run <= (int64_t)after ? index_out_of_order(index) : rc;
}

int index_previous_run(struct index *index, uint64_t before, uint64_t *run)
{
	int rc = neighbour(index, PREVIOUS_RUN, before, run);

	return rc == 0 && (int64_t)*run >= (int64_t)before ? index_out_of_order(index) : rc;
}

static int by_time(struct index *index, enum index_statement which, const char *stream,
		   int64_t wall, struct index_row *row)
{
	sqlite3_stmt *statement = index_statement(index, which);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_text(statement, 1, stream, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(statement, 2, wall);
	return one_row(index, statement, row, TROUPE_E_ENDED);
}

int index_first_since(struct index *index, const char *stream, int64_t since, struct index_row *row)
{
	return by_time(index, FIRST_SINCE, stream, since, row);
}

int index_last_until(struct index *index, const char *stream, int64_t until, struct index_row *row)
{
	return by_time(index, LAST_UNTIL, stream, until, row);
}

int64_t index_spans(struct index *index, const char *stream, int64_t from, int64_t to,
		    struct index_span *spans, size_t max)
{
	sqlite3_stmt *statement = index_statement(index, SPANS);
	int64_t n = 0;
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_text(statement, 1, stream, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(statement, 2, from);
	sqlite3_bind_int64(statement, 3, to);
	while ((rc = index_step(index, statement)) == 1) {
		if ((size_t)n < max) {
			spans[n] = (struct index_span){
				.run = (uint64_t)sqlite3_column_int64(statement, 0),
				.first = (uint64_t)sqlite3_column_int64(statement, 1),
				.last = (uint64_t)sqlite3_column_int64(statement, 2),
				.frames = (uint64_t)sqlite3_column_int64(statement, 3),
			};
		}
		n++;
	}
	return rc < 0 ? rc : n;
}

static int by_place(struct index *index, enum index_statement which, uint32_t segment,
		    uint64_t offset, struct index_row *row)
{
	sqlite3_stmt *statement = index_statement(index, which);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment);
	sqlite3_bind_int64(statement, 2, (int64_t)offset);
	return one_row(index, statement, row, TROUPE_E_ENDED);
}

int index_next_place(struct index *index, uint32_t segment, uint64_t offset, struct index_row *row)
{
	int rc = by_place(index, NEXT_PLACE, segment, offset, row);

	return rc == 0 && row->offset < offset ? index_out_of_order(index) : rc;
}

int index_previous_place(struct index *index, uint32_t segment, uint64_t offset,
			 struct index_row *row)
{
	int rc = by_place(index, PREVIOUS_PLACE, segment, offset, row);

	return rc == 0 && row->offset >= offset ? index_out_of_order(index) : rc;
}
