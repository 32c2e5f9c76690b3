/* `troupe find`: which spans of a recording meet all that is asked for. Only the catalogue's events
 * are asked, so it takes milliseconds however many frames there are; a span that is cut by a time
 * asked for costs a few rows more, to find the frames at its ends. */
#include "tools/troupe/find.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"
#include "tools/troupe/range.h"
#include "tools/troupe/recordings.h"

#include <string.h>

#define OPEN_LATELY (30 * NS_PER_S)

/* ---- one question ---- */

struct collecting {
	struct spans *spans;
	size_t rows;
};

static int collect(void *arg, const struct event *event)
{
	struct collecting *into = arg;
	into->rows++;
	return spans_add_event(into->spans, event);
}

static void plan_line(void *arg, const char *line)
{
	json_array_append_new(arg, json_string(line));
}

/* For --explain: the first line is the question itself. */
static void explain(struct finding *finding, const struct event_query *query, size_t rows,
		    int64_t took)
{
	json_t *plan = json_array();
	recording_explain_events(finding->recording, query, plan_line, plan);
	json_t *sql = json_incref(json_array_get(plan, 0));
	json_array_remove(plan, 0);
	json_array_append_new(finding->queries,
			      json_pack("{s:o, s:o, s:I, s:f}", "sql", sql ? sql : json_null(),
					"plan", plan, "rows", (json_int_t)rows, "ms",
					(double)took / (double)NS_PER_MS));
}

static int ask(struct finding *finding, const struct event_query *query, struct spans *spans)
{
	struct collecting into = {.spans = spans};
	int64_t begun = clock_now();
	int rc = recording_find_events(finding->recording, query, collect, &into);
	int64_t took = clock_now() - begun;
	finding->took += took;
	if (rc == 0 && finding->queries)
		explain(finding, query, into.rows, took);
	return rc;
}

/* ---- one condition ---- */

static int ask_stream(struct finding *finding, const struct condition *condition,
		      const char *stream, struct spans *spans)
{
	struct event_query query = {.stream = stream,
				    .what = condition->what,
				    .run = finding->run,
				    .best = condition->best,
				    .from = finding->from,
				    .to = finding->to};
	int rc = 0;
	for (size_t i = 0; i < condition->n_kinds && rc == 0; i++) {
		query.kind = condition->kinds[i];
		rc = ask(finding, &query, spans);
	}
	return rc;
}

