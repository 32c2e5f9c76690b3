/* "pattern:", a test card that is a pure function of (index, size, rate, seed): colour bars, a
 * gradient on which one labelled shape at a time moves about, a line with time code, number and
 * label for people, and the number again as a barcode for machines (workers/media/barcode.h). */
#include "workers/capture/source.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "workers/media/barcode.h"
#include "workers/media/draw.h"
#include "workers/media/glyphs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MAX	8192
#define FPS_MAX		240
#define EPISODE_SECONDS 2 /* a shape is shown so long */

enum shape { SHAPE_CIRCLE, SHAPE_SQUARE, SHAPE_TRIANGLE, SHAPE_CROSS, N_SHAPES };

static const char *const labels[] = {
	[SHAPE_CIRCLE] = "circle", [SHAPE_SQUARE] = "square", [SHAPE_TRIANGLE] = "triangle",
	[SHAPE_CROSS] = "cross",   [N_SHAPES] = NULL,
};

static const struct colour shape_colours[] = {
	[SHAPE_CIRCLE] = {220, 40, 40},
	[SHAPE_SQUARE] = {40, 190, 60},
	[SHAPE_TRIANGLE] = {50, 80, 230},
	[SHAPE_CROSS] = {240, 210, 40},
};

struct pattern {
	struct source source;
	uint64_t index; /* of the next frame */
	uint64_t seed;
	uint8_t *background; /* what never changes, I420 */
};

static struct pattern *pattern_of(struct source *source)
{
	return (struct pattern *)source;
}

