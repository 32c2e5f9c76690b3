/* Tables and JSON of one look. */
#include "tools/top/once.h"

#include "ipc/base/clock.h"
#include "ipc/links/json.h"
#include "tools/troupe/output.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX    256
#define COLUMNS_MAX 16

/* A heading as output.h wants it. */
static const char *heading_of(const char *heading, int width, char *room, size_t size)
{
	snprintf(room, size, "%s%s", width > 0 ? ">" : "", heading);
	return room;
}

static int print_streams(const struct watched *w, bool wide)
{
	const char *headings[COLUMNS_MAX];
	char room[COLUMNS_MAX][32], cell[CELL_SIZE];
	size_t n = 0;
	for (const struct stream_column *c = stream_columns; c->heading; c++) {
		if (c->wide && !wide)
			continue;
		headings[n] = heading_of(c->heading, c->width, room[n], sizeof(room[n]));
		n++;
	}
	struct table *table = table_create(headings, n);
	for (uint32_t i = 0; table && i < w->reply->pipeline->n_stream; i++) {
		for (const struct stream_column *c = stream_columns; c->heading; c++)
			if (wide || !c->wide)
				table_cell(table, PAINT_NONE, "%s", c->write(w, i, cell));
	}
	int rc = table_print(table, stdout);
	table_destroy(table);
	return rc;
}

static int print_workers(const struct watched *w, bool wide)
{
	const char *headings[COLUMNS_MAX];
	char room[COLUMNS_MAX][32], cell[CELL_SIZE];
	struct worker_row rows[ROWS_MAX];
	size_t n = 0, n_rows = rows_of(w->reply, "", NULL, rows, ROWS_MAX);
	for (const struct worker_column *c = worker_columns; c->heading; c++) {
		if (c->wide && !wide)
			continue;
		headings[n] = heading_of(c->heading, c->width, room[n], sizeof(room[n]));
		n++;
	}
	struct table *table = table_create(headings, n);
	for (size_t i = 0; table && i < n_rows; i++) {
		for (const struct worker_column *c = worker_columns; c->heading; c++)
			if (wide || !c->wide)
				table_cell(table, PAINT_NONE, "%s", c->write(&rows[i], cell));
	}
	int rc = table_print(table, stdout);
	table_destroy(table);
	return rc;
}

int once_print(const struct watched *w, bool wide)
{
	const Troupe__Pipeline *p = w->reply->pipeline;
	char age[32];
	printf("%s  %s for %s  %u restart%s\n", p->name, p->state,
	       human_span(clock_now() - p->since, age, sizeof(age)), p->restarts,
	       p->restarts == 1 ? "" : "s");
	if (*p->limit)
		printf("%s\n", p->limit);
	putchar('\n');
	int rc = print_streams(w, wide);
	putchar('\n');
	if (rc == 0)
		rc = print_workers(w, wide);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* ---- JSON ---- */

static json_t *stations_json(const struct watched *w, uint32_t stream)
{
	json_t *all = json_object();
	for (enum station s = 0; s < N_STATIONS; s++) {
		json_t *one = json_pack("{s:I, s:I, s:I}", "frames",
					(json_int_t)watched_count(w, stream, s), "p50",
					(json_int_t)watched_percentile(w, stream, s, 0.5), "p99",
					(json_int_t)watched_percentile(w, stream, s, 0.99));
		json_object_set_new(all, station_text(s), one);
	}
	return all;
}

static json_t *stream_json(const struct watched *w, uint32_t i)
{
	const Troupe__Stream *s = w->reply->pipeline->stream[i];
	uint64_t dropped = 0;
	for (size_t k = 0; k < s->n_drop; k++)
		dropped += s->drop[k]->count;
	return json_pack("{s:s, s:I, s:f, s:I, s:I, s:I, s:i, s:i, s:o}", "name", s->name,
			 "captured", (json_int_t)s->captured, "frames_per_second",
			 watched_rate(w, i), "stored", (json_int_t)s->stored, "dropped",
			 (json_int_t)dropped, "bypassed", (json_int_t)s->bypassed, "slots",
			 (int)s->slots, "slots_free", (int)s->slots_free, "steps",
			 stations_json(w, i));
}

static json_t *worker_json(const struct worker_row *row)
{
	const Troupe__Worker *w = row->worker;
	return json_pack("{s:s, s:b, s:s, s:i, s:f, s:f, s:I, s:i, s:i, s:s, s:o, s:I}", "name",
			 w->name, "spare", row->spare, "state", w->state, "pid", (int)w->pid,
			 "frames_per_second", w->frames_per_second, "cpu_percent", w->cpu_percent,
			 "rss_bytes", (json_int_t)w->rss_bytes, "slots_held", (int)w->slots_held,
			 "restarts", (int)w->restarts, "last_exit", w->last_exit, "counts",
			 json_text(w->counts), "counted", (json_int_t)w->counted);
}

int once_print_json(const struct watched *w)
{
	struct worker_row rows[ROWS_MAX];
	size_t n = rows_of(w->reply, "", NULL, rows, ROWS_MAX);
	const Troupe__Pipeline *p = w->reply->pipeline;
	json_t *streams = json_array(), *workers = json_array();
	for (uint32_t i = 0; i < p->n_stream; i++)
		json_array_append_new(streams, stream_json(w, i));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(workers, worker_json(&rows[i]));
	json_t *all = json_pack("{s:s, s:s, s:i, s:s, s:o, s:o}", "name", p->name, "state",
				p->state, "restarts", (int)p->restarts, "limit", p->limit,
				"streams", streams, "workers", workers);
	int rc = all ? json_dumpf(all, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(all);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}
