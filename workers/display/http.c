/* HTTP inside a worker's own loop; see http.h. */
#include "workers/display/http.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "workers/display/host.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PART_SIZE 64

/* A client that takes nothing for so long is gone. */
#define IDLE_SECONDS 60

/* What one connection may have unsent in the kernel: a viewer that stalls costs this and no more,
 * and one that is slow sees frames that are not long past. */
#define SEND_BUFFER (256 << 10)

/* Rounds of one turn: the loop has other things to see to as well. */
#define TURN_ROUNDS 16

#define LONGEST_MS 1000000U

struct http {
	struct MHD_Daemon *daemon;
	int fd;	     /* epoll */
	int listen;  /* a duplicate, so that the daemon's closing does not touch the caller's */
	bool ending; /* what the routes need may be gone already */
	struct http_plan plan;
};

struct request {
	struct MHD_Connection *connection;
	struct MHD_Response *response; /* answered, not yet queued */
	unsigned status;
	bool parked, routed;
	bool dropped;	   /* there was no memory for an answer: the connection is closed */
	const char *allow; /* for 405 */
};

/* ---- answering ---- */

/* What every answer carries. Nothing may be stored; the page loads from nowhere but here. */
static const char *const headers[][2] = {
	{"Cache-Control", "no-store"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Resource-Policy", "same-site"},
	{"Content-Security-Policy",
	 "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	 "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"},
};

static void unpark(struct request *request)
{
	if (!request->parked)
		return;
	request->parked = false;
	MHD_resume_connection(request->connection);
}

static void request_drop(struct request *request)
{
	request->dropped = true;
	unpark(request);
}

void request_respond(struct request *request, unsigned status, struct MHD_Response *response)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		MHD_add_response_header(response, headers[i][0], headers[i][1]);
	if (request->allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, request->allow);
	request->response = response;
	request->status = status;
	unpark(request);
}

void request_answer(struct request *request, unsigned status, const char *type, const void *body,
		    size_t size)
{
	/* libmicrohttpd wants a pointer it may write to, but copies at once. */
	union {
		const void *in;
		void *out;
	} bytes = {.in = body};
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, bytes.out, MHD_RESPMEM_MUST_COPY);
	if (!response) {
		request_drop(request);
		return;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	request_respond(request, status, response);
}

void request_say(struct request *request, unsigned status, const char *format, ...)
{
	char line[512];
	va_list args;
	va_start(args, format);
	int size = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	size_t length = size < 0 ? 0 : strnlen(line, sizeof(line) - 2);
	line[length++] = '\n';
	request_answer(request, status, HTTP_TEXT, line, length);
}

void request_park(struct request *request)
{
	request->parked = true;
	MHD_suspend_connection(request->connection);
}

/* ---- asking about the request ---- */

const char *request_header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *request_argument(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

bool request_flag(const struct request *request, const char *name)
{
	const char *value = request_argument(request, name);
	return value && strcmp(value, "1") == 0;
}

struct MHD_Connection *request_connection(const struct request *request)
{
	return request->connection;
}

bool request_from_us(struct request *request)
{
	const char *mark = request_header(request, "X-Troupe");
	if (!mark || strcmp(mark, "1") != 0) {
		request_say(
			request, MHD_HTTP_FORBIDDEN,
			"This changes the pipeline: send the header \"X-Troupe: 1\" to show that "
			"no foreign page asked for it.");
		return false;
	}
	if (!origin_is_host(request_header(request, MHD_HTTP_HEADER_ORIGIN),
			    request_header(request, MHD_HTTP_HEADER_HOST))) {
		request_say(request, MHD_HTTP_FORBIDDEN,
			    "A page of another site asked for this; only this page may.");
		return false;
	}
	return true;
}

/* ---- routing ---- */

/* Whether `path` fits `pattern`; `part` gets what stood for its '*'. */
static bool path_fits(const char *pattern, const char *path, char part[PART_SIZE])
{
	part[0] = '\0';
	size_t head = strcspn(pattern, "*");
	if (pattern[head] == '\0')
		return strcmp(pattern, path) == 0;
	if (strncmp(pattern, path, head) != 0)
		return false;
	size_t length = strcspn(path + head, "/");
	if (length == 0 || length >= PART_SIZE ||
	    strcmp(pattern + head + 1, path + head + length) != 0)
		return false;
	memcpy(part, path + head, length);
	part[length] = '\0';
	return true;
}

static bool method_fits(const char *allowed, const char *method)
{
	return strcmp(allowed, method) == 0 || (strcmp(allowed, MHD_HTTP_METHOD_GET) == 0 &&
						strcmp(method, MHD_HTTP_METHOD_HEAD) == 0);
}

static void route(struct http *http, struct request *request, const char *path, const char *method)
{
	char part[PART_SIZE];
	const struct http_plan *plan = &http->plan;
	for (size_t i = 0; i < plan->n_routes; i++) {
		if (!path_fits(plan->routes[i].path, path, part))
			continue;
		if (method_fits(plan->routes[i].method, method)) {
			plan->routes[i].fn(plan->arg, request, part);
			return;
		}
		request->allow = strcmp(plan->routes[i].method, MHD_HTTP_METHOD_GET) == 0
					 ? "GET, HEAD"
					 : plan->routes[i].method;
	}
	if (request->allow) {
		request_say(request, MHD_HTTP_METHOD_NOT_ALLOWED, "Only %s works here.",
			    request->allow);
		return;
	}
	request_say(
		request, MHD_HTTP_NOT_FOUND,
		"There is nothing here. The page is at / and what the workers do at /api/workers.");
}

static void dispatch(struct http *http, struct request *request, const char *path,
		     const char *method)
{
	const char *host = request_header(request, MHD_HTTP_HEADER_HOST);
	request->routed = true;
	if (http->ending) {
		request_say(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			    "The display ends; ask again, its successor answers.");
		return;
	}
	if (!host_is_ours(host, http->plan.names)) {
		request_say(
			request, MHD_HTTP_MISDIRECTED_REQUEST,
			"\"%.200s\" is no name of this machine; if it is one, add it to `names` "
			"in the display section of the configuration.",
			host);
		return;
	}
	route(http, request, path, method);
	if (!request->response && !request->parked && !request->dropped)
		request_say(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "This route gave no answer.");
}

/* ---- the daemon's callbacks ---- */

/* Called first with the headers, then with each piece of a body (which nobody here wants), then at
 * its end; and once more after a parked request was answered. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	(void)version;
	(void)upload;
	struct request *request = *state;
	if (!request) {
		request = calloc(1, sizeof(*request));
		if (!request)
			return MHD_NO;
		request->connection = connection;
		*state = request;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (!request->routed)
		dispatch(arg, request, url, method);
	if (!request->response)
		return request->dropped ? MHD_NO : MHD_YES; /* parked */
	FAIL_POINT(RESPONSE_MADE);
	enum MHD_Result queued = MHD_queue_response(connection, request->status, request->response);
	FAIL_POINT(RESPONSE_QUEUED);
	MHD_destroy_response(request->response);
	request->response = NULL;
	return queued;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	(void)arg;
	(void)connection;
	(void)code;
	struct request *request = *state;
	if (request && request->response)
		MHD_destroy_response(request->response);
	free(request);
	*state = NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	(void)arg;
	(void)socket_context;
	if (code != MHD_CONNECTION_NOTIFY_STARTED)
		return;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	int size = SEND_BUFFER, on = 1;
	if (info) {
		setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		setsockopt(info->connect_fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
}

/* Most of what the daemon says is about clients that left: of interest only when one looks for it.
 */
static void on_log(void *arg, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
static void on_log(void *arg, const char *format, va_list args)
{
	(void)arg;
	char line[256];
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("http: %s", line);
}

/* ---- its life ---- */

static struct MHD_Daemon *start_daemon(struct http *http)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
				NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log,
				NULL, MHD_OPTION_LISTEN_SOCKET, http->listen,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)http->plan.connections,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_END);
}

int http_create(struct http **created, const struct http_plan *plan)
{
	struct http *http = calloc(1, sizeof(*http));
	if (!http)
		return TROUPE_E_MEMORY;
	http->plan = *plan;
	http->listen = fcntl(plan->listen_fd, F_DUPFD_CLOEXEC, 0);
	if (http->listen >= 0)
		http->daemon = start_daemon(http);
	const union MHD_DaemonInfo *info =
		http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		if (http->listen >= 0 && !http->daemon)
			close(http->listen);
		http_destroy(http);
		return TROUPE_E_IO;
	}
	http->fd = info->epoll_fd;
	*created = http;
	return 0;
}

void http_destroy(struct http *http)
{
	if (!http)
		return;
	if (http->daemon) {
		/* Quiesced, the daemon gives the listening socket back: it goes on to listen for a
		 * successor, and connections that were not accepted wait for it. */
		MHD_quiesce_daemon(http->daemon);
		http->ending = true;
		MHD_run(http->daemon);
		MHD_stop_daemon(http->daemon);
		close(http->listen);
	}
	free(http);
}

int http_fd(const struct http *http)
{
	return http->fd;
}

int64_t http_turn(struct http *http, int64_t now)
{
	/* One round moves each ready connection on by one buffer; a timeout of 0 says that some are
	 * still ready though their readiness was already reported: epoll is used edge-triggered. */
	MHD_UNSIGNED_LONG_LONG wait_ms = 0;
	for (int round = 0; round < TURN_ROUNDS; round++) {
		MHD_run(http->daemon);
		if (MHD_get_timeout(http->daemon, &wait_ms) != MHD_YES)
			return CLOCK_NEVER;
		if (wait_ms > 0)
			break;
	}
	return now + (int64_t)(wait_ms > LONGEST_MS ? LONGEST_MS : wait_ms) * NS_PER_MS;
}
