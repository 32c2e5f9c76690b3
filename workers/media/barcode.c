/* Writing and reading the frame number in the pixels. */
#include "workers/media/barcode.h"

#include "ipc/base/errors.h"

#include <stdbool.h>
#include <stddef.h>

#define BITS	  48
#define FIRST_ROW (BARCODE_GRID - BITS / BARCODE_GRID)

/* Darker than this is 0, brighter than that is 1. */
#define LUMA_ZERO 96
#define LUMA_ONE  160

static uint8_t check_bits(uint64_t number)
{
	uint32_t crc = 0xff;
	for (int byte = 4; byte >= 0; byte--) {
		crc ^= (uint8_t)(number >> (8 * byte));
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x80 ? (crc << 1 ^ 0x07) & 0xff : crc << 1;
	}
	return (uint8_t)crc;
}

/* The pixels of one bit's cell: [x0, x1) x [y0, y1). */
struct cell {
	uint32_t x0, x1, y0, y1;
};

static struct cell cell_of(uint32_t bit, uint32_t width, uint32_t height)
{
	uint32_t column = bit % BARCODE_GRID, row = FIRST_ROW + bit / BARCODE_GRID;
	return (struct cell){
		.x0 = column * width / BARCODE_GRID,
		.x1 = (column + 1) * width / BARCODE_GRID,
		.y0 = row * height / BARCODE_GRID,
		.y1 = (row + 1) * height / BARCODE_GRID,
	};
}

void barcode_draw(const struct canvas *canvas, uint64_t number)
{
	static const struct colour black = {16, 16, 16}, white = {235, 235, 235};
	number &= BARCODE_NUMBER_MAX;
	uint64_t bits = number << 8 | check_bits(number);
	for (uint32_t i = 0; i < BITS; i++) {
		struct cell c = cell_of(i, (uint32_t)canvas->width, (uint32_t)canvas->height);
		bool one = bits >> (BITS - 1 - i) & 1;
		draw_box(canvas, (int32_t)c.x0, (int32_t)c.y0, (int32_t)(c.x1 - c.x0),
			 (int32_t)(c.y1 - c.y0), one ? white : black);
	}
}

/* Mean luma of the middle half of a cell, where its neighbours do not ring. */
static uint32_t cell_mean(const uint8_t *luma, uint32_t stride, struct cell c)
{
	uint32_t margin_x = (c.x1 - c.x0) / 4, margin_y = (c.y1 - c.y0) / 4;
	uint32_t sum = 0, count = 0;
	for (uint32_t y = c.y0 + margin_y; y < c.y1 - margin_y; y++)
		for (uint32_t x = c.x0 + margin_x; x < c.x1 - margin_x; x++, count++)
			sum += luma[(size_t)y * stride + x];
	return count ? sum / count : LUMA_ZERO;
}

int64_t pattern_read_number(const uint8_t *luma, uint32_t stride, uint32_t width, uint32_t height)
{
	uint64_t bits = 0;
	for (uint32_t i = 0; i < BITS; i++) {
		uint32_t mean = cell_mean(luma, stride, cell_of(i, width, height));
		if (mean >= LUMA_ZERO && mean <= LUMA_ONE)
			return TROUPE_E_MALFORMED;
		bits = bits << 1 | (mean > LUMA_ONE);
	}
	uint64_t number = bits >> 8;
	return (bits & 0xff) == check_bits(number) ? (int64_t)number : TROUPE_E_CORRUPT;
}
