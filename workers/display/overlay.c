/* The overlay of a frame for clients that can only show pictures; see overlay.h. */
#include "workers/display/overlay.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/display/caption.h"
#include "workers/media/draw.h"
#include "workers/media/jpeg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN	    3
#define LINE_HEIGHT 9 /* of the font, at scale 1 */

static const struct colour black = {0, 0, 0};
static const struct colour white = {255, 255, 255};
static const struct colour green = {60, 220, 110};
static const struct colour amber = {255, 190, 50};

struct overlay {
	struct jpeg_encoder *encoder;
	uint8_t *pixels;
	size_t capacity;
};

struct overlay *overlay_create(void)
{
	struct overlay *overlay = calloc(1, sizeof(*overlay));
	if (!overlay)
		return NULL;
	overlay->encoder = jpeg_encoder_create();
	if (!overlay->encoder) {
		free(overlay);
		return NULL;
	}
	return overlay;
}

void overlay_destroy(struct overlay *overlay)
{
	if (!overlay)
		return;
	jpeg_encoder_destroy(overlay->encoder);
	free(overlay->pixels);
	free(overlay);
}

static int copy_view(struct overlay *overlay, const struct shot *shot)
{
	if (overlay->capacity < shot->view_size) {
		uint8_t *larger = realloc(overlay->pixels, shot->view_size);
		if (!larger)
			return TROUPE_E_MEMORY;
		overlay->pixels = larger;
		overlay->capacity = shot->view_size;
	}
	memcpy(overlay->pixels, shot->view, shot->view_size);
	return 0;
}

/* A line of text on a dark strip of the picture's width, so that it can be read on anything. */
static void draw_line(const struct canvas *canvas, int32_t y, int32_t scale, struct colour colour,
		      const char *text)
{
	draw_box(canvas, 0, y, canvas->width, LINE_HEIGHT * scale + 2, black);
	draw_text(canvas, MARGIN, y + 1, scale, colour, text);
}

/* What the model says, with a bar as long as it is sure; green when it agrees with the label. */
static void draw_prediction(const struct canvas *canvas, int32_t scale, const struct ledger *ledger,
			    const struct shot *shot)
{
	char line[96];
	const struct slot_record *record = &shot->record;
	int32_t height = LINE_HEIGHT * scale + 2, y = canvas->height - height;
	if (shot->bypassed) {
		draw_line(canvas, y, scale, amber,
			  shot->quarantined ? "quarantined: not processed"
					    : "bypassed: not processed");
		return;
	}
	if (record->prediction == 0)
		return;
	bool right = record->label == 0 || record->label == record->prediction;
	snprintf(line, sizeof(line), "%s %.0f%%", caption_label(ledger, record->prediction),
		 (double)record->probability * 100.0);
	draw_line(canvas, y, scale, right ? green : amber, line);
	draw_box(canvas, 0, y - 2, (int32_t)((float)canvas->width * record->probability), 2,
		 right ? green : amber);
}

static void draw_record(const struct canvas *canvas, const struct ledger *ledger,
			const struct shot *shot)
{
	char line[128];
	const struct slot_record *record = &shot->record;
	const char *label = caption_label(ledger, record->label);
	int32_t scale = canvas->width >= 640 ? 2 : 1;
	snprintf(line, sizeof(line), "%s %" PRIu64 "%s%s", ledger->streams[shot->stream].name,
		 record->seq, *label ? " " : "", label);
	draw_line(canvas, 0, scale, white, line);
	draw_prediction(canvas, scale, ledger, shot);
}

static int encode(struct overlay *overlay, const struct stream_row *stream, const uint8_t *pixels,
		  const uint8_t **jpeg, size_t *size)
{
	return jpeg_encode_rgb(overlay->encoder, pixels, stream->view_width, stream->view_height,
			       stream->quality, jpeg, size);
}

int overlay_view(struct overlay *overlay, const struct ledger *ledger, const struct shot *shot,
		 const uint8_t **jpeg, size_t *size)
{
	return encode(overlay, &ledger->streams[shot->stream], shot->view, jpeg, size);
}

int overlay_draw(struct overlay *overlay, const struct ledger *ledger, const struct shot *shot,
		 const uint8_t **jpeg, size_t *size)
{
	const struct stream_row *stream = &ledger->streams[shot->stream];
	int rc = copy_view(overlay, shot);
	if (rc < 0)
		return rc;
	struct canvas canvas = {.format = CANVAS_RGB24,
				.pixels = overlay->pixels,
				.width = (int32_t)stream->view_width,
				.height = (int32_t)stream->view_height};
	draw_record(&canvas, ledger, shot);
	return encode(overlay, stream, overlay->pixels, jpeg, size);
}
