/* Cells. */
#include "tools/top/columns.h"

#include "ipc/base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

char *short_span(int64_t ns, char *out, size_t size)
{
	static const struct {
		double unit;
		const char *name;
	} units[] = {{1e3, "us"}, {1e6, "ms"}, {1e9, "s"}};
	if (ns < 0) {
		snprintf(out, size, "-");
		return out;
	}
	size_t u = 0;
	while (u < 2 && (double)ns >= 999.5 * units[u].unit)
		u++;
	double value = (double)ns / units[u].unit;
	snprintf(out, size, value < 9.95 ? "%.1f%s" : "%.0f%s", value, units[u].name);
	return out;
}

/* ---- workers ---- */

static char *write_name(const struct worker_row *row, char *out)
{
	snprintf(out, CELL_SIZE, "%s%s", row->worker->name, row->spare ? " (spare)" : "");
	return out;
}

static char *write_state(const struct worker_row *row, char *out)
{
	snprintf(out, CELL_SIZE, "%s", row->worker->state);
	return out;
}

static char *write_rate(const struct worker_row *row, char *out)
{
	snprintf(out, CELL_SIZE, "%.1f", row->worker->frames_per_second);
	return out;
}

static char *write_cpu(const struct worker_row *row, char *out)
{
	snprintf(out, CELL_SIZE, "%.0f%%", row->worker->cpu_percent);
	return out;
}

static char *write_memory(const struct worker_row *row, char *out)
{
	return human_bytes(row->worker->rss_bytes, out, CELL_SIZE);
}

static char *write_held(const struct worker_row *row, char *out)
{
	snprintf(out, CELL_SIZE, "%u", row->worker->slots_held);
	return out;
}

static char *write_restarts(const struct worker_row *row, char *out)
{
	snprintf(out, CELL_SIZE, "%u", row->worker->restarts);
	return out;
}

static char *write_pid(const struct worker_row *row, char *out)
{
	snprintf(out, CELL_SIZE, row->worker->pid ? "%d" : "-", row->worker->pid);
	return out;
}

static char *write_age(const struct worker_row *row, char *out)
{
	return human_span(clock_now() - row->worker->since, out, CELL_SIZE);
}

static char *write_frames(const struct worker_row *row, char *out)
{
	snprintf(out, CELL_SIZE, "%" PRIu64, row->worker->frames);
	return out;
}

static char *write_count(const struct worker_row *row, char *out)
{
	if (*row->worker->counts) {
		snprintf(out, CELL_SIZE, "%" PRIu64 " %s", row->worker->counted,
			 row->worker->counts);
	} else {
		snprintf(out, CELL_SIZE, "-");
	}
	return out;
}

static char *write_program(const struct worker_row *row, char *out)
{
	const char *slash = strrchr(row->worker->program, '/');
	snprintf(out, CELL_SIZE, "%s%s", slash ? slash + 1 : row->worker->program,
		 row->worker->swapped ? " *" : "");
	return out;
}

/* "killed from outside (SIGKILL) 3 s ago" says no more than "SIGKILL 3 s ago". */
static char *write_last_exit(const struct worker_row *row, char *out)
{
	static const char outside[] = "killed from outside (";
	const Troupe__Worker *worker = row->worker;
	const char *exit = worker->last_exit, *end = strchr(exit, ')');
	bool short_one = end && strncmp(exit, outside, strlen(outside)) == 0;
	if (short_one)
		exit += strlen(outside);
	snprintf(out, CELL_SIZE, "%.*s%s%s%.100s", short_one ? (int)(end - exit) : 100, exit,
		 short_one ? end + 1 : "", *worker->last_words ? ": " : "", worker->last_words);
	return out;
}

/* More first: who asks for an order looks for the most. */
#define COMPARE_BY(field)                                                                          \
	static int by_##field(const struct worker_row *a, const struct worker_row *b)              \
	{                                                                                          \
		return (a->worker->field < b->worker->field) -                                     \
		       (a->worker->field > b->worker->field);                                      \
	}
COMPARE_BY(frames_per_second)
COMPARE_BY(cpu_percent)
COMPARE_BY(rss_bytes)
COMPARE_BY(slots_held)
COMPARE_BY(restarts)

static int by_name(const struct worker_row *a, const struct worker_row *b)
{
	return strcmp(a->worker->name, b->worker->name);
}

static int by_state(const struct worker_row *a, const struct worker_row *b)
{
	return strcmp(a->worker->state, b->worker->state);
}

const struct worker_column worker_columns[] = {
	{"WORKER", -16, false, write_name, by_name},
	{"STATE", -9, false, write_state, by_state},
	{"FPS", 6, false, write_rate, by_frames_per_second},
	{"CPU", 5, false, write_cpu, by_cpu_percent},
	{"MEMORY", 7, false, write_memory, by_rss_bytes},
	{"HOLDS", 5, false, write_held, by_slots_held},
	{"RESTARTS", 8, false, write_restarts, by_restarts},
	{"PID", 8, true, write_pid, NULL},
	{"FOR", 12, true, write_age, NULL},
	{"FRAMES", 9, true, write_frames, NULL},
	{"COUNT", -20, true, write_count, NULL},
	{"PROGRAM", -24, true, write_program, NULL},
	{"LAST EXIT", -100, false, write_last_exit, NULL},
	{.heading = NULL},
};

enum paint worker_paint(const struct worker_row *row)
{
	return paint_of_state(row->worker->state);
}

