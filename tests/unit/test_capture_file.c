/* Video files as sources: numbering, resuming, looping, damage. With paths as arguments it checks
 * the resume points of those files instead. */
#include "ipc/base/clock.h"
#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"
#include "tests/unit/clip.h"
#include "workers/capture/source.h"
#include "workers/media/barcode.h"
#include "workers/media/scale.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRAMES 40
#define FPS    10

struct place {
	char folder[64];
	char clip[128];
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	if (!place)
		return -1;
	strcpy(place->folder, "/tmp/troupe-capture-XXXXXX");
	if (!mkdtemp(place->folder))
		return -1;
	snprintf(place->clip, sizeof(place->clip), "%s/clip.avi", place->folder);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;
	unlink(place->clip);
	int rc = rmdir(place->folder);
	free(place);
	return rc;
}

static int try_open(struct source **source, const char *path, bool loop, char why[512])
{
	struct capture_config config = {.loop = loop};
	snprintf(config.source, sizeof(config.source), "file:%s", path);
	return source_open(source, &config, (struct source_host){0}, why, 512);
}

static struct source *open_clip(const char *path, bool loop)
{
	struct source *source = NULL;
	char why[512] = "";
	if (try_open(&source, path, loop, why) < 0)
		fail_msg("%s", why);
	return source;
}

/* ---- what a source yields ---- */

struct seen {
	struct source_item item;
	uint32_t crc;
	uint8_t thumb[THUMB_SIZE];
	int64_t number; /* in the pixels */
};

static void see(struct source *source, struct seen *seen)
{
	uint32_t width = source->info.width, height = source->info.height;
	size_t size = (size_t)width * height * 3 / 2;
	memset(seen, 0, sizeof(*seen));
	assert_int_equal(source->table->peek(source, &seen->item), 0);
	if (seen->item.kind == SOURCE_IS_OVER)
		return;
	uint8_t *image = malloc(size);
	assert_non_null(image);
	assert_int_equal(source->table->take(source, image), 0);
	if (seen->item.kind == SOURCE_IS_FRAME) {
		seen->crc = crc32c(0, image, size);
		seen->number = pattern_read_number(image, width, width, height);
		scale_luma_to_thumb(image, width, width, height, seen->thumb);
	}
	free(image);
}

/* The first `max` items of a file, the end included if it comes by then. Returns how many. */
static size_t see_all(const char *path, bool loop, struct seen *all, size_t max)
{
	struct source *source = open_clip(path, loop);
	size_t n = 0;
	do
		see(source, &all[n]);
	while (all[n++].item.kind != SOURCE_IS_OVER && n < max);
	source_close(source);
	return n;
}

static void assert_same(const struct seen *a, const struct seen *b)
{
	assert_int_equal(a->item.kind, b->item.kind);
	assert_int_equal(a->item.index, b->item.index);
	if (a->item.kind != SOURCE_IS_FRAME)
		return;
	assert_int_equal(a->item.pts, b->item.pts);
	assert_int_equal(a->crc, b->crc);
}

/* Resumes behind all[k] and compares what follows, `ahead` frames of it, with the straight run. */
static void check_resume(const char *path, bool loop, const struct seen *all, size_t n, size_t k,
			 size_t ahead)
{
	struct source *source = open_clip(path, loop);
	struct source_mark mark = {
		.published = true,
		.index = all[k].item.index,
		.pts = all[k].item.pts,
		.thumb = all[k].thumb,
		.next = all[k].item.index + 1,
	};
	assert_int_equal(source->table->resume(source, &mark), 0);
	for (size_t i = k + 1; i < n && i <= k + ahead; i++) {
		struct seen seen;
		see(source, &seen);
		assert_same(&seen, &all[i]);
	}
	source_close(source);
}

/* ---- tests ---- */

static const struct clip plain = {
	.codec = "mpeg4", .width = 320, .height = 240, .fps = FPS, .frames = FRAMES, .gop = 12};

