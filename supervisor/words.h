/* A process's last words: the end of what it wrote to stderr, of which one line is worth showing.
 */
#ifndef TROUPE_SUPERVISOR_WORDS_H
#define TROUPE_SUPERVISOR_WORDS_H

#include <stddef.h>

#define WORDS_SIZE 2048

struct words {
	char text[WORDS_SIZE];
	size_t used;
};

/* Adds what was written and forgets what is too old to fit. */
void words_add(struct words *words, const char *bytes, size_t size);

/* The line that tells most: the last one by log_error(), else the last that is no log line (an
 * assertion, a sanitizer), else the last warning. Returns `out`, "" when there is none. */
char *words_last(const struct words *words, char *out, size_t size);

#endif
