/* What is shown of a worker and of a stream: a table of columns each, in the order in which they
 * are left out where there is no room, the last one first. */
#ifndef TROUPE_TOOLS_TOP_COLUMNS_H
#define TROUPE_TOOLS_TOP_COLUMNS_H

#include "tools/top/watched.h"
#include "tools/troupe/output.h"

#define CELL_SIZE 256

/* A worker, or a standby beside it. */
struct worker_row {
	const Troupe__Worker *worker;
	bool spare;
};

struct worker_column {
	const char *heading;
	int width;						 /* negative: left-aligned */
	bool wide;						 /* only where more was asked for */
	char *(*write)(const struct worker_row *row, char *out); /* CELL_SIZE; returns `out` */
	/* For sorting: below 0 when `a` comes first. NULL: nobody sorts by it. */
	int (*compare)(const struct worker_row *a, const struct worker_row *b);
};

struct stream_column {
	const char *heading;
	int width;
	bool wide;
	char *(*write)(const struct watched *w, uint32_t stream, char *out);
};

/* Each ends with a row without a heading. */
extern const struct worker_column worker_columns[];
extern const struct stream_column stream_columns[];

/* Whether something is wrong with it, so that it is shown in a colour. */
enum paint worker_paint(const struct worker_row *row);
enum paint stream_paint(const Troupe__Stream *stream);

/* "85us", "1.2ms", "350ms", "12s": at most five characters; "-" below 0. Returns `out`. */
char *short_span(int64_t ns, char *out, size_t size);

/* The rows of a reply whose worker's name or state contains `filter`, in the order of that column
 * (NULL: as they came). Returns how many there are. */
size_t rows_of(const Troupe__Reply *reply, const char *filter, const struct worker_column *sort,
	       struct worker_row *rows, size_t max);

#endif
