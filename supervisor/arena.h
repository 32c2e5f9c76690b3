/* Memory that is freed in one go: an answer is made of many small texts and lists. */
#ifndef TROUPE_SUPERVISOR_ARENA_H
#define TROUPE_SUPERVISOR_ARENA_H

#include <stddef.h>

struct arena {
	void **blocks;
	size_t count;
	char none[1]; /* the text that there was no memory for */
};

/* Zeroed. NULL: out of memory. */
void *arena_get(struct arena *arena, size_t size);
/* A text; never NULL ("" when out of memory, which is not to be written to). */
char *arena_text(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void arena_finish(struct arena *arena);

#endif
