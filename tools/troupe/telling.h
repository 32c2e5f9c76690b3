/* What long work says while it goes on: a bar and lines for people, or lists for JSON. Its
 * functions are what the work is given to call; `arg` is the struct telling. */
#ifndef TROUPE_TOOLS_TROUPE_TELLING_H
#define TROUPE_TOOLS_TROUPE_TELLING_H

#include "tools/troupe/progress.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct telling {
	struct progress progress;
	json_t *faults, *notes; /* lists, the caller's; NULL: for people */
};

/* A line on stderr, or an entry of `faults`. */
void telling_fault(void *arg, const char *text);
/* The same for `notes`. */
void telling_note(void *arg, const char *text);
/* A plain line on stdout, or an entry of `notes`. */
void telling_line(void *arg, const char *text);

/* Shows how many bytes are done; false: somebody wants it to end. */
bool telling_goes_on(void *arg, uint64_t done, uint64_t total);

#endif
