/* The display's routes: what answers where, what is refused, and how the supervisor is asked
 * without waiting. */
#include "display_rig.h"

#include "ipc/base/errors.h"
#include "ipc/slots/playback.h"
#include "workers/display/host.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define HOST "Host: localhost\r\n"

static struct client *get(struct rig *rig, const char *path)
{
	struct client *client = rig_get(rig, path);
	rig_until(rig, client_answered, client);
	return client;
}

static void test_page(void **state)
{
	static const struct {
		const char *path, *type, *text;
	} files[] = {
		{"/", "Content-Type: text/html; charset=utf-8", "<!doctype html>"},
		{"/page/page.css", "Content-Type: text/css; charset=utf-8", "prefers-color-scheme"},
		{"/page/page.js", "Content-Type: text/javascript; charset=utf-8", "fetch("},
		{"/page/recorded.js", "Content-Type: text/javascript; charset=utf-8", "/recorded/"},
		{"/page/timeline.js", "Content-Type: text/javascript; charset=utf-8", "class "},
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct client *client = get(*state, files[i].path);
		assert_int_equal(client_status(client), 200);
		assert_true(client_has_header(client, files[i].type));
		assert_true(client_has_header(client, "Cache-Control: no-store"));
		assert_non_null(strstr(client_body(client), files[i].text));
		/* Nothing is loaded from elsewhere. */
		assert_null(strstr(client_body(client), "https://"));
	}
}

static void test_not_found(void **state)
{
	static const char *const paths[] = {
		"/nothing", "/stream/",	     "/stream/nobody", "/live/nobody", "/stream/a/b",
		"/api",	    "/api/workers/", "/../page.css",   "/page.html",   "/page/other.js"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct client *client = get(*state, paths[i]);
		assert_int_equal(client_status(client), 404);
		assert_non_null(strstr(client_body(client), "There is no"));
	}
}

