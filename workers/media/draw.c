/* Everything is made of horizontal spans, so that clipping and pixel formats are known in one
 * place. */
#include "workers/media/draw.h"

#include "workers/media/glyphs.h"

#include <string.h>

struct yuv {
	uint8_t y, u, v;
};

/* Full-range BT.601 in 16-bit fixed point; the sums of the coefficients keep every result in
 * 0..255. */
static struct yuv to_yuv(struct colour c)
{
	int32_t r = c.red, g = c.green, b = c.blue;
	return (struct yuv){
		.y = (uint8_t)((19595 * r + 38470 * g + 7471 * b + 32768) >> 16),
		.u = (uint8_t)((-11058 * r - 21710 * g + 32768 * b + (128 << 16) + 32767) >> 16),
		.v = (uint8_t)((32768 * r - 27439 * g - 5329 * b + (128 << 16) + 32767) >> 16),
	};
}

static void span_rgb(const struct canvas *canvas, int32_t x, int32_t end, int32_t y,
		     struct colour colour)
{
	uint8_t *at = canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
	for (; x < end; x++, at += 3) {
		at[0] = colour.red;
		at[1] = colour.green;
		at[2] = colour.blue;
	}
}

/* A chroma sample takes the colour of the top left of its four pixels. */
static void span_i420(const struct canvas *canvas, int32_t x, int32_t end, int32_t y,
		      struct colour colour)
{
	struct yuv yuv = to_yuv(colour);
	size_t luma = (size_t)canvas->width * (size_t)canvas->height;
	memset(canvas->pixels + (size_t)y * (size_t)canvas->width + x, yuv.y, (size_t)(end - x));
	int32_t first = (x + 1) / 2, last = (end + 1) / 2;
	if (y % 2 || first >= last)
		return;
	size_t at = luma + (size_t)(y / 2) * (size_t)(canvas->width / 2) + (size_t)first;
	memset(canvas->pixels + at, yuv.u, (size_t)(last - first));
	memset(canvas->pixels + at + luma / 4, yuv.v, (size_t)(last - first));
}

/* Fills [x, end) of row y as far as it is on the canvas. */
static void span(const struct canvas *canvas, int32_t x, int32_t end, int32_t y,
		 struct colour colour)
{
	if (x < 0)
		x = 0;
	if (end > canvas->width)
		end = canvas->width;
	if (y < 0 || y >= canvas->height || x >= end)
		return;
	if (canvas->format == CANVAS_RGB24)
		span_rgb(canvas, x, end, y, colour);
	else
		span_i420(canvas, x, end, y, colour);
}

void draw_box(const struct canvas *canvas, int32_t x, int32_t y, int32_t width, int32_t height,
	      struct colour colour)
{
	for (int32_t row = 0; row < height; row++)
		span(canvas, x, x + width, y + row, colour);
}

void draw_disc(const struct canvas *canvas, int32_t x, int32_t y, int32_t radius,
	       struct colour colour)
{
	int32_t half = 0;
	for (int32_t dy = -radius; dy <= radius; dy++) {
		int32_t room = radius * radius - dy * dy;
		while ((half + 1) * (half + 1) <= room)
			half++;
		while (half * half > room)
			half--;
		span(canvas, x - half, x + half + 1, y + dy, colour);
	}
}

void draw_triangle(const struct canvas *canvas, int32_t x, int32_t y, int32_t radius,
		   struct colour colour)
{
	for (int32_t dy = -radius; dy <= radius; dy++) {
		int32_t half = (dy + radius) / 2;
		span(canvas, x - half, x + half + 1, y + dy, colour);
	}
}

void draw_cross(const struct canvas *canvas, int32_t x, int32_t y, int32_t radius,
		struct colour colour)
{
	int32_t half = radius / 3;
	draw_box(canvas, x - radius, y - half, 2 * radius + 1, 2 * half + 1, colour);
	draw_box(canvas, x - half, y - radius, 2 * half + 1, 2 * radius + 1, colour);
}

static void draw_glyph(const struct canvas *canvas, int32_t x, int32_t y, int32_t scale,
		       struct colour colour, const struct glyph *glyph)
{
	for (int32_t dot = 0; dot < GLYPH_HEIGHT * GLYPH_WIDTH; dot++) {
		int32_t row = dot / GLYPH_WIDTH, column = dot % GLYPH_WIDTH;
		if (glyph->rows[row][column] == '#')
			draw_box(canvas, x + column * scale, y + row * scale, scale, scale, colour);
	}
}

int32_t draw_text(const struct canvas *canvas, int32_t x, int32_t y, int32_t scale,
		  struct colour colour, const char *text)
{
	int32_t start = x;
	for (; *text; text++, x += GLYPH_ADVANCE * scale)
		draw_glyph(canvas, x, y, scale, colour, glyph_of(*text));
	return x - start;
}
