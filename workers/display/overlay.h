/* The overlay of a frame for clients that can only show pictures: its record drawn into a copy of
 * its view. */
#ifndef TROUPE_WORKERS_DISPLAY_OVERLAY_H
#define TROUPE_WORKERS_DISPLAY_OVERLAY_H

#include "workers/display/feed.h"

struct overlay;

struct overlay *overlay_create(void); /* NULL: out of memory */
void overlay_destroy(struct overlay *overlay);

/* Draws the shot's record into a copy of its view and encodes that as JPEG. *jpeg belongs to the
 * overlay and is valid until its next call. */
int overlay_draw(struct overlay *overlay, const struct ledger *ledger, const struct shot *shot,
		 const uint8_t **jpeg, size_t *size);

/* The same of the view as it is. */
int overlay_view(struct overlay *overlay, const struct ledger *ledger, const struct shot *shot,
		 const uint8_t **jpeg, size_t *size);

#endif
