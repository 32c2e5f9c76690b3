/* Checking, storing and showing config values by their rows. */
#include "ipc/base/rows.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/needs.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	double factor;
};

static const struct unit durations[] = {
	{"ns", 1},     {"us", 1e3},   {"ms", 1e6},    {"s", 1e9},
	{"min", 60e9}, {"h", 3600e9}, {"d", 86400e9},
};

static const struct unit sizes[] = {
	{"B", 1},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"KiB", 1024.0},
	{"MiB", 1048576.0},
	{"GiB", 1073741824.0},
	{"TiB", 1099511627776.0},
};

static const char *const type_names[] = {
	[ROW_BOOL] = "bool",	     [ROW_INT] = "int",	      [ROW_REAL] = "real",
	[ROW_DURATION] = "duration", [ROW_SIZE] = "size",     [ROW_TEXT] = "text",
	[ROW_CHOICE] = "choice",     [ROW_LISTEN] = "listen", [ROW_KEEP] = "keep",
};

static const size_t n_types = sizeof(type_names) / sizeof(type_names[0]);

const struct row *row_find(const struct row_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->rows[i].name, name) == 0)
			return &table->rows[i];
	return NULL;
}

static int parse_unit(const char *text, const struct unit *units, size_t n, double *out)
{
	char *end;
	errno = 0;
	double value = strtod(text, &end);
	if (end == text || errno || !isfinite(value))
		return TROUPE_E_CONFIG;
	while (*end == ' ')
		end++;
	if (*end == '\0' && (value == 0 || units == sizes)) {
		*out = value;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (strcmp(end, units[i].name) == 0) {
			*out = value * units[i].factor;
			return 0;
		}
	}
	return TROUPE_E_CONFIG;
}

static int parse_plain(const char *text, double *out)
{
	char *end;
	errno = 0;
	*out = strtod(text, &end);
	return end == text || *end || errno || !isfinite(*out) ? TROUPE_E_CONFIG : 0;
}

/* The unit in which a value is the smallest whole number: 64 MB, not 62500 KiB; NULL: in none. */
static const struct unit *best_unit(const struct unit *units, size_t n, double value)
{
	const struct unit *best = NULL;
	for (size_t i = 0; i < n; i++) {
		double whole = value / units[i].factor;
		bool fits = whole >= 1 && whole == floor(whole) && whole * units[i].factor == value;
		if (fits && (!best || units[i].factor > best->factor))
			best = &units[i];
	}
	return best;
}

/* A number as its row would write it: "150ms", "64MB", "30". */
static void format_number(enum row_type type, double value, char *out, size_t size)
{
	const struct unit *unit = NULL;
	if (type == ROW_DURATION)
		unit = best_unit(durations, sizeof(durations) / sizeof(durations[0]), value);
	else if (type == ROW_SIZE)
		unit = best_unit(sizes, sizeof(sizes) / sizeof(sizes[0]), value);
	if (unit) {
		snprintf(out, size, "%.0f%s", value / unit->factor, unit->name);
		return;
	}
	/* As short as gives the same number again; 17 digits always do. */
	int digits = 15;
	do
		snprintf(out, size, "%.*g", digits, value);
	while (strtod(out, NULL) != value && ++digits <= 17);
}

static int parse_number(const struct row *row, const char *text, double *value)
{
	int rc;
	switch (row->type) {
	case ROW_DURATION:
		rc = parse_unit(text, durations, sizeof(durations) / sizeof(durations[0]), value);
		break;
	case ROW_SIZE:
		rc = parse_unit(text, sizes, sizeof(sizes) / sizeof(sizes[0]), value);
		break;
	case ROW_INT:
		rc = parse_plain(text, value);
		return rc == 0 && *value != floor(*value) ? TROUPE_E_CONFIG : rc;
	default:
		return parse_plain(text, value);
	}
	*value = floor(*value + 0.5); /* 0.29s are 289999999.99999997 ns */
	return rc;
}

