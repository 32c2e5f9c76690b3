/* A frame's record on its picture; see annotate.h. */
#include "workers/media/annotate.h"

#include "workers/media/glyphs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MARGIN	    3
#define LINE_HEIGHT 9 /* of the font, at scale 1 */

/* From this width on, and from each multiple of it, letters are twice, three times … as large. */
#define WIDTH_PER_SCALE 640

static const struct colour black = {0, 0, 0};
static const struct colour white = {255, 255, 255};
static const struct colour green = {60, 220, 110};
static const struct colour amber = {255, 190, 50};

/* A line of text on a dark strip of the picture's width, so that it can be read on anything. */
static void draw_line(const struct canvas *canvas, int32_t y, int32_t scale, struct colour colour,
		      const char *text)
{
	draw_box(canvas, 0, y, canvas->width, LINE_HEIGHT * scale + 2, black);
	draw_text(canvas, MARGIN, y + 1, scale, colour, text);
}

static void draw_prediction(const struct canvas *canvas, int32_t scale,
			    const struct annotation *annotation)
{
	char line[96];
	int32_t height = LINE_HEIGHT * scale + 2, y = canvas->height - height;
	if (annotation->bypassed) {
		draw_line(canvas, y, scale, amber,
			  annotation->quarantined ? "quarantined: not processed"
						  : "bypassed: not processed");
		return;
	}
	if (!*annotation->prediction)
		return;
	bool right = !*annotation->label || strcmp(annotation->label, annotation->prediction) == 0;
	snprintf(line, sizeof(line), "%s %.0f%%", annotation->prediction,
		 (double)annotation->probability * 100.0);
	draw_line(canvas, y, scale, right ? green : amber, line);
	draw_box(canvas, 0, y - 2, (int32_t)((float)canvas->width * annotation->probability), 2,
		 right ? green : amber);
}

void annotate(const struct canvas *canvas, const struct annotation *annotation)
{
	char line[128];
	int32_t scale = 1 + canvas->width / WIDTH_PER_SCALE;
	snprintf(line, sizeof(line), "%s %" PRIu64 "%s%s", annotation->stream, annotation->seq,
		 *annotation->label ? " " : "", annotation->label);
	draw_line(canvas, 0, scale, white, line);
	int32_t room = canvas->width - (int32_t)strlen(line) * GLYPH_ADVANCE * scale;
	int32_t width = (int32_t)strlen(annotation->time) * GLYPH_ADVANCE * scale + MARGIN;
	if (width + 2 * MARGIN <= room)
		draw_text(canvas, canvas->width - width, 1, scale, white, annotation->time);
	draw_prediction(canvas, scale, annotation);
}
