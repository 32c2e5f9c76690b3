/* The picture of an H.264 frame: decoded from the key picture before it. Part of frames.h. */
#ifndef TROUPE_WORKERS_STORER_FRAMES_GOP_H
#define TROUPE_WORKERS_STORER_FRAMES_GOP_H

#include "workers/storer/recording.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gop;

struct gop_picture {
	const uint8_t *i420; /* valid until the next call */
	uint32_t width, height;
	bool damaged;
};

/* `recording` is borrowed. TROUPE_E_SYSTEM: no module, TROUPE_E_UNSUPPORTED, TROUPE_E_MEMORY;
 * explained in `why`. */
int gop_create(struct gop **gop, struct recording *recording, char *why, size_t why_size);
void gop_destroy(struct gop *gop); /* NULL is fine */

/* Errors as of frames_show. */
int gop_show(struct gop *gop, const struct index_row *row, struct gop_picture *picture);

#endif