static void store_number(const struct row *row, void *config, const char *text, double value)
{
	char *at = (char *)config + row->offset, *end;
	if (row->type == ROW_REAL) {
		memcpy(at, &value, sizeof(value));
		return;
	}
	/* A double holds whole numbers to 2^53 only; digits alone are taken as they stand. */
	int64_t whole = strtoll(text, &end, 10);
	if (row->type != ROW_INT || *end)
		whole = (int64_t)value;
	memcpy(at, &whole, sizeof(whole));
}

static int set_number(const struct row *row, void *config, const char *text, char *why,
		      size_t why_size)
{
	static const char *const examples[] = {
		[ROW_INT] = "a whole number",
		[ROW_REAL] = "a number",
		[ROW_DURATION] = "a time like 150ms, 3s, 10min, 2h, 7d",
		[ROW_SIZE] = "a size like 64MB, 20GB, 512KiB",
	};
	double value = 0;
	if (parse_number(row, text, &value) < 0) {
		snprintf(why, why_size, "%s = \"%s\" is not %s", row->name, text,
			 examples[row->type]);
		return TROUPE_E_CONFIG;
	}
	bool open_range = row->min == 0 && row->max == 0;
	double max = open_range ? 9e18 : row->max;
	if (value < row->min || value > max || fabs(value) > 9e18) {
		char low[32], high[32];
		format_number(row->type, row->min, low, sizeof(low));
		format_number(row->type, max, high, sizeof(high));
		snprintf(why, why_size, "%s = \"%s\" is out of range, valid: %s to %s", row->name,
			 text, low, high);
		return TROUPE_E_CONFIG;
	}
	if (config)
		store_number(row, config, text, value);
	return 0;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t length = strlen(text);
	for (const char *at = choices; at && *at;) {
		size_t span = strcspn(at, "|");
		if (span == length && memcmp(at, text, length) == 0)
			return true;
		at += span + (at[span] == '|');
	}
	return false;
}

static bool is_listen(const char *text)
{
	const char *colon = strrchr(text, ':');
	if (!colon || colon == text || colon[1] < '0' || colon[1] > '9')
		return false;
	char *end;
	long port = strtol(colon + 1, &end, 10);
	return *end == '\0' && port >= 0 && port <= 65535;
}

static int set_text(const struct row *row, void *config, const char *text, char *why,
		    size_t why_size)
{
	if (row->type == ROW_CHOICE && !is_choice(row->choices, text)) {
		snprintf(why, why_size, "%s = \"%s\" is unknown, valid: %s", row->name, text,
			 row->choices);
		return TROUPE_E_CONFIG;
	}
	if (row->type == ROW_LISTEN && *text && !is_listen(text)) {
		snprintf(why, why_size, "%s = \"%s\" is not an ADDRESS:PORT like 127.0.0.1:8080",
			 row->name, text);
		return TROUPE_E_CONFIG;
	}
	if (strpbrk(text, "\t\n")) {
		snprintf(why, why_size, "%s has a tab or a line break in it", row->name);
		return TROUPE_E_CONFIG;
	}
	if (strlen(text) >= row->size) {
		snprintf(why, why_size, "%s is longer than %u bytes", row->name, row->size - 1);
		return TROUPE_E_CONFIG;
	}
	if (config)
		memcpy((char *)config + row->offset, text, strlen(text) + 1);
	return 0;
}

static int set_bool(const struct row *row, void *config, const char *text, char *why,
		    size_t why_size)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		bool value = strcmp(text, yes[i]) == 0;
		if (!value && strcmp(text, no[i]) != 0)
			continue;
		if (config)
			*((bool *)config + row->offset) = value;
		return 0;
	}
	snprintf(why, why_size, "%s = \"%s\" is neither yes nor no", row->name, text);
	return TROUPE_E_CONFIG;
}

