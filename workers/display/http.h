/* HTTP inside a worker's own loop: libmicrohttpd with external epoll. Its descriptor is watched by
 * the loop, http_turn() runs it; nothing in here blocks, no thread is made. A request is routed by
 * a table; its route answers at once, or parks it and answers later, or hands over a response of
 * its own.
 *
 * All functions belong to the thread that made the daemon. */
#ifndef TROUPE_WORKERS_DISPLAY_HTTP_H
#define TROUPE_WORKERS_DISPLAY_HTTP_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_TEXT "text/plain; charset=utf-8"
#define HTTP_JSON "application/json"

struct http;
struct request; /* one request until it is answered */

/* `part` is what stood for the '*' of the route's path, "" without one. A route that neither
 * answers nor parks is a bug and becomes a 500. */
typedef void route_fn(void *arg, struct request *request, const char *part);

struct route {
	const char *method; /* "GET" (which HEAD follows) or "POST" */
	const char *path;   /* exact; one '*' stands for one part between slashes */
	route_fn *fn;
};

struct http_plan {
	int listen_fd;	      /* stays the caller's: it is neither closed nor shut down */
	uint32_t connections; /* at most so many at once; more wait to be accepted */
	const char *names;    /* further names of this host, separated by commas; see host.h */
	const struct route *routes;
	size_t n_routes;
	void *arg; /* of all routes */
};

/* TROUPE_E_IO when the daemon cannot start (descriptors, epoll). The plan's texts must stay. */
int http_create(struct http **created, const struct http_plan *plan);

/* Every parked request must have been answered and every response of one's own resumed before; what
 * is still open is closed. NULL is fine. */
void http_destroy(struct http *http);

/* Readable when there is something to do. */
int http_fd(const struct http *http);

/* Does what can be done now; returns when it wants to run again even if the descriptor is quiet. */
int64_t http_turn(struct http *http, int64_t now);

/* ---- within a route, or later for one that was parked ---- */

/* Answers with a copy of `body`. */
void request_answer(struct request *request, unsigned status, const char *type, const void *body,
		    size_t size);

/* Answers with one line of text for people; a newline is added. */
void request_say(struct request *request, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Answers with a response of the caller's, which it gives away. */
void request_respond(struct request *request, unsigned status, struct MHD_Response *response);

/* Keeps the request until one of the above is called, which must happen. */
void request_park(struct request *request);

/* A header of the request or NULL. */
const char *request_header(const struct request *request, const char *name);

/* The value of "?NAME=VALUE" or NULL. */
const char *request_argument(const struct request *request, const char *name);

/* Whether "?NAME=1" was asked for. */
bool request_flag(const struct request *request, const char *name);

struct MHD_Connection *request_connection(const struct request *request);

/* Refuses (and answers) what a page of another site may have sent: without the header "X-Troupe:
 * 1", which no form and no simple request can carry, or with an Origin that is not this host. True:
 * go on. */
bool request_from_us(struct request *request);

#endif
