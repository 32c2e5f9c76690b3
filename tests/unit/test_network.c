/* A source in the network: where one capture ends and the next begins. The camera is a thread of
 * this program. */
#include "ipc/base/clock.h"
#include "ipc/slots/layout.h"
#include "tests/unit/net_camera.h"
#include "workers/capture/source.h"
#include "workers/media/barcode.h"
#include "workers/media/scale.h"

#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LIMIT (60 * NS_PER_S)

/* What a capture of the stream has at hand. */
static struct source *open_source(const struct net_camera *camera, const struct source_held *held)
{
	struct source *source = NULL;
	static const struct capture_config config = {
		.open_timeout = LIMIT, .read_timeout = LIMIT, .rtsp_transport = "tcp"};
	struct source_host host = {.width = NET_WIDTH, .height = NET_HEIGHT, .held = held};
	char why[512] = "", url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/video", camera->port);
	if (network_open(&source, url, &config, host, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	return source;
}

/* The next frame; `mark` becomes what a successor would know of it. Returns its picture's number.
 */
static int64_t next_frame(struct source *source, struct source_mark *mark, uint8_t *thumb)
{
	static uint8_t i420[NET_WIDTH * NET_HEIGHT * 3 / 2];
	int64_t until = clock_now() + LIMIT;
	struct source_item item = {.kind = SOURCE_IS_AWAITED};
	for (;;) {
		assert_int_equal(source->table->peek(source, &item), 0);
		if (item.kind == SOURCE_IS_FRAME)
			break;
		assert_true(clock_now() < until);
		if (item.kind == SOURCE_IS_LOST) {
			source->table->take(source, NULL);
			continue;
		}
		struct pollfd arrival = {.fd = source->table->awaits(source), .events = POLLIN};
		poll(&arrival, 1, 100);
	}
	assert_int_equal(source->table->take(source, i420), 0);
	scale_luma_to_thumb(i420, NET_WIDTH, NET_WIDTH, NET_HEIGHT, thumb);
	*mark = (struct source_mark){
		.published = true,
		.index = item.index,
		.pts = item.pts,
		.captured = item.captured,
		.thumb = thumb,
		.next = item.index + 1,
	};
	return pattern_read_number(i420, NET_WIDTH, NET_WIDTH, NET_HEIGHT);
}

/* One picture; the rest of what everybody sees only when it is told. */
static void film_late(struct net_camera *camera, int fd)
{
	net_answer(fd);
	net_picture(camera, fd, NET_WIDTH, NET_HEIGHT);
	sem_wait(camera->arg);
	while (net_picture(camera, fd, NET_WIDTH, NET_HEIGHT))
		continue;
}

/* Both are connected, and what the old one has had comes to the new one much later. */
static void test_what_comes_late_is_not_taken_twice(void **state)
{
	static net_visit_fn *const in_time[] = {net_film, NULL}, *const late[] = {film_late, NULL};
	struct net_camera near = {0}, far = {0};
	_Atomic uint64_t word = 0;
	_Atomic int64_t origin = 0;
	const struct source_held held = {-1, &word, &origin};
	struct source_mark mark = {0};
	uint8_t thumb[THUMB_SIZE], other[THUMB_SIZE];
	sem_t go;
	(void)state;
	sem_init(&go, 0, 0);
	far.arg = &go;
	net_listen(&near, 0);
	net_begin(&near, in_time);
	net_listen(&far, 0);
	net_begin(&far, late);
	struct source *newcomer = open_source(&far, &held), *old = open_source(&near, &held);
	assert_int_equal(old->table->resume(old, &mark), 0);
	int64_t last = -1;
	while (last < 5)
		last = next_frame(old, &mark, thumb);
	assert_int_equal(newcomer->table->resume(newcomer, &mark), 0);
	sem_post(&go);
	uint64_t index = mark.next;
	int64_t pts = mark.pts;
	assert_int_equal(next_frame(newcomer, &mark, other), last + 1);
	assert_int_equal(mark.index, index);
	assert_true(mark.pts > pts);
	source_close(old);
	source_close(newcomer);
	net_end(&near);
	net_end(&far);
	sem_destroy(&go);
}

/* What a successor that connects after the death of the old one gets is all new. */
static void test_goes_on_after_a_death(void **state)
{
	static net_visit_fn *const films[] = {net_film, NULL};
	struct net_camera camera = {0};
	_Atomic uint64_t word = 0;
	_Atomic int64_t origin = 0;
	const struct source_held held = {-1, &word, &origin};
	struct source_mark mark = {0};
	uint8_t thumb[THUMB_SIZE], other[THUMB_SIZE];
	(void)state;
	net_listen(&camera, 0);
	net_begin(&camera, films);
	struct source *source = open_source(&camera, &held);
	assert_int_equal(source->table->resume(source, &mark), 0);
	int64_t last = next_frame(source, &mark, thumb);
	source_close(source);
	struct source_mark first = mark;
	source = open_source(&camera, &held);
	assert_int_equal(source->table->resume(source, &first), 0);
	assert_true(next_frame(source, &mark, other) > last);
	assert_int_equal(mark.index, first.next);
	assert_true(mark.pts > first.pts && mark.captured > first.captured);
	source_close(source);
	net_end(&camera);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_comes_late_is_not_taken_twice),
		cmocka_unit_test(test_goes_on_after_a_death),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
