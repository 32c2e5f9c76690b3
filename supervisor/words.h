/* A process's last words: the end of what it wrote to stderr, of which one line is worth showing.
 */
#ifndef TROUPE_SUPERVISOR_WORDS_H
#define TROUPE_SUPERVISOR_WORDS_H

#include <stddef.h>

#define WORDS_SIZE 2048

/* All 0: nothing was said. Most processes say nothing, and then there is no memory for it. */
struct words {
	char *text; /* heap, WORDS_SIZE; NULL: none yet, or there is no memory to be had */
	size_t used;
};

/* Adds what was written and forgets what is too old to fit. */
void words_add(struct words *words, const char *bytes, size_t size);
void words_finish(struct words *words);

/* The line that tells most: the last one by log_error(), else the last that is no log line (an
 * assertion, a sanitizer), else the last warning. Returns `out`, "" when there is none. */
char *words_last(const struct words *words, char *out, size_t size);

#endif
