/* Pictures of characters: shapes, colours, lines; and what they are shown on. */
#include "ipc/base/errors.h"
#include "workers/media/blocks.h"
#include "workers/media/screen.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- blocks ---- */

static void assert_fit(uint32_t width, uint32_t height, uint32_t into_width, uint32_t into_height,
		       uint32_t wanted_width, uint32_t wanted_height)
{
	blocks_fit(width, height, &into_width, &into_height);
	assert_int_equal(into_width, wanted_width);
	assert_int_equal(into_height, wanted_height);
}

static void pictures_keep_their_shape(void **state)
{
	(void)state;
	assert_fit(320, 240, 100, 60, 80, 60);
	assert_fit(320, 240, 40, 60, 40, 30);
	assert_fit(240, 320, 100, 60, 45, 60);
	assert_fit(10000, 10, 80, 44, 80, 1);
	assert_fit(10, 10000, 80, 44, 1, 44);
	assert_fit(1, 1, 1, 2, 1, 1);
}

static void a_smaller_picture_has_the_means(void **state)
{
	(void)state;
	static const uint8_t pixels[2][4][3] = {
		{{0, 0, 0}, {100, 0, 0}, {10, 20, 30}, {10, 20, 30}},
		{{0, 0, 0}, {100, 0, 2}, {10, 20, 30}, {11, 20, 30}},
	};
	uint8_t sheet[1][4][3];
	memset(sheet, 7, sizeof(sheet));
	blocks_scale((struct picture){pixels[0][0], 4, 2}, (struct sheet){sheet[0][0], 4, 1},
		     (struct area){1, 0, 2, 1});
	static const uint8_t wanted[1][4][3] = {{{7, 7, 7}, {50, 0, 1}, {10, 20, 30}, {7, 7, 7}}};
	assert_memory_equal(sheet, wanted, sizeof(wanted));
}

static void a_larger_picture_repeats_the_nearest(void **state)
{
	(void)state;
	static const uint8_t pixels[1][2][3] = {{{1, 2, 3}, {4, 5, 6}}};
	uint8_t sheet[2][4][3];
	blocks_scale((struct picture){pixels[0][0], 2, 1}, (struct sheet){sheet[0][0], 4, 2},
		     (struct area){0, 0, 4, 2});
	for (int y = 0; y < 2; y++)
		for (int x = 0; x < 4; x++)
			assert_memory_equal(sheet[y][x], pixels[0][x / 2], 3);
}

/* No colour of the 256 is nearer, the 16 that every terminal shows as it likes left out. */
static void the_nearest_of_256_is_found(void **state)
{
	(void)state;
	static const int levels[6] = {0, 95, 135, 175, 215, 255};
	int colours[256][3];
	for (int i = 0; i < 216; i++)
		for (int k = 0, part = i; k < 3; k++, part /= 6)
			colours[16 + i][2 - k] = levels[part % 6];
	for (int i = 0; i < 24; i++)
		for (int k = 0; k < 3; k++)
			colours[232 + i][k] = 8 + 10 * i;
	for (int n = 0; n < 5000; n++) {
		uint8_t rgb[3] = {(uint8_t)(n * 37), (uint8_t)(n * 11 / 3), (uint8_t)(n * 7)};
		int best = 1 << 30, distance[256];
		for (int i = 16; i < 256; i++) {
			distance[i] = 0;
			for (int k = 0; k < 3; k++)
				distance[i] += (colours[i][k] - rgb[k]) * (colours[i][k] - rgb[k]);
			best = distance[i] < best ? distance[i] : best;
		}
		assert_int_equal(distance[blocks_nearest(rgb)], best);
	}
}

static void assert_line(const uint8_t *upper, const uint8_t *lower, uint32_t columns,
			enum blocks_colours colours, const char *wanted)
{
	char out[8 * BLOCKS_CELL_MAX];
	size_t size = blocks_line(out, upper, lower, columns, colours);
	assert_int_equal(size, strlen(wanted));
	assert_memory_equal(out, wanted, size);
}

static void a_line_names_a_colour_where_it_changes(void **state)
{
	(void)state;
	static const uint8_t upper[3][3] = {{255, 0, 0}, {255, 0, 0}, {0, 0, 9}};
	static const uint8_t lower[3][3] = {{1, 2, 3}, {4, 5, 6}, {4, 5, 6}};
	assert_line(upper[0], lower[0], 3, BLOCKS_24BIT,
		    "\033[38;2;255;0;0m\033[48;2;1;2;3m\u2580\033[48;2;4;5;6m\u2580"
		    "\033[38;2;0;0;9m\u2580\033[0m");
	assert_line(upper[0], lower[0], 1, BLOCKS_256, "\033[38;5;196m\033[48;5;16m\u2580\033[0m");
	assert_line(upper[0], lower[0], 0, BLOCKS_24BIT, "\033[0m");
}

