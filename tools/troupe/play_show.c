/* A frame in a terminal; see play_show.h. */
#include "tools/troupe/play_show.h"

#include "ipc/base/errors.h"
#include "ipc/base/utf8.h"
#include "ipc/slots/word.h"
#include "tools/troupe/when.h"
#include "workers/media/cells.h"
#include "workers/media/jpeg.h"
#include "workers/media/scale.h"
#include "workers/media/screen.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_BELOW 2

struct play_show {
	char path[PATH_MAX];
	struct screen *screen;
	struct cells cells;
	struct jpeg_decoder *decoder;
	struct scaler *scaler;
	uint8_t *rgb; /* the picture as it was drawn last, in its size of then */
	size_t rgb_size;
	uint32_t width, height;	 /* of `rgb`; 0: none */
	uint32_t columns, lines; /* of the terminal then */
};

int play_show_create(struct play_show **created)
{
	struct play_show *show = calloc(1, sizeof(*show));
	if (!show)
		return TROUPE_E_MEMORY;
	show->decoder = jpeg_decoder_create();
	show->scaler = scaler_create();
	int rc = show->decoder && show->scaler ? 0 : TROUPE_E_MEMORY;
	if (rc == 0 && ttyname_r(STDOUT_FILENO, show->path, sizeof(show->path)) != 0)
		rc = TROUPE_E_SYSTEM;
	if (rc == 0)
		rc = screen_create(&show->screen,
				   &(struct screen_plan){.path = show->path, .fifo = ""});
	if (rc < 0) {
		play_show_destroy(show);
		return rc;
	}
	*created = show;
	return 0;
}

void play_show_destroy(struct play_show *show)
{
	if (!show)
		return;
	screen_destroy(show->screen);
	cells_finish(&show->cells);
	jpeg_decoder_destroy(show->decoder);
	scaler_destroy(show->scaler);
	free(show->rgb);
	free(show);
}

bool play_show_ready(struct play_show *show)
{
	return screen_turn(show->screen);
}

bool play_show_resized(const struct play_show *show)
{
	uint32_t columns, lines;
	screen_size(show->screen, &columns, &lines);
	return columns != show->columns || lines != show->lines;
}

/* ---- the picture ---- */

static int make_room(struct play_show *show, uint32_t width, uint32_t height)
{
	size_t size = (size_t)width * height * 3;
	if (size > show->rgb_size) {
		uint8_t *larger = realloc(show->rgb, size);
		if (!larger)
			return TROUPE_E_MEMORY;
		show->rgb = larger;
		show->rgb_size = size;
	}
	show->width = width;
	show->height = height;
	return 0;
}

/* Makes show->rgb: the picture as large as it fits. */
static int shrink(struct play_show *show, const struct frames_picture *picture)
{
	const struct sheet *sheet = &show->cells.sheet;
	uint32_t width = sheet->width, height = sheet->height;
	struct jpeg_picture decoded;
	blocks_fit(picture->width, picture->height, &width, &height);
	int rc = make_room(show, width, height);
	if (rc < 0)
		return rc;
	if (picture->i420)
		return scale_i420_to_rgb(show->scaler, picture->i420, picture->width,
					 picture->height, show->rgb, width, height);
	rc = jpeg_decode_reduced(show->decoder, picture->jpeg, picture->jpeg_bytes, JPEG_BGRA,
				 width, height, &decoded);
	return rc < 0 ? rc
		      : scale_bgra_to_rgb(show->scaler, decoded.pixels, decoded.width,
					  decoded.height, show->rgb, width, height);
}

static void place(const struct play_show *show)
{
	const struct sheet *sheet = &show->cells.sheet;
	struct area area = {.width = sheet->width, .height = sheet->height};
	if (show->width == 0)
		return;
	blocks_fit(show->width, show->height, &area.width, &area.height);
	area.x = (sheet->width - area.width) / 2;
	area.y = (sheet->height - area.height) / 2;
	blocks_scale((struct picture){show->rgb, show->width, show->height}, *sheet, area);
}

/* ---- words ---- */

char *play_show_describe(const struct record *record, char *out, size_t size)
{
	char time[32];
	int n = snprintf(out, size, "%s %s #%" PRIu64, record->stream,
			 when_format(record->captured_wall, time, sizeof(time)), record->seq);
	if (*record->label)
		n += snprintf(out + n, size - (size_t)n, " label %s", record->label);
	if (record->marks & MARK_BYPASSED)
		snprintf(out + n, size - (size_t)n, " not processed");
	else if (*record->prediction)
		snprintf(out + n, size - (size_t)n, " seen as %s %.0f %%", record->prediction,
			 (double)record->probability * 100);
	return utf8_tame(out);
}

static size_t write_line(char *out, uint32_t line, uint32_t columns, const char *words)
{
	return (size_t)sprintf(out, "\033[%" PRIu32 ";1H\033[K%.*s", line, (int)columns, words);
}

int play_show_draw(struct play_show *show, const struct frames_picture *picture, const char *status,
		   const char *below)
{
	uint32_t lines;
	screen_size(show->screen, &show->columns, &show->lines);
	lines = show->lines > LINES_BELOW ? show->lines - LINES_BELOW : 1;
	int rc = cells_resize(&show->cells, show->columns, lines, LINES_BELOW);
	if (rc < 0)
		return rc;
	int shown = picture ? shrink(show, picture) : 0;
	if (shown == TROUPE_E_MEMORY)
		return shown;
	place(show);
	char *text = show->cells.text;
	size_t used = cells_write(&show->cells, cells_colours());
	used += write_line(text + used, lines + 1, show->columns, status);
	used += write_line(text + used, lines + 2, show->columns, below);
	rc = screen_put(show->screen, text, used);
	return rc < 0 ? rc : shown;
}
