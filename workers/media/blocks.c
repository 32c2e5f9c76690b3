/* Pictures made of characters; see blocks.h. */
#include "workers/media/blocks.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HALF_BLOCK  "\u2580"
#define OWN_COLOURS "\033[0m"

void blocks_fit(uint32_t width, uint32_t height, uint32_t *to_width, uint32_t *to_height)
{
	uint64_t across = (uint64_t)*to_width * height, down = (uint64_t)*to_height * width;
	if (across <= down)
		*to_height = (uint32_t)(across / width);
	else
		*to_width = (uint32_t)(down / height);
	*to_width += *to_width == 0;
	*to_height += *to_height == 0;
}

/* Which pixels an output pixel covers: at least one. */
struct range {
	uint32_t begin, end;
};

static struct range covered(uint32_t at, uint32_t from, uint32_t to)
{
	struct range range = {(uint32_t)((uint64_t)at * from / to),
			      (uint32_t)((uint64_t)(at + 1) * from / to)};
	range.end += range.end == range.begin;
	return range;
}

static void mean(struct picture of, struct range x, struct range y, uint8_t out[3])
{
	uint64_t sum[3] = {0}, count = (uint64_t)(x.end - x.begin) * (y.end - y.begin);
	for (uint32_t row = y.begin; row < y.end; row++) {
		const uint8_t *at = of.pixels + ((size_t)row * of.width + x.begin) * 3;
		for (uint32_t column = x.begin; column < x.end; column++, at += 3)
			for (int i = 0; i < 3; i++)
				sum[i] += at[i];
	}
	for (int i = 0; i < 3; i++)
		out[i] = (uint8_t)((sum[i] + count / 2) / count);
}

void blocks_scale(struct picture from, struct sheet onto, struct area area)
{
	for (uint32_t row = 0; row < area.height; row++) {
		uint8_t *at = onto.pixels + ((size_t)(area.y + row) * onto.width + area.x) * 3;
		struct range rows = covered(row, from.height, area.height);
		for (uint32_t column = 0; column < area.width; column++, at += 3)
			mean(from, covered(column, from.width, area.width), rows, at);
	}
}

/* ---- colours ---- */

static const uint8_t cube_levels[6] = {0, 95, 135, 175, 215, 255};

static int nearest_level(uint8_t value)
{
	return value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40;
}

static int square(int value)
{
	return value * value;
}

static int distance(const uint8_t rgb[3], int red, int green, int blue)
{
	return square(rgb[0] - red) + square(rgb[1] - green) + square(rgb[2] - blue);
}

uint8_t blocks_nearest(const uint8_t rgb[3])
{
	int r = nearest_level(rgb[0]), g = nearest_level(rgb[1]), b = nearest_level(rgb[2]);
	int middle = (rgb[0] + rgb[1] + rgb[2]) / 3;
	int step = middle < 8 ? 0 : middle > 238 ? 23 : (middle - 3) / 10; /* 8, 18, … 238 */
	int grey = 8 + 10 * step;
	if (distance(rgb, grey, grey, grey) <
	    distance(rgb, cube_levels[r], cube_levels[g], cube_levels[b]))
		return (uint8_t)(232 + step);
	return (uint8_t)(16 + 36 * r + 6 * g + b);
}

/* `layer` is 38 for the block itself, 48 for what is behind it. */
static size_t set_colour(char *out, int layer, const uint8_t *rgb, enum blocks_colours colours)
{
	int n = colours == BLOCKS_24BIT
			? snprintf(out, 20, "\033[%d;2;%d;%d;%dm", layer, rgb[0], rgb[1], rgb[2])
			: snprintf(out, 20, "\033[%d;5;%dm", layer, blocks_nearest(rgb));
	return (size_t)n;
}

size_t blocks_line(char *out, const uint8_t *upper, const uint8_t *lower, uint32_t columns,
		   enum blocks_colours colours)
{
	size_t used = 0;
	for (uint32_t x = 0; x < columns; x++, upper += 3, lower += 3) {
		if (x == 0 || memcmp(upper, upper - 3, 3) != 0)
			used += set_colour(out + used, 38, upper, colours);
		if (x == 0 || memcmp(lower, lower - 3, 3) != 0)
			used += set_colour(out + used, 48, lower, colours);
		memcpy(out + used, HALF_BLOCK, sizeof(HALF_BLOCK) - 1);
		used += sizeof(HALF_BLOCK) - 1;
	}
	memcpy(out + used, OWN_COLOURS, sizeof(OWN_COLOURS) - 1);
	return used + sizeof(OWN_COLOURS) - 1;
}
