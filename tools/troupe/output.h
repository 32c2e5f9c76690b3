/* What people see: one-line errors, aligned tables, numbers with units; JSON for programs. Colour
 * only on a terminal, and not with NO_COLOR set. */
#ifndef TROUPE_TOOLS_TROUPE_OUTPUT_H
#define TROUPE_TOOLS_TROUPE_OUTPUT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* "troupe: text" on stderr. What strangers may have a hand in (names, words, labels) is tamed (see
 * ipc/base/utf8.h) here and in tables. */
void out_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A copy for a terminal, as much as fits. Returns `out`. */
char *out_tamed(const char *text, char *out, size_t size);

enum paint { PAINT_NONE, PAINT_BOLD, PAINT_DIM, PAINT_GOOD, PAINT_BUSY, PAINT_BAD };

/* The escape sequences that begin and end a paint on that stream; "" where there is no colour. */
const char *paint_begin(FILE *out, enum paint paint);
const char *paint_end(FILE *out, enum paint paint);

/* How a state of a worker or pipeline looks. */
enum paint paint_of_state(const char *state);

/* A table: headings, then cells row by row. A heading that begins with '>' is right-aligned. Out of
 * memory is remembered and makes table_print fail. */
struct table;
struct table *table_create(const char *const *headings, size_t columns);
void table_cell(struct table *table, enum paint paint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* 0 or TROUPE_E_MEMORY. */
int table_print(const struct table *table, FILE *out);
void table_destroy(struct table *table); /* NULL is fine */

/* "1.4 GB", powers of 1000. Returns `out`. */
char *human_bytes(uint64_t bytes, char *out, size_t size);
/* A span of time in its largest unit or two: "0.4 s", "12 s", "3 min 10 s", "2 h 5 min". Returns
 * `out`. */
char *human_span(int64_t ns, char *out, size_t size);

/* Likewise, but down to what takes a moment only: "8.2 ms", "240 ms". */
char *human_delay(int64_t ns, char *out, size_t size);

/* Prints a message as JSON on stdout. Returns 0 or TROUPE_E_MEMORY. */
int out_json(const ProtobufCMessage *message);

#endif
