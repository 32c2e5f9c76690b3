/* The access units of H.264 files: that they are those of the file, that each row of them can be
 * decoded by itself, that a successor gets the same, and that after damage there are none to rely
 * on. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/clip.h"
#include "tests/unit/net_camera.h"
#include "workers/capture/source.h"
#include "workers/capture/units.h"
#include "workers/media/barcode.h"
#include "workers/media/scale.h"

#include <fcntl.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH  160
#define HEIGHT 120
#define FRAMES 50
#define GOP    12

/* One frame of a source, or one packet of a file. */
struct piece {
	uint8_t *bytes; /* NULL: it has no unit */
	size_t size;
	int64_t dts;
	uint16_t lacks;
	bool key;
	int64_t number; /* in the pixels; after decoding it again */
};

struct pieces {
	struct piece at[2 * FRAMES];
	size_t count;
};

static void add(struct pieces *pieces, const uint8_t *bytes, size_t size,
		const struct source_unit *unit)
{
	struct piece *piece = &pieces->at[pieces->count++];
	assert_true(pieces->count <= 2 * (size_t)FRAMES);
	*piece = (struct piece){.size = size, .number = -1};
	if (unit) {
		piece->dts = unit->dts;
		piece->lacks = unit->lacks;
		piece->key = unit->key;
	}
	if (bytes) {
		piece->bytes = malloc(size);
		assert_non_null(piece->bytes);
		memcpy(piece->bytes, bytes, size);
	}
}

static void drop(struct pieces *pieces)
{
	for (size_t i = 0; i < pieces->count; i++)
		free(pieces->at[i].bytes);
	pieces->count = 0;
}

/* ---- a clip ---- */

static void clip_path(char path[64], const char *ending)
{
	snprintf(path, 64, "/tmp/troupe-units-%d.%s", (int)getpid(), ending);
}

static void make_clip(const char *path, const char *format, int b_frames)
{
	const struct clip clip = {
		.codec = "libx264",
		.format = format,
		.width = WIDTH,
		.height = HEIGHT,
		.fps = 25,
		.frames = FRAMES,
		.gop = GOP,
		.b_frames = b_frames,
	};
	assert_int_equal(clip_write(path, &clip), 0);
}

