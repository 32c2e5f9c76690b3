/* The index's segments, and the ranges of frames that were forgotten with them. */
#include "workers/storer/index_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[N_SEGMENT_STATES] = {
	[SEGMENT_OPEN] = "open",
	[SEGMENT_CLOSED] = "closed",
	[SEGMENT_DOOMED] = "doomed",
};

/* ---- segments ---- */

void index_segment_grow(struct index_segment *segment, const struct index_row *row)
{
	int64_t wall = row->record.captured_wall;

	if (segment->frames == 0)
		segment->coding = row->record.coding == CODING_JPEG ? CODING_JPEG : CODING_H264;
	if (segment->frames == 0 || wall < segment->first_wall)
		segment->first_wall = wall;
	if (segment->frames == 0 || wall > segment->last_wall)
		segment->last_wall = wall;
	segment->frames++;
}

int index_set_segment(struct index *index, const struct index_segment *segment)
{
	sqlite3_stmt *statement = index_statement(index, SET_SEGMENT);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment->number);
	index_bind_text(statement, 2, segment->stream);
	index_bind_text(statement, 3, states[segment->state]);
	sqlite3_bind_int64(statement, 4, segment->coding);
	sqlite3_bind_int64(statement, 5, segment->replaces);
	sqlite3_bind_int64(statement, 6, segment->created_wall);
	sqlite3_bind_int64(statement, 7, (int64_t)segment->bytes);
	sqlite3_bind_int64(statement, 8, (int64_t)segment->frames);
	sqlite3_bind_int64(statement, 9, segment->first_wall);
	sqlite3_bind_int64(statement, 10, segment->last_wall);
	return index_run(index, statement);
}

int index_set_state(struct index *index, uint32_t segment, enum segment_state state)
{
	sqlite3_stmt *statement = index_statement(index, SET_STATE);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment);
	index_bind_text(statement, 2, states[state]);
	return index_run(index, statement);
}

/* Runs a statement about a segment from a place in it on. */
static int run_cut(struct index *index, enum index_statement which, uint32_t segment, uint64_t from)
{
	sqlite3_stmt *statement = index_statement(index, which);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment);
	sqlite3_bind_int64(statement, 2, (int64_t)from);
	return index_run(index, statement);
}

/* Where the first of a segment's rows begins that does not end before so many bytes. Rows do not
 * overlap, so it is the last that begins before, or the next. TROUPE_E_ENDED: there is none.
 * Whoever takes over from a dead storer asks this: it must not take the longer the longer the
 * segment is. */
static int first_behind(struct index *index, uint32_t segment, uint64_t bytes, uint64_t *first)
{
	struct index_row row = {0};
	int rc = index_previous_place(index, segment, bytes, &row);

	if (rc == TROUPE_E_ENDED || (rc == 0 && row.offset + row.length <= bytes))
		rc = index_next_place(index, segment, bytes, &row);
	*first = row.offset;
	return rc;
}

int index_cut_segment(struct index *index, uint32_t segment, uint64_t bytes)
{
	uint64_t first;
	int rc = first_behind(index, segment, bytes, &first);

	if (rc == 0)
		rc = run_cut(index, COUNT_BACK, segment, first);
	if (rc == 0)
		rc = run_cut(index, LAST_BACK, segment, first);
	if (rc == 0)
		rc = run_cut(index, CUT_SEGMENT, segment, first);
	if (rc == TROUPE_E_ENDED)
		return 0;
	return rc < 0 ? rc : sqlite3_changes(index->db);
}

static void read_segment(sqlite3_stmt *statement, struct index_segment *segment)
{
	char state[16];

	*segment = (struct index_segment){
		.number = (uint32_t)sqlite3_column_int64(statement, 0),
		.coding = (uint32_t)sqlite3_column_int64(statement, 3),
		.replaces = (uint32_t)sqlite3_column_int64(statement, 4),
		.created_wall = sqlite3_column_int64(statement, 5),
		.bytes = (uint64_t)sqlite3_column_int64(statement, 6),
		.frames = (uint64_t)sqlite3_column_int64(statement, 7),
		.first_wall = sqlite3_column_int64(statement, 8),
		.last_wall = sqlite3_column_int64(statement, 9),
	};
	index_column_text(statement, 1, segment->stream, sizeof(segment->stream));
	index_column_text(statement, 2, state, sizeof(state));
	for (int i = 0; i < N_SEGMENT_STATES; i++)
		if (strcmp(state, states[i]) == 0)
			segment->state = (enum segment_state)i;
}

