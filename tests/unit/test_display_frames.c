/* The display's streams of frames: framing, newest first, and that nobody slows anybody. */
#include "display_rig.h"

#include "workers/media/jpeg.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_SIZE (64 << 10)

/* ---- conditions ---- */

struct wanted {
	const struct client *client;
	size_t parts;
	uint64_t number; /* of the last one; 0: any */
};

static bool has_parts(struct rig *rig, const void *arg)
{
	(void)rig;
	const struct wanted *wanted = arg;
	struct parts parts;
	client_parts(wanted->client, &parts);
	bool reached = parts.count >= wanted->parts;
	if (reached && wanted->number)
		reached = part_number(&parts.part[parts.count - 1]) == wanted->number;
	parts_free(&parts);
	return reached;
}

static void until_parts(struct rig *rig, const struct client *client, size_t parts)
{
	rig_until(rig, has_parts, &(struct wanted){client, parts, 0});
}

/* Bytes at most that a client has got: counted without taking them apart. */
static bool has_bytes(struct rig *rig, const void *arg)
{
	(void)rig;
	const struct wanted *wanted = arg;
	return wanted->client->size >= wanted->parts;
}

static bool all_watching(struct rig *rig, const void *arg)
{
	return site_viewers(rig->site).watching == *(const uint64_t *)arg;
}

static void until_watching(struct rig *rig, uint64_t n)
{
	rig_until(rig, all_watching, &n);
}

/* ---- framing ---- */

static void test_plain(void **state)
{
	struct rig *rig = *state;
	struct parts parts;
	struct client *client = rig_get(rig, "/stream/cam1");
	until_watching(rig, 1);
	rig_show(rig, 0, 1, 1000, false);
	until_parts(rig, client, 1);
	rig_show(rig, 1, 9, 1000, false); /* of the other stream */
	rig_show(rig, 0, 2, FRAME_SIZE, false);
	until_parts(rig, client, 2);
	assert_true(client_has_header(
		client, "Content-Type: multipart/x-mixed-replace; boundary=" FEED_BOUNDARY));
	client_parts(client, &parts);
	assert_int_equal(parts.count, 2);
	assert_int_equal(part_number(&parts.part[0]), 1);
	assert_int_equal(part_number(&parts.part[1]), 2);
	assert_int_equal(parts.part[1].size, FRAME_SIZE);
	assert_memory_equal(parts.part[0].head, "Content-Type: image/jpeg\r\n", 26);
	assert_null(memmem(parts.part[0].head, parts.part[0].head_size, "X-Frame", 7));
	/* The boundary that ends a part is sent with it: a browser shows it at once. */
	size_t mark = strlen(FEED_OPENING);
	assert_memory_equal(parts.bytes + parts.size - mark, FEED_OPENING, mark);
	parts_free(&parts);
}

static json_t *record_of(const struct received_part *part)
{
	const char *at = memmem(part->head, part->head_size, "X-Frame: ", 9);
	assert_non_null(at);
	const char *end = memchr(at, '\r', part->head_size - (size_t)(at - part->head));
	json_t *json = json_loadb(at + 9, (size_t)(end - at) - 9, 0, NULL);
	assert_non_null(json);
	return json;
}

static int64_t integer_of(const json_t *json, const char *key)
{
	assert_true(json_is_integer(json_object_get(json, key)));
	return json_integer_value(json_object_get(json, key));
}

static void test_live(void **state)
{
	struct rig *rig = *state;
	struct parts parts;
	struct client *client = rig_get(rig, "/live/cam1");
	until_watching(rig, 1);
	rig_show(rig, 0, 17, 1000, false);
	until_parts(rig, client, 1);
	client_parts(client, &parts);
	json_t *json = record_of(&parts.part[0]);
	assert_int_equal(integer_of(json, "seq"), 17);
	assert_int_equal(part_number(&parts.part[0]), 17);
	assert_int_equal(integer_of(json, "pts_ms"), 1700);
	assert_int_equal(integer_of(json, "published_us"), 2000);
	assert_int_equal(integer_of(json, "claimed_us"), 3000);
	assert_int_equal(integer_of(json, "finished_us"), 4000);
	assert_int_equal(integer_of(json, "model"), 7);
	assert_string_equal(json_string_value(json_object_get(json, "stream")), "cam1");
	assert_string_equal(json_string_value(json_object_get(json, "label")), "cir\"cle");
	assert_string_equal(json_string_value(json_object_get(json, "prediction")), "square");
	assert_true(json_real_value(json_object_get(json, "probability")) == 0.75);
	assert_true(json_real_value(json_object_get(json, "motion")) == 0.25);
	assert_false(json_is_true(json_object_get(json, "bypassed")));
	assert_int_equal(integer_of(json_object_get(json, "drops_before"), "no slot was free"), 3);
	json_decref(json);
	parts_free(&parts);
}

