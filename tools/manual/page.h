/* A manual page in mdoc(7), written line by line: what is a macro there is escaped here, sentences
 * begin on lines of their own, and no line is too long, so that mandoc(1) and man(1) have nothing
 * to complain of. */
#ifndef TROUPE_TOOLS_MANUAL_PAGE_H
#define TROUPE_TOOLS_MANUAL_PAGE_H

#include <stdio.h>

/* What all pages of one build have in common. */
struct manual {
	const char *folder;   /* where pages and completions go */
	const char *examples; /* the folder of the examples, a file a command */
	const char *date;     /* "November 22, 2026" */
};

/* Opens FOLDER/NAME for writing; ends the program with a line that says why if that fails. */
FILE *page_open(const struct manual *manual, const char *name);

/* Closes it; ends the program if it is not whole. */
void page_close(FILE *page, const char *name);

/* The first lines of a page, up to NAME: `title` is "troupe-kill", `what` its one line. */
void page_begin(FILE *page, const struct manual *manual, const char *title, const char *section,
		const char *what);

/* Text for people. `words in backquotes` are bold. Ends with the end of a line. */
void page_text(FILE *page, const char *text);

/* The same, with a capital at its beginning and a full stop. */
void page_sentence(FILE *page, const char *text);

/* One argument of a macro, quoted: "the word itself". */
void page_argument(FILE *page, const char *text);

/* A line as it is, within a literal display. */
void page_literal(FILE *page, const char *line);

#endif