/* The segment a prepared and bound statement finds, `none` when it finds nothing. */
static int one_segment(struct index *index, sqlite3_stmt *statement, struct index_segment *segment,
		       int none)
{
	int rc = index_step(index, statement);

	if (rc <= 0)
		return rc < 0 ? rc : none;
	read_segment(statement, segment);
	sqlite3_reset(statement);
	return 0;
}

static int by_number(struct index *index, enum index_statement which, uint32_t number,
		     struct index_segment *segment, int none)
{
	sqlite3_stmt *statement = index_statement(index, which);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, number);
	return one_segment(index, statement, segment, none);
}

int index_segment(struct index *index, uint32_t number, struct index_segment *segment)
{
	return by_number(index, GET_SEGMENT, number, segment, TROUPE_E_NOT_FOUND);
}

int index_next_segment(struct index *index, uint32_t after, struct index_segment *segment)
{
	int rc = by_number(index, NEXT_SEGMENT, after, segment, TROUPE_E_ENDED);

	return rc == 0 && segment->number <= after ? index_out_of_order(index) : rc;
}

int index_next_unfinished(struct index *index, uint32_t after, struct index_segment *segment)
{
	return by_number(index, NEXT_UNFINISHED, after, segment, TROUPE_E_ENDED);
}

int index_next_jpeg(struct index *index, uint32_t after, int64_t until,
		    struct index_segment *segment)
{
	sqlite3_stmt *statement = index_statement(index, NEXT_JPEG);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, after);
	sqlite3_bind_int64(statement, 2, until);
	return one_segment(index, statement, segment, TROUPE_E_ENDED);
}

int index_sum_segment(struct index *index, struct index_segment *segment)
{
	sqlite3_stmt *statement = index_statement(index, SUM_SEGMENT);
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment->number);
	rc = index_step(index, statement);
	if (rc <= 0)
		return rc;
	segment->frames = (uint64_t)sqlite3_column_int64(statement, 0);
	segment->first_wall = sqlite3_column_int64(statement, 1);
	segment->last_wall = sqlite3_column_int64(statement, 2);
	segment->coding = (uint32_t)sqlite3_column_int64(statement, 3);
	sqlite3_reset(statement);
	return 0;
}

int index_open_segment(struct index *index, const char *stream, struct index_segment *segment)
{
	sqlite3_stmt *statement = index_statement(index, OPEN_SEGMENT);

	if (statement == NULL)
		return index_fail(index);
	index_bind_text(statement, 1, stream);
	return one_segment(index, statement, segment, TROUPE_E_NOT_FOUND);
}

int index_walk_segments(struct index *index, index_number_fn *each, void *arg)
{
	sqlite3_stmt *statement = index_statement(index, ALL_SEGMENTS);
	int rc = statement != NULL ? 0 : index_fail(index);

	while (rc == 0 && (rc = index_step(index, statement)) > 0) {
		rc = each(arg, (uint32_t)sqlite3_column_int64(statement, 0),
			  sqlite3_column_int(statement, 1) != 0);
	}
	sqlite3_reset(statement);
	return rc;
}

int64_t index_newer_segment(struct index *index, uint32_t after, const char *stream)
{
	sqlite3_stmt *statement = index_statement(index, NEWER_SEGMENT);
	int64_t number = TROUPE_E_ENDED;
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, after);
	if (stream != NULL)
		index_bind_text(statement, 2, stream);
	rc = index_step(index, statement);
	if (rc > 0)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return rc < 0 ? rc : number;
}