static struct source *open_clip(const char *path)
{
	struct capture_config config = {.store = "passthrough"};
	struct source *source = NULL;
	char why[512];
	snprintf(config.source, sizeof(config.source), "%s", path);
	if (source_open(&source, &config, (struct source_host){0}, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	return source;
}

/* ---- what comes out ---- */

static void see(struct source *source, struct pieces *pieces, struct source_mark *mark,
		uint8_t thumb[THUMB_SIZE])
{
	uint8_t i420[WIDTH * HEIGHT * 3 / 2];
	struct source_item item;
	struct source_unit unit;
	assert_int_equal(source->table->peek(source, &item), 0);
	if (item.kind == SOURCE_IS_FRAME) {
		bool has = source->table->unit(source, &unit);
		add(pieces, has ? unit.bytes : NULL, has ? unit.size : 0, has ? &unit : NULL);
	}
	assert_int_equal(source->table->take(source, i420), 0);
	if (item.kind != SOURCE_IS_FRAME)
		return;
	pieces->at[pieces->count - 1].number = pattern_read_number(i420, WIDTH, WIDTH, HEIGHT);
	if (!mark)
		return;
	scale_luma_to_thumb(i420, WIDTH, WIDTH, HEIGHT, thumb);
	*mark = (struct source_mark){true, item.index, item.pts, 0, thumb, item.index + 1};
}

static void see_all(struct source *source, struct pieces *pieces)
{
	struct source_item item;
	while (source->table->peek(source, &item) == 0 && item.kind != SOURCE_IS_OVER)
		see(source, pieces, NULL, NULL);
}

static void read_pieces(const char *path, struct pieces *pieces)
{
	struct source *source = open_clip(path);
	see_all(source, pieces);
	source_close(source);
}

/* The file's own access units, in its order, by libavformat alone. */
static void read_packets(const char *path, struct pieces *pieces)
{
	AVFormatContext *format = NULL;
	AVBSFContext *filter = NULL;
	AVPacket *packet = av_packet_alloc();
	assert_int_equal(avformat_open_input(&format, path, NULL, NULL), 0);
	assert_true(avformat_find_stream_info(format, NULL) >= 0);
	assert_int_equal(av_bsf_alloc(av_bsf_get_by_name("h264_mp4toannexb"), &filter), 0);
	avcodec_parameters_copy(filter->par_in, format->streams[0]->codecpar);
	assert_int_equal(av_bsf_init(filter), 0);
	while (av_read_frame(format, packet) == 0) {
		assert_int_equal(av_bsf_send_packet(filter, packet), 0);
		assert_int_equal(av_bsf_receive_packet(filter, packet), 0);
		add(pieces, packet->data, (size_t)packet->size, NULL);
		av_packet_unref(packet);
	}
	av_packet_free(&packet);
	av_bsf_free(&filter);
	avformat_close_input(&format);
}

static int by_dts(const void *a, const void *b)
{
	const struct piece *one = a, *other = b;
	return (one->dts > other->dts) - (one->dts < other->dts);
}

/* ---- tests ---- */

static void expect_units_of_file(const char *format, const char *ending, int b_frames)
{
	struct pieces seen = {0}, packets = {0};
	char path[64];
	clip_path(path, ending);
	make_clip(path, format, b_frames);
	read_pieces(path, &seen);
	read_packets(path, &packets);
	unlink(path);
	assert_int_equal(seen.count, FRAMES);
	assert_int_equal(packets.count, FRAMES);
	uint32_t lacking = 0;
	for (size_t i = 0; i < FRAMES; i++) {
		assert_non_null(seen.at[i].bytes);
		assert_int_equal(seen.at[i].number, i);
		assert_int_equal(seen.at[i].key, i % GOP == 0);
		lacking += seen.at[i].lacks > 0;
	}
	assert_int_equal(lacking > 0, b_frames > 0);
	qsort(seen.at, seen.count, sizeof(*seen.at), by_dts);
	for (size_t i = 0; i < FRAMES; i++) {
		assert_int_equal(seen.at[i].size, packets.at[i].size);
		assert_memory_equal(seen.at[i].bytes, packets.at[i].bytes, seen.at[i].size);
	}
	drop(&seen);
	drop(&packets);
}

static void test_units_are_those_of_the_file(void **state)
{
	(void)state;
	expect_units_of_file("mp4", "mp4", 0);
	expect_units_of_file("mp4", "mp4", 3);
	expect_units_of_file("matroska", "mkv", 2);
	expect_units_of_file("mpegts", "ts", 3);
}

/* Decodes a row that closes and returns how many of its pictures show the number they should. */
static size_t decode_row(const struct piece *from, size_t count)
{
	struct piece row[FRAMES];
	AVCodecContext *codec = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	size_t right = 0;
	assert_int_equal(avcodec_open2(codec, NULL, NULL), 0);
	memcpy(row, from, count * sizeof(*row));
	qsort(row, count, sizeof(*row), by_dts);
	for (size_t i = 0; i <= count; i++) {
		if (i < count) {
			assert_int_equal(av_new_packet(packet, (int)row[i].size), 0);
			memcpy(packet->data, row[i].bytes, row[i].size);
			codec->reordered_opaque = row[i].number;
		}
		assert_int_equal(avcodec_send_packet(codec, i < count ? packet : NULL), 0);
		av_packet_unref(packet);
		while (avcodec_receive_frame(codec, frame) == 0) {
			int64_t number = pattern_read_number(
				frame->data[0], (uint32_t)frame->linesize[0], WIDTH, HEIGHT);
			right += !frame->decode_error_flags && number == frame->reordered_opaque;
		}
	}
	av_frame_free(&frame);
	av_packet_free(&packet);
	avcodec_free_context(&codec);
	return right;
}

/* The promise of `lacks`, with nothing but the units up to there. */
static void test_each_row_that_closes_can_be_decoded(void **state)
{
	struct pieces seen = {0};
	char path[64];
	size_t begin = 0, closed = 0;
	(void)state;
	clip_path(path, "mp4");
	make_clip(path, "mp4", 3);
	read_pieces(path, &seen);
	unlink(path);
	for (size_t i = 0; i < seen.count; i++) {
		if (seen.at[i].key)
			begin = i;
		if (seen.at[i].lacks)
			continue;
		closed++;
		assert_int_equal(decode_row(&seen.at[begin], i + 1 - begin), i + 1 - begin);
	}
	assert_true(closed >= FRAMES / 4 && closed < FRAMES);
	drop(&seen);
}

static void test_a_successor_gets_the_same(void **state)
{
	struct pieces whole = {0};
	char path[64];
	(void)state;
	clip_path(path, "mp4");
	make_clip(path, "mp4", 3);
	read_pieces(path, &whole);
	for (size_t at = 1; at < FRAMES; at += 3) {
		struct pieces before = {0}, after = {0};
		struct source_mark mark = {0};
		uint8_t thumb[THUMB_SIZE];
		struct source *dead = open_clip(path), *heir = open_clip(path);
		while (before.count < at)
			see(dead, &before, &mark, thumb);
		assert_int_equal(heir->table->resume(heir, &mark), 0);
		see_all(heir, &after);
		assert_int_equal(after.count, FRAMES - at);
		for (size_t i = 0; i < after.count; i++) {
			const struct piece *one = &after.at[i], *other = &whole.at[at + i];
			assert_int_equal(one->size, other->size);
			assert_memory_equal(one->bytes, other->bytes, one->size);
			assert_true(one->dts == other->dts && one->lacks == other->lacks &&
				    one->key == other->key);
		}
		source_close(dead);
		source_close(heir);
		drop(&before);
		drop(&after);
	}
	unlink(path);
	drop(&whole);
}

/* Overwrites where the packet of that number begins in the file. */
static void damage(const char *path, int number)
{
	static const char garbage[] = "UUUUUUUUUUUUUUUU";
	AVFormatContext *format = NULL;
	AVPacket *packet = av_packet_alloc();
	assert_int_equal(avformat_open_input(&format, path, NULL, NULL), 0);
	for (int i = 0; i <= number; i++) {
		av_packet_unref(packet);
		assert_int_equal(av_read_frame(format, packet), 0);
	}
	FILE *file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, (long)packet->pos, SEEK_SET), 0);
	assert_int_equal(fwrite(garbage, 1, sizeof(garbage), file), sizeof(garbage));
	assert_int_equal(fclose(file), 0);
	av_packet_free(&packet);
	avformat_close_input(&format);
}