/* Every kind of file that finds its way differently. */
static const struct clip kinds[] = {
	{.codec = "mpeg4",
	 .format = "avi",
	 .width = 320,
	 .height = 240,
	 .fps = FPS,
	 .frames = FRAMES,
	 .gop = 12},
	{.codec = "mpeg4",
	 .format = "avi",
	 .width = 320,
	 .height = 240,
	 .fps = FPS,
	 .frames = FRAMES,
	 .gop = 12,
	 .b_frames = 2},
	{.codec = "mpeg4",
	 .format = "matroska",
	 .width = 320,
	 .height = 240,
	 .fps = FPS,
	 .frames = FRAMES,
	 .gop = 100,
	 .b_frames = 1},
	{.codec = "mpeg4",
	 .format = "mp4",
	 .width = 320,
	 .height = 240,
	 .fps = FPS,
	 .frames = FRAMES,
	 .gop = 7,
	 .b_frames = 2},
	{.codec = "mpeg4",
	 .format = "m4v",
	 .width = 320,
	 .height = 240,
	 .fps = FPS,
	 .frames = FRAMES,
	 .gop = 12},		/* no times at all in the file */
	{.codec = "mpeg2video", /* whose times begin at 1.4 s */
	 .format = "mpegts",
	 .width = 320,
	 .height = 240,
	 .fps = 25,
	 .frames = FRAMES,
	 .gop = 12,
	 .b_frames = 2},
	{.codec = "mjpeg",
	 .format = "avi",
	 .width = 320,
	 .height = 240,
	 .fps = FPS,
	 .frames = FRAMES},
	{.codec = "rawvideo",
	 .format = "avi",
	 .width = 320,
	 .height = 240,
	 .fps = FPS,
	 .frames = FRAMES},
};