static int64_t one_number(struct index *index, enum index_statement which)
{
	sqlite3_stmt *statement = index_statement(index, which);
	int64_t number = 0;
	int rc = statement != NULL ? index_step(index, statement) : index_fail(index);

	if (rc > 0)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return rc < 0 ? rc : number;
}

int64_t index_highest_segment(struct index *index)
{
	int64_t there = one_number(index, HIGHEST_SEGMENT);
	int64_t used = there < 0 ? there : one_number(index, NUMBERS_USED);

	return used < 0 || used > there ? used : there;
}

/* ---- what was forgotten ---- */

static void read_range(sqlite3_stmt *statement, struct index_range *range)
{
	*range = (struct index_range){
		.run = (uint64_t)sqlite3_column_int64(statement, 0),
		.first_seq = (uint64_t)sqlite3_column_int64(statement, 2),
		.last_seq = (uint64_t)sqlite3_column_int64(statement, 3),
		.first_ordinal = (uint64_t)sqlite3_column_int64(statement, 4),
		.last_ordinal = (uint64_t)sqlite3_column_int64(statement, 5),
		.at_wall = sqlite3_column_int64(statement, 7),
	};
	index_column_text(statement, 1, range->stream, sizeof(range->stream));
	index_column_text(statement, 6, range->why, sizeof(range->why));
}

/* The range of (run, stream) that `which` finds beside `seq`. 1, 0: none, or an error. */
static int range_beside(struct index *index, enum index_statement which, uint64_t run,
			const char *stream, uint64_t seq, struct index_range *range)
{
	sqlite3_stmt *statement = index_statement(index, which);
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run);
	index_bind_text(statement, 2, stream);
	sqlite3_bind_int64(statement, 3, (int64_t)seq);
	rc = index_step(index, statement);
	if (rc > 0)
		read_range(statement, range);
	sqlite3_reset(statement);
	return rc;
}

int index_next_forgotten(struct index *index, uint64_t run, const char *stream, uint64_t after,
			 struct index_range *range)
{
	int rc = range_beside(index, NEXT_RANGE, run, stream, after, range);

	if (rc > 0 && (int64_t)range->first_seq <= (int64_t)after)
		return index_out_of_order(index);
	return rc > 0 ? 0 : rc < 0 ? rc : TROUPE_E_ENDED;
}

static int remove_range(struct index *index, const struct index_range *range)
{
	sqlite3_stmt *statement = index_statement(index, REMOVE_RANGE);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)range->run);
	index_bind_text(statement, 2, range->stream);
	sqlite3_bind_int64(statement, 3, (int64_t)range->first_seq);
	return index_run(index, statement);
}

static int insert_range(struct index *index, const struct index_range *range)
{
	sqlite3_stmt *statement = index_statement(index, ADD_RANGE);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)range->run);
	index_bind_text(statement, 2, range->stream);
	sqlite3_bind_int64(statement, 3, (int64_t)range->first_seq);
	sqlite3_bind_int64(statement, 4, (int64_t)range->last_seq);
	sqlite3_bind_int64(statement, 5, (int64_t)range->first_ordinal);
	sqlite3_bind_int64(statement, 6, (int64_t)range->last_ordinal);
	index_bind_text(statement, 7, range->why);
	sqlite3_bind_int64(statement, 8, range->at_wall);
	return index_run(index, statement);
}

/* Frames that were never owed may lie between the two, so ordinals tell. */
static bool adjoin(const struct index_range *left, const struct index_range *right)
{
	return left->last_ordinal + 1 == right->first_ordinal && strcmp(left->why, right->why) == 0;
}

int index_add_forgotten(struct index *index, const struct index_range *range)
{
	struct index_range all = *range, beside = {0};
	int rc = range_beside(index, RANGE_BEFORE, all.run, all.stream, all.first_seq, &beside);

	if (rc > 0 && adjoin(&beside, &all)) {
		all.first_seq = beside.first_seq;
		all.first_ordinal = beside.first_ordinal;
		rc = remove_range(index, &beside);
	}
	if (rc >= 0)
		rc = range_beside(index, NEXT_RANGE, all.run, all.stream, all.last_seq, &beside);
	if (rc > 0 && adjoin(&all, &beside)) {
		all.last_seq = beside.last_seq;
		all.last_ordinal = beside.last_ordinal;
		rc = remove_range(index, &beside);
	}
	return rc < 0 ? rc : insert_range(index, &all);
}

