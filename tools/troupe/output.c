/* Errors, colours, tables, units. */
#include "tools/troupe/output.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/utf8.h"
#include "ipc/links/json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void out_error(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return;
	fprintf(stderr, "troupe: %s\n", utf8_tame(text));
	free(text);
}

char *out_tamed(const char *text, char *out, size_t size)
{
	snprintf(out, size, "%s", text);
	return utf8_tame(out);
}

static const char *const paints[] = {
	[PAINT_NONE] = "",	   [PAINT_BOLD] = "\033[1m",  [PAINT_DIM] = "\033[2m",
	[PAINT_GOOD] = "\033[32m", [PAINT_BUSY] = "\033[33m", [PAINT_BAD] = "\033[31m",
};

static bool coloured(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
	return !(no && *no) && !(terminal && strcmp(terminal, "dumb") == 0) && isatty(fileno(out));
}

const char *paint_begin(FILE *out, enum paint paint)
{
	return coloured(out) ? paints[paint] : "";
}

const char *paint_end(FILE *out, enum paint paint)
{
	return paint != PAINT_NONE && coloured(out) ? "\033[0m" : "";
}

enum paint paint_of_state(const char *state)
{
	static const struct {
		const char *state;
		enum paint paint;
	} states[] = {
		{"ready", PAINT_GOOD},	  {"running", PAINT_GOOD},  {"starting", PAINT_BUSY},
		{"draining", PAINT_BUSY}, {"stopping", PAINT_BUSY}, {"back-off", PAINT_BAD},
		{"gave up", PAINT_BAD},	  {"killed", PAINT_BAD},    {"silent", PAINT_BAD},
		{"stopped", PAINT_DIM},	  {"spare", PAINT_DIM},	    {"finished", PAINT_DIM},
		{"ended", PAINT_DIM},	  {"no device", PAINT_BAD},
	};
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		if (strcmp(states[i].state, state) == 0)
			return states[i].paint;
	}
	return PAINT_NONE;
}

struct cell {
	char *text;
	enum paint paint;
};

struct table {
	const char *const *headings;
	size_t columns;
	struct cell *cells;
	size_t n, room;
	bool broken;
};

struct table *table_create(const char *const *headings, size_t columns)
{
	struct table *table = calloc(1, sizeof *table);
	if (table)
		*table = (struct table){.headings = headings, .columns = columns};
	return table;
}

static bool make_room(struct table *table)
{
	if (table->n < table->room)
		return true;
	size_t room = table->room ? table->room * 2 : 64;
	struct cell *cells = realloc(table->cells, room * sizeof *cells);
	if (!cells)
		return false;
	table->cells = cells;
	table->room = room;
	return true;
}

void table_cell(struct table *table, enum paint paint, const char *format, ...)
{
	if (!table)
		return;
	va_list args;
	va_start(args, format);
	char *text = NULL;
	if (!make_room(table) || vasprintf(&text, format, args) < 0)
		table->broken = true;
	else
		table->cells[table->n++] = (struct cell){.text = utf8_tame(text), .paint = paint};
	va_end(args);
}

/* Characters that a UTF-8 text takes on the screen (all of ours are one column wide). */
static int width_of(const char *text)
{
	int width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static int column_width(const struct table *table, size_t column)
{
	int widest = width_of(table->headings[column]) - (table->headings[column][0] == '>');
	for (size_t i = column; i < table->n; i += table->columns) {
		int width = width_of(table->cells[i].text);
		widest = width > widest ? width : widest;
	}
	return widest;
}

static void print_cell(const struct table *table, size_t column, struct cell cell, FILE *out)
{
	bool right = table->headings[column][0] == '>', last = column + 1 == table->columns;
	int fill = column_width(table, column) - width_of(cell.text);
	fprintf(out, "%*s%s%s%s", right ? fill : 0, "", paint_begin(out, cell.paint), cell.text,
		paint_end(out, cell.paint));
	if (last)
		fputc('\n', out);
	else
		fprintf(out, "%*s", (right ? 0 : fill) + 2, "");
}

int table_print(const struct table *table, FILE *out)
{
	if (!table || table->broken)
		return TROUPE_E_MEMORY;
	for (size_t column = 0; column < table->columns; column++) {
		const char *heading = table->headings[column];
		struct cell cell = {.paint = PAINT_BOLD};
		cell.text = strdup(heading + (heading[0] == '>'));
		if (!cell.text)
			return TROUPE_E_MEMORY;
		print_cell(table, column, cell, out);
		free(cell.text);
	}
	for (size_t i = 0, column = 0; i < table->n; i++) {
		print_cell(table, column, table->cells[i], out);
		column = column + 1 == table->columns ? 0 : column + 1;
	}
	return 0;
}

void table_destroy(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

char *human_bytes(uint64_t bytes, char *out, size_t size)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double value = (double)bytes;
	size_t unit = 0;
	while (value >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
		value /= 1000;
		unit++;
	}
	snprintf(out, size, unit && value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

char *human_span(int64_t ns, char *out, size_t size)
{
	int64_t s = ns / NS_PER_S;
	if (ns < 0)
		snprintf(out, size, "0 s");
	else if (s < 10)
		snprintf(out, size, "%.1f s", (double)ns / (double)NS_PER_S);
	else if (s < 60)
		snprintf(out, size, "%d s", (int)s);
	else if (s < 3600)
		snprintf(out, size, "%d min %d s", (int)(s / 60), (int)(s % 60));
	else if (s < INT64_C(48) * 3600)
		snprintf(out, size, "%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(out, size, "%d days", (int)(s / 86400));
	return out;
}

char *human_delay(int64_t ns, char *out, size_t size)
{
	double ms = (double)ns / (double)NS_PER_MS;
	if (ns < 0 || ns >= NS_PER_S)
		return human_span(ns, out, size);
	snprintf(out, size, ms < 10 ? "%.1f ms" : "%.0f ms", ms);
	return out;
}

int out_json(const ProtobufCMessage *message)
{
	json_t *json = message_json(message);
	if (!json || json_dumpf(json, stdout, JSON_INDENT(2)) < 0) {
		json_decref(json);
		return TROUPE_E_MEMORY;
	}
	putchar('\n');
	json_decref(json);
	return 0;
}
