/* From pixels to features. Sums are whole numbers as far as they can be and floats are added in a
 * fixed order, so the same view gives the same bits in every process. */
#include "workers/media/features.h"

#include "ipc/slots/layout.h"

#include <math.h>

#define GRID_WIDTH  96
#define GRID_HEIGHT 72
#define GRID_SIZE   (GRID_WIDTH * GRID_HEIGHT)
#define CELL_WIDTH  (GRID_WIDTH / FEATURE_COLUMNS)
#define CELL_HEIGHT (GRID_HEIGHT / FEATURE_ROWS)

#define BIN_WIDTH  (256 / FEATURE_CHROMA_BINS)
#define BIN_WEIGHT (BIN_WIDTH * BIN_WIDTH) /* what one pixel adds to the colour bins in all */

/* Edge strength, in grey levels a grid cell, below which a picture counts as flat. */
#define SHAPE_FLOOR 1.0F

static_assert(FEATURES_COUNT <= MODEL_FEATURES_MAX, "a model bank must hold all features");
static_assert(GRID_WIDTH % FEATURE_COLUMNS == 0 && GRID_HEIGHT % FEATURE_ROWS == 0,
	      "cells tile the grid");

/* The view averaged down, in JPEG's full-range YUV. */
struct grid {
	uint8_t y[GRID_SIZE];
	uint8_t u[GRID_SIZE];
	uint8_t v[GRID_SIZE];
};

/* The pixels [begin, end) of `size` that fall on grid position `at` of `n`: at least one. */
struct span {
	uint32_t begin, end;
};

static struct span span_of(uint32_t at, uint32_t n, uint32_t size)
{
	uint32_t begin = (uint32_t)((uint64_t)at * size / n);
	uint32_t end = (uint32_t)((uint64_t)(at + 1) * size / n);
	return (struct span){begin, end > begin ? end : begin + 1};
}

