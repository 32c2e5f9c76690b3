/* What a picture of characters is shown on: a terminal, a FIFO that somebody reads in one, or a
 * file. Nothing in here ever waits: what a slow terminal has not taken yet stays pending, and
 * whoever draws skips frames until it has. */
#ifndef TROUPE_WORKERS_MEDIA_SCREEN_H
#define TROUPE_WORKERS_MEDIA_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct screen;

struct screen_plan {
	const char *path;	 /* "": the controlling terminal, or else the FIFO */
	const char *fifo;	 /* is made when it is needed, and removed in the end */
	uint32_t columns, lines; /* of what is no terminal */
};

/* The plan's texts must stay. TROUPE_E_MEMORY, TROUPE_E_OVERSIZED; whether the target can be opened
 * shows later. */
int screen_create(struct screen **created, const struct screen_plan *plan);
/* Gives a terminal back as it was. NULL is fine. */
void screen_destroy(struct screen *screen);

/* Goes on with what is pending and opens what is not open: whether a new picture can be put now. A
 * target that cannot be opened is tried again with each call; why is said in the log once. */
bool screen_turn(struct screen *screen);

/* Whether there is a target: a terminal, a FIFO with a reader, a file. */
bool screen_is_there(const struct screen *screen);

/* Columns and lines of the target as it is now. */
void screen_size(const struct screen *screen, uint32_t *columns, uint32_t *lines);

/* Shows `size` bytes, which are copied. Only after screen_turn() said that it can. TROUPE_E_MEMORY.
 */
int screen_put(struct screen *screen, const char *bytes, size_t size);

/* Where it draws, for people. */
const char *screen_name(const struct screen *screen);

#endif
