/* One line over HTTP; see notice.h. */
#include "workers/display/notice.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/display/http.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 64

struct notice {
	struct worker *worker;
	struct http *http;
	char *text;
};

static void get_page(void *arg, struct request *request, const char *part)
{
	(void)part;
	const struct notice *notice = arg;
	request_say(request, MHD_HTTP_OK, "%s", notice->text);
}

static const struct route routes[] = {{MHD_HTTP_METHOD_GET, "/", get_page}};

/* The loop calls the worker's tick after every wake-up, which runs the daemon. */
static void on_http(struct worker *w, void *self, int fd, short revents)
{
	(void)w;
	(void)self;
	(void)fd;
	(void)revents;
}

static int serve(struct notice *notice, const struct display_config *config)
{
	int rc = http_create(&notice->http, &(struct http_plan){
						    .listen_fd = worker_handed_fd(notice->worker),
						    .connections = CONNECTIONS,
						    .names = config->names,
						    .routes = routes,
						    .n_routes = sizeof(routes) / sizeof(routes[0]),
						    .arg = notice,
					    });
	if (rc < 0)
		log_error("%s cannot be served: %s", config->listen, error_text(rc));
	return rc < 0 ? rc : worker_watch(notice->worker, http_fd(notice->http), POLLIN, on_http);
}

int notice_create(struct notice **created, struct worker *w, const struct display_config *config,
		  const char *text)
{
	*created = NULL;
	if (!config->listen[0] || worker_handed_fd(w) < 0)
		return 0;
	struct notice *notice = calloc(1, sizeof(*notice));
	if (!notice)
		return TROUPE_E_MEMORY;
	notice->worker = w;
	notice->text = strdup(text);
	int rc = notice->text ? serve(notice, config) : TROUPE_E_MEMORY;
	if (rc < 0) {
		notice_destroy(notice);
		return rc;
	}
	*created = notice;
	return 0;
}

void notice_destroy(struct notice *notice)
{
	if (!notice)
		return;
	if (notice->http)
		worker_watch(notice->worker, http_fd(notice->http), 0, on_http);
	http_destroy(notice->http);
	free(notice->text);
	free(notice);
}

int64_t notice_turn(struct notice *notice, int64_t now)
{
	return notice ? http_turn(notice->http, now) : CLOCK_NEVER;
}
