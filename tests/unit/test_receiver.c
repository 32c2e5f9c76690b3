/* The receiving thread, with a camera in the network that is a thread of this program: what it
 * brings, what it loses and counts, and that it ends. Run by ThreadSanitizer, too. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/clip.h"
#include "tests/unit/net_camera.h"
#include "workers/capture/receiver.h"
#include "workers/media/barcode.h"
#include "workers/media/convert.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WIDTH  NET_WIDTH
#define HEIGHT NET_HEIGHT
#define LONG   (60 * NS_PER_S) /* what is waited for comes much sooner */
#define SHORT  (NS_PER_S / 5)  /* what is waited for in vain */

/* ---- the camera ---- */

static void film_and_stall(struct net_camera *camera, int fd)
{
	net_answer(fd);
	for (int i = 0; i < 60; i++)
		net_picture(camera, fd, WIDTH, HEIGHT);
	net_say_nothing(camera, fd);
}

static void film_two_sizes(struct net_camera *camera, int fd)
{
	net_answer(fd);
	for (int i = 0; i < 10; i++)
		net_picture(camera, fd, WIDTH, HEIGHT);
	for (int i = 0; i < 10; i++)
		net_picture(camera, fd, WIDTH / 2, HEIGHT / 2);
	while (net_picture(camera, fd, WIDTH, HEIGHT))
		continue;
}

/* A stream that has times of its own, as fast as it is taken. */
static void send_clip(struct net_camera *camera, int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: video/x-matroska\r\n\r\n";
	char bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
	int clip = open(camera->arg, O_RDONLY | O_CLOEXEC);
	for (bool sent = n > 0 && net_send(fd, head, sizeof(head) - 1);
	     sent && (n = read(clip, bytes, sizeof(bytes))) > 0;)
		sent = net_send(fd, bytes, (size_t)n);
	close(clip);
}

/* ---- the receiver ---- */

struct viewer {
	struct receiver *receiver;
	struct receiver_options options;
	char url[128];
};

static void view(struct viewer *v, const struct net_camera *camera, int64_t open, int64_t read)
{
	char why[256];
	snprintf(v->url, sizeof(v->url), "http://anna:sec9ret@127.0.0.1:%u/video", camera->port);
	v->options = (struct receiver_options){
		.url = v->url, .rtsp_transport = "tcp", .open_timeout = open, .read_timeout = read};
	assert_int_equal(receiver_create(&v->receiver, &v->options, why, sizeof(why)), 0);
}

static struct received take(struct viewer *v)
{
	int64_t until = clock_now() + LONG;
	struct received received;
	while (receiver_take(v->receiver, &received) < 0) {
		struct pollfd item = {.fd = receiver_fd(v->receiver), .events = POLLIN};
		assert_true(clock_now() < until);
		poll(&item, 1, 1000);
	}
	return received;
}

static struct received take_picture(struct viewer *v)
{
	struct received received = take(v);
	while (received.lost)
		received = take(v);
	return received;
}

static int64_t number_of(struct received *received)
{
	uint8_t i420[WIDTH * HEIGHT * 3 / 2];
	assert_int_equal(convert_to_i420(received->frame, WIDTH, HEIGHT, i420), 0);
	av_frame_free(&received->frame);
	return pattern_read_number(i420, WIDTH, WIDTH, HEIGHT);
}

static struct receiver_state await_state(struct viewer *v,
					 bool (*is)(const struct receiver_state *state))
{
	struct receiver_state state;
	int64_t until = clock_now() + LONG;
	for (receiver_look(v->receiver, &state); !is(&state); receiver_look(v->receiver, &state)) {
		struct pollfd item = {.fd = receiver_fd(v->receiver), .events = POLLIN};
		assert_true(clock_now() < until);
		poll(&item, 1, 10);
	}
	return state;
}

static bool is_connected(const struct receiver_state *state)
{
	return state->connected;
}

static bool has_failed(const struct receiver_state *state)
{
	return state->failed;
}

static bool is_back(const struct receiver_state *state)
{
	return state->reconnects > 0;
}

/* ---- tests ---- */

static void test_pictures_come_in_order(void **state)
{
	static net_visit_fn *const visits[] = {net_film, NULL};
	struct net_camera camera = {0};
	struct viewer v;
	(void)state;
	net_listen(&camera, 0);
	net_begin(&camera, visits);
	view(&v, &camera, LONG, LONG);
	receiver_begin(v.receiver);
	int64_t last = -1, arrived = 0;
	for (int i = 0; i < 30; i++) {
		struct received received = take_picture(&v);
		assert_true(received.arrived > arrived);
		assert_int_equal(received.connection, 1);
		assert_int_equal(received.due,
				 received.arrived); /* MJPEG has no times of its own */
		arrived = received.arrived;
		int64_t number = number_of(&received);
		assert_true(number > last);
		last = number;
	}
	struct receiver_state now;
	receiver_look(v.receiver, &now);
	assert_true(now.connected && !now.failed && now.width == WIDTH && now.height == HEIGHT);
	assert_int_equal(receiver_overdue(v.receiver), 0);
	receiver_destroy(v.receiver);
	net_end(&camera);
}

/* Nobody there, then somebody: said without the password, and connected to by itself. */
static void test_comes_back_by_itself(void **state)
{
	static net_visit_fn *const visits[] = {net_film, NULL};
	struct net_camera camera = {0};
	struct viewer v;
	(void)state;
	net_listen(&camera, 0);
	view(&v, &camera, LONG, LONG);
	assert_true(receiver_wait(v.receiver, LONG));
	struct receiver_state now = await_state(&v, has_failed);
	assert_false(now.connected);
	assert_int_equal(now.why_code, TROUPE_E_IO);
	assert_non_null(strstr(now.why, "***@127.0.0.1"));
	assert_non_null(strstr(now.why, "Connection refused"));
	assert_null(strstr(now.why, "sec9ret"));
	net_begin(&camera, visits);
	now = await_state(&v, is_back);
	assert_int_equal(now.connections, 1);
	assert_true(now.back_since > now.away_since);
	receiver_destroy(v.receiver);
	net_end(&camera);
}

