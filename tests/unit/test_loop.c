/* The loop: what is ready runs, once, whatever callbacks do to the loop meanwhile; no message is
 * lost. */
#include "ipc/links/loop.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/links/link_private.h"
#include "ipc/links/pipe.h"
#include "schemas/life.pb-c.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

/* Nothing here takes that long: a wait that does has lost something. */
#define LONG (30 * NS_PER_S)

/* A bell that is ready from the start, and who watches it. */
struct bell {
	struct loop *loop;
	int fd;
	int rung;
	short revents;
	struct bell *other;
};

static struct bell bell_make(struct loop *loop)
{
	struct bell bell = {.loop = loop, .fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
	assert_true(bell.fd >= 0);
	return bell;
}

static void on_bell(void *arg, int fd, short revents)
{
	struct bell *bell = arg;
	assert_int_equal(fd, bell->fd);
	bell->rung++;
	bell->revents = revents;
}

static void watch(struct bell *bell, loop_fd_fn *fn)
{
	assert_int_equal(loop_watch_fd(bell->loop, bell->fd, POLLIN, fn, bell), 0);
}

static int setup(void **state)
{
	*state = loop_create();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	loop_destroy(*state);
	return 0;
}

static void test_nothing_until_the_deadline(void **state)
{
	struct loop *loop = *state;
	static const int64_t lengths[] = {0, 1, 300 * NS_PER_US, 3 * NS_PER_MS};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int64_t deadline = clock_now() + lengths[i];
		assert_int_equal(loop_wait(loop, deadline), 0);
		assert_true(clock_now() >= deadline);
	}
	assert_int_equal(loop_wait(loop, 0), 0);
}

static void test_ready_descriptors_run(void **state)
{
	struct loop *loop = *state;
	struct bell one = bell_make(loop), two = bell_make(loop);
	uint64_t taken;
	watch(&one, on_bell);
	watch(&two, on_bell);
	assert_int_equal(loop_wait(loop, CLOCK_NEVER), 2);
	assert_int_equal(one.revents, POLLIN);
	assert_int_equal(read(two.fd, &taken, sizeof(taken)), sizeof(taken));
	assert_int_equal(loop_wait(loop, 0), 1); /* a deadline in the past still looks */
	assert_int_equal(one.rung, 2);
	assert_int_equal(two.rung, 1);
	assert_int_equal(loop_watch_fd(loop, one.fd, 0, NULL, NULL), 0);
	assert_int_equal(loop_watch_fd(loop, one.fd, 0, NULL, NULL), 0);
	assert_int_equal(loop_wait(loop, 0), 0);
	assert_int_equal(loop_watch_fd(loop, two.fd, POLLOUT, on_bell, &two), 0);
	assert_int_equal(loop_wait(loop, 0), 1);
	assert_int_equal(two.revents, POLLOUT);
	assert_int_equal(loop_watch_fd(loop, -1, POLLIN, on_bell, &one), TROUPE_E_ARGUMENT);
	close(one.fd);
	close(two.fd);
}

static void remove_other(void *arg, int fd, short revents)
{
	struct bell *bell = arg;
	on_bell(arg, fd, revents);
	loop_watch_fd(bell->loop, bell->other->fd, 0, NULL, NULL);
}

static void test_a_removed_row_does_not_run(void **state)
{
	struct loop *loop = *state;
	struct bell one = bell_make(loop), two = bell_make(loop);
	one.other = &two;
	watch(&one, remove_other);
	watch(&two, on_bell);
	assert_int_equal(loop_wait(loop, 0), 1);
	assert_int_equal(two.rung, 0);
	/* Itself. */
	one.other = &one;
	assert_int_equal(loop_wait(loop, 0), 1);
	assert_int_equal(loop_wait(loop, 0), 0);
	assert_int_equal(one.rung, 2);
	close(one.fd);
	close(two.fd);
}

static void replace_other(void *arg, int fd, short revents)
{
	struct bell *bell = arg;
	on_bell(arg, fd, revents);
	watch(bell->other, on_bell);
}

static void never(void *arg, int fd, short revents)
{
	(void)arg;
	(void)fd;
	(void)revents;
	fail_msg("a callback ran that was replaced before");
}

static void test_a_replaced_row_runs_anew(void **state)
{
	struct loop *loop = *state;
	struct bell one = bell_make(loop), two = bell_make(loop);
	one.other = &two;
	watch(&one, replace_other);
	watch(&two, never);
	assert_int_equal(loop_wait(loop, 0), 1);
	watch(&one, on_bell);
	assert_int_equal(loop_wait(loop, 0), 2);
	assert_int_equal(two.rung, 1);
	close(one.fd);
	close(two.fd);
}

struct crowd {
	struct bell first;
	struct bell many[100];
};

static void add_many(void *arg, int fd, short revents)
{
	struct crowd *crowd = arg;
	(void)fd;
	(void)revents;
	for (size_t i = 0; i < 100; i++) {
		crowd->many[i] = bell_make(crowd->first.loop);
		watch(&crowd->many[i], on_bell);
	}
	loop_watch_fd(crowd->first.loop, crowd->first.fd, 0, NULL, NULL);
}