/* What is of no stream has the name "". */
static int ask_all(struct finding *finding, const struct condition *condition, struct spans *spans)
{
	char name[NAME_SIZE] = "";
	int rc = 0;
	if (!event_of_frames(condition->kinds[0]))
		rc = ask_stream(finding, condition, name, spans);
	while (rc == 0 && (rc = recording_next_event_stream(finding->recording, name, name)) == 0)
		rc = ask_stream(finding, condition, name, spans);
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* Spans of one condition, joined. With others beside it, any label is as good as another. */
static int find_condition(struct finding *finding, const struct condition *condition,
			  struct spans *spans)
{
	const char *stream = finding->stream;
	int rc = stream ? ask_stream(finding, condition, stream, spans)
			: ask_all(finding, condition, spans);
	for (size_t i = 0; i < spans->n && !condition->what && finding->n_conditions > 1; i++)
		spans->all[i].what[0] = '\0';
	spans_cut(spans, finding->from, finding->to);
	spans_join(spans);
	return rc;
}

/* ---- all of them ---- */

/* The first frame of a span's stream that was captured at `wall` or later. */
static int frame_at(struct finding *finding, const struct span *span, int64_t wall, uint64_t *seq)
{
	uint64_t below = span->first_seq - 1, last = span->last_seq;
	struct index_row row;
	int rc = 0;
	while (rc == 0 && below + 1 < last) {
		uint64_t middle = below + (last - below) / 2;
		rc = recording_next(finding->recording, span->run, span->stream, middle - 1, &row);
		if (rc == 0 && row.record.captured_wall < wall)
			below = row.record.seq > middle ? row.record.seq : middle;
		else
			last = middle;
	}
	/* The number itself may be of a frame that is not there any more. */
	if (rc == 0)
		rc = recording_next(finding->recording, span->run, span->stream, last - 1, &row);
	*seq = rc == 0 ? row.record.seq : last;
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* A span that was cut by a time has the numbers of the frames that are left. */
static int find_numbers(struct finding *finding, struct span *span)
{
	struct index_row row;
	uint64_t first = span->first_seq, behind;
	int rc = 0;
	if (span->cut_first)
		rc = frame_at(finding, span, span->begun_wall, &first);
	if (rc == 0 && span->cut_last) {
		rc = frame_at(finding, span, span->ended_wall + 1, &behind);
		if (rc == 0)
			rc = recording_previous(finding->recording, span->run, span->stream, behind,
						&row);
		span->last_seq = rc == 0 ? row.record.seq : span->last_seq;
	}
	span->first_seq = first;
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* ---- what is not there any more ---- */

static void begin_with(struct span *span, const struct record *record)
{
	span->first_seq = record->seq;
	span->begun = record->captured;
	span->begun_wall = record->captured_wall;
}

/* Adds what is left of a span before a range that is gone. */
static int add_before(struct finding *finding, const struct span *span, uint64_t gone,
		      struct spans *out)
{
	struct span before = *span;
	struct index_row row;
	if (recording_previous(finding->recording, span->run, span->stream, gone, &row) < 0 ||
	    row.record.seq < span->first_seq)
		return 0;
	before.last_seq = row.record.seq;
	before.ended = row.record.captured;
	before.ended_wall = row.record.captured_wall;
	before.open = false;
	return spans_add(out, &before);
}

/* Adds what is left of a span between the ranges that are gone. */
static int add_what_is_left(struct finding *finding, struct span span, struct spans *out)
{
	struct recording *recording = finding->recording;
	struct index_range range = {0};
	int rc;
	while ((rc = recording_next_forgotten(recording, span.run, span.stream, range.first_seq,
					      &range)) == 0 &&
	       range.first_seq <= span.last_seq) {
		struct index_row row = {0};
		if (range.last_seq < span.first_seq)
			continue;
		rc = add_before(finding, &span, range.first_seq, out);
		if (rc == 0)
			rc = recording_next(recording, span.run, span.stream, range.last_seq, &row);
		if (rc < 0 || row.record.seq > span.last_seq)
			return rc == TROUPE_E_ENDED ? 0 : rc;
		begin_with(&span, &row.record);
	}
	return rc == 0 || rc == TROUPE_E_ENDED ? spans_add(out, &span) : rc;
}

/* What was recorded and is kept no longer is not recorded. */
static int without_forgotten(struct finding *finding, struct spans *spans)
{
	struct spans left = {0};
	int rc = 0;
	for (size_t i = 0; i < spans->n && rc == 0; i++)
		rc = add_what_is_left(finding, spans->all[i], &left);
	spans_finish(spans);
	*spans = left;
	return rc;
}

/* Who died left it open, and so did a pipeline that has ended: what goes on has been written
 * lately.
 */
static void judge_open(struct spans *spans)
{
	int64_t lately = clock_wall() - OPEN_LATELY;
	for (size_t i = 0; i < spans->n; i++)
		spans->all[i].open &= spans->all[i].ended_wall > lately;
}

/* Of what is cut to frames that are not there any more nothing is left. */
static int add_numbers(struct finding *finding, struct spans *spans)
{
	size_t kept = 0;
	int rc = 0;
	for (size_t i = 0; i < spans->n && rc == 0; i++) {
		struct span span = spans->all[i];
		if (span.first_seq && (span.cut_first || span.cut_last))
			rc = find_numbers(finding, &span);
		if (rc == 0 && span.first_seq <= span.last_seq)
			spans->all[kept++] = span;
	}
	spans->n = kept;
	return rc;
}

int find_spans(struct finding *finding, struct spans *spans)
{
	int rc = find_condition(finding, &finding->conditions[0], spans);
	for (size_t i = 1; i < finding->n_conditions && rc == 0; i++) {
		struct spans other = {0}, both = {0};
		rc = find_condition(finding, &finding->conditions[i], &other);
		if (rc == 0)
			rc = spans_common(spans, &other, &both);
		spans_finish(&other);
		spans_finish(spans);
		*spans = both;
	}
	spans_sort_by_time(spans);
	if (rc == 0 && finding->conditions[0].kinds[0] == EVENT_RECORDED) {
		rc = add_numbers(finding, spans);
		if (rc == 0)
			rc = without_forgotten(finding, spans);
		spans_keep_last(spans, finding->limit);
	} else {
		spans_keep_last(spans, finding->limit);
		rc = rc == 0 ? add_numbers(finding, spans) : rc;
	}
	judge_open(spans);
	return rc;
}

static int find_in(struct finding *finding)
{
	struct spans spans = {0};
	int rc = recording_begin(finding->recording);
	if (rc == 0)
		rc = find_spans(finding, &spans);
	if (rc < 0)
		out_error("find: %s: %s", finding->folder, error_text(rc));
	else
		rc = find_show(finding, &spans);
	recording_end(finding->recording);
	spans_finish(&spans);
	return rc < 0 ? EXIT_FAILED : rc;
}

int find_run(const struct call *call)
{
	char folder[4096], why[512];
	struct finding finding = {.folder = folder};
	int rc = find_read(&finding, call);
	if (rc == EXIT_DONE)
		rc = recording_pick(call, call->n_args ? call->arg[0] : NULL, folder,
				    sizeof folder);
	if (rc != EXIT_DONE)
		return rc;
	int error = recording_open(&finding.recording, folder, why, sizeof why);
	if (error < 0) {
		out_error("find: %s", why);
		return error == TROUPE_E_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED;
	}
	finding.queries = call->explain ? json_array() : NULL;
	rc = range_pick_run(call, finding.recording, &finding.run);
	if (rc == EXIT_DONE)
		rc = find_in(&finding);
	json_decref(finding.queries);
	recording_close(finding.recording);
	return rc;
}
