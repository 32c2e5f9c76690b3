/* Request and reply: answers in any order, too late, to nobody, and what is no request. */
#include "ipc/links/ask.h"

#include "ipc/base/errors.h"
#include "ipc/links/link_private.h"
#include "tests/unit/links_stage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A supervisor that answers until it is asked for `down`. */
static int play_supervisor(struct links *links, const char *path)
{
	struct link *control;
	if (answer_bind(links, path, &control) < 0)
		return 1;
	for (bool down = false; !down;) {
		struct asker asker;
		Troupe__Request *request;
		Troupe__Reply reply = TROUPE__REPLY__INIT;
		int rc = answer_receive(control, &asker, &request);
		if (rc == TROUPE_E_AGAIN && !wait_for(control, clock_now() + LONG))
			return 1;
		if (rc < 0)
			continue;
		reply.id = request->id;
		reply.code = -(int32_t)request->what_case;
		down = request->what_case == TROUPE__REQUEST__WHAT_DOWN;
		troupe__request__free_unpacked(request, NULL);
		if (answer_send(control, &asker, &reply) < 0)
			return 1;
	}
	return 0;
}

static void test_ask_another_process(void **state)
{
	struct stage *stage = *state;
	struct link *link;
	Troupe__Reply *reply;
	Troupe__PsRequest ps = TROUPE__PS_REQUEST__INIT;
	Troupe__DownRequest down = TROUPE__DOWN_REQUEST__INIT;
	/* Asked before the one who answers is there. */
	assert_int_equal(ask_connect(stage->mine, stage->path, &link), 0);
	pid_t pid = stage_start("supervisor", stage->path);
	for (int i = 0; i < 20; i++) {
		Troupe__Request request = TROUPE__REQUEST__INIT;
		request.what_case = TROUPE__REQUEST__WHAT_PS;
		request.ps = &ps;
		assert_int_equal(ask(link, &request, clock_now() + LONG, &reply), 0);
		assert_int_equal(reply->id, i + 1);
		assert_int_equal(reply->code, -TROUPE__REQUEST__WHAT_PS);
		troupe__reply__free_unpacked(reply, NULL);
	}
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_DOWN;
	request.down = &down;
	assert_int_equal(ask(link, &request, clock_now() + LONG, &reply), 0);
	troupe__reply__free_unpacked(reply, NULL);
	assert_ended(pid);
}

static void test_nobody_answers(void **state)
{
	struct stage *stage = *state;
	struct link *link;
	Troupe__Reply *reply;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	int64_t deadline = clock_now() + 20 * NS_PER_MS;
	assert_int_equal(ask_connect(stage->mine, stage->path, &link), 0);
	assert_int_equal(ask(link, &request, deadline, &reply), TROUPE_E_TIMEOUT);
	assert_true(clock_now() >= deadline);
	/* Whoever comes later finds that its time is over, and does nothing. */
	struct link *control;
	struct asker asker;
	Troupe__Request *got;
	assert_int_equal(answer_bind(stage->other, stage->path, &control), 0);
	assert_true(wait_for(control, clock_now() + LONG));
	assert_int_equal(answer_receive(control, &asker, &got), TROUPE_E_TIMEOUT);
	assert_int_equal(link_counts(control).rejected, 1);
	assert_int_equal(answer_receive(control, &asker, &got), TROUPE_E_AGAIN);
}

/* Waits for a request and keeps who asked. */
static uint64_t take_request(struct link *control, struct asker *asker)
{
	Troupe__Request *request;
	assert_true(wait_for(control, clock_now() + LONG));
	assert_int_equal(answer_receive(control, asker, &request), 0);
	uint64_t id = request->id;
	troupe__request__free_unpacked(request, NULL);
	return id;
}

static void answer(struct link *control, const struct asker *asker, uint64_t id, int32_t code)
{
	Troupe__Reply reply = TROUPE__REPLY__INIT;
	reply.id = id;
	reply.code = code;
	assert_int_equal(answer_send(control, asker, &reply), 0);
}

