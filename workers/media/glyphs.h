/* A bitmap font of printable ASCII, each glyph written out as a picture. */
#ifndef TROUPE_WORKERS_MEDIA_GLYPHS_H
#define TROUPE_WORKERS_MEDIA_GLYPHS_H

#define GLYPH_WIDTH   5
#define GLYPH_HEIGHT  8 /* seven above the base line, one for descenders */
#define GLYPH_ADVANCE 6 /* from one glyph to the next */

struct glyph {
	char rows[GLYPH_HEIGHT][GLYPH_WIDTH + 1]; /* '#': ink */
};

/* The glyph of a character; that of '?' for one that has none. Never NULL. */
const struct glyph *glyph_of(char character);

#endif
