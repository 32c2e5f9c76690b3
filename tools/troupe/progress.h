/* How far long work is: a line on the terminal with a bar and the time that is left. Where stderr
 * is no terminal, nothing is shown. */
#ifndef TROUPE_TOOLS_TROUPE_PROGRESS_H
#define TROUPE_TOOLS_TROUPE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_TEXT 160

struct progress {
	const char *what; /* the first word of the line */
	bool terminal;	  /* there is somebody to see it */
	bool shown;	  /* the line is there now */
	int64_t begun, last;
};

void progress_begin(struct progress *progress, const char *what);

/* Shows that `done` of `total` is done, at most ten times a second. `unit` as "frames"; NULL: they
 * are bytes. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total, const char *unit);

/* Takes the line away, so that something else may be said; the next progress_show brings it back.
 */
void progress_end(struct progress *progress);

/* The line itself, for a terminal of so many columns, `elapsed` ns after it began. Returns `out`.
 */
char *progress_text(const char *what, uint64_t done, uint64_t total, const char *unit,
		    int64_t elapsed, int columns, char *out, size_t size);

#endif
