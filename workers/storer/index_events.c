/* Events in SQL. */
#include "workers/storer/index_events.h"

#include "ipc/base/errors.h"
#include "workers/storer/index_private.h"

#include <stdio.h>
#include <string.h>

/* Within a piece of an event the clocks differ by no more than this from what they did before. */
#define SLACK (60 * NS_PER_S)

static void bind_text(sqlite3_stmt *statement, int column, const char *text)
{
	sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

static int finish(struct index *index, sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement) == SQLITE_DONE ? 0 : index_fail(index);

	sqlite3_reset(statement);
	return rc;
}

/* ---- writing ---- */

/* In the order of EVENT_COLUMNS behind the number. */
static void bind_event(sqlite3_stmt *statement, const struct event *event)
{
	int n = 1;

	sqlite3_bind_int64(statement, ++n, (int64_t)event->run);
	bind_text(statement, ++n, event->stream);
	bind_text(statement, ++n, event_kind_text(event->kind));
	bind_text(statement, ++n, event->what);
	sqlite3_bind_int64(statement, ++n, (int64_t)event->first_seq);
	sqlite3_bind_int64(statement, ++n, (int64_t)event->last_seq);
	sqlite3_bind_int64(statement, ++n, event->begun);
	sqlite3_bind_int64(statement, ++n, event->ended);
	sqlite3_bind_int64(statement, ++n, event->begun_wall);
	sqlite3_bind_int64(statement, ++n, event->ended_wall);
	sqlite3_bind_int64(statement, ++n, (int64_t)event->frames);
	sqlite3_bind_double(statement, ++n, event->best);
	sqlite3_bind_int64(statement, ++n, event->open);
}

/* Where it begins and what it is of never changes. */
static int grow_event(struct index *index, const struct event *event)
{
	sqlite3_stmt *statement = index_statement(index, SET_EVENT);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, event->number);
	sqlite3_bind_int64(statement, 2, (int64_t)event->last_seq);
	sqlite3_bind_int64(statement, 3, event->ended);
	sqlite3_bind_int64(statement, 4, event->ended_wall);
	sqlite3_bind_int64(statement, 5, (int64_t)event->frames);
	sqlite3_bind_double(statement, 6, event->best);
	sqlite3_bind_int64(statement, 7, event->open);
	return finish(index, statement);
}

int index_put_event(struct index *index, struct event *event)
{
	sqlite3_stmt *statement;
	int rc;

	if (event->number != 0)
		return grow_event(index, event);
	statement = index_statement(index, ADD_EVENT);
	if (statement == NULL)
		return index_fail(index);
	bind_event(statement, event);
	rc = finish(index, statement);
	if (rc == 0)
		event->number = sqlite3_last_insert_rowid(index->db);
	return rc;
}

int index_close_events(struct index *index, uint64_t run)
{
	sqlite3_stmt *statement = index_statement(index, CLOSE_EVENTS);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, (int64_t)run);
	return finish(index, statement);
}

int index_stretch_lost(struct index *index, int64_t now, int64_t wall)
{
	sqlite3_stmt *statement = index_statement(index, STRETCH_LOST);
	int rc;

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, now);
	sqlite3_bind_int64(statement, 2, wall);
	rc = finish(index, statement);
	return rc < 0 ? rc : sqlite3_changes(index->db);
}

int index_drop_events(struct index *index)
{
	sqlite3_stmt *statement = index_statement(index, DROP_EVENTS);

	return statement != NULL ? finish(index, statement) : index_fail(index);
}

int index_forget_events(struct index *index, const struct index_segment *segment)
{
	sqlite3_stmt *statement = index_statement(index, FORGET_EVENTS);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_int64(statement, 1, segment->first_wall - EVENT_PIECE);
	sqlite3_bind_int64(statement, 2, segment->last_wall);
	bind_text(statement, 3, segment->stream);
	return finish(index, statement);
}

int index_lacks_events(struct index *index)
{
	sqlite3_stmt *statement = index_statement(index, LACKS_EVENTS);
	int rc;

	if (statement == NULL || sqlite3_step(statement) != SQLITE_ROW)
		return index_fail(index);
	rc = sqlite3_column_int(statement, 0);
	sqlite3_reset(statement);
	return rc;
}

/* ---- asking ---- */

