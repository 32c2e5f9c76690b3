/* What a player shows: the picture of a frame, a line about it, a line about the player. */
#ifndef TROUPE_TOOLS_TROUPE_PLAY_SHOW_H
#define TROUPE_TOOLS_TROUPE_PLAY_SHOW_H

#include "workers/storer/frames.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct play_show;

/* On the terminal that is standard output. TROUPE_E_MEMORY and others. */
int play_show_create(struct play_show **created);
/* Gives the terminal back as it was. NULL is fine. */
void play_show_destroy(struct play_show *show);

/* Whether a new picture can be put now: the terminal has taken the last one. */
bool play_show_ready(struct play_show *show);

/* Whether the terminal has another size than what was drawn last. */
bool play_show_resized(const struct play_show *show);

/* Draws a frame (NULL: the last one stays) and two lines below it, which are cut to the terminal's
 * width. TROUPE_E_CORRUPT: not a picture. */
int play_show_draw(struct play_show *show, const struct frames_picture *picture, const char *status,
		   const char *below);

/* "cam1 2026-11-21 10:00:05.500 #1234 triangle, seen as circle 97 %". Returns `out`. */
char *play_show_describe(const struct record *record, char *out, size_t size);

#endif
