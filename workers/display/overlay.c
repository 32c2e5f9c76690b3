/* The overlay of a frame for clients that can only show pictures; see overlay.h. */
#include "workers/display/overlay.h"

#include "ipc/base/errors.h"
#include "workers/display/caption.h"
#include "workers/media/annotate.h"
#include "workers/media/jpeg.h"

#include <stdlib.h>
#include <string.h>

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

static void draw_record(const struct canvas *canvas, const struct ledger *ledger,
			const struct shot *shot)
{
	const struct slot_record *record = &shot->record;
	char label[NAME_SIZE], prediction[NAME_SIZE];
	annotate(canvas,
		 &(struct annotation){
			 .stream = ledger->streams[shot->stream].name,
			 .seq = record->seq,
			 .label = caption_label(ledger, record->label, label),
			 .prediction = caption_label(ledger, record->prediction, prediction),
			 .time = "",
			 .probability = record->probability,
			 .bypassed = shot->bypassed,
			 .quarantined = shot->quarantined,
		 });
}

static int encode(struct overlay *overlay, const struct stream_row *stream, const uint8_t *pixels,
		  const uint8_t **jpeg, size_t *size)
{
	return jpeg_encode_rgb(overlay->encoder, pixels, stream->view_width, stream->view_height,
			       stream_quality(stream), jpeg, size);
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
