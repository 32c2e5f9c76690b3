/* Asks a program one question by its command line (`--rows`, `--version`, `--probe`) and waits for
 * the answer, for a limited time. */
#ifndef TROUPE_SUPERVISOR_QUERY_H
#define TROUPE_SUPERVISOR_QUERY_H

#include <stddef.h>
#include <stdint.h>

#define QUERY_LIMIT 65536 /* bytes of an answer */

/* Runs `program argument` with `lines` on its standard input. On success returns its exit code;
 * *answer (the caller frees it) is what it printed. What it said last on stderr is in `words`.
 * TROUPE_E_TIMEOUT, TROUPE_E_NOT_FOUND, TROUPE_E_DENIED, TROUPE_E_OVERSIZED; a signal is
 * TROUPE_E_STATE. Then *answer is NULL. */
int query(const char *program, const char *argument, const char *lines, int64_t timeout,
	  char **answer, char *words, size_t words_size);

#endif