static void column_text(sqlite3_stmt *statement, int column, char *out, size_t size)
{
	const unsigned char *text = sqlite3_column_text(statement, column);

	snprintf(out, size, "%s", text != NULL ? (const char *)text : "");
}

/* In the order of EVENT_COLUMNS. False: of a kind that we do not know. */
static bool read_event(sqlite3_stmt *statement, struct event *event)
{
	char kind[32];
	int n = 0;

	*event = (struct event){0};
	event->number = sqlite3_column_int64(statement, n++);
	event->run = (uint64_t)sqlite3_column_int64(statement, n++);
	column_text(statement, n++, event->stream, sizeof(event->stream));
	column_text(statement, n++, kind, sizeof(kind));
	column_text(statement, n++, event->what, sizeof(event->what));
	event->first_seq = (uint64_t)sqlite3_column_int64(statement, n++);
	event->last_seq = (uint64_t)sqlite3_column_int64(statement, n++);
	event->begun = sqlite3_column_int64(statement, n++);
	event->ended = sqlite3_column_int64(statement, n++);
	event->begun_wall = sqlite3_column_int64(statement, n++);
	event->ended_wall = sqlite3_column_int64(statement, n++);
	event->frames = (uint64_t)sqlite3_column_int64(statement, n++);
	event->best = sqlite3_column_double(statement, n++);
	event->open = sqlite3_column_int(statement, n++) != 0;
	event->kind = event_kind_of(kind);
	return event->kind != N_EVENT_KINDS;
}

/* Hands out all rows of a bound statement. */
static int each_event(struct index *index, sqlite3_stmt *statement, index_event_fn *each, void *arg)
{
	int rc = 0, step;

	while (rc == 0 && (step = sqlite3_step(statement)) != SQLITE_DONE) {
		struct event event;

		if (step != SQLITE_ROW)
			rc = index_fail(index);
		else if (read_event(statement, &event))
			rc = each(arg, &event);
	}
	sqlite3_reset(statement);
	return rc;
}

int index_open_events(struct index *index, index_event_fn *each, void *arg)
{
	sqlite3_stmt *statement = index_statement(index, OPEN_EVENTS);

	return statement != NULL ? each_event(index, statement, each, arg) : index_fail(index);
}

/* Where an event that touches a time can begin at the earliest. */
static int64_t earliest(const struct event_query *query)
{
	if (query->from < INT64_MIN + EVENT_PIECE + SLACK)
		return INT64_MIN;
	return query->from - EVENT_PIECE - SLACK;
}

/* A statement for the query, bound; NULL: index_error() says why. What is not of frames comes in
 * one piece however long it is, and a step of the clock may lie within: but there is little of it,
 * so it is all looked at. */
static sqlite3_stmt *bind_query(struct index *index, const struct event_query *query)
{
	bool pieces = event_of_frames(query->kind);
	sqlite3_stmt *statement =
		index_statement(index, query->what != NULL ? EVENTS_OF : EVENTS_OF_KIND);

	if (statement == NULL)
		return NULL;
	bind_text(statement, 1, query->stream);
	bind_text(statement, 2, event_kind_text(query->kind));
	sqlite3_bind_int64(statement, 3, pieces ? earliest(query) : INT64_MIN);
	sqlite3_bind_int64(statement, 4, pieces ? query->to : INT64_MAX);
	sqlite3_bind_int64(statement, 5, pieces ? query->from : INT64_MIN);
	/* Kept as what a float was. */
	sqlite3_bind_double(statement, 6, (double)(float)query->best);
	sqlite3_bind_int64(statement, 7, (int64_t)query->run);
	if (query->what != NULL)
		bind_text(statement, 8, query->what);
	return statement;
}

/* For those that were not bounded in SQL. */
struct bounded {
	const struct event_query *query;
	index_event_fn *each;
	void *arg;
};

/* A span over a step of the clock touches what it showed by either reading. */
static int if_touched(void *arg, const struct event *event)
{
	const struct bounded *bounded = arg;
	int64_t length = event->ended - event->begun;
	int64_t first = event->begun_wall, last = event->ended_wall;

	first = last - length < first ? last - length : first;
	last = event->begun_wall + length > last ? event->begun_wall + length : last;
	if (!event->open && last < bounded->query->from)
		return 0;
	return first > bounded->query->to ? 0 : bounded->each(bounded->arg, event);
}