static bool matches(const struct worker_row *row, const char *filter)
{
	char name[CELL_SIZE];
	return !*filter || strstr(write_name(row, name), filter) ||
	       strstr(row->worker->state, filter);
}

struct order {
	struct worker_row row;
	size_t place;
	const struct worker_column *by;
};

static int compare_orders(const void *a, const void *b)
{
	const struct order *left = a, *right = b;
	int order = left->by ? left->by->compare(&left->row, &right->row) : 0;
	return order ? order : (left->place > right->place) - (left->place < right->place);
}

/* Sorted stably: who has as much as another stays where it is from look to look. */
static void sort_rows(struct worker_row *rows, size_t n, const struct worker_column *by)
{
	struct order *orders = n ? calloc(n, sizeof(*orders)) : NULL;
	if (!orders)
		return;
	for (size_t i = 0; i < n; i++)
		orders[i] = (struct order){.row = rows[i], .place = i, .by = by};
	qsort(orders, n, sizeof(*orders), compare_orders);
	for (size_t i = 0; i < n; i++)
		rows[i] = orders[i].row;
	free(orders);
}

size_t rows_of(const Troupe__Reply *reply, const char *filter, const struct worker_column *sort,
	       struct worker_row *rows, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < reply->n_worker; i++) {
		const char *name = reply->worker[i]->name;
		struct worker_row row = {.worker = reply->worker[i]};
		if (n < max && matches(&row, filter))
			rows[n++] = row;
		for (size_t k = 0; k < reply->n_spare; k++) {
			row = (struct worker_row){.worker = reply->spare[k], .spare = true};
			if (n < max && strcmp(row.worker->name, name) == 0 && matches(&row, filter))
				rows[n++] = row;
		}
	}
	if (sort)
		sort_rows(rows, n, sort);
	return n;
}

/* ---- streams ---- */

static const Troupe__Stream *stream_of(const struct watched *w, uint32_t stream)
{
	return w->reply->pipeline->stream[stream];
}

static char *write_stream(const struct watched *w, uint32_t stream, char *out)
{
	snprintf(out, CELL_SIZE, "%s", stream_of(w, stream)->name);
	return out;
}

static char *write_captured(const struct watched *w, uint32_t stream, char *out)
{
	snprintf(out, CELL_SIZE, "%" PRIu64, stream_of(w, stream)->captured);
	return out;
}

static char *write_stream_rate(const struct watched *w, uint32_t stream, char *out)
{
	double rate = watched_rate(w, stream);
	snprintf(out, CELL_SIZE, rate < 0 ? "-" : "%.1f", rate);
	return out;
}

static char *write_stored(const struct watched *w, uint32_t stream, char *out)
{
	snprintf(out, CELL_SIZE, "%" PRIu64, stream_of(w, stream)->stored);
	return out;
}

static uint64_t dropped(const Troupe__Stream *stream)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < stream->n_drop; i++)
		sum += stream->drop[i]->count;
	return sum;
}

static char *write_dropped(const struct watched *w, uint32_t stream, char *out)
{
	snprintf(out, CELL_SIZE, "%" PRIu64, dropped(stream_of(w, stream)));
	return out;
}

static char *write_free(const struct watched *w, uint32_t stream, char *out)
{
	const Troupe__Stream *s = stream_of(w, stream);
	snprintf(out, CELL_SIZE, "%u/%u", s->slots_free, s->slots);
	return out;
}

static char *write_bypassed(const struct watched *w, uint32_t stream, char *out)
{
	snprintf(out, CELL_SIZE, "%" PRIu64, stream_of(w, stream)->bypassed);
	return out;
}

static char *write_step(const struct watched *w, uint32_t stream, enum station station, char *out)
{
	char half[16], most[16];
	short_span(watched_percentile(w, stream, station, 0.5), half, sizeof(half));
	short_span(watched_percentile(w, stream, station, 0.99), most, sizeof(most));
	snprintf(out, CELL_SIZE, "%s/%s", half, most);
	return out;
}

static char *write_published(const struct watched *w, uint32_t stream, char *out)
{
	return write_step(w, stream, STATION_PUBLISHED, out);
}

static char *write_claimed(const struct watched *w, uint32_t stream, char *out)
{
	return write_step(w, stream, STATION_CLAIMED, out);
}

static char *write_finished(const struct watched *w, uint32_t stream, char *out)
{
	return write_step(w, stream, STATION_FINISHED, out);
}

static char *write_to_disk(const struct watched *w, uint32_t stream, char *out)
{
	return write_step(w, stream, STATION_STORED, out);
}

const struct stream_column stream_columns[] = {
	{"STREAM", -10, false, write_stream},	   {"CAPTURED", 8, false, write_captured},
	{"FPS", 6, false, write_stream_rate},	   {"STORED", 8, false, write_stored},
	{"DROPS", 5, false, write_dropped},	   {"WAIT 50/99", 11, false, write_claimed},
	{"WORK 50/99", 11, false, write_finished}, {"DISK 50/99", 11, false, write_to_disk},
	{"TAKE 50/99", 11, true, write_published}, {"FREE", 9, true, write_free},
	{"BYPASSED", 8, true, write_bypassed},	   {.heading = NULL},
};

enum paint stream_paint(const Troupe__Stream *stream)
{
	if (*stream->missing || *stream->gave_up || stream->away_since)
		return PAINT_BAD;
	if (stream->ended)
		return PAINT_DIM;
	return dropped(stream) || stream->quarantined ? PAINT_BUSY : PAINT_NONE;
}