/* splitmix64: a good hash of two numbers in three lines. */
static uint64_t mix(uint64_t seed, uint64_t number)
{
	uint64_t z =
		seed * UINT64_C(0xd1342543de82ef95) + (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t episode_of(const struct pattern *p, uint64_t index)
{
	return index / ((uint64_t)EPISODE_SECONDS * p->source.info.fps_num);
}

/* Every N_SHAPES episodes show each shape once, in an order drawn from the seed. */
static enum shape shape_of(const struct pattern *p, uint64_t index)
{
	uint64_t episode = episode_of(p, index), random = mix(p->seed, episode / N_SHAPES);
	enum shape order[N_SHAPES] = {SHAPE_CIRCLE, SHAPE_SQUARE, SHAPE_TRIANGLE, SHAPE_CROSS};
	for (uint32_t i = N_SHAPES - 1; i > 0; i--) {
		uint32_t j = (uint32_t)(random % (i + 1));
		random /= i + 1;
		enum shape swapped = order[i];
		order[i] = order[j];
		order[j] = swapped;
	}
	return order[episode % N_SHAPES];
}

static int64_t pts_of(const struct pattern *p, uint64_t index)
{
	return (int64_t)index * NS_PER_S / p->source.info.fps_num;
}

static struct canvas canvas_of(const struct pattern *p, uint8_t *i420)
{
	return (struct canvas){
		.format = CANVAS_I420,
		.pixels = i420,
		.width = (int32_t)p->source.info.width,
		.height = (int32_t)p->source.info.height,
	};
}

/* The upper edge of a row of the barcode's grid: everything is laid out on it. */
static int32_t grid_y(const struct canvas *canvas, int32_t row)
{
	return row * canvas->height / BARCODE_GRID;
}

/* Rows 0–1: colour bars. 2–19: the stage. 20–21: text. 22–23: barcode. */
enum { STAGE_ROW = 2, TEXT_ROW = 20, CODE_ROW = 22 };

static void draw_background(struct pattern *p)
{
	static const struct colour bars[] = {
		{235, 235, 235}, {220, 220, 30}, {30, 220, 220}, {30, 210, 30},
		{210, 30, 210},	 {210, 30, 30},	 {30, 30, 210},	 {16, 16, 16},
	};
	const int32_t n_bars = sizeof(bars) / sizeof(bars[0]);
	struct canvas canvas = canvas_of(p, p->background);
	int32_t top = grid_y(&canvas, STAGE_ROW), bottom = grid_y(&canvas, TEXT_ROW);
	for (int32_t i = 0; i < n_bars; i++) {
		int32_t x = i * canvas.width / n_bars, end = (i + 1) * canvas.width / n_bars;
		draw_box(&canvas, x, 0, end - x, top, bars[i]);
	}
	for (int32_t y = top; y < bottom; y++) {
		uint8_t level = (uint8_t)(70 + 80 * (y - top) / (bottom - top));
		draw_box(&canvas, 0, y, canvas.width, 1,
			 (struct colour){level, level, (uint8_t)(level + 20)});
	}
	draw_box(&canvas, 0, bottom, canvas.width, canvas.height - bottom,
		 (struct colour){16, 16, 16});
}

/* Where something is at `step` that runs to and fro over 0..range. */
static int32_t bounce(uint64_t step, int32_t range)
{
	if (range <= 0)
		return 0;
	uint64_t at = step % (2 * (uint64_t)range);
	return (int32_t)(at < (uint64_t)range ? at : 2 * (uint64_t)range - at);
}

static void draw_shape(const struct pattern *p, const struct canvas *canvas, uint64_t index)
{
	enum shape shape = shape_of(p, index);
	uint64_t random = mix(~p->seed, episode_of(p, index));
	int32_t top = grid_y(canvas, STAGE_ROW), stage = grid_y(canvas, TEXT_ROW) - top;
	int32_t side = stage < canvas->width ? stage : canvas->width;
	int32_t radius = side / 6 + (int32_t)(random % 16) * side / 128;
	/* Across the picture in some three seconds, up and down a little slower. */
	uint64_t fps = p->source.info.fps_num;
	uint64_t dx = (uint64_t)canvas->width * (random >> 8 & 0xff) / 256 +
		      index * (uint64_t)canvas->width / (3 * fps);
	uint64_t dy =
		(uint64_t)stage * (random >> 16 & 0xff) / 256 + index * (uint64_t)stage / (4 * fps);
	int32_t x = radius + bounce(dx, canvas->width - 2 * radius - 1);
	int32_t y = top + radius + bounce(dy, stage - 2 * radius - 1);
	struct colour colour = shape_colours[shape];
	switch (shape) {
	case SHAPE_CIRCLE:
		draw_disc(canvas, x, y, radius, colour);
		break;
	case SHAPE_SQUARE:
		draw_box(canvas, x - radius, y - radius, 2 * radius + 1, 2 * radius + 1, colour);
		break;
	case SHAPE_TRIANGLE:
		draw_triangle(canvas, x, y, radius, colour);
		break;
	default:
		draw_cross(canvas, x, y, radius, colour);
	}
}

/* "01:02:03.456 #111720 circle", as large as fits. */
static void draw_line(const struct pattern *p, const struct canvas *canvas, uint64_t index)
{
	int64_t ms = pts_of(p, index) / NS_PER_MS;
	char text[96];
	snprintf(text, sizeof(text),
		 "%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%03" PRId64 " #%" PRIu64 " %s",
		 ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000, index,
		 labels[shape_of(p, index)]);
	int32_t top = grid_y(canvas, TEXT_ROW), band = grid_y(canvas, CODE_ROW) - top;
	/* As if every line were 32 characters long: the size must not jump with the number. */
	int32_t scale = band / (GLYPH_HEIGHT + 1), widest = canvas->width / (32 * GLYPH_ADVANCE);
	if (scale > widest)
		scale = widest;
	if (scale < 1)
		scale = 1;
	draw_text(canvas, 2 * scale, top + (band - GLYPH_HEIGHT * scale) / 2, scale,
		  (struct colour){235, 235, 235}, text);
}

static int pattern_peek(struct source *source, struct source_item *item)
{
	const struct pattern *p = pattern_of(source);
	*item = (struct source_item){
		.kind = source->info.frames && p->index >= source->info.frames ? SOURCE_IS_OVER
									       : SOURCE_IS_FRAME,
		.index = p->index,
		.pts = pts_of(p, p->index),
		.label = (int)shape_of(p, p->index),
	};
	return 0;
}

static int pattern_take(struct source *source, uint8_t *i420)
{
	struct pattern *p = pattern_of(source);
	uint64_t index = p->index++;
	if (!i420)
		return 0;
	struct canvas canvas = canvas_of(p, i420);
	memcpy(i420, p->background, (size_t)source->info.width * source->info.height * 3 / 2);
	FAIL_POINT(IMAGE_HALF);
	draw_shape(p, &canvas, index);
	draw_line(p, &canvas, index);
	barcode_draw(&canvas, index);
	return 0;
}

static int pattern_resume(struct source *source, const struct source_mark *mark)
{
	pattern_of(source)->index = mark->next;
	return 0;
}

static void pattern_close(struct source *source)
{
	free(pattern_of(source)->background);
	free(source);
}

static const struct source_table pattern_table = {
	.peek = pattern_peek,
	.take = pattern_take,
	.resume = pattern_resume,
	.close = pattern_close,
};

/* Reads "WIDTHxHEIGHT" to the end of `text` or an '@'; returns what follows, NULL if it is none. */
static const char *parse_size(const char *text, uint32_t *width, uint32_t *height)
{
	int used = 0;
	if (sscanf(text, "%5" SCNu32 "x%5" SCNu32 "%n", width, height, &used) != 2)
		return NULL;
	return text + used;
}

static int parse_geometry(const char *rest, const struct capture_config *config,
			  struct source_info *info, char *why, size_t why_size)
{
	const char *end = parse_size(config->pattern_size, &info->width, &info->height);
	info->fps_num = (uint32_t)config->pattern_fps;
	info->fps_den = 1;
	bool good = end && !*end;
	if (good && *rest && *rest != '@')
		good = (rest = parse_size(rest, &info->width, &info->height)) != NULL;
	if (good && *rest == '@') {
		char *tail;
		unsigned long fps = strtoul(rest + 1, &tail, 10);
		good = tail != rest + 1 && fps >= 1 && fps <= FPS_MAX;
		info->fps_num = (uint32_t)fps;
		rest = tail;
	}
	if (good && !*rest && info->width % 2 == 0 && info->height % 2 == 0 &&
	    info->width >= BARCODE_WIDTH_MIN && info->height >= BARCODE_HEIGHT_MIN &&
	    info->width <= SIDE_MAX && info->height <= SIDE_MAX)
		return 0;
	snprintf(why, why_size,
		 "source = \"%s\" with pattern_size = \"%s\" is no pattern, valid: "
		 "pattern:[WIDTHxHEIGHT][@FPS], even sides of %d to %d, FPS 1 to %d",
		 config->source, config->pattern_size, BARCODE_WIDTH_MIN, SIDE_MAX, FPS_MAX);
	return TROUPE_E_CONFIG;
}

int pattern_open(struct source **source, const char *rest, const struct capture_config *config,
		 struct source_host host, char *why, size_t why_size)
{
	struct source_info info = {
		.live = config->live,
		.frames = config->loop ? 0 : (uint64_t)config->pattern_frames,
		.labels = labels,
	};
	int rc = parse_geometry(rest, config, &info, why, why_size);
	if (rc < 0)
		return rc;
	struct pattern *p = calloc(1, sizeof(*p));
	uint8_t *background = malloc((size_t)info.width * info.height * 3 / 2);
	if (!p || !background) {
		free(p);
		free(background);
		snprintf(why, why_size, "%s", error_text(TROUPE_E_MEMORY));
		return TROUPE_E_MEMORY;
	}
	*p = (struct pattern){
		.source = {.table = &pattern_table, .info = info, .host = host},
		.seed = (uint64_t)config->seed,
		.background = background,
	};
	draw_background(p);
	*source = &p->source;
	return 0;
}
