/* What the page and scripts ask the supervisor; see api.h. */
#include "workers/display/api.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/links/ask.h"
#include "ipc/links/json.h"

#include <stdlib.h>
#include <string.h>

#define DEADLINE   (2 * NS_PER_S)
#define LOOK_EVERY (2 * NS_PER_MS)

/* How long an answer about the workers serves those who ask next. */
#define FRESH (200 * NS_PER_MS)

/* How a waiting request is answered once the reply is there (NULL: it did not come). */
typedef void answer_fn(struct request *request, const Troupe__Reply *reply);

struct waiter {
	struct waiter *next;
	struct request *request;
	answer_fn *answer;
};

/* A question that is out. */
struct question {
	struct question *next;
	uint64_t id;
	int64_t deadline;
	bool ps; /* others may wait for the same answer */
	struct waiter *waiters;
};

struct api {
	char control_path[LINK_PATH_SIZE];
	struct links *links; /* made with the first question: most displays are never asked */
	struct link *link;
	struct question *questions;
	Troupe__Reply *workers; /* the last answer to ps */
	int64_t workers_until;	/* how long it is fresh */
};

struct api *api_create(const char *control_path)
{
	struct api *api = calloc(1, sizeof(*api));
	if (!api)
		return NULL;
	if (strlen(control_path) < sizeof(api->control_path))
		snprintf(api->control_path, sizeof(api->control_path), "%s", control_path);
	return api;
}

/* ---- the kinds of answers ---- */

static bool no_reply(struct request *request, const Troupe__Reply *reply)
{
	if (reply)
		return false;
	request_say(request, MHD_HTTP_GATEWAY_TIMEOUT,
		    "The supervisor did not answer in time; it may be busy or gone.");
	return true;
}

static void answer_workers(struct request *request, const Troupe__Reply *reply)
{
	if (no_reply(request, reply))
		return;
	json_t *json = message_json(&reply->base);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (text)
		request_answer(request, MHD_HTTP_OK, HTTP_JSON, text, strlen(text));
	else
		request_say(request, MHD_HTTP_SERVICE_UNAVAILABLE, "There is no memory for this.");
	free(text);
	json_decref(json);
}

static bool is_well(const Troupe__Worker *worker)
{
	return strcmp(worker->state, "ready") == 0 || strcmp(worker->state, "finished") == 0;
}