/* One word of a limit: a size or a time, and neither twice. */
static int add_limit(const char *word, struct keep_limit *limit)
{
	const size_t n_durations = sizeof(durations) / sizeof(durations[0]);
	int64_t *into = &limit->age;
	double value = 0;
	if (word[strspn(word, "0123456789.")] == '\0')
		return TROUPE_E_CONFIG; /* 20 of what? */
	if (parse_unit(word, durations, n_durations, &value) < 0) {
		into = &limit->bytes;
		if (parse_unit(word, sizes, sizeof(sizes) / sizeof(sizes[0]), &value) < 0)
			return TROUPE_E_CONFIG;
	}
	if (*into != 0 || !(value >= 1) || value > 9e18)
		return TROUPE_E_CONFIG;
	*into = (int64_t)value;
	return 0;
}

static int set_keep(const struct row *row, void *config, const char *text, char *why,
		    size_t why_size)
{
	struct keep_limit limit = {0};
	int rc = 0;
	for (const char *at = text + strspn(text, " "); *at && rc == 0; at += strspn(at, " ")) {
		size_t span = strcspn(at, " ");
		char word[32];
		rc = span < sizeof(word) ? 0 : TROUPE_E_CONFIG;
		if (rc == 0) {
			snprintf(word, sizeof(word), "%.*s", (int)span, at);
			rc = add_limit(word, &limit);
		}
		at += span;
	}
	if (rc < 0) {
		snprintf(why, why_size,
			 "%s = \"%s\" is neither a size like 20GB nor a time like 7d nor both",
			 row->name, text);
		return rc;
	}
	if (config)
		memcpy((char *)config + row->offset, &limit, sizeof(limit));
	return 0;
}

static int check_own(const struct row *row, const char *text, char *why, size_t why_size)
{
	char rest[256];
	if (!row->check || row->check(text, rest, sizeof(rest)) == 0)
		return 0;
	snprintf(why, why_size, "%s = \"%s\"%s", row->name, text, rest);
	return TROUPE_E_CONFIG;
}

int row_set(const struct row *row, void *config, const char *text, char *why, size_t why_size)
{
	if (check_own(row, text, why, why_size) < 0)
		return TROUPE_E_CONFIG;
	switch (row->type) {
	case ROW_BOOL:
		return set_bool(row, config, text, why, why_size);
	case ROW_INT:
	case ROW_REAL:
	case ROW_DURATION:
	case ROW_SIZE:
		return set_number(row, config, text, why, why_size);
	case ROW_KEEP:
		return set_keep(row, config, text, why, why_size);
	default:
		return set_text(row, config, text, why, why_size);
	}
}

void rows_defaults(const struct row_table *table, void *config)
{
	char why[256];
	for (size_t i = 0; i < table->count; i++) {
		const struct row *row = &table->rows[i];
		if (row_set(row, config, row->fallback, why, sizeof(why)) < 0) {
			fprintf(stderr, "default of a config row: %s\n", why);
			abort();
		}
	}
}

