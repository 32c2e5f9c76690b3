/* Simple shapes and text drawn into I420 (the test card) or RGB24 (overlays), clipped at the edges.
 * Integer arithmetic only: the same calls give the same pixels on every machine. */
#ifndef TROUPE_WORKERS_MEDIA_DRAW_H
#define TROUPE_WORKERS_MEDIA_DRAW_H

#include <stdint.h>

enum canvas_format { CANVAS_I420, CANVAS_RGB24 };

/* Borrowed pixels: tight rows; I420 of even size, full range. */
struct canvas {
	enum canvas_format format;
	uint8_t *pixels;
	int32_t width, height;
};

struct colour {
	uint8_t red, green, blue;
};

/* Filled shapes. Coordinates in pixels from the top left; anything outside is cut off. */
void draw_box(const struct canvas *canvas, int32_t x, int32_t y, int32_t width, int32_t height,
	      struct colour colour);
void draw_disc(const struct canvas *canvas, int32_t x, int32_t y, int32_t radius,
	       struct colour colour);
/* An upright triangle with its apex `radius` above (x, y), its base as far below, 2 * radius wide.
 */
void draw_triangle(const struct canvas *canvas, int32_t x, int32_t y, int32_t radius,
		   struct colour colour);
/* Two bars of 2 * radius length and two thirds of a radius width. */
void draw_cross(const struct canvas *canvas, int32_t x, int32_t y, int32_t radius,
		struct colour colour);

/* Text in cells of 6 x 9 pixels times `scale`, its top left at (x, y). Draws only the strokes: put
 * a box behind them for contrast. Bytes without a glyph appear as '?'. Returns the width drawn,
 * pixels. */
int32_t draw_text(const struct canvas *canvas, int32_t x, int32_t y, int32_t scale,
		  struct colour colour, const char *text);

#endif