static void answer_health(struct request *request, const Troupe__Reply *reply)
{
	char sick[400] = "";
	size_t used = 0;
	if (no_reply(request, reply))
		return;
	for (size_t i = 0; i < reply->n_worker && used < sizeof(sick); i++) {
		const Troupe__Worker *worker = reply->worker[i];
		if (is_well(worker))
			continue;
		used += (size_t)snprintf(sick + used, sizeof(sick) - used, "%s%s %s %s",
					 used ? ", " : "", worker->name,
					 *worker->missing ? "has" : "is", worker->state);
	}
	if (used == 0)
		request_say(request, MHD_HTTP_OK, "ok");
	else
		request_say(request, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", sick);
}

static void answer_command(struct request *request, const Troupe__Reply *reply)
{
	if (no_reply(request, reply))
		return;
	unsigned status = reply->code >= 0		      ? MHD_HTTP_OK
			  : reply->code == TROUPE_E_NOT_FOUND ? MHD_HTTP_NOT_FOUND
							      : MHD_HTTP_CONFLICT;
	request_say(request, status, "%s",
		    *reply->text       ? reply->text
		    : reply->code >= 0 ? "done"
				       : error_text(reply->code));
}

/* ---- asking ---- */

static int api_connect(struct api *api)
{
	if (api->link)
		return 0;
	if (!api->control_path[0])
		return TROUPE_E_NOT_FOUND;
	if (!api->links)
		api->links = links_create();
	return api->links ? ask_connect(api->links, api->control_path, &api->link)
			  : TROUPE_E_MEMORY;
}

/* Sends the message as a question of its own. NULL: it cannot be asked. */
static struct question *question_send(struct api *api, Troupe__Request *message)
{
	struct question *question = calloc(1, sizeof(*question));
	if (!question)
		return NULL;
	question->deadline = clock_now() + DEADLINE;
	if (api_connect(api) < 0 ||
	    ask_send(api->link, message, question->deadline, &question->id) < 0) {
		free(question);
		return NULL;
	}
	question->next = api->questions;
	api->questions = question;
	return question;
}

/* Parks the request until the question is answered. */
static void wait_for(struct question *question, struct request *request, answer_fn *answer)
{
	struct waiter *waiter = question ? calloc(1, sizeof(*waiter)) : NULL;
	if (!waiter) {
		request_say(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			    "The supervisor cannot be asked just now.");
		return;
	}
	*waiter = (struct waiter){question->waiters, request, answer};
	question->waiters = waiter;
	request_park(request);
}

static struct question *ask_for_workers(struct api *api)
{
	for (struct question *question = api->questions; question; question = question->next)
		if (question->ps)
			return question;
	Troupe__PsRequest ps;
	Troupe__Request message;
	troupe__ps_request__init(&ps);
	troupe__request__init(&message);
	message.what_case = TROUPE__REQUEST__WHAT_PS;
	message.ps = &ps;
	struct question *question = question_send(api, &message);
	if (question)
		question->ps = true;
	return question;
}

static void about_workers(struct api *api, struct request *request, answer_fn *answer)
{
	if (api->workers && clock_now() < api->workers_until)
		answer(request, api->workers);
	else
		wait_for(ask_for_workers(api), request, answer);
}

void api_workers(struct api *api, struct request *request)
{
	about_workers(api, request, answer_workers);
}

void api_health(struct api *api, struct request *request)
{
	about_workers(api, request, answer_health);
}

/* A request's worker, for a message that is packed before this function's caller returns. */
static void command(struct api *api, struct request *request, Troupe__Request *message)
{
	if (!request_from_us(request))
		return;
	api->workers_until = 0; /* whoever looks next sees what this did */
	wait_for(question_send(api, message), request, answer_command);
}

void api_kill(struct api *api, struct request *request, const char *worker)
{
	char name[64];
	snprintf(name, sizeof(name), "%s", worker);
	Troupe__KillRequest kill;
	Troupe__Request message;
	troupe__kill_request__init(&kill);
	troupe__request__init(&message);
	kill.worker = name;
	message.what_case = TROUPE__REQUEST__WHAT_KILL;
	message.kill = &kill;
	command(api, request, &message);
}

void api_restart(struct api *api, struct request *request, const char *worker)
{
	char name[64];
	snprintf(name, sizeof(name), "%s", worker);
	Troupe__WorkerRequest restart;
	Troupe__Request message;
	troupe__worker_request__init(&restart);
	troupe__request__init(&message);
	restart.worker = name;
	message.what_case = TROUPE__REQUEST__WHAT_RESTART;
	message.restart = &restart;
	command(api, request, &message);
}

/* ---- answers ---- */

static void question_finish(struct question *question, const Troupe__Reply *reply)
{
	while (question->waiters) {
		struct waiter *waiter = question->waiters;
		question->waiters = waiter->next;
		waiter->answer(waiter->request, reply);
		free(waiter);
	}
	free(question);
}

static void keep_workers(struct api *api, Troupe__Reply *reply, int64_t now)
{
	if (api->workers)
		troupe__reply__free_unpacked(api->workers, NULL);
	api->workers = reply;
	api->workers_until = now + FRESH;
}

/* Gives the reply to whoever asked; a reply that comes too late belongs to nobody. */
static void deliver(struct api *api, Troupe__Reply *reply, int64_t now)
{
	struct question **at = &api->questions;
	while (*at && (*at)->id != reply->id)
		at = &(*at)->next;
	struct question *question = *at;
	bool kept = question && question->ps;
	if (question) {
		*at = question->next;
		question_finish(question, reply);
	}
	if (kept)
		keep_workers(api, reply, now);
	else
		troupe__reply__free_unpacked(reply, NULL);
}

static void give_up(struct api *api, int64_t deadline)
{
	for (struct question **at = &api->questions; *at;) {
		struct question *question = *at;
		if (question->deadline > deadline) {
			at = &question->next;
			continue;
		}
		*at = question->next;
		question_finish(question, NULL);
	}
}

void api_turn(struct api *api, int64_t now)
{
	int rc = 0;
	while (api->questions && rc != TROUPE_E_AGAIN && rc != TROUPE_E_CLOSED) {
		Troupe__Reply *reply = NULL;
		rc = ask_receive(api->link, &reply);
		if (rc == 0)
			deliver(api, reply, now);
	}
	give_up(api, now);
}

int64_t api_due(const struct api *api, int64_t now)
{
	return api->questions ? now + LOOK_EVERY : CLOCK_NEVER;
}

void api_destroy(struct api *api)
{
	if (!api)
		return;
	give_up(api, CLOCK_NEVER);
	if (api->workers)
		troupe__reply__free_unpacked(api->workers, NULL);
	link_close(api->link);
	links_destroy(api->links, 0);
	free(api);
}