/* The ranges that the frames of a segment are: one, where nothing is missing. Returns how many;
 * *ranges is the caller's to free(). */
static int ranges_of(struct index *index, uint32_t segment, const char *why,
		     struct index_range **ranges)
{
	sqlite3_stmt *statement = index_statement(index, RANGES_OF_SEGMENT);
	int64_t now = clock_wall();
	int count = 0, rc;

	*ranges = NULL;
	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment);
	index_bind_text(statement, 2, why);
	sqlite3_bind_int64(statement, 3, now);
	while ((rc = index_step(index, statement)) > 0) {
		struct index_range *more = realloc(*ranges, ((size_t)count + 1) * sizeof(**ranges));

		if (more == NULL) {
			sqlite3_reset(statement);
			return TROUPE_E_MEMORY;
		}
		*ranges = more;
		read_range(statement, &more[count++]);
	}
	return rc < 0 ? rc : count;
}

/* Why what lay just before a segment's first frame was forgotten. */
static int why_before(struct index *index, uint32_t segment, struct index_range *before)
{
	struct index_row first;
	int rc = index_next_place(index, segment, 0, &first);

	snprintf(before->why, sizeof(before->why), "keep");
	if (rc < 0)
		return rc == TROUPE_E_ENDED ? 0 : rc;
	rc = range_beside(index, RANGE_BEFORE, first.record.run, first.record.stream,
			  first.record.seq, before);
	if (rc > 0 && before->last_ordinal + 1 != first.record.ordinal)
		snprintf(before->why, sizeof(before->why), "keep");
	return rc < 0 ? rc : 0;
}

/* Frames go, ranges come. Returns how many frames. */
static int forget_frames(struct index *index, uint32_t segment, const char *why)
{
	struct index_range *ranges = NULL;
	int count = ranges_of(index, segment, why, &ranges);
	int rc = count < 0 ? count : run_cut(index, CUT_SEGMENT, segment, 0);
	int frames = sqlite3_changes(index->db);

	for (int i = 0; rc == 0 && ranges != NULL && i < count; i++)
		rc = index_add_forgotten(index, &ranges[i]);
	free(ranges);
	return rc < 0 ? rc : frames;
}

int index_doom_segment(struct index *index, uint32_t segment, const char *why)
{
	int frames = forget_frames(index, segment, why);
	int rc = frames < 0 ? frames : index_set_state(index, segment, SEGMENT_DOOMED);

	return rc < 0 ? rc : frames;
}

/* A number is never used again, so the highest is kept when its segment goes. */
static int keep_number(struct index *index, uint32_t segment)
{
	int64_t highest = index_highest_segment(index);
	char text[48];

	if (highest < 0 || highest > segment)
		return highest < 0 ? (int)highest : 0;
	snprintf(text, sizeof(text), "PRAGMA user_version = %u", segment);
	return sqlite3_exec(index->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : index_fail(index);
}

int index_forget_segment(struct index *index, uint32_t segment, const char *why)
{
	struct index_range before = {0};
	int rc = why == NULL ? why_before(index, segment, &before) : 0;
	int frames = rc < 0 ? rc : forget_frames(index, segment, why != NULL ? why : before.why);
	sqlite3_stmt *statement;

	rc = frames < 0 ? frames : keep_number(index, segment);
	statement = rc < 0 ? NULL : index_statement(index, REMOVE_SEGMENT);
	if (rc < 0)
		return rc;
	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment);
	rc = index_run(index, statement);
	return rc < 0 ? rc : frames;
}

int index_forget_gaps(struct index *index, int64_t at_wall)
{
	sqlite3_stmt *statement = index_statement(index, ADD_GAPS);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, at_wall);
	return index_run(index, statement);
}