int rows_apply(const struct row_table *table, void *config, const char *lines, char *why,
	       size_t why_size)
{
	for (const char *at = lines; *at;) {
		size_t span = strcspn(at, "\n");
		char line[1024];
		if (span >= sizeof(line)) {
			snprintf(why, why_size, "a value is longer than %zu bytes",
				 sizeof(line) - 1);
			return TROUPE_E_CONFIG;
		}
		memcpy(line, at, span);
		line[span] = '\0';
		at += span + (at[span] == '\n');
		char *equals = strchr(line, '=');
		if (span == 0)
			continue;
		if (!equals) {
			snprintf(why, why_size, "\"%s\" is not name=value", line);
			return TROUPE_E_CONFIG;
		}
		*equals = '\0';
		const struct row *row = row_find(table, line);
		if (!row) {
			snprintf(why, why_size, "unknown key \"%s\"", line);
			return TROUPE_E_CONFIG;
		}
		int rc = row_set(row, config, equals + 1, why, why_size);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void format_keep(const char *at, char *out, size_t size)
{
	struct keep_limit limit;
	char bytes[32] = "", age[32] = "";
	memcpy(&limit, at, sizeof(limit));
	if (limit.bytes > 0)
		format_number(ROW_SIZE, (double)limit.bytes, bytes, sizeof(bytes));
	if (limit.age > 0)
		format_number(ROW_DURATION, (double)limit.age, age, sizeof(age));
	snprintf(out, size, "%s%s%s", bytes, *bytes && *age ? " " : "", age);
}

char *row_format(const struct row *row, const void *config, char *out, size_t size)
{
	const char *at = (const char *)config + row->offset;
	double real;
	int64_t whole;
	switch (row->type) {
	case ROW_BOOL:
		snprintf(out, size, "%s", *(const bool *)at ? "yes" : "no");
		break;
	case ROW_REAL:
		memcpy(&real, at, sizeof(real));
		format_number(row->type, real, out, size);
		break;
	case ROW_INT:
		memcpy(&whole, at, sizeof(whole));
		snprintf(out, size, "%" PRId64, whole);
		break;
	case ROW_DURATION:
	case ROW_SIZE:
		memcpy(&whole, at, sizeof(whole));
		format_number(row->type, (double)whole, out, size);
		break;
	case ROW_KEEP:
		format_keep(at, out, size);
		break;
	default:
		snprintf(out, size, "%s", at);
	}
	return out;
}

void rows_print(const struct row_table *table, FILE *out)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct row *row = &table->rows[i];
		fprintf(out, "%s\t%s\t%.17g\t%.17g\t%s\t%s\t%s\n", row->name, type_names[row->type],
			row->min, row->max, row->fallback, row->choices ? row->choices : "",
			row->help ? row->help : "");
	}
}

static int parse_type(const char *name, enum row_type *type)
{
	for (size_t i = 0; i < n_types; i++) {
		if (strcmp(type_names[i], name) == 0) {
			*type = (enum row_type)i;
			return 0;
		}
	}
	return TROUPE_E_MALFORMED;
}

/* Cuts one line into its seven fields in place. */
static int parse_row(char *line, struct row *row)
{
	char *field[7];
	for (int i = 0; i < 7; i++) {
		field[i] = line;
		line += strcspn(line, "\t");
		if ((*line == '\t') != (i < 6))
			return TROUPE_E_MALFORMED;
		if (*line)
			*line++ = '\0';
	}
	*row = (struct row){
		.name = field[0],
		.fallback = field[4],
		.choices = *field[5] ? field[5] : NULL,
		.help = field[6],
		.size = 1024,
	};
	char why[128];
	bool right = *row->name && parse_type(field[1], &row->type) == 0 &&
		     parse_plain(field[2], &row->min) == 0 &&
		     parse_plain(field[3], &row->max) == 0 &&
		     (row->choices || row->type != ROW_CHOICE) &&
		     row_set(row, NULL, row->fallback, why, sizeof(why)) == 0;
	return right ? 0 : TROUPE_E_MALFORMED;
}

int rows_parse(const char *text, struct row **rows)
{
	size_t length = strlen(text), lines = 0;
	for (size_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	struct row *all = calloc(1, (lines + 1) * sizeof(*all) + length + 1);
	if (!all)
		return TROUPE_E_MEMORY;
	char *copy = (char *)(all + lines + 1);
	memcpy(copy, text, length + 1);
	int count = 0;
	for (char *line = copy; *line;) {
		char *end = strchr(line, '\n');
		bool is_row = strncmp(line, NEED_LINE, strlen(NEED_LINE)) != 0;
		if (end)
			*end = '\0';
		int rc = !end ? TROUPE_E_TRUNCATED : is_row ? parse_row(line, &all[count]) : 0;
		if (rc < 0) {
			free(all);
			return rc;
		}
		line = end + 1;
		count += is_row;
	}
	*rows = all;
	return count;
}