static void test_live_all(void **state)
{
	struct rig *rig = *state;
	struct parts parts;
	struct client *client = rig_get(rig, "/live");
	until_watching(rig, 1);
	rig_show(rig, 0, 1, 1000, false);
	rig_show(rig, 1, 2, 1000, false);
	until_parts(rig, client, 2);
	client_parts(client, &parts);
	json_t *first = record_of(&parts.part[0]), *second = record_of(&parts.part[1]);
	assert_string_equal(json_string_value(json_object_get(first, "stream")), "cam1");
	assert_string_equal(json_string_value(json_object_get(second, "stream")), "cam2");
	json_decref(first);
	json_decref(second);
	parts_free(&parts);
}

/* Bytes of the pictures as a decoder sees them. */
static void expect_picture(const struct received_part *part, uint32_t width, uint32_t height)
{
	uint32_t w = 0, h = 0;
	struct jpeg_decoder *decoder = jpeg_decoder_create();
	assert_non_null(decoder);
	assert_int_equal(jpeg_size(decoder, part->body, part->size, &w, &h), 0);
	assert_int_equal(w, width);
	assert_int_equal(h, height);
	jpeg_decoder_destroy(decoder);
}

static void test_overlay(void **state)
{
	struct rig *rig = *state;
	struct parts parts;
	struct client *client = rig_get(rig, "/stream/cam1?overlay=1");
	until_watching(rig, 1);
	memset(ledger_view(&rig->ledger, 0), 128, (size_t)160 * 120 * 3);
	rig_show(rig, 0, 1, 1000, false);
	until_parts(rig, client, 1);
	rig_show(rig, 0, 2, 1000, false);
	until_parts(rig, client, 2);
	client_parts(client, &parts);
	expect_picture(&parts.part[0], 160, 120);
	/* Only the number drawn into them differs. */
	assert_false(parts.part[0].size == parts.part[1].size &&
		     memcmp(parts.part[0].body, parts.part[1].body, parts.part[0].size) == 0);
	parts_free(&parts);
}

/* The view as it is, with the record beside it. */
static void test_view(void **state)
{
	struct rig *rig = *state;
	struct parts parts;
	struct client *client = rig_get(rig, "/live/cam1?view=1");
	until_watching(rig, 1);
	rig_show(rig, 0, 7, 1000, false);
	until_parts(rig, client, 1);
	client_parts(client, &parts);
	expect_picture(&parts.part[0], 160, 120);
	json_t *json = record_of(&parts.part[0]);
	assert_int_equal(json_integer_value(json_object_get(json, "seq")), 7);
	json_decref(json);
	parts_free(&parts);
}

/* What is stored as it came is shown all the same: from its image, and the view that was made. */
static void test_h264(void **state)
{
	struct rig *rig = *state;
	struct parts parts;
	struct client *live = rig_get(rig, "/live/cam1");
	struct client *view = rig_get(rig, "/live/cam1?view=1");
	until_watching(rig, 2);
	rig->coded_at_source = CODED_UNIT;
	memset(ledger_view(&rig->ledger, 0), 128, (size_t)160 * 120 * 3);
	rig_show(rig, 0, 1, 1000, false);
	until_parts(rig, live, 1);
	until_parts(rig, view, 1);
	client_parts(live, &parts);
	expect_picture(&parts.part[0], 320, 240);
	json_t *json = record_of(&parts.part[0]);
	assert_false(json_is_true(json_object_get(json, "bypassed")));
	assert_non_null(json_object_get(json, "prediction"));
	json_decref(json);
	parts_free(&parts);
	client_parts(view, &parts);
	expect_picture(&parts.part[0], 160, 120);
	parts_free(&parts);
}

static void test_bypassed(void **state)
{
	struct rig *rig = *state;
	struct parts parts;
	struct client *live = rig_get(rig, "/live/cam1");
	struct client *overlay = rig_get(rig, "/stream/cam1?overlay=1");
	until_watching(rig, 2);
	rig_show(rig, 0, 1, 1000, true); /* nobody made its JPEG */
	until_parts(rig, live, 1);
	until_parts(rig, overlay, 1);
	client_parts(live, &parts);
	expect_picture(&parts.part[0], 320, 240);
	json_t *json = record_of(&parts.part[0]);
	assert_true(json_is_true(json_object_get(json, "bypassed")));
	assert_null(json_object_get(json, "prediction"));
	json_decref(json);
	parts_free(&parts);
	client_parts(overlay, &parts);
	expect_picture(&parts.part[0], 160, 120);
	parts_free(&parts);
}

