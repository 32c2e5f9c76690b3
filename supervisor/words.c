/* The end of what a process said. */
#include "supervisor/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void words_finish(struct words *words)
{
	free(words->text);
	*words = (struct words){0};
}

void words_add(struct words *words, const char *bytes, size_t size)
{
	if (!words->text && size > 0)
		words->text = malloc(WORDS_SIZE);
	if (!words->text)
		return;
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

/* What a line is worth, and where its text begins: our own lines are "TIME level text". */
static int worth(const char *line, size_t length, const char **text)
{
	static const struct {
		const char *mark;
		int worth;
	} levels[] = {{"Z error ", 3}, {"Z warn  ", 1}, {"Z info  ", 0}, {"Z debug ", 0}};
	*text = line;
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		const char *at = memmem(line, length, levels[i].mark, 8);
		if (!at || at - line > 30)
			continue;
		*text = at + 8;
		return levels[i].worth;
	}
	return length > 0 ? 2 : 0;
}

char *words_last(const struct words *words, char *out, size_t size)
{
	const char *begin = words->text ? words->text : "";
	const char *end = begin + words->used, *best = end, *best_end = end;
	int best_worth = 1;
	for (const char *line = begin; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line)), *text;
		stop = stop ? stop : end;
		int its = worth(line, (size_t)(stop - line), &text);
		if (its >= best_worth) {
			best = text;
			best_end = stop;
			best_worth = its;
		}
		line = stop + 1;
	}
	snprintf(out, size, "%.*s", (int)(best_end - best), best);
	return out;
}