static void check_silence(net_visit_fn *const *visits, int64_t open, int64_t read, const char *says)
{
	struct net_camera camera = {0};
	struct viewer v;
	net_listen(&camera, 0);
	net_begin(&camera, visits);
	view(&v, &camera, open, read);
	struct receiver_state now = await_state(&v, has_failed);
	assert_int_equal(now.why_code, TROUPE_E_TIMEOUT);
	assert_non_null(strstr(now.why, says));
	receiver_destroy(v.receiver);
	net_end(&camera);
}

static void test_silence_ends_at_its_limit(void **state)
{
	static net_visit_fn *const silent[] = {net_say_nothing, NULL}, *const stalls[] = {
									       film_and_stall,
									       NULL};
	(void)state;
	check_silence(silent, SHORT, LONG, "does not answer");
	check_silence(stalls, LONG, SHORT, "it has sent nothing for 0.2 s");
}

/* The number of the next picture, and how many were lost before. */
static int64_t take_counted(struct viewer *v, int64_t *lost)
{
	struct received received = take(v);
	for (*lost = 0; received.lost; received = take(v)) {
		assert_int_equal(received.reason, DROP_DEVICE);
		++*lost;
	}
	return number_of(&received);
}

/* Who takes nothing loses the oldest, and is told how many from receiver_begin on. */
static void test_a_full_ring_loses_the_oldest(void **state)
{
	static net_visit_fn *const visits[] = {net_film, NULL};
	struct net_camera camera = {0};
	struct viewer v;
	(void)state;
	net_listen(&camera, 0);
	net_begin(&camera, visits);
	view(&v, &camera, LONG, LONG);
	await_state(&v, is_connected);
	usleep(300000); /* more pictures than the ring has room for; none of them counts */
	receiver_begin(v.receiver);
	int64_t lost, first = take_counted(&v, &lost), number;
	assert_true(first == 0 || lost < first);
	do {
		usleep(400000); /* the ring runs full, the thread waits for a while, then some go */
		number = take_counted(&v, &lost);
		assert_true(number > first + lost);
		first = number;
	} while (lost == 0);
	receiver_destroy(v.receiver);
	net_end(&camera);
}

static void test_another_size_is_counted(void **state)
{
	static net_visit_fn *const visits[] = {film_two_sizes, NULL};
	struct net_camera camera = {0};
	struct viewer v;
	(void)state;
	net_listen(&camera, 0);
	net_begin(&camera, visits);
	view(&v, &camera, LONG, LONG);
	receiver_begin(v.receiver);
	int lost = 0;
	for (int64_t number = 0; number < 25;) {
		struct received received = take(&v);
		lost += received.lost && received.reason == DROP_SIZE;
		number = received.lost ? number : number_of(&received);
	}
	assert_int_equal(lost, 10);
	receiver_destroy(v.receiver);
	net_end(&camera);
}

/* The last pictures of a burst, which come all at once, were due one after another. */
static void test_a_burst_is_not_seen_in_the_times(void **state)
{
	static net_visit_fn *const visits[] = {send_clip, net_say_nothing, NULL};
	char path[64] = "/tmp/troupe-receiver-XXXXXX";
	struct net_camera camera = {.arg = path};
	struct viewer v;
	(void)state;
	close(mkstemp(path));
	const struct clip clip = {.codec = "mjpeg",
				  .format = "matroska",
				  .width = WIDTH,
				  .height = HEIGHT,
				  .fps = 20,
				  .frames = 40};
	assert_int_equal(clip_write(path, &clip), 0);
	net_listen(&camera, 0);
	net_begin(&camera, visits);
	view(&v, &camera, LONG, LONG);
	await_state(&v, has_failed); /* it is through; the last pictures are in the ring */
	receiver_begin(v.receiver);
	struct received before = take(&v);
	for (int i = 0; i < 7; i++) {
		struct received received = take(&v);
		assert_true(received.due <= received.arrived);
		assert_in_range(received.due - before.due, 30 * NS_PER_MS, 70 * NS_PER_MS);
		av_frame_free(&before.frame);
		before = received;
	}
	av_frame_free(&before.frame);
	receiver_destroy(v.receiver);
	net_end(&camera);
	unlink(path);
}

/* At whatever it is: the limits that it waits by are far away. */
static void test_ends_when_told(void **state)
{
	static net_visit_fn *const silent[] = {net_say_nothing, NULL},
				   *const stalls[] = {film_and_stall, NULL},
				   *const films[] = {net_film, NULL},
				   *const *const all[] = {silent, stalls, films};
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct net_camera camera = {0};
		struct viewer v;
		net_listen(&camera, 0);
		net_begin(&camera, all[i]);
		view(&v, &camera, LONG, LONG);
		receiver_wait(v.receiver, SHORT);
		receiver_destroy(v.receiver); /* one that is left behind would be a leak */
		net_end(&camera);
	}
	receiver_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pictures_come_in_order),
		cmocka_unit_test(test_comes_back_by_itself),
		cmocka_unit_test(test_silence_ends_at_its_limit),
		cmocka_unit_test(test_a_full_ring_loses_the_oldest),
		cmocka_unit_test(test_another_size_is_counted),
		cmocka_unit_test(test_a_burst_is_not_seen_in_the_times),
		cmocka_unit_test(test_ends_when_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
