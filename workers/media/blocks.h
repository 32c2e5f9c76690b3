/* Pictures made of characters: each cell of a terminal shows two pixels, one above the other, as an
 * upper half block in two colours. Pure functions. */
#ifndef TROUPE_WORKERS_MEDIA_BLOCKS_H
#define TROUPE_WORKERS_MEDIA_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

enum blocks_colours {
	BLOCKS_24BIT,
	BLOCKS_256, /* the 6 x 6 x 6 cube and the greys of a terminal with 256 colours */
};

/* What one cell may take: both colours in full, and the block. */
#define BLOCKS_CELL_MAX 48

/* Pictures in tight RGB24 rows: one that is drawn, one that is drawn on. */
struct picture {
	const uint8_t *pixels;
	uint32_t width, height;
};
struct sheet {
	uint8_t *pixels;
	uint32_t width, height;
};

struct area {
	uint32_t x, y, width, height;
};

/* The largest size of the shape of width x height, at least 1 x 1, that fits into *to_width x
 * *to_height, which it replaces. */
void blocks_fit(uint32_t width, uint32_t height, uint32_t *to_width, uint32_t *to_height);

/* Draws a picture into an area of a sheet, each pixel the mean of what it covers, or the nearest
 * where the picture is smaller. */
void blocks_scale(struct picture from, struct sheet onto, struct area area);

/* Writes `columns` cells that show two rows of pixels and, at the end, the terminal's own colours
 * again; a colour is named only where it changes. `out` has room for columns + 1 cells. Returns how
 * many bytes; there is no final zero. */
size_t blocks_line(char *out, const uint8_t *upper, const uint8_t *lower, uint32_t columns,
		   enum blocks_colours colours);

/* The nearest of a terminal's 256 colours. */
uint8_t blocks_nearest(const uint8_t rgb[3]);

#endif
