/* What `troupe find` prints. */
#include "tools/troupe/find.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"
#include "tools/troupe/when.h"

#include <inttypes.h>
#include <string.h>

static uint64_t frames_of(const struct span *span)
{
	return span->first_seq ? span->last_seq - span->first_seq + 1 : 0;
}

/* What a span is, in a word or two. */
static const char *thing_of(const struct span *span, char *out, size_t size)
{
	bool told = *span->what && !event_of_frames(span->kind);
	snprintf(out, size, "%s%s%s", told || !*span->what ? event_kind_text(span->kind) : "",
		 told ? ": " : "", span->what);
	return out;
}

/* ---- for people ---- */

/* "2026-11-21 10:00:00.000"; the end of the same day without its day. */
static const char *end_of(const struct span *span, const char *begin, char *out, size_t size)
{
	static const size_t day = sizeof "2026-11-21 " - 1;
	when_format(span->ended_wall, out, size);
	return strncmp(begin, out, day) == 0 ? out + day : out;
}

static void add_row(struct table *table, const struct span *span)
{
	char begin[32], end[32], length[32], thing[EVENT_WHAT_SIZE + 16];
	when_format(span->begun_wall, begin, sizeof begin);
	table_cell(table, PAINT_NONE, "%s", begin);
	table_cell(table, PAINT_NONE, "%s%s", end_of(span, begin, end, sizeof end),
		   span->open ? " …" : "");
	table_cell(table, PAINT_NONE, "%s",
		   span->kind == EVENT_DIED
			   ? "–"
			   : human_span(span->ended - span->begun, length, sizeof length));
	table_cell(table, PAINT_NONE, "%s", *span->stream ? span->stream : "–");
	table_cell(table, event_of_frames(span->kind) ? PAINT_GOOD : PAINT_BAD, "%s",
		   thing_of(span, thing, sizeof thing));
	if (event_of_frames(span->kind) && span->kind != EVENT_RECORDED)
		table_cell(table, PAINT_NONE, "%.2f", span->best);
	else
		table_cell(table, PAINT_NONE, "–");
	if (!span->first_seq) {
		table_cell(table, PAINT_NONE, "–");
		table_cell(table, PAINT_NONE, "–");
	} else {
		table_cell(table, PAINT_NONE, "%" PRIu64, frames_of(span));
		table_cell(table, PAINT_NONE, "%" PRIu64 "-%" PRIu64, span->first_seq,
			   span->last_seq);
	}
	table_cell(table, PAINT_DIM, "%" PRIu64, span->run);
}

static int print_table(const struct spans *spans)
{
	static const char *const headings[] = {"FROM",	"TO",	   ">LENGTH", "STREAM", "WHAT",
					       ">BEST", ">FRAMES", "SEQ",     "RUN"};
	struct table *table = table_create(headings, sizeof headings / sizeof headings[0]);
	for (size_t i = 0; i < spans->n; i++)
		add_row(table, &spans->all[i]);
	int rc = table_print(table, stdout);
	table_destroy(table);
	return rc;
}

/* What could be asked for instead: the streams and labels there are. */
static void say_names(const struct finding *finding)
{
	struct recording *recording = finding->recording;
	char stream[NAME_SIZE] = "";
	while (recording_next_event_stream(recording, stream, stream) == 0) {
		const char *before = "";
		printf("  %s: ", stream);
		for (int kind = EVENT_LABEL; kind <= EVENT_PREDICTION; kind++) {
			char what[EVENT_WHAT_SIZE] = "", shown[EVENT_WHAT_SIZE];
			while (recording_next_event_what(recording, stream, (enum event_kind)kind,
							 what, what) == 0) {
				printf("%s%s %s", before, event_kind_text((enum event_kind)kind),
				       out_tamed(what, shown, sizeof shown));
				before = ", ";
			}
		}
		puts(*before ? "" : "no label, no prediction");
	}
}

static void say_nothing(const struct finding *finding)
{
	char from[32], to[32];
	printf("nothing found");
	if (finding->from != INT64_MIN)
		printf(" from %s", when_format(finding->from, from, sizeof from));
	if (finding->to != INT64_MAX)
		printf(" to %s", when_format(finding->to, to, sizeof to));
	puts("; the recording has");
	say_names(finding);
}

static void print_queries(const struct finding *finding)
{
	size_t i, k;
	json_t *query, *step;
	printf("\n%zu questions to the catalogue took %.2f ms:\n",
	       json_array_size(finding->queries), (double)finding->took / (double)NS_PER_MS);
	json_array_foreach(finding->queries, i, query)
	{
		printf("%s\n", json_string_value(json_object_get(query, "sql")));
		json_array_foreach(json_object_get(query, "plan"), k, step)
			printf("  %s\n", json_string_value(step));
		printf("  %lld rows, %.3f ms\n",
		       (long long)json_integer_value(json_object_get(query, "rows")),
		       json_real_value(json_object_get(query, "ms")));
	}
}

/* ---- for programs ---- */

static json_t *span_json(const struct span *span)
{
	char from[32], to[32];
	clock_format_wall(span->begun_wall, from, sizeof from);
	clock_format_wall(span->ended_wall, to, sizeof to);
	return json_pack("{s:s, s:s, s:f, s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:b, s:I, s:I, "
			 "s:I, s:I}",
			 "from", from, "to", to, "seconds",
			 (double)(span->ended - span->begun) / (double)NS_PER_S, "stream",
			 span->stream, "kind", event_kind_text(span->kind), "what", span->what,
			 "best", span->best, "run", (json_int_t)span->run, "first_seq",
			 (json_int_t)span->first_seq, "last_seq", (json_int_t)span->last_seq,
			 "frames", (json_int_t)frames_of(span), "open", span->open, "from_wall",
			 (json_int_t)span->begun_wall, "to_wall", (json_int_t)span->ended_wall,
			 "from_monotonic", (json_int_t)span->begun, "to_monotonic",
			 (json_int_t)span->ended);
}

static int print_json(const struct finding *finding, const struct spans *spans)
{
	json_t *list = json_array(), *all = NULL;
	for (size_t i = 0; i < spans->n; i++)
		json_array_append_new(list, span_json(&spans->all[i]));
	all = json_pack("{s:s, s:o}", "recording", finding->folder, "spans", list);
	if (finding->queries)
		json_object_set(all, "queries", finding->queries);
	int rc = all ? json_dumpf(all, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(all);
	return rc;
}

int find_show(struct finding *finding, const struct spans *spans)
{
	int rc = 0;
	if (finding->json)
		return print_json(finding, spans) < 0 ? EXIT_FAILED : EXIT_DONE;
	if (spans->n)
		rc = print_table(spans);
	else
		say_nothing(finding);
	if (finding->queries)
		print_queries(finding);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}