static uint8_t clamp_byte(int32_t value)
{
	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void store_pixel(struct grid *grid, uint32_t at, const uint64_t sum[3], uint64_t area)
{
	int32_t r = (int32_t)((sum[0] + area / 2) / area);
	int32_t g = (int32_t)((sum[1] + area / 2) / area);
	int32_t b = (int32_t)((sum[2] + area / 2) / area);
	/* BT.601 in 1/65536; the offsets keep every intermediate value positive */
	grid->y[at] = clamp_byte((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
	grid->u[at] = clamp_byte((-11059 * r - 21709 * g + 32768 * b + (128 << 16) + 32767) >> 16);
	grid->v[at] = clamp_byte((32768 * r - 27439 * g - 5329 * b + (128 << 16) + 32767) >> 16);
}

static void average_row(const uint8_t *view, uint32_t width, struct span rows, struct grid *grid,
			uint32_t grid_row)
{
	for (uint32_t column = 0; column < GRID_WIDTH; column++) {
		struct span columns = span_of(column, GRID_WIDTH, width);
		uint64_t sum[3] = {0};
		for (uint32_t y = rows.begin; y < rows.end; y++) {
			const uint8_t *pixel = view + ((size_t)y * width + columns.begin) * 3;
			uint32_t r = 0, g = 0, b = 0;
			for (uint32_t x = columns.begin; x < columns.end; x++, pixel += 3) {
				r += pixel[0];
				g += pixel[1];
				b += pixel[2];
			}
			sum[0] += r;
			sum[1] += g;
			sum[2] += b;
		}
		uint64_t area = (uint64_t)(rows.end - rows.begin) * (columns.end - columns.begin);
		store_pixel(grid, grid_row * GRID_WIDTH + column, sum, area);
	}
}

static void average(const uint8_t *view, uint32_t width, uint32_t height, struct grid *grid)
{
	for (uint32_t row = 0; row < GRID_HEIGHT; row++)
		average_row(view, width, span_of(row, GRID_HEIGHT, height), grid, row);
}

/* The direction of an edge without its sign: the one of eight axes that (dx, dy) lies along best.
 */
static uint32_t orientation(int32_t dx, int32_t dy)
{
	/* cos and sin of 0, 22.5, … 157.5 degrees in 1/1024 */
	static const int16_t axes[FEATURE_ORIENTATIONS][2] = {
		{1024, 0}, {946, 392},	{724, 724},  {392, 946},
		{0, 1024}, {-392, 946}, {-724, 724}, {-946, 392},
	};
	uint32_t best = 0;
	int32_t best_dot = -1;
	for (uint32_t i = 0; i < FEATURE_ORIENTATIONS; i++) {
		int32_t dot = dx * axes[i][0] + dy * axes[i][1];
		dot = dot < 0 ? -dot : dot;
		if (dot > best_dot) {
			best_dot = dot;
			best = i;
		}
	}
	return best;
}

/* Histograms of oriented gradients; square roots keep one strong edge from hiding all others. */
static void shape_features(const struct grid *grid, float *out)
{
	float total = 0;
	for (uint32_t i = 0; i < FEATURE_CELLS * FEATURE_ORIENTATIONS; i++)
		out[i] = 0;
	for (uint32_t y = 1; y + 1 < GRID_HEIGHT; y++) {
		for (uint32_t x = 1; x + 1 < GRID_WIDTH; x++) {
			const uint8_t *at = &grid->y[y * GRID_WIDTH + x];
			int32_t dx = at[1] - at[-1], dy = at[GRID_WIDTH] - at[-GRID_WIDTH];
			if (dx == 0 && dy == 0)
				continue;
			uint32_t cell = y / CELL_HEIGHT * FEATURE_COLUMNS + x / CELL_WIDTH;
			float strength = sqrtf((float)(dx * dx + dy * dy));
			out[cell * FEATURE_ORIENTATIONS + orientation(dx, dy)] += strength;
			total += strength;
		}
	}
	float floor_total = SHAPE_FLOOR * GRID_SIZE;
	float scale = 1.0F / (total > floor_total ? total : floor_total);
	for (uint32_t i = 0; i < FEATURE_CELLS * FEATURE_ORIENTATIONS; i++)
		out[i] = sqrtf(out[i] * scale);
}

/* Where a chroma value lies between the centres of two neighbouring bins: `upper` parts of
 * BIN_WIDTH belong to bin + 1, the rest to bin. Sharing keeps a slight change of colour a slight
 * change of features. */
struct share {
	uint32_t bin, upper;
};

static struct share share_of(uint8_t value)
{
	const int32_t last = (FEATURE_CHROMA_BINS - 1) * BIN_WIDTH;
	int32_t at = value - BIN_WIDTH / 2;
	at = at < 0 ? 0 : at > last - 1 ? last - 1 : at;
	return (struct share){(uint32_t)at / BIN_WIDTH, (uint32_t)at % BIN_WIDTH};
}

static void colour_features(const struct grid *grid, float *out)
{
	uint32_t bins[FEATURE_CHROMA_BINS][FEATURE_CHROMA_BINS] = {{0}};
	for (uint32_t i = 0; i < GRID_SIZE; i++) {
		struct share u = share_of(grid->u[i]), v = share_of(grid->v[i]);
		bins[u.bin][v.bin] += (BIN_WIDTH - u.upper) * (BIN_WIDTH - v.upper);
		bins[u.bin + 1][v.bin] += u.upper * (BIN_WIDTH - v.upper);
		bins[u.bin][v.bin + 1] += (BIN_WIDTH - u.upper) * v.upper;
		bins[u.bin + 1][v.bin + 1] += u.upper * v.upper;
	}
	const uint32_t whole = GRID_SIZE * BIN_WEIGHT;
	for (uint32_t u = 0; u < FEATURE_CHROMA_BINS; u++) {
		for (uint32_t v = 0; v < FEATURE_CHROMA_BINS; v++)
			*out++ = sqrtf((float)bins[u][v] / (float)whole);
	}
}

static void light_features(const struct grid *grid, float *out)
{
	uint32_t sum[FEATURE_CELLS] = {0};
	for (uint32_t y = 0; y < GRID_HEIGHT; y++) {
		uint32_t *cells = sum + (size_t)(y / CELL_HEIGHT * FEATURE_COLUMNS);
		for (uint32_t x = 0; x < GRID_WIDTH; x++)
			cells[x / CELL_WIDTH] += grid->y[y * GRID_WIDTH + x];
	}
	const uint32_t white = 255 * CELL_WIDTH * CELL_HEIGHT;
	for (uint32_t i = 0; i < FEATURE_CELLS; i++)
		out[i] = (float)sum[i] / (float)white;
}

void features_of_view(const uint8_t *view, uint32_t width, uint32_t height,
		      float out[FEATURES_COUNT])
{
	struct grid grid;
	average(view, width, height, &grid);
	shape_features(&grid, out + FEATURE_SHAPE_AT);
	colour_features(&grid, out + FEATURE_COLOUR_AT);
	light_features(&grid, out + FEATURE_LIGHT_AT);
	out[FEATURE_BIAS_AT] = 1.0F;
}