/* ---- newest first ---- */

static void test_newest(void **state)
{
	struct rig *rig = *state;
	struct parts parts;
	for (uint64_t seq = 1; seq <= 5; seq++)
		rig_show(rig, 0, seq, 1000, false);
	struct client *client = rig_get(rig, "/stream/cam1");
	until_parts(rig, client, 1);
	/* Two frames between two turns: only the second is of interest. */
	rig_show(rig, 0, 6, 1000, false);
	rig_show(rig, 0, 7, 1000, false);
	until_parts(rig, client, 2);
	client_parts(client, &parts);
	assert_int_equal(parts.count, 2);
	assert_int_equal(part_number(&parts.part[0]), 5);
	assert_int_equal(part_number(&parts.part[1]), 7);
	assert_int_equal(site_viewers(rig->site).skipped, 1);
	parts_free(&parts);
}

/* One does not read; the other gets every single frame. Then the first reads again: after what its
 * socket held comes the newest frame and nothing of what it missed. */
static void test_stalled(void **state)
{
	enum { FRAMES = 200 };
	struct rig *rig = *state;
	struct parts parts;
	struct client *stalled = rig_get(rig, "/stream/cam1"),
		      *other = rig_get(rig, "/stream/cam1");
	stalled->paused = true;
	until_watching(rig, 2);
	for (uint64_t seq = 1; seq <= FRAMES; seq++) {
		rig_show(rig, 0, seq, FRAME_SIZE, false);
		rig_until(rig, has_bytes,
			  &(struct wanted){.client = other, .parts = seq * FRAME_SIZE});
	}
	until_parts(rig, other, FRAMES);
	client_parts(other, &parts);
	for (size_t i = 0; i < FRAMES; i++)
		assert_int_equal(part_number(&parts.part[i]), i + 1);
	parts_free(&parts);

	stalled->paused = false;
	rig_until(rig, has_parts, &(struct wanted){stalled, 2, FRAMES});
	client_parts(stalled, &parts);
	assert_true(parts.count < FRAMES / 2);
	for (size_t i = 0; i + 1 < parts.count; i++)
		assert_int_equal(part_number(&parts.part[i]), i + 1);
	assert_int_equal(site_viewers(rig->site).skipped, FRAMES - parts.count);
	parts_free(&parts);
}

/* ---- many, and those who leave ---- */

static void test_many(void **state)
{
	enum { VIEWERS = 300 };
	struct rig *rig = *state;
	struct client *clients[VIEWERS];
	struct parts parts;
	for (int i = 0; i < VIEWERS; i++)
		clients[i] = rig_get(rig, i % 2 ? "/stream/cam1" : "/live/cam1");
	until_watching(rig, VIEWERS);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		rig_show(rig, 0, seq, 20000, false);
		for (int i = 0; i < VIEWERS; i++)
			until_parts(rig, clients[i], seq);
	}
	for (int i = 0; i < VIEWERS; i++) {
		client_parts(clients[i], &parts);
		assert_int_equal(part_number(&parts.part[2]), 3);
		parts_free(&parts);
	}
}

static void test_limit(void **state)
{
	struct rig *rig = *state;
	rig_close_site(rig);
	rig_open_site(rig, 1);
	struct client *first = rig_get(rig, "/stream/cam1");
	until_watching(rig, 1);
	struct client *second = rig_get(rig, "/stream/cam1");
	rig_until(rig, client_answered, second);
	assert_int_equal(client_status(second), 503);
	/* A viewer that sleeps and leaves is noticed without a frame. */
	client_close(first);
	until_watching(rig, 0);
}

static void test_end_while_watched(void **state)
{
	struct rig *rig = *state;
	struct client *client = rig_get(rig, "/live");
	until_watching(rig, 1);
	rig_show(rig, 0, 1, 1000, false);
	until_parts(rig, client, 1);
	rig_close_site(rig);
	rig_open_site(rig, 10);
}

int main(void)
{
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_plain),	 RIG_TEST(test_live),	RIG_TEST(test_live_all),
		RIG_TEST(test_overlay),	 RIG_TEST(test_view),	RIG_TEST(test_h264),
		RIG_TEST(test_bypassed), RIG_TEST(test_newest), RIG_TEST(test_stalled),
		RIG_TEST(test_many),	 RIG_TEST(test_limit),	RIG_TEST(test_end_while_watched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
