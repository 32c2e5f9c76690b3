/* A sheet of pixels, two to each cell of a terminal, and its text for the terminal: what every
 * picture in a terminal is drawn on first. */
#ifndef TROUPE_WORKERS_MEDIA_CELLS_H
#define TROUPE_WORKERS_MEDIA_CELLS_H

#include "workers/media/blocks.h"

#include <stddef.h>
#include <stdint.h>

struct cells {
	struct sheet sheet; /* columns x 2 * lines pixels */
	char *text;	    /* room for the sheet and some lines of words */
	size_t sheet_size, text_size;
};

/* Makes it black and of that size, with room in the text for `words` lines more. TROUPE_E_MEMORY.
 */
int cells_resize(struct cells *cells, uint32_t columns, uint32_t lines, uint32_t words);
void cells_finish(struct cells *cells);

/* Writes the sheet to the text, from the terminal's top left; returns how many bytes. */
size_t cells_write(const struct cells *cells, enum blocks_colours colours);

/* What colours the terminal of this process has, as its environment says. */
enum blocks_colours cells_colours(void);

#endif