int index_find_events(struct index *index, const struct event_query *query, index_event_fn *each,
		      void *arg)
{
	struct bounded bounded = {.query = query, .each = each, .arg = arg};
	sqlite3_stmt *statement = bind_query(index, query);

	if (statement == NULL)
		return index_fail(index);
	return event_of_frames(query->kind) ? each_event(index, statement, each, arg)
					    : each_event(index, statement, if_touched, &bounded);
}

static int take_one(void *arg, const struct event *event)
{
	*(struct event *)arg = *event;
	return 1;
}

int index_same_event(struct index *index, const struct event *wanted, struct event *found)
{
	sqlite3_stmt *statement = index_statement(index, SAME_EVENT);
	int rc;

	if (statement == NULL)
		return index_fail(index);
	bind_text(statement, 1, wanted->stream);
	bind_text(statement, 2, event_kind_text(wanted->kind));
	bind_text(statement, 3, wanted->what);
	sqlite3_bind_int64(statement, 4, (int64_t)wanted->run);
	sqlite3_bind_int64(statement, 5, wanted->begun);
	rc = each_event(index, statement, take_one, found);
	return rc == 1 ? 0 : rc == 0 ? TROUPE_E_NOT_FOUND : rc;
}

/* The text that a bound statement finds, NULL is none. */
static int one_text(struct index *index, sqlite3_stmt *statement, char *out, size_t size)
{
	int rc = TROUPE_E_ENDED;

	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		if (sqlite3_column_type(statement, 0) != SQLITE_NULL) {
			column_text(statement, 0, out, size);
			rc = 0;
		}
		break;
	case SQLITE_DONE:
		break;
	default:
		rc = index_fail(index);
	}
	sqlite3_reset(statement);
	return rc;
}

int index_next_event_stream(struct index *index, const char *after, char name[NAME_SIZE])
{
	sqlite3_stmt *statement = index_statement(index, NEXT_EVENT_STREAM);

	if (statement == NULL)
		return index_fail(index);
	sqlite3_bind_text(statement, 1, after, -1, SQLITE_TRANSIENT);
	return one_text(index, statement, name, NAME_SIZE);
}

int index_next_event_what(struct index *index, const char *stream, enum event_kind kind,
			  const char *after, char what[EVENT_WHAT_SIZE])
{
	sqlite3_stmt *statement = index_statement(index, NEXT_EVENT_WHAT);

	if (statement == NULL)
		return index_fail(index);
	bind_text(statement, 1, stream);
	bind_text(statement, 2, event_kind_text(kind));
	sqlite3_bind_text(statement, 3, after, -1, SQLITE_TRANSIENT);
	return one_text(index, statement, what, EVENT_WHAT_SIZE);
}

int index_has_events(struct index *index, const char *stream, int64_t from, int64_t to)
{
	static const enum event_kind kinds[] = {EVENT_MOTION, EVENT_LABEL, EVENT_PREDICTION};
	int rc = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && rc == 0; i++) {
		const struct event_query query = {
			.stream = stream, .kind = kinds[i], .from = from, .to = to};
		struct event found;

		rc = index_find_events(index, &query, take_one, &found);
	}
	return rc;
}

int index_explain_events(struct index *index, const struct event_query *query, index_line_fn *line,
			 void *arg)
{
	sqlite3_stmt *statement = bind_query(index, query), *plan = NULL;
	char *text = statement != NULL ? sqlite3_expanded_sql(statement) : NULL;
	char *asked = text != NULL ? sqlite3_mprintf("EXPLAIN QUERY PLAN %s", text) : NULL;
	int rc = TROUPE_E_MEMORY;

	if (statement == NULL)
		return index_fail(index);
	if (asked != NULL) {
		rc = sqlite3_prepare_v2(index->db, asked, -1, &plan, NULL) == SQLITE_OK
			     ? 0
			     : index_fail(index);
	}
	if (rc == 0)
		line(arg, text);
	while (rc == 0 && sqlite3_step(plan) == SQLITE_ROW)
		line(arg, (const char *)sqlite3_column_text(plan, 3));
	sqlite3_finalize(plan);
	sqlite3_free(asked);
	sqlite3_free(text);
	return rc;
}