static void test_replies_out_of_order_and_too_late(void **state)
{
	struct stage *stage = *state;
	struct link *control, *one, *two;
	struct asker askers[2];
	Troupe__Request request = TROUPE__REQUEST__INIT;
	Troupe__Reply *reply;
	uint64_t id;
	assert_int_equal(answer_bind(stage->mine, stage->path, &control), 0);
	assert_int_equal(ask_connect(stage->other, stage->path, &one), 0);
	assert_int_equal(ask_connect(stage->other, stage->path, &two), 0);
	assert_int_equal(ask_receive(one, &reply), TROUPE_E_AGAIN);
	assert_int_equal(ask_send(one, &request, clock_now() + LONG, &id), 0);
	assert_int_equal(take_request(control, &askers[0]), id);
	assert_int_equal(ask_send(two, &request, clock_now() + LONG, &id), 0);
	assert_int_equal(take_request(control, &askers[1]), id);
	answer(control, &askers[1], 1, -2);
	answer(control, &askers[0], 1, -1);
	assert_true(wait_for(two, clock_now() + LONG));
	assert_int_equal(ask_receive(two, &reply), 0);
	assert_int_equal(reply->code, -2);
	troupe__reply__free_unpacked(reply, NULL);
	/* `one` does not take the reply to its first question for one to its second. */
	answer(control, &askers[0], 2, -22);
	assert_int_equal(ask(one, &request, clock_now() + LONG, &reply), 0);
	assert_int_equal(reply->id, 2);
	assert_int_equal(reply->code, -22);
	troupe__reply__free_unpacked(reply, NULL);
}

static void test_a_reply_to_somebody_who_left(void **state)
{
	struct stage *stage = *state;
	struct link *control, *link;
	struct asker asker;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	Troupe__Reply reply = TROUPE__REPLY__INIT;
	uint64_t id;
	assert_int_equal(answer_bind(stage->mine, stage->path, &control), 0);
	assert_int_equal(ask_connect(stage->other, stage->path, &link), 0);
	assert_int_equal(ask_send(link, &request, CLOCK_NEVER, &id), 0);
	take_request(control, &asker);
	link_close(link);
	int64_t deadline = clock_now() + LONG;
	int rc = 0;
	while (rc == 0 || rc == TROUPE_E_AGAIN) {
		rc = answer_send(control, &asker, &reply);
		wait_for(control, clock_now() + NS_PER_MS);
		assert_true(clock_now() < deadline);
	}
	assert_int_equal(rc, TROUPE_E_CLOSED);
	assert_true(link_counts(control).dropped > 0);
}

static void test_only_requests_are_answered(void **state)
{
	struct stage *stage = *state;
	struct link *control, *link;
	struct asker asker;
	Troupe__Request request = TROUPE__REQUEST__INIT, *got;
	uint64_t id;
	assert_int_equal(answer_bind(stage->mine, stage->path, &control), 0);
	assert_int_equal(ask_connect(stage->other, stage->path, &link), 0);
	assert_int_equal(send_look(link), 0);
	assert_true(wait_for(control, clock_now() + LONG));
	assert_int_equal(answer_receive(control, &asker, &got), TROUPE_E_MALFORMED);
	link_put(link, "one", 3, ZMQ_SNDMORE);
	link_put(link, "two", 3, ZMQ_SNDMORE);
	link_put(link, "three", 5, 0);
	assert_true(wait_for(control, clock_now() + LONG));
	assert_int_equal(answer_receive(control, &asker, &got), TROUPE_E_MALFORMED);
	assert_int_equal(link_counts(control).rejected, 2);
	assert_int_equal(link_counts(control).received, 0);
	assert_int_equal(ask_send(link, &request, CLOCK_NEVER, &id), 0);
	assert_int_equal(take_request(control, &asker), id);
	assert_int_equal(link_counts(control).received, 1);
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {{"supervisor", play_supervisor}};
	if (argc == 3)
		return stage_play(parts, 1, argv);
	const struct CMUnitTest tests[] = {
		STAGE_TEST(test_ask_another_process),
		STAGE_TEST(test_nobody_answers),
		STAGE_TEST(test_replies_out_of_order_and_too_late),
		STAGE_TEST(test_a_reply_to_somebody_who_left),
		STAGE_TEST(test_only_requests_are_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