static void test_method_not_allowed(void **state)
{
	struct client *client =
		rig_ask(*state, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
	assert_int_equal(client_status(client), 405);
	assert_true(client_has_header(client, "Allow: GET, HEAD"));
	client = get(*state, "/api/workers/display/kill");
	assert_int_equal(client_status(client), 405);
	assert_true(client_has_header(client, "Allow: POST"));
}

static void test_head(void **state)
{
	struct client *client =
		rig_ask(*state, "HEAD / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	assert_int_equal(client_status(client), 200);
	assert_string_equal(client_body(client), "");
	client = rig_ask(*state, "HEAD /stream/cam1 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	assert_int_equal(client_status(client), 200);
	assert_int_equal(site_viewers(((struct rig *)*state)->site).watching, 0);
}

static void test_foreign_names(void **state)
{
	struct client *client =
		rig_ask(*state, "GET /api/slots HTTP/1.1\r\nHost: evil.example\r\n\r\n");
	assert_int_equal(client_status(client), 421);
	client = rig_ask(*state, "GET /api/slots HTTP/1.1\r\nHost: video.example:80\r\n\r\n");
	assert_int_equal(client_status(client), 200);

	assert_true(host_is_ours("127.0.0.1:8080", ""));
	assert_true(host_is_ours("[::1]:8080", ""));
	assert_true(host_is_ours("LOCALHOST", ""));
	assert_true(host_is_ours("b.example", "a.example, b.example"));
	assert_false(host_is_ours("b.example", "bb.example,b.exampl"));
	assert_false(host_is_ours("", "a"));
	assert_false(host_is_ours("localhost.evil.example", ""));
	assert_true(origin_is_host("http://localhost:8080", "localhost:8080"));
	assert_false(origin_is_host("http://localhost:9090", "localhost:8080"));
	assert_false(origin_is_host("null", "localhost"));
}

static void test_slots(void **state)
{
	struct rig *rig = *state;
	uint32_t slot;
	assert_int_equal(ledger_take(&rig->ledger, 1, 5, &slot), 0);
	strcpy(rig->ledger.seats[5].worker, "capture.cam2");
	struct client *client = get(rig, "/api/slots");
	json_t *json = json_loads(client_body(client), 0, NULL);
	json_t *slots = json_object_get(json, "slots");
	assert_int_equal(json_array_size(slots), 9);
	json_t *taken = json_array_get(slots, slot);
	assert_string_equal(json_string_value(json_object_get(taken, "stream")), "cam2");
	assert_string_equal(json_string_value(json_object_get(taken, "phase")), "FILLING");
	assert_string_equal(json_string_value(json_object_get(taken, "worker")), "capture.cam2");
	assert_int_equal(json_integer_value(json_object_get(taken, "seat")), 5);
	struct playback_word owed = {.uses = 7, .asker = 5, .phase = PLAYBACK_OWED};
	rig->ledger.playback_words[2] = playback_pack(owed);
	json_decref(json);
	json = json_loads(client_body(get(rig, "/api/slots")), 0, NULL);
	slots = json_object_get(json, "playback");
	assert_int_equal(json_array_size(slots), PLAYBACK_SLOTS);
	taken = json_array_get(slots, 2);
	assert_string_equal(json_string_value(json_object_get(taken, "phase")), "OWED");
	assert_string_equal(json_string_value(json_object_get(taken, "for")), "capture.cam2");
	assert_int_equal(json_integer_value(json_object_get(taken, "uses")), 7);
	json_decref(json);
}

/* ---- the supervisor ---- */

static void answer_ps(struct rig *rig, const Troupe__Request *request, Troupe__Reply *reply)
{
	static char storer[] = "storer", ready[] = "ready";
	static char processor[] = "processor.1", back_off[] = "back-off";
	static Troupe__Worker rows[2];
	static Troupe__Worker *workers[] = {&rows[0], &rows[1]};
	(void)rig;
	assert_int_equal(request->what_case, TROUPE__REQUEST__WHAT_PS);
	troupe__worker__init(&rows[0]);
	troupe__worker__init(&rows[1]);
	rows[0].name = storer;
	rows[0].state = ready;
	rows[1].name = processor;
	rows[1].state = back_off;
	reply->worker = workers;
	reply->n_worker = 2;
}

static void answer_ready(struct rig *rig, const Troupe__Request *request, Troupe__Reply *reply)
{
	answer_ps(rig, request, reply);
	reply->n_worker = 1;
}

static void test_workers(void **state)
{
	struct rig *rig = *state;
	rig->answer = answer_ps;
	struct client *first = rig_get(rig, "/api/workers"), *second = rig_get(rig, "/api/workers");
	rig_until(rig, client_answered, first);
	rig_until(rig, client_answered, second);
	assert_int_equal(rig->questions, 1); /* they shared it */
	json_t *json = json_loads(client_body(second), 0, NULL);
	json_t *workers = json_object_get(json, "worker");
	assert_int_equal(json_array_size(workers), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(workers, 1), "state")),
			    "back-off");
	json_decref(json);
}

static void test_health(void **state)
{
	struct rig *rig = *state;
	rig->answer = answer_ready;
	struct client *client = get(rig, "/healthz");
	assert_int_equal(client_status(client), 200);
	assert_string_equal(client_body(client), "ok\n");
}

static void test_ill_health(void **state)
{
	struct rig *rig = *state;
	rig->answer = answer_ps;
	struct client *client = get(rig, "/healthz");
	assert_int_equal(client_status(client), 503);
	assert_string_equal(client_body(client), "processor.1 is back-off\n");
}

static void test_silent_supervisor(void **state)
{
	struct rig *rig = *state;
	struct client *waiting = rig_get(rig, "/api/workers");
	/* While that one waits, all others are served. */
	assert_int_equal(client_status(get(rig, "/api/slots")), 200);
	assert_int_equal(waiting->size, 0);
	rig_until(rig, client_answered, waiting);
	assert_int_equal(client_status(waiting), 504);
}

static void test_end_while_asked(void **state)
{
	struct rig *rig = *state;
	struct client *waiting = rig_get(rig, "/healthz");
	get(rig, "/api/slots");
	assert_int_equal(waiting->size, 0);
	rig_close_site(rig); /* must neither hang nor complain of a suspended connection */
	rig_open_site(rig, 10);
}

/* ---- commands ---- */

static void answer_kill(struct rig *rig, const Troupe__Request *request, Troupe__Reply *reply)
{
	static char text[] = "killed processor.1";
	(void)rig;
	assert_int_equal(request->what_case, TROUPE__REQUEST__WHAT_KILL);
	assert_string_equal(request->kill->worker, "processor.1");
	assert_int_equal(request->kill->signal, 0);
	reply->text = text;
}

static void answer_unknown(struct rig *rig, const Troupe__Request *request, Troupe__Reply *reply)
{
	(void)rig;
	assert_int_equal(request->what_case, TROUPE__REQUEST__WHAT_RESTART);
	assert_string_equal(request->restart->worker, "nobody");
	reply->code = TROUPE_E_NOT_FOUND;
}

static void test_kill(void **state)
{
	struct rig *rig = *state;
	rig->answer = answer_kill;
	struct client *client = rig_ask(rig, "POST /api/workers/processor.1/kill HTTP/1.1\r\n" HOST
					     "X-Troupe: 1\r\nOrigin: http://localhost\r\n"
					     "Content-Length: 0\r\n\r\n");
	assert_int_equal(client_status(client), 200);
	assert_string_equal(client_body(client), "killed processor.1\n");
}

static void test_restart_unknown(void **state)
{
	struct rig *rig = *state;
	rig->answer = answer_unknown;
	struct client *client = rig_ask(rig, "POST /api/workers/nobody/restart HTTP/1.1\r\n" HOST
					     "X-Troupe: 1\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(client_status(client), 404);
	assert_string_equal(client_body(client), "not found\n");
}

static void test_cross_site(void **state)
{
	static const char *const requests[] = {
		"POST /api/workers/storer/kill HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
		"POST /api/workers/storer/kill HTTP/1.1\r\n" HOST
		"X-Troupe: 1\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n",
		"POST /api/workers/storer/restart HTTP/1.1\r\n" HOST
		"X-Troupe: 1\r\nOrigin: null\r\nContent-Length: 0\r\n\r\n",
	};
	struct rig *rig = *state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		assert_int_equal(client_status(rig_ask(rig, requests[i])), 403);
	assert_int_equal(rig->questions, 0);
}

/* The socket outlives the site, as it outlives a killed display: who came in between is served. */
static void test_socket_stays(void **state)
{
	struct rig *rig = *state;
	rig_close_site(rig);
	struct client *client = rig_get(rig, "/page/page.css");
	rig_open_site(rig, 10);
	rig_until(rig, client_answered, client);
	assert_int_equal(client_status(client), 200);
}

/* A request that comes to its end while the site does finds nobody left to ask: it is told so. */
static void test_end_of_request_at_the_end(void **state)
{
	static const char rest[] = HOST "\r\n";
	struct rig *rig = *state;
	rig->answer = answer_ready;
	struct client *late = rig_client(rig, "GET /api/workers HTTP/1.1\r\n");
	/* Connections are taken in their order: behind this answer the late one is taken too. */
	assert_int_equal(client_status(get(rig, "/api/workers")), 200);
	assert_int_equal(send(late->fd, rest, sizeof(rest) - 1, 0), sizeof(rest) - 1);
	rig_close_site(rig);
	rig_open_site(rig, 10);
	rig_until(rig, client_answered, late);
	assert_int_equal(client_status(late), 503);
}

int main(void)
{
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_page),
		RIG_TEST(test_not_found),
		RIG_TEST(test_method_not_allowed),
		RIG_TEST(test_head),
		RIG_TEST(test_foreign_names),
		RIG_TEST(test_slots),
		RIG_TEST(test_workers),
		RIG_TEST(test_health),
		RIG_TEST(test_ill_health),
		RIG_TEST(test_silent_supervisor),
		RIG_TEST(test_end_while_asked),
		RIG_TEST(test_kill),
		RIG_TEST(test_restart_unknown),
		RIG_TEST(test_cross_site),
		RIG_TEST(test_socket_stays),
		RIG_TEST(test_end_of_request_at_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
