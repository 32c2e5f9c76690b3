/* The end of what a process said. */
#include "supervisor/words.h"

#include <stdio.h>
#include <string.h>

void words_add(struct words *words, const char *bytes, size_t size)
{
	if (size > WORDS_SIZE) {
		bytes += size - WORDS_SIZE;
		size = WORDS_SIZE;
	}
	size_t over = words->used + size > WORDS_SIZE ? words->used + size - WORDS_SIZE : 0;
	memmove(words->text, words->text + over, words->used - over);
	words->used -= over;
	memcpy(words->text + words->used, bytes, size);
	words->used += size;
}

/* Where the message of a line "TIME error text" begins; NULL: not such a line. */
static const char *error_of(const char *line, size_t length)
{
	static const char mark[] = "Z error ";
	const char *at = memmem(line, length, mark, sizeof(mark) - 1);
	return at && at - line < 32 ? at + sizeof(mark) - 1 : NULL;
}

char *words_last(const struct words *words, char *out, size_t size)
{
	const char *text = words->text, *end = text + words->used, *best = end, *best_end = end;
	for (const char *line = text; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		stop = stop ? stop : end;
		const char *message = error_of(line, (size_t)(stop - line));
		if (message || (stop > line && !error_of(best, (size_t)(best_end - best)))) {
			best = line;
			best_end = stop;
		}
		line = stop + 1;
	}
	const char *message = error_of(best, (size_t)(best_end - best));
	best = message ? message : best;
	while (best < best_end && *best == ' ')
		best++;
	snprintf(out, size, "%.*s", (int)(best_end - best), best);
	return out;
}
