/* The processors that draw on the view: what they draw, and that it changes nothing else. */
#include "tests/unit/capture_rig.h"
#include "workers/capture/capture.h"
#include "workers/processor/edges.h"
#include "workers/processor/motion.h"
#include "workers/processor/processor.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH  320
#define HEIGHT 240
#define SOURCE "source=pattern:320x240@30\npace=max\n"

/* ---- edges ---- */

#define SIDE 8

static void fill(uint8_t view[SIDE][SIDE][3], uint32_t from_x, uint32_t from_y, uint8_t value)
{
	for (uint32_t y = from_y; y < SIDE; y++)
		for (uint32_t x = from_x; x < SIDE; x++)
			memset(view[y][x], value, 3);
}

static void draw_edges(uint8_t view[SIDE][SIDE][3])
{
	uint8_t luma[SIDE * SIDE];
	edges_draw(view[0][0], SIDE, SIDE, luma);
}

static void assert_pixel(const uint8_t pixel[3], uint8_t red, uint8_t green, uint8_t blue)
{
	assert_int_equal(pixel[0], red);
	assert_int_equal(pixel[1], green);
	assert_int_equal(pixel[2], blue);
}

static void a_flat_view_becomes_dark_and_has_no_edge(void **state)
{
	(void)state;
	uint8_t view[SIDE][SIDE][3];
	fill(view, 0, 0, 90);
	draw_edges(view);
	for (uint32_t y = 0; y < SIDE; y++)
		for (uint32_t x = 0; x < SIDE; x++)
			assert_pixel(view[y][x], 30, 30, 30);
}

static void an_upright_edge_lights_the_columns_beside_it(void **state)
{
	(void)state;
	uint8_t view[SIDE][SIDE][3];
	fill(view, 0, 0, 0);
	fill(view, 4, 0, 30); /* |gx| is 4 * 30 on both sides: 60 */
	draw_edges(view);
	for (uint32_t y = 0; y < SIDE; y++) {
		assert_pixel(view[y][2], 0, 0, 0);
		assert_pixel(view[y][3], 9, 60, 28);
		assert_pixel(view[y][4], 19, 70, 38);
		assert_pixel(view[y][5], 10, 10, 10);
	}
}

static void a_lying_edge_lights_the_rows_beside_it(void **state)
{
	(void)state;
	uint8_t view[SIDE][SIDE][3];
	fill(view, 0, 0, 0);
	fill(view, 0, 4, 30);
	draw_edges(view);
	for (uint32_t x = 0; x < SIDE; x++) {
		assert_pixel(view[2][x], 0, 0, 0);
		assert_pixel(view[3][x], 9, 60, 28);
		assert_pixel(view[4][x], 19, 70, 38);
		assert_pixel(view[5][x], 10, 10, 10);
	}
}

static void the_strongest_edge_is_as_bright_as_can_be(void **state)
{
	(void)state;
	uint8_t view[SIDE][SIDE][3];
	fill(view, 0, 0, 0);
	fill(view, 4, 0, 255);
	draw_edges(view);
	assert_pixel(view[4][3], 40, 255, 120);
	assert_pixel(view[4][4], 125, 255, 205);
}

static void one_pixel_is_a_view_too(void **state)
{
	(void)state;
	uint8_t view[3] = {255, 128, 3}, luma[1];
	edges_draw(view, 1, 1, luma);
	assert_pixel(view, 85, 42, 1);
}

/* ---- motion ---- */

static void nothing_moved_leaves_grey(void **state)
{
	(void)state;
	uint8_t view[SIDE][SIDE][3], thumb[THUMB_SIZE];
	memset(thumb, 77, sizeof(thumb));
	fill(view, 0, 0, 200);
	view[0][0][0] = 0; /* without its red */
	motion_draw(view[0][0], SIDE, SIDE, thumb, thumb);
	assert_pixel(view[0][0], 69, 69, 69);
	for (uint32_t i = 1; i < SIDE * SIDE; i++)
		assert_pixel(view[i / SIDE][i % SIDE], 100, 100, 100);
}

static void what_changed_glows_where_it_is(void **state)
{
	(void)state;
	enum { SCALE = 4 };
	static uint8_t view[THUMB_HEIGHT * SCALE][THUMB_WIDTH * SCALE][3];
	uint8_t before[THUMB_SIZE] = {0}, after[THUMB_SIZE] = {0};
	after[5 * THUMB_WIDTH + 10] = 40; /* a glow of 160 at its middle */
	before[THUMB_SIZE - 1] = 255;	  /* the corner has gone dark */
	motion_draw(view[0][0], THUMB_WIDTH * SCALE, THUMB_HEIGHT * SCALE, after, before);
	const uint8_t *middle = view[5 * SCALE + 2][10 * SCALE + 2];
	assert_in_range(middle[0], 110, 160);
	assert_pixel(middle, middle[0], 0, 0);
	assert_pixel(view[5 * SCALE + 2][12 * SCALE + 2], 0, 0, 0);
	assert_pixel(view[7 * SCALE + 2][10 * SCALE + 2], 0, 0, 0);
	assert_pixel(view[THUMB_HEIGHT * SCALE - 1][THUMB_WIDTH * SCALE - 1], 255, 255, 0);
	assert_pixel(view[0][0], 0, 0, 0);
}

