/* Config rows: a program declares what can be set as a table (name, type, range, default, help)
 * beside a plain struct that receives the values. The same table checks a config file, prints the
 * commented default, fills the struct in the worker and shows the values in effect. */
#ifndef TROUPE_IPC_BASE_ROWS_H
#define TROUPE_IPC_BASE_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum row_type {
	ROW_BOOL,     /* bool:          yes | no */
	ROW_INT,      /* int64_t:       a whole number within [min, max] */
	ROW_REAL,     /* double:        a number within [min, max] */
	ROW_DURATION, /* int64_t, ns:   "150ms", "3s", "10min", "2h", "7d"; range in ns */
	ROW_SIZE,     /* int64_t, bytes: "64MB", "20GB" (powers of 1000), "64MiB"; range in bytes */
	ROW_TEXT,     /* char[size]:    any text on one line, without tabs, that fits */
	ROW_CHOICE,   /* char[size]:    one of `choices`, separated by '|' */
	ROW_LISTEN,   /* char[size]:    "ADDRESS:PORT"; the supervisor opens the socket and hands it
			 over */
	ROW_KEEP,     /* struct keep_limit: "20GB", "7d", both with a space, or "" for neither */
};

/* How much of something is kept: so many bytes, and nothing older. 0: without that limit. */
struct keep_limit {
	int64_t bytes, age; /* age in ns */
};

/* What it takes to change the row's value while the pipeline runs. */
enum row_change {
	ROW_RESTARTS, /* its worker, or where it is the pipeline's all of them, starts anew with it
		       */
	ROW_LIVE,     /* the supervisor does by itself what follows */
	ROW_TAPS,     /* who is owed every frame starts anew with it */
	ROW_NEVER,    /* only a new run can have another */
};

/* Whether a text is right for a row; if not, `why` says what comes behind
 * NAME = "VALUE": " is …, valid: …". */
typedef int row_check(const char *text, char *why, size_t why_size);

struct row {
	const char *name;
	enum row_type type;
	uint32_t offset; /* of the value within the config struct */
	uint32_t size;	 /* of a text value, with its final zero */
	enum row_change change;
	double min, max; /* for numbers, durations (ns) and sizes (bytes); both 0: any value >= 0 */
	const char *fallback; /* the default, as a person would write it; never NULL */
	const char *choices;  /* ROW_CHOICE only */
	const char *help;     /* one sentence for the commented default */
	row_check *check;     /* beside what the type says; NULL: nothing. Not part of --rows */
};

/* Offset and size of a member in one go, for designated rows. */
#define ROW_AT(type_, member_)                                                                     \
	.offset = (uint32_t)offsetof(type_, member_),                                              \
	.size = (uint32_t)sizeof(((type_ *)0)->member_)

/* A table of rows. `config_size` is the size of the struct they fill. */
struct row_table {
	const struct row *rows;
	size_t count;
	size_t config_size;
};

/* The row of that name, or NULL. */
const struct row *row_find(const struct row_table *table, const char *name);

/* Checks `text` against the row and, with `config` not NULL, stores the value. On an error returns
 * TROUPE_E_CONFIG and writes one clause to `why` that says what is wrong and what is valid. */
int row_set(const struct row *row, void *config, const char *text, char *why, size_t why_size);

/* Sets every row to its default. The defaults of a table are part of the program: a bad one aborts.
 */
void rows_defaults(const struct row_table *table, void *config);

/* Applies "name=value" lines (as a supervisor hands them to a worker) on top of what `config`
 * holds. */
int rows_apply(const struct row_table *table, void *config, const char *lines, char *why,
	       size_t why_size);

/* Writes the value in effect as a person would write it. Returns `out`. */
char *row_format(const struct row *row, const void *config, char *out, size_t size);

/* `--rows`: one row a line, fields separated by tabs: name, type, min, max, default, choices, help.
 */
void rows_print(const struct row_table *table, FILE *out);

/* Reads what rows_print wrote, and passes over what needs_print wrote. On success
 * *rows is one heap block (rows and their texts; the caller frees it with free()) and the count is
 * returned. The rows have offsets 0: they check, they do not fill. */
int rows_parse(const char *text, struct row **rows);

#endif