enum { MJPEG = 6, N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void a_file_is_numbered_and_timed(void **state)
{
	const struct place *place = *state;
	struct seen all[FRAMES + 1];
	for (size_t kind = 0; kind < N_KINDS; kind++) {
		assert_int_equal(clip_write(place->clip, &kinds[kind]), 0);
		assert_int_equal(see_all(place->clip, false, all, FRAMES + 1), FRAMES + 1);
		for (size_t i = 0; i < FRAMES; i++) {
			assert_int_equal(all[i].item.kind, SOURCE_IS_FRAME);
			assert_int_equal(all[i].item.index, i);
			assert_int_equal(all[i].number, i);
			assert_int_equal(all[i].item.label, -1);
			if (i > 0)
				assert_true(all[i].item.pts > all[i - 1].item.pts);
		}
		assert_int_equal(all[FRAMES].item.kind, SOURCE_IS_OVER);
	}
}

static void every_resume_point_equals_the_straight_run(void **state)
{
	const struct place *place = *state;
	struct seen all[FRAMES + 1];
	for (size_t kind = 0; kind < N_KINDS; kind++) {
		assert_int_equal(clip_write(place->clip, &kinds[kind]), 0);
		size_t n = see_all(place->clip, false, all, FRAMES + 1);
		for (size_t k = 0; k < FRAMES; k++)
			check_resume(place->clip, false, all, n, k, kind == 0 ? n : 3);
	}
}

static void a_mark_that_lies_is_found_out(void **state)
{
	const struct place *place = *state;
	struct seen all[FRAMES + 1];
	assert_int_equal(clip_write(place->clip, &plain), 0);
	size_t n = see_all(place->clip, false, all, FRAMES + 1);
	struct seen moved[FRAMES + 1];
	memcpy(moved, all, sizeof(moved));
	/* Neither a wrong time nor a wrong picture may lead astray: the number decides then. */
	moved[20].item.pts += 5 * NS_PER_MS;
	memset(moved[25].thumb, 7, THUMB_SIZE);
	struct source *source = open_clip(place->clip, false);
	struct source_mark mark = {.published = true,
				   .index = 20,
				   .pts = moved[20].item.pts,
				   .thumb = all[20].thumb,
				   .next = 21};
	struct seen seen;
	assert_int_equal(source->table->resume(source, &mark), 0);
	see(source, &seen);
	assert_same(&seen, &all[21]);
	source_close(source);
	check_resume(place->clip, false, moved, n, 25, 3);
}

static void loops_go_on_counting(void **state)
{
	const struct place *place = *state;
	enum { LOOPS = 3, N = LOOPS * FRAMES + 5 };
	struct seen *all = calloc(N, sizeof(*all));
	assert_non_null(all);
	for (size_t kind = 0; kind < N_KINDS; kind++) {
		assert_int_equal(clip_write(place->clip, &kinds[kind]), 0);
		assert_int_equal(see_all(place->clip, true, all, N), N);
		for (size_t i = 0; i < N; i++) {
			assert_int_equal(all[i].item.kind, SOURCE_IS_FRAME);
			assert_int_equal(all[i].item.index, i);
			assert_int_equal(all[i].number, i % FRAMES);
			assert_int_equal(all[i].crc, all[i % FRAMES].crc);
			if (i > 0)
				assert_true(all[i].item.pts > all[i - 1].item.pts);
		}
		/* Around each seam and somewhere within. */
		for (size_t k = 0; k + 1 < N;
		     k += k % FRAMES > 1 && k % FRAMES < FRAMES - 3 ? 9 : 1)
			check_resume(place->clip, true, all, N, k, 4);
	}
	free(all);
}

static void a_damaged_frame_is_counted_and_passed(void **state)
{
	const struct place *place = *state;
	struct seen all[FRAMES + 1];
	struct clip clip = kinds[MJPEG];
	clip.damage_at = 17;
	assert_int_equal(clip_write(place->clip, &clip), 0);
	size_t n = see_all(place->clip, false, all, FRAMES + 1);
	assert_int_equal(n, FRAMES + 1);
	for (size_t i = 0; i < FRAMES; i++) {
		assert_int_equal(all[i].item.index, i);
		assert_int_equal(all[i].item.kind, i == 17 ? SOURCE_IS_LOST : SOURCE_IS_FRAME);
	}
	assert_int_equal(all[17].item.reason, DROP_DAMAGED);
	for (size_t k = 10; k < 25; k++)
		if (k != 17)
			check_resume(place->clip, false, all, n, k, n);
}

static void a_frame_of_another_size_is_counted_and_passed(void **state)
{
	const struct place *place = *state;
	struct seen all[FRAMES + 1];
	struct clip clip = kinds[MJPEG];
	clip.shrink_at = 30;
	assert_int_equal(clip_write(place->clip, &clip), 0);
	assert_int_equal(see_all(place->clip, false, all, FRAMES + 1), FRAMES + 1);
	for (size_t i = 0; i < FRAMES; i++)
		assert_int_equal(all[i].item.kind, i >= 30 ? SOURCE_IS_LOST : SOURCE_IS_FRAME);
	assert_int_equal(all[30].item.reason, DROP_SIZE);
}

static void odd_sizes_lose_a_line(void **state)
{
	const struct place *place = *state;
	struct clip clip = plain;
	clip.width = 321;
	clip.height = 243;
	assert_int_equal(clip_write(place->clip, &clip), 0);
	struct source *source = open_clip(place->clip, false);
	assert_int_equal(source->info.width, 320);
	assert_int_equal(source->info.height, 242);
	struct seen seen;
	see(source, &seen);
	assert_int_equal(seen.number, 0);
	source_close(source);
}

/* ---- files that are none ---- */

static void put(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void expect_refusal(const char *path, int code, const char *clue)
{
	struct source *source = NULL;
	char why[512] = "";
	assert_int_equal(try_open(&source, path, false, why), code);
	assert_null(source);
	assert_non_null(strstr(why, path));
	if (!strstr(why, clue))
		fail_msg("\"%s\" does not say \"%s\"", why, clue);
}

static void what_is_no_file_is_refused(void **state)
{
	const struct place *place = *state;
	expect_refusal("/nowhere/x.avi", TROUPE_E_NOT_FOUND, "No such file or directory");
	expect_refusal(place->folder, TROUPE_E_CONFIG, "not a regular file");
	expect_refusal("/dev/zero", TROUPE_E_CONFIG, "not a regular file");
	assert_int_equal(mkfifo(place->clip, 0600), 0); /* to open it would wait for a writer */
	expect_refusal(place->clip, TROUPE_E_CONFIG, "not a regular file");
	unlink(place->clip);
	put(place->clip, "", 0);
	expect_refusal(place->clip, TROUPE_E_CONFIG, "empty");
	assert_int_equal(chmod(place->clip, 0), 0);
	if (geteuid() != 0) /* root may read everything */
		expect_refusal(place->clip, TROUPE_E_DENIED, "Permission denied");
}

static void what_is_no_video_is_refused(void **state)
{
	const struct place *place = *state;
	static const char text[] = "RIFFAVI LISTthis is a text that calls itself a video\n";
	uint8_t noise[20000], zeros[20000] = {0};
	uint32_t random = 1;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
	put(place->clip, text, sizeof(text));
	expect_refusal(place->clip, TROUPE_E_CONFIG, "cannot open");
	put(place->clip, zeros, sizeof(zeros));
	expect_refusal(place->clip, TROUPE_E_CONFIG, "cannot open");
	put(place->clip, noise, sizeof(noise));
	expect_refusal(place->clip, TROUPE_E_CONFIG, "cannot open");
	static const uint8_t header[] = {'R', 'I', 'F', 'F', 255, 255, 255, 127,
					 'A', 'V', 'I', ' ', 'L', 'I', 'S', 'T'};
	memcpy(noise, header, sizeof(header));
	put(place->clip, noise, sizeof(noise));
	expect_refusal(place->clip, TROUPE_E_CONFIG, "cannot open");
}

/* A wrong ending of the name does not matter: the content says what it is. */
static void the_name_does_not_matter(void **state)
{
	const struct place *place = *state;
	char renamed[160];
	snprintf(renamed, sizeof(renamed), "%s/clip.mp3", place->folder);
	assert_int_equal(clip_write(place->clip, &plain), 0);
	assert_int_equal(rename(place->clip, renamed), 0);
	struct seen all[FRAMES + 1];
	assert_int_equal(see_all(renamed, false, all, FRAMES + 1), FRAMES + 1);
	assert_int_equal(unlink(renamed), 0);
}

/* Cut anywhere, a file is refused or ends early; what it still has is what it had. */
static void a_cut_file_ends_early(void **state)
{
	const struct place *place = *state;
	struct seen all[FRAMES + 1], cut[FRAMES + 1];
	assert_int_equal(clip_write(place->clip, &kinds[MJPEG]), 0);
	see_all(place->clip, false, all, FRAMES + 1);
	struct stat st;
	assert_int_equal(stat(place->clip, &st), 0);
	size_t most = 0;
	for (off_t size = st.st_size - 1; size > 0; size -= st.st_size / 23) {
		assert_int_equal(truncate(place->clip, size), 0);
		struct source *source = NULL;
		char why[512];
		if (try_open(&source, place->clip, false, why) < 0)
			continue;
		source_close(source);
		size_t n = see_all(place->clip, false, cut, FRAMES + 1);
		assert_int_equal(cut[n - 1].item.kind, SOURCE_IS_OVER);
		for (size_t i = 0; i + 2 < n; i++) /* the last one may be half a picture */
			assert_same(&cut[i], &all[i]);
		most = n > most ? n : most;
	}
	assert_true(most > FRAMES / 2);
}

/* Turns some bytes of the file over, always the same ones for the same seed. */
static void damage(const char *path, uint32_t seed)
{
	struct stat st;
	FILE *file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(stat(path, &st), 0);
	for (int i = 0; i < 12; i++) {
		seed = seed * 1664525 + 1013904223;
		assert_int_equal(fseek(file, (long)(seed % (uint32_t)st.st_size), SEEK_SET), 0);
		assert_int_not_equal(fputc((int)(seed >> 24), file), EOF);
	}
	assert_int_equal(fclose(file), 0);
}

/* Whatever is wrong inside, a file is refused or read to an end, with every frame numbered; and a
 * successor can go on in it. */
static void a_damaged_file_has_an_end(void **state)
{
	const struct place *place = *state;
	enum { MOST = 4 * FRAMES };
	struct seen *all = calloc(MOST, sizeof(*all));
	int read = 0;
	for (uint32_t seed = 0; seed < 80; seed++) {
		struct source *source = NULL;
		char why[512];
		assert_int_equal(clip_write(place->clip, &kinds[seed % N_KINDS]), 0);
		damage(place->clip, seed);
		if (try_open(&source, place->clip, false, why) < 0)
			continue;
		source_close(source);
		size_t n = see_all(place->clip, false, all, MOST);
		assert_int_equal(all[n - 1].item.kind, SOURCE_IS_OVER);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(all[i].item.index, i);
		check_resume(place->clip, false, all, n, n / 2, 0);
		read++;
	}
	assert_true(read > 20);
	free(all);
}

/* ---- by hand ---- */

/* Checks some 30 resume points of a file, in two loops of it if it is short. */
static int check_by_hand(const char *path)
{
	enum { MOST = 2000, POINTS = 30, AHEAD = 20 };
	struct seen *all = calloc(MOST, sizeof(*all));
	struct source *source;
	char why[512];
	int rc = try_open(&source, path, true, why);
	if (rc < 0) {
		printf("%s\n", why);
		free(all);
		return 1;
	}
	source_close(source);
	int64_t begin = clock_now();
	size_t n = see_all(path, true, all, MOST);
	printf("%s: %zu frames in %.1f s\n", path, n, (double)(clock_now() - begin) / 1e9);
	for (size_t k = 0; k + 1 < n; k += n / POINTS) {
		if (all[k].item.kind != SOURCE_IS_FRAME)
			continue;
		begin = clock_now();
		check_resume(path, true, all, n, k, AHEAD);
		printf("  behind %" PRIu64 ": %.0f ms\n", all[k].item.index,
		       (double)(clock_now() - begin) / 1e6);
	}
	free(all);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_numbered_and_timed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_resume_point_equals_the_straight_run, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_mark_that_lies_is_found_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loops_go_on_counting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_frame_is_counted_and_passed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_frame_of_another_size_is_counted_and_passed,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(odd_sizes_lose_a_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_video_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_name_does_not_matter, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cut_file_ends_early, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_file_has_an_end, set_up, tear_down),
	};
	int rc = 0;
	for (int i = 1; i < argc; i++)
		rc |= check_by_hand(argv[i]);
	return argc > 1 ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