static void a_view_smaller_than_the_thumbnail_is_painted_whole(void **state)
{
	(void)state;
	uint8_t view[2][3][3], before[THUMB_SIZE] = {0}, after[THUMB_SIZE];
	memset(view, 0, sizeof(view));
	memset(after, 64, sizeof(after));
	motion_draw(view[0][0], 3, 2, after, before);
	for (uint32_t i = 0; i < 6; i++)
		assert_pixel(view[i / 3][i % 3], 255, 0, 0);
}

/* ---- as workers ---- */

struct rig {
	struct ledger *ledger;
	struct worker *capture, *processor;
};

static struct rig open_rig(const struct worker_table *table)
{
	struct rig rig = {.ledger = rig_create(WIDTH, HEIGHT, false)};
	rig.capture = rig_worker(rig.ledger, &capture_table, RIG_CAPTURE, SOURCE);
	rig.processor = rig_worker(rig.ledger, table, RIG_PROCESSOR, "model=none");
	return rig;
}

static void close_rig(struct rig *rig)
{
	worker_destroy(rig->processor);
	worker_destroy(rig->capture);
	rig_destroy(rig->ledger);
}

static uint32_t one_frame(struct rig *rig)
{
	const struct slot_record *record = rig_capture(rig->ledger, rig->capture);
	assert_non_null(record);
	assert_true(worker_turn(rig->processor, NULL) > 0);
	return (uint32_t)(record - rig->ledger->records);
}

static void assert_same_result(const struct rig *a, uint32_t slot_a, const struct rig *b,
			       uint32_t slot_b)
{
	const struct slot_record *record_a = &a->ledger->records[slot_a];
	const struct slot_record *record_b = &b->ledger->records[slot_b];
	assert_true(record_a->coded_bytes > 0);
	assert_int_equal(record_a->coded_bytes, record_b->coded_bytes);
	assert_memory_equal(ledger_coded(a->ledger, slot_a), ledger_coded(b->ledger, slot_b),
			    record_a->coded_bytes);
	assert_true(record_a->motion == record_b->motion);
	assert_int_equal(record_a->prediction, record_b->prediction);
}

/* Runs the stock processor beside another: the same result, and on the view what `draw` draws. */
static void compare(const struct worker_table *table,
		    void (*draw)(uint8_t *view, const struct slot_record *record))
{
	struct rig stock = open_rig(&processor_table), other = open_rig(table);
	size_t size = (size_t)WIDTH / 2 * (HEIGHT / 2) * 3;
	for (int i = 0; i < 10; i++) {
		uint32_t a = one_frame(&stock), b = one_frame(&other);
		assert_same_result(&stock, a, &other, b);
		uint8_t *view = ledger_view(stock.ledger, a);
		assert_memory_not_equal(view, ledger_view(other.ledger, b), size);
		draw(view, &stock.ledger->records[a]);
		assert_memory_equal(view, ledger_view(other.ledger, b), size);
	}
	close_rig(&stock);
	close_rig(&other);
}

static void draw_edges_on(uint8_t *view, const struct slot_record *record)
{
	(void)record;
	uint8_t *luma = malloc((size_t)WIDTH / 2 * (HEIGHT / 2));
	edges_draw(view, WIDTH / 2, HEIGHT / 2, luma);
	free(luma);
}

static void draw_motion_on(uint8_t *view, const struct slot_record *record)
{
	motion_draw(view, WIDTH / 2, HEIGHT / 2, record->thumb, record->thumb_before);
}

static void edges_change_nothing_but_the_view(void **state)
{
	(void)state;
	compare(&edges_table, draw_edges_on);
}

static void motion_changes_nothing_but_the_view(void **state)
{
	(void)state;
	compare(&motion_table, draw_motion_on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flat_view_becomes_dark_and_has_no_edge),
		cmocka_unit_test(an_upright_edge_lights_the_columns_beside_it),
		cmocka_unit_test(a_lying_edge_lights_the_rows_beside_it),
		cmocka_unit_test(the_strongest_edge_is_as_bright_as_can_be),
		cmocka_unit_test(one_pixel_is_a_view_too),
		cmocka_unit_test(nothing_moved_leaves_grey),
		cmocka_unit_test(what_changed_glows_where_it_is),
		cmocka_unit_test(a_view_smaller_than_the_thumbnail_is_painted_whole),
		cmocka_unit_test(edges_change_nothing_but_the_view),
		cmocka_unit_test(motion_changes_nothing_but_the_view),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
