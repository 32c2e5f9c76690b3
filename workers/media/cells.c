/* Pixels two to a cell; see cells.h. */
#include "workers/media/cells.h"

#include "ipc/base/errors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cells_resize(struct cells *cells, uint32_t columns, uint32_t lines, uint32_t words)
{
	size_t sheet = (size_t)columns * lines * 2 * 3;
	size_t text = ((size_t)columns + 2) * (lines + words) * BLOCKS_CELL_MAX;
	if (sheet > cells->sheet_size) {
		uint8_t *larger = realloc(cells->sheet.pixels, sheet);
		if (!larger)
			return TROUPE_E_MEMORY;
		cells->sheet.pixels = larger;
		cells->sheet_size = sheet;
	}
	if (text > cells->text_size) {
		char *larger = realloc(cells->text, text);
		if (!larger)
			return TROUPE_E_MEMORY;
		cells->text = larger;
		cells->text_size = text;
	}
	cells->sheet.width = columns;
	cells->sheet.height = lines * 2;
	memset(cells->sheet.pixels, 0, sheet);
	return 0;
}

void cells_finish(struct cells *cells)
{
	free(cells->sheet.pixels);
	free(cells->text);
	*cells = (struct cells){0};
}

size_t cells_write(const struct cells *cells, enum blocks_colours colours)
{
	const struct sheet *sheet = &cells->sheet;
	size_t used = 0, row = (size_t)sheet->width * 3;
	for (uint32_t line = 0; line < sheet->height / 2; line++) {
		const uint8_t *upper = sheet->pixels + 2 * row * line;
		used += (size_t)sprintf(cells->text + used, "\033[%" PRIu32 ";1H", line + 1);
		used += blocks_line(cells->text + used, upper, upper + row, sheet->width, colours);
	}
	return used;
}

enum blocks_colours cells_colours(void)
{
	const char *said = getenv("COLORTERM");
	return said && (strcmp(said, "truecolor") == 0 || strcmp(said, "24bit") == 0) ? BLOCKS_24BIT
										      : BLOCKS_256;
}