static void test_damage_ends_the_group(void **state)
{
	enum { HURT = GOP + 5 };
	struct pieces seen = {0};
	char path[64];
	(void)state;
	clip_path(path, "mp4");
	make_clip(path, "mp4", 0);
	damage(path, HURT);
	read_pieces(path, &seen);
	unlink(path);
	/* The picture itself is gone, or made up by the decoder. */
	size_t gone = FRAMES - seen.count;
	assert_true(gone <= 1);
	for (size_t i = 0; i < seen.count; i++) {
		bool after = i >= HURT && i + gone < 2 * (size_t)GOP;
		assert_int_equal(seen.at[i].bytes == NULL, after);
	}
	drop(&seen);
}

/* ---- a camera in the network ---- */

struct film {
	char path[64];
	atomic_bool over; /* it was sent as often as it is */
};

static void send_clip(struct net_camera *camera, int fd)
{
	const struct film *film = camera->arg;
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: video/x-matroska\r\n\r\n";
	char bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
	int clip = open(film->path, O_RDONLY | O_CLOEXEC);
	for (bool sent = n > 0 && net_send(fd, head, sizeof(head) - 1);
	     sent && (n = read(clip, bytes, sizeof(bytes))) > 0;)
		sent = net_send(fd, bytes, (size_t)n);
	close(clip);
}

static void end_it(struct net_camera *camera, int fd)
{
	struct film *film = camera->arg;
	atomic_store(&film->over, true);
	net_say_nothing(camera, fd);
}

