/* The configuration of one pipeline: the file, read and checked by the rows of the supervisor and
 * of the programs that it names. */
#ifndef TROUPE_SUPERVISOR_CONFIG_H
#define TROUPE_SUPERVISOR_CONFIG_H

#include "ipc/base/needs.h"
#include "supervisor/settings.h"

#include <stdio.h>

#define PROGRAM_SIZE 1024
#define WHY_SIZE     512

/* A row that was set. */
struct setting {
	char *key, *value;
	int line; /* 0: on the command line */
};

/* Those that were, the last one of a key holds. */
struct settings_said {
	struct setting *all;
	size_t count;
};

/* One section: a worker, a pool of them, or a stream with its worker. */
struct section {
	const struct role *role;
	char title[NAME_SIZE];
	int line; /* 0: not in the file, all defaults */
	struct section_settings settings;
	char program[PROGRAM_SIZE];
	struct row *rows; /* of the program; those of another section with the same, if borrowed */
	size_t n_rows;
	bool borrowed;
	struct needs needs;  /* of the program, too */
	struct setting *set; /* of the program's rows */
	size_t n_set;
	struct settings_said said; /* of the supervisor's */
};

struct config {
	char file[PROGRAM_SIZE];     /* as given, for messages */
	char folder[PROGRAM_SIZE];   /* of the file: relative paths count from there */
	char programs[PROGRAM_SIZE]; /* folder of the programs that come with troupe */
	struct top_settings top;
	struct settings_said said; /* of the top level */
	struct section *sections;  /* in the order of the roster */
	size_t n_sections;
	char *text; /* as it was read, for whoever goes on with it; NULL: could not be */
};

/* Reads and checks `file`, then the `--set` assignments "KEY=VALUE" or "SECTION.KEY=VALUE" (a
 * stream's section is called "stream.TITLE") on top. `programs`: see above. On an error returns
 * TROUPE_E_CONFIG (or what kept a program from answering) and `why` is one line. Free with
 * config_finish either way. */
int config_load(struct config *config, const char *file, const char *programs,
		const char *const *sets, size_t n_sets, char *why, size_t why_size);
void config_finish(struct config *config);

/* The same with a text that was read before, from that file in that folder. */
int config_load_text(struct config *config, const char *file, const char *folder, const char *text,
		     const char *programs, const char *const *sets, size_t n_sets, char *why,
		     size_t why_size);

/* The rows of a program as somebody else has asked for them: what rows_print and needs_print made
 * of them. */
struct known_rows {
	const char *program, *text;
};

/* The same without asking any program: one that is not among the known is an error. */
int config_load_known(struct config *config, const char *file, const char *folder, const char *text,
		      const char *programs, const char *const *sets, size_t n_sets,
		      const struct known_rows *known, size_t n_known, char *why, size_t why_size);

/* The complete commented default, made from the rows of all programs. */
int config_print_default(const char *programs, FILE *out, char *why, size_t why_size);

/* What holds for a row of the section's program: as set, else its default; NULL: no such row. */
const char *section_value(const struct section *section, const char *key);

/* The line that sets the row of the section (NULL: of the top level), else the section's; 0: none
 * does, or the command line. */
int config_line(const struct config *config, const struct section *section, const char *key);

/* The section called so ("storer", "stream") with that title, NULL: none. */
struct section *config_section(const struct config *config, const char *name, const char *title);

/* "key=value" lines for the worker. A heap block, NULL: out of memory. */
char *section_lines(const struct section *section);

/* Where the program of a role is: `exec` ("" is the default). */
void config_program(const struct config *config, const struct role *role, const char *exec,
		    char *out, size_t size);

/* Asks a program for its rows and needs. The count of rows, or a negative error with `why`.
 * `may_have_none`: a program that knows no such question has none of both. */
int config_rows(const char *program, bool may_have_none, struct row **rows, struct needs *needs,
		char *why, size_t why_size);

#endif