static void test_rows_added_meanwhile_run_next_time(void **state)
{
	struct loop *loop = *state;
	struct crowd crowd;
	memset(&crowd, 0, sizeof(crowd));
	crowd.first = bell_make(loop);
	assert_int_equal(loop_watch_fd(loop, crowd.first.fd, POLLIN, add_many, &crowd), 0);
	assert_int_equal(loop_wait(loop, 0), 1);
	assert_int_equal(loop_wait(loop, 0), 100);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(crowd.many[i].rung, 1);
		close(crowd.many[i].fd);
	}
	close(crowd.first.fd);
}

static void wait_inside(void *arg, int fd, short revents)
{
	struct bell *bell = arg;
	on_bell(arg, fd, revents);
	assert_int_equal(loop_wait(bell->loop, 0), TROUPE_E_STATE);
}

static void test_no_wait_inside_a_callback(void **state)
{
	struct bell one = bell_make(*state);
	watch(&one, wait_inside);
	assert_int_equal(loop_wait(*state, 0), 1);
	assert_int_equal(one.rung, 1);
	close(one.fd);
}

static void test_a_closed_descriptor_is_reported_once(void **state)
{
	struct bell one = bell_make(*state);
	watch(&one, on_bell);
	close(one.fd);
	assert_int_equal(loop_wait(*state, 0), 1);
	assert_int_equal(one.revents, POLLNVAL);
	assert_int_equal(loop_wait(*state, 0), 0);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void test_a_signal_ends_the_wait(void **state)
{
	struct sigaction action = {.sa_handler = on_alarm}, before;
	struct itimerval every = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &every, NULL);
	int rc = loop_wait(*state, clock_now() + LONG);
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &before, NULL);
	assert_int_equal(rc, TROUPE_E_AGAIN);
}

/* Both ends of a pipe, each with a context of its own, watched by one loop. */
struct pair {
	struct loop *loop;
	struct links *links[2];
	struct link *end[2];
	char folder[32];
	int received, per_call;
	bool answer;
};

/* libzmq looks only every millisecond whether its other thread has made room. */
static void send_dump(struct link *link, uint64_t id)
{
	Troupe__Dump dump = TROUPE__DUMP__INIT;
	int64_t deadline = clock_now() + LONG;
	int rc;
	dump.id = id;
	while ((rc = link_send(link, MESSAGE_DUMP, &dump.base)) == TROUPE_E_AGAIN)
		assert_true(clock_now() < deadline);
	assert_int_equal(rc, 0);
}

/* Takes one message; they come in the order they were sent. */
static void on_link(void *arg, struct link *link)
{
	struct pair *pair = arg;
	enum message_kind kind;
	ProtobufCMessage *message;
	for (int i = 0; i < pair->per_call; i++) {
		int rc = link_receive(link, &kind, &message);
		if (rc == TROUPE_E_AGAIN)
			return;
		assert_int_equal(rc, 0);
		assert_int_equal(((Troupe__Dump *)(void *)message)->id, pair->received);
		message_free(message);
		pair->received++;
		if (pair->answer)
			send_dump(link, (uint64_t)pair->received);
	}
}

static void pair_make(struct pair *pair, struct loop *loop)
{
	char path[64];
	*pair = (struct pair){.loop = loop, .per_call = 1};
	snprintf(pair->folder, sizeof(pair->folder), "/tmp/troupe-loop-XXXXXX");
	assert_non_null(mkdtemp(pair->folder));
	snprintf(path, sizeof(path), "%s/pipe", pair->folder);
	for (int i = 0; i < 2; i++) {
		pair->links[i] = links_create();
		assert_non_null(pair->links[i]);
	}
	assert_int_equal(pipe_bind(pair->links[0], path, &pair->end[0]), 0);
	assert_int_equal(pipe_connect(pair->links[1], path, &pair->end[1]), 0);
	/* The end that was bound can send only once the other has arrived: wait for a first word of
	 * it. */
	send_dump(pair->end[1], 0);
	assert_int_equal(loop_watch_link(loop, pair->end[0], on_link, pair), 0);
	while (!pair->received)
		assert_true(loop_wait(loop, clock_now() + LONG) > 0);
	loop_forget_link(loop, pair->end[0]);
	pair->received = 0;
}

static void pair_end(struct pair *pair)
{
	links_destroy(pair->links[0], 0);
	links_destroy(pair->links[1], 0);
	assert_int_equal(rmdir(pair->folder), 0);
}

static void receive_all(struct pair *pair, int count)
{
	int64_t deadline = clock_now() + LONG;
	while (pair->received < count)
		assert_true(loop_wait(pair->loop, deadline) > 0);
}

