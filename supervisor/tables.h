/* `troupe-supervisor --rows`: everything that a config file can say, for the programs that make the
 * manual and the completions of it. */
#ifndef TROUPE_SUPERVISOR_TABLES_H
#define TROUPE_SUPERVISOR_TABLES_H

#include <stddef.h>
#include <stdio.h>

/* A line "[SECTION]<tab>PROGRAM" for each table, "[]<tab>troupe-supervisor" is the top level;
 * behind it the rows as rows_print has them. A program that can play in the place of a section's
 * own one (troupe-display-terminal) has a table of the rows that only it knows. `programs`: the
 * folder of all. 0, or a negative error and one line in `why`. */
int tables_print(const char *programs, FILE *out, char *why, size_t why_size);

#endif
