/* Texts of strangers: what of them is UTF-8, and what of them a terminal may get. */
#ifndef TROUPE_IPC_BASE_UTF8_H
#define TROUPE_IPC_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes at `at` are one character of UTF-8; 0: none. `left` > 0. */
size_t utf8_length(const uint8_t *at, size_t left);

/* What would move a cursor, set a title, turn the direction of writing or be no text at all
 * (control characters of either kind, zeroes, bytes that are no UTF-8) becomes a '?' each; tabs
 * stay. In place; returns the new size, which is never larger. Writes nothing where all is well. */
size_t utf8_tame_bytes(char *bytes, size_t size);

/* Likewise to the text's end. Returns `text`. */
char *utf8_tame(char *text);

#endif