static void test_a_link_is_ready_while_it_has_messages(void **state)
{
	struct pair pair;
	pair_make(&pair, *state);
	loop_watch_link(pair.loop, pair.end[0], on_link, &pair);
	for (uint64_t i = 0; i < 30; i++)
		send_dump(pair.end[1], i);
	receive_all(&pair, 30); /* one each call */
	assert_int_equal(loop_wait(pair.loop, 0), 0);
	pair.per_call = 100; /* until there is none */
	for (uint64_t i = 30; i < 60; i++)
		send_dump(pair.end[1], i);
	receive_all(&pair, 60);
	assert_int_equal(loop_wait(pair.loop, 0), 0);
	loop_forget_link(pair.loop, pair.end[0]);
	pair_end(&pair);
}

/* Sending makes libzmq take in what has come, so that the descriptor no longer tells of it. */
static void test_sending_hides_no_message(void **state)
{
	struct pair pair;
	pair_make(&pair, *state);
	loop_watch_link(pair.loop, pair.end[0], on_link, &pair);
	loop_watch_link(pair.loop, pair.end[1], on_link, &pair);
	pair.answer = true;
	send_dump(pair.end[1], 0);
	receive_all(&pair, 5000);
	pair.answer = false;
	receive_all(&pair, 5001);
	for (int turn = 0; turn < 200; turn++) {
		send_dump(pair.end[1], (uint64_t)pair.received);
		Troupe__Stop stop = TROUPE__STOP__INIT;
		for (int i = 0; i < 20; i++) /* fills up unread and then is dropped: never mind */
			link_send(pair.end[0], MESSAGE_STOP, &stop.base);
		loop_forget_link(pair.loop, pair.end[1]);
		receive_all(&pair, pair.received + 1);
	}
	loop_forget_link(pair.loop, pair.end[0]);
	pair_end(&pair);
}

/* Until the descriptor tells that something came, without a look at the socket itself. */
static void await_descriptor(struct link *link)
{
	struct pollfd item = {.fd = link->fd, .events = POLLIN};
	assert_int_equal(poll(&item, 1, (int)(LONG / NS_PER_MS)), 1);
}

/* The same by hand: a send, or a receive outside the loop, empties the descriptor of a link that
 * was dry. */
static void test_a_link_used_outside_the_loop_hides_no_message(void **state)
{
	struct pair pair;
	pair_make(&pair, *state);
	loop_watch_link(pair.loop, pair.end[0], on_link, &pair);
	for (int turn = 0; turn < 20; turn++) {
		assert_int_equal(loop_wait(pair.loop, 0), 0);
		assert_true(pair.end[0]->dry);
		send_dump(pair.end[1], (uint64_t)pair.received);
		await_descriptor(pair.end[0]);
		/* libzmq looks at commands at most once a millisecond when it sends. */
		assert_int_equal(poll(NULL, 0, 2), 0);
		Troupe__Stop stop = TROUPE__STOP__INIT;
		link_send(pair.end[0], MESSAGE_STOP, &stop.base);
		receive_all(&pair, pair.received + 1);
	}
	assert_int_equal(loop_wait(pair.loop, 0), 0);
	for (uint64_t i = 0; i < 2; i++)
		send_dump(pair.end[1], (uint64_t)pair.received + i);
	await_descriptor(pair.end[0]);
	assert_int_equal(poll(NULL, 0, 2), 0);
	on_link(&pair, pair.end[0]);
	receive_all(&pair, pair.received + 1);
	loop_forget_link(pair.loop, pair.end[0]);
	pair_end(&pair);
}

static void close_link(void *arg, int fd, short revents)
{
	struct pair *pair = arg;
	(void)fd;
	(void)revents;
	loop_forget_link(pair->loop, pair->end[0]);
	link_close(pair->end[0]);
}

static void test_a_link_closed_by_a_callback_does_not_run(void **state)
{
	struct pair pair;
	struct bell bell = bell_make(*state);
	pair_make(&pair, *state);
	assert_int_equal(loop_watch_fd(*state, bell.fd, POLLIN, close_link, &pair), 0);
	loop_watch_link(pair.loop, pair.end[0], on_link, &pair);
	send_dump(pair.end[1], 0);
	assert_int_equal(loop_wait(*state, clock_now() + LONG), 1);
	assert_int_equal(pair.received, 0);
	loop_watch_fd(*state, bell.fd, 0, NULL, NULL);
	assert_int_equal(loop_wait(*state, 0), 0);
	close(bell.fd);
	pair_end(&pair);
}

#define LOOP_TEST(fn_) cmocka_unit_test_setup_teardown(fn_, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_nothing_until_the_deadline),
		LOOP_TEST(test_ready_descriptors_run),
		LOOP_TEST(test_a_removed_row_does_not_run),
		LOOP_TEST(test_a_replaced_row_runs_anew),
		LOOP_TEST(test_rows_added_meanwhile_run_next_time),
		LOOP_TEST(test_no_wait_inside_a_callback),
		LOOP_TEST(test_a_closed_descriptor_is_reported_once),
		LOOP_TEST(test_a_signal_ends_the_wait),
		LOOP_TEST(test_a_link_is_ready_while_it_has_messages),
		LOOP_TEST(test_sending_hides_no_message),
		LOOP_TEST(test_a_link_used_outside_the_loop_hides_no_message),
		LOOP_TEST(test_a_link_closed_by_a_callback_does_not_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
