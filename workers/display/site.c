/* The site: everything that is served, put together; see site.h. */
#include "workers/display/site.h"

#include "ipc/base/errors.h"
#include "workers/display/api.h"
#include "workers/display/assets.h"
#include "workers/display/recorded.h"
#include "workers/display/slots.h"

#include <stdlib.h>
#include <string.h>

/* Connections beside the viewers': pages, questions, people who are told that it is full. */
#define CONNECTIONS_SPARE 128

struct site {
	const struct ledger *ledger;
	struct worker *worker;
	struct feed *feed;
	struct viewers *viewers;
	struct api *api;
	struct http *http;
};

/* ---- routes ---- */

/* Whether there is one of that name. */
static bool get_asset(struct request *request, const char *name)
{
	for (size_t i = 0; i < n_assets; i++) {
		const struct asset *asset = &assets[i];
		if (strcmp(asset->name, name) != 0)
			continue;
		request_answer(request, MHD_HTTP_OK, asset->type, asset->bytes, asset->size);
		return true;
	}
	return false;
}

static void get_page(void *arg, struct request *request, const char *part)
{
	(void)arg;
	(void)part;
	get_asset(request, "page.html");
}

static void get_file(void *arg, struct request *request, const char *name)
{
	(void)arg;
	if (!get_asset(request, name))
		request_say(request, MHD_HTTP_NOT_FOUND, "There is no file %.60s of the page.",
			    name);
}

static void join(struct site *site, struct request *request, const char *name, enum feed_kind kind)
{
	int stream = feed_stream(site->feed, name);
	if (stream >= 0)
		viewers_join(site->viewers, request, (uint32_t)stream, 1, kind);
	else
		request_say(request, MHD_HTTP_NOT_FOUND,
			    "There is no stream of that name; /api/slots names those there are.");
}

static void get_stream(void *arg, struct request *request, const char *name)
{
	join(arg, request, name, request_flag(request, "overlay") ? FEED_OVERLAY : FEED_PLAIN);
}

static enum feed_kind live_kind(const struct request *request)
{
	return request_flag(request, "view") ? FEED_VIEW : FEED_LIVE;
}

static void get_live(void *arg, struct request *request, const char *name)
{
	join(arg, request, name, live_kind(request));
}

/* All streams over one connection: a browser opens only six to one host. */
static void get_live_all(void *arg, struct request *request, const char *part)
{
	(void)part;
	struct site *site = arg;
	viewers_join(site->viewers, request, 0, site->ledger->header->n_streams,
		     live_kind(request));
}

static void get_recorded_frame(void *arg, struct request *request, const char *stream)
{
	struct site *site = arg;
	recorded_frame(site->worker, request, stream);
}

static void get_recorded_timeline(void *arg, struct request *request, const char *stream)
{
	struct site *site = arg;
	recorded_timeline(site->worker, request, stream);
}

static void get_slots(void *arg, struct request *request, const char *part)
{
	(void)part;
	struct site *site = arg;
	char *text = slots_json(site->ledger);
	if (text)
		request_answer(request, MHD_HTTP_OK, HTTP_JSON, text, strlen(text));
	else
		request_say(request, MHD_HTTP_SERVICE_UNAVAILABLE, "There is no memory for this.");
	free(text);
}

static void get_workers(void *arg, struct request *request, const char *part)
{
	(void)part;
	struct site *site = arg;
	api_workers(site->api, request);
}

static void get_health(void *arg, struct request *request, const char *part)
{
	(void)part;
	struct site *site = arg;
	api_health(site->api, request);
}

static void post_kill(void *arg, struct request *request, const char *worker)
{
	struct site *site = arg;
	api_kill(site->api, request, worker);
}

static void post_restart(void *arg, struct request *request, const char *worker)
{
	struct site *site = arg;
	api_restart(site->api, request, worker);
}

static const struct route routes[] = {
	{MHD_HTTP_METHOD_GET, "/", get_page},
	{MHD_HTTP_METHOD_GET, "/page/*", get_file},
	{MHD_HTTP_METHOD_GET, "/stream/*", get_stream},
	{MHD_HTTP_METHOD_GET, "/live", get_live_all},
	{MHD_HTTP_METHOD_GET, "/live/*", get_live},
	{MHD_HTTP_METHOD_GET, "/recorded/*/frame", get_recorded_frame},
	{MHD_HTTP_METHOD_GET, "/recorded/*/timeline", get_recorded_timeline},
	{MHD_HTTP_METHOD_GET, "/api/slots", get_slots},
	{MHD_HTTP_METHOD_GET, "/api/workers", get_workers},
	{MHD_HTTP_METHOD_POST, "/api/workers/*/kill", post_kill},
	{MHD_HTTP_METHOD_POST, "/api/workers/*/restart", post_restart},
	{MHD_HTTP_METHOD_GET, "/healthz", get_health},
};

/* ---- its life ---- */

static int site_open(struct site *site, const struct site_plan *plan)
{
	site->ledger = plan->ledger;
	site->worker = plan->worker;
	site->feed = feed_create(plan->ledger);
	if (!site->feed)
		return TROUPE_E_MEMORY;
	site->viewers = viewers_create(site->feed, plan->viewers);
	site->api = api_create(plan->control_path);
	if (!site->viewers || !site->api)
		return TROUPE_E_MEMORY;
	return http_create(&site->http, &(struct http_plan){
						.listen_fd = plan->listen_fd,
						.connections = plan->viewers + CONNECTIONS_SPARE,
						.names = plan->names,
						.routes = routes,
						.n_routes = sizeof(routes) / sizeof(routes[0]),
						.arg = site,
					});
}

int site_create(struct site **created, const struct site_plan *plan)
{
	struct site *site = calloc(1, sizeof(*site));
	if (!site)
		return TROUPE_E_MEMORY;
	int rc = site_open(site, plan);
	if (rc < 0) {
		site_destroy(site);
		return rc;
	}
	*created = site;
	return 0;
}

void site_destroy(struct site *site)
{
	if (!site)
		return;
	/* First whatever is suspended has to be woken, then its connections can be closed, then
	 * what they read from can go. */
	if (site->viewers)
		viewers_dismiss(site->viewers);
	api_destroy(site->api);
	http_destroy(site->http);
	viewers_destroy(site->viewers);
	feed_destroy(site->feed);
	free(site);
}

int site_fd(const struct site *site)
{
	return http_fd(site->http);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t site_turn(struct site *site, int64_t now)
{
	/* Answers and departures first: they resume connections, which libmicrohttpd sees only when
	 * it is run: its descriptor does not tell. So nothing may be resumed behind http_turn. */
	int64_t due = viewers_sweep(site->viewers, now);
	api_turn(site->api, now);
	due = earlier(due, http_turn(site->http, now));
	return earlier(due, api_due(site->api, now));
}

int site_copy(struct site *site, const struct frame *frame, struct shot **shot)
{
	return feed_copy(site->feed, frame, shot);
}

void site_show(struct site *site, struct shot *shot)
{
	uint32_t stream = shot->stream;
	feed_publish(site->feed, shot);
	viewers_wake(site->viewers, stream);
}

struct viewer_counts site_viewers(const struct site *site)
{
	return viewers_counts(site->viewers);
}
