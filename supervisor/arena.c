/* A list of heap blocks. */
#include "supervisor/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void *keep(struct arena *arena, void *block)
{
	void **blocks =
		block ? reallocarray(arena->blocks, arena->count + 1, sizeof(*blocks)) : NULL;
	if (!blocks) {
		free(block);
		return NULL;
	}
	arena->blocks = blocks;
	blocks[arena->count++] = block;
	return block;
}

void *arena_get(struct arena *arena, size_t size)
{
	return keep(arena, calloc(1, size ? size : 1));
}

char *arena_text(struct arena *arena, const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	char *kept = length < 0 ? NULL : keep(arena, text);
	return kept ? kept : arena->none;
}

void arena_finish(struct arena *arena)
{
	for (size_t i = 0; i < arena->count; i++)
		free(arena->blocks[i]);
	free(arena->blocks);
	*arena = (struct arena){0};
}