static void the_longest_cells_have_room(void **state)
{
	(void)state;
	enum { COLUMNS = 50 };
	uint8_t upper[COLUMNS][3], lower[COLUMNS][3];
	for (int x = 0; x < COLUMNS; x++) {
		memset(upper[x], 255 - x % 2, 3);
		memset(lower[x], 200 + x % 2, 3);
	}
	char *out = malloc((size_t)(COLUMNS + 1) * BLOCKS_CELL_MAX);
	assert_in_range(blocks_line(out, upper[0], lower[0], COLUMNS, BLOCKS_24BIT), COLUMNS * 41,
			(COLUMNS + 1) * BLOCKS_CELL_MAX);
	free(out);
}

/* ---- screens ---- */

struct place {
	char folder[64], path[96];
	struct screen *screen;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	strcpy(place->folder, "/tmp/troupe-screen-XXXXXX");
	*state = place;
	if (!mkdtemp(place->folder))
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/here", place->folder);
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;
	screen_destroy(place->screen);
	unlink(place->path);
	int rc = rmdir(place->folder);
	free(place);
	return rc;
}

static void open_screen(struct place *place)
{
	assert_int_equal(screen_create(&place->screen, &(struct screen_plan){.path = place->path,
									     .fifo = "/nowhere",
									     .columns = 80,
									     .lines = 24}),
			 0);
}

static void assert_file(const struct place *place, const char *wanted)
{
	char text[64] = "";
	int fd = open(place->path, O_RDONLY);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, wanted);
}

static void a_file_shows_the_newest_picture(void **state)
{
	struct place *place = *state;
	uint32_t columns, lines;
	open_screen(place);
	assert_false(screen_turn(place->screen));
	assert_false(screen_is_there(place->screen));
	close(open(place->path, O_CREAT | O_WRONLY, 0600));
	assert_true(screen_turn(place->screen));
	assert_int_equal(screen_put(place->screen, "longer", 6), 0);
	assert_file(place, "longer");
	assert_true(screen_turn(place->screen));
	assert_int_equal(screen_put(place->screen, "new", 3), 0);
	assert_file(place, "new");
	screen_size(place->screen, &columns, &lines);
	assert_int_equal(columns, 80);
	assert_int_equal(lines, 24);
}

static void a_fifo_waits_for_a_reader_and_outlives_it(void **state)
{
	struct place *place = *state;
	char text[64];
	assert_int_equal(mkfifo(place->path, 0600), 0);
	open_screen(place);
	for (int i = 0; i < 2; i++) {
		assert_false(screen_turn(place->screen));
		int reader = open(place->path, O_RDONLY | O_NONBLOCK);
		assert_true(screen_turn(place->screen));
		assert_int_equal(screen_put(place->screen, "picture", 7), 0);
		assert_int_equal(read(reader, text, sizeof(text)), 11);
		assert_memory_equal(text, "\033[2Jpicture", 11);
		close(reader);
		assert_int_equal(screen_put(place->screen, "gone", 4), 0);
		assert_false(screen_is_there(place->screen));
	}
}

/* A reader that does not read holds nobody up, and gets every byte of what it was begun to be told.
 */
static void a_slow_reader_gets_whole_pictures(void **state)
{
	enum { SIZE = 300000 };
	struct place *place = *state;
	assert_int_equal(mkfifo(place->path, 0600), 0);
	int reader = open(place->path, O_RDONLY | O_NONBLOCK);
	char *picture = malloc(SIZE), *got = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		picture[i] = (char)(i % 251);
	open_screen(place);
	assert_true(screen_turn(place->screen));
	assert_int_equal(read(reader, got, SIZE), 4); /* it is cleared first */
	assert_int_equal(screen_put(place->screen, picture, SIZE), 0);
	assert_false(screen_turn(place->screen));
	assert_true(screen_is_there(place->screen));
	size_t size = 0;
	while (size < SIZE) {
		ssize_t n = read(reader, got + size, SIZE - size);
		assert_true(n > 0);
		size += (size_t)n;
		screen_turn(place->screen);
	}
	assert_memory_equal(got, picture, SIZE);
	assert_true(screen_turn(place->screen));
	free(picture);
	free(got);
	close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pictures_keep_their_shape),
		cmocka_unit_test(a_smaller_picture_has_the_means),
		cmocka_unit_test(a_larger_picture_repeats_the_nearest),
		cmocka_unit_test(the_nearest_of_256_is_found),
		cmocka_unit_test(a_line_names_a_colour_where_it_changes),
		cmocka_unit_test(the_longest_cells_have_room),
		cmocka_unit_test_setup_teardown(a_file_shows_the_newest_picture, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_fifo_waits_for_a_reader_and_outlives_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_slow_reader_gets_whole_pictures, set_up,
						tear_down),
	};
	signal(SIGPIPE, SIG_IGN); /* as in every worker */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