static struct source *connect_to(const struct net_camera *camera)
{
	static struct capture_config config = {
		.store = "passthrough",
		.rtsp_transport = "tcp",
		.open_timeout = 60 * NS_PER_S,
		.read_timeout = 60 * NS_PER_S,
	};
	const struct source_mark nothing = {0};
	struct source *source = NULL;
	char why[512];
	snprintf(config.source, sizeof(config.source), "http://127.0.0.1:%u/video", camera->port);
	if (source_open(&source, &config, (struct source_host){0}, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(source->table->resume(source, &nothing), 0);
	return source;
}

/* The same clip twice, by two connections. What was in the ring before anybody took it may be lost,
 * which ends its group; what the decoder keeps back is, when the connection ends. */
static void test_a_camera_sends_it(void **state)
{
	static net_visit_fn *const visits[] = {send_clip, send_clip, end_it, NULL};
	struct film film = {.over = false};
	struct net_camera camera = {.arg = &film};
	struct pieces seen = {0}, packets = {0};
	struct source_item item = {0};
	int64_t last = INT64_MIN, until = clock_now() + 60 * NS_PER_S;
	size_t begin = 0, keys = 0;
	(void)state;
	clip_path(film.path, "mkv");
	make_clip(film.path, "matroska", 3);
	read_packets(film.path, &packets);
	net_listen(&camera, 0);
	net_begin(&camera, visits);
	struct source *source = connect_to(&camera);
	for (bool over = false; !over || item.kind != SOURCE_IS_AWAITED;) {
		over = atomic_load(&film.over);
		assert_int_equal(source->table->peek(source, &item), 0);
		assert_true(clock_now() < until);
		struct pollfd ready = {.fd = source->table->awaits(source), .events = POLLIN};
		if (item.kind == SOURCE_IS_AWAITED)
			poll(&ready, 1, 10);
		else
			see(source, &seen, NULL, NULL);
	}
	source_close(source);
	net_end(&camera);
	unlink(film.path);
	for (size_t i = 0; i < seen.count; i++) {
		struct piece *piece = &seen.at[i];
		begin = piece->key ? i : begin;
		keys += piece->key;
		if (!piece->bytes || piece->lacks)
			continue;
		assert_true(seen.at[begin].key && seen.at[begin].dts > last);
		size_t row = i + 1 - begin, at = (size_t)seen.at[begin].number;
		struct piece sorted[FRAMES];
		memcpy(sorted, &seen.at[begin], row * sizeof(*sorted));
		qsort(sorted, row, sizeof(*sorted), by_dts);
		for (size_t n = 0; n < row; n++) {
			assert_int_equal(sorted[n].size, packets.at[at + n].size);
			assert_memory_equal(sorted[n].bytes, packets.at[at + n].bytes,
					    sorted[n].size);
		}
		if (i + 1 < seen.count && seen.at[i + 1].key)
			last = sorted[row - 1].dts;
	}
	assert_true(keys > 0);
	drop(&seen);
	drop(&packets);
}

static size_t find_idr(const struct piece *piece)
{
	static const uint8_t idr[] = {0, 0, 1, 0x65};
	size_t at = 0;
	while (at + sizeof(idr) <= piece->size && memcmp(piece->bytes + at, idr, sizeof(idr)) != 0)
		at++;
	assert_true(at + sizeof(idr) <= piece->size);
	return at;
}

/* Encoders of cameras say the parameter sets once, beside the stream. */
static void test_key_units_get_their_parameters(void **state)
{
	struct pieces packets = {0};
	char path[64];
	AVFormatContext *format = NULL;
	struct units *units;
	AVPacket *packet = av_packet_alloc();
	(void)state;
	clip_path(path, "mp4");
	make_clip(path, "mp4", 0);
	read_packets(path, &packets); /* Annex B; the first NAL of keys is the SPS */
	assert_int_equal(avformat_open_input(&format, path, NULL, NULL), 0);
	AVCodecParameters *said = avcodec_parameters_alloc();
	AVBSFContext *filter = NULL;
	av_bsf_alloc(av_bsf_get_by_name("h264_mp4toannexb"), &filter);
	avcodec_parameters_copy(filter->par_in, format->streams[0]->codecpar);
	av_bsf_init(filter);
	avcodec_parameters_copy(said, filter->par_out);
	avformat_close_input(&format);
	assert_int_equal(units_create(&units, said, 1), 0);
	size_t sets = (size_t)said->extradata_size;
	for (size_t i = 0; i < FRAMES && packets.at[i].bytes; i++) {
		const struct piece *piece = &packets.at[i];
		bool key = i % GOP == 0;
		size_t at = key ? find_idr(piece) : 0, size = piece->size - at;
		assert_int_equal(av_new_packet(packet, (int)size), 0);
		memcpy(packet->data, piece->bytes + at, size);
		const struct unit *unit =
			units_take(units, units_put(units, packet, INT64_MIN), false, 0);
		assert_non_null(unit);
		assert_int_equal(unit->packet->size, size + (key ? sets : 0));
		if (key)
			assert_memory_equal(unit->packet->data, said->extradata, sets);
		av_packet_unref(packet);
	}
	units_destroy(units);
	av_packet_free(&packet);
	avcodec_parameters_free(&said);
	av_bsf_free(&filter);
	unlink(path);
	drop(&packets);
}

static void test_other_codecs_are_refused(void **state)
{
	struct capture_config config = {
		.store = "passthrough", .pattern_size = "320x240", .pattern_fps = 25};
	const struct clip clip = {
		.codec = "mpeg4", .width = WIDTH, .height = HEIGHT, .fps = 25, .frames = 3};
	struct source *source;
	char path[64], why[512];
	(void)state;
	clip_path(path, "avi");
	assert_int_equal(clip_write(path, &clip), 0);
	snprintf(config.source, sizeof(config.source), "%s", path);
	assert_int_equal(source_open(&source, &config, (struct source_host){0}, why, sizeof(why)),
			 TROUPE_E_CONFIG);
	assert_non_null(strstr(why, path));
	assert_non_null(strstr(why, "its video is mpeg4"));
	assert_non_null(strstr(why, "set store = \"jpeg\""));
	unlink(path);
	strcpy(config.source, "pattern:");
	assert_int_equal(source_open(&source, &config, (struct source_host){0}, why, sizeof(why)),
			 TROUPE_E_CONFIG);
	assert_non_null(strstr(why, "set store = \"jpeg\""));
}

int main(void)
{
	av_log_set_level(AV_LOG_QUIET);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units_are_those_of_the_file),
		cmocka_unit_test(test_each_row_that_closes_can_be_decoded),
		cmocka_unit_test(test_a_successor_gets_the_same),
		cmocka_unit_test(test_damage_ends_the_group),
		cmocka_unit_test(test_a_camera_sends_it),
		cmocka_unit_test(test_key_units_get_their_parameters),
		cmocka_unit_test(test_other_codecs_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
