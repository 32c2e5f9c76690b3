/* The ZeroMQ context of a process and its sockets: options, paths, the moves every shape of link
 * makes. */
#include "ipc/links/link_private.h"

#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct links {
	void *context;
	struct link *first;
	uid_t users[LINK_USERS];
	size_t n_users; /* 0: all */
};

/* As large as the largest kind of message, with its header. */
union largest_message {
#define MESSAGE_MEMBER(name, number, type, limit) uint8_t name[MESSAGE_HEADER_SIZE + (limit)];
	MESSAGE_KINDS(MESSAGE_MEMBER)
#undef MESSAGE_MEMBER
};

static const struct {
	int option;
	int value;
} options[] = {
	{ZMQ_LINGER, 0},
	/* What does not fit into this many is dropped: old hints help nobody. */
	{ZMQ_SNDHWM, 64},
	{ZMQ_RCVHWM, 64},
	/* A successor's socket is found within a millisecond or two of its bind (the default of 100
	 * ms would be most of a repair), while a peer that stays away soon costs no more than 50
	 * wake-ups a second. */
	{ZMQ_RECONNECT_IVL, 1},
	{ZMQ_RECONNECT_IVL_MAX, 20},
};

static int set_option(struct link *link, int option, int value)
{
	int rc = zmq_setsockopt(link->socket, option, &value, sizeof(value));
	return rc < 0 ? error_from_errno(errno) : 0;
}

struct links *links_create(void)
{
	struct links *links = calloc(1, sizeof(*links));
	if (!links)
		return NULL;
	links->context = zmq_ctx_new();
	if (!links->context || zmq_ctx_set(links->context, ZMQ_IO_THREADS, 1) < 0) {
		links_destroy(links, 0);
		return NULL;
	}
	return links;
}

void links_destroy(struct links *links, int linger_ms)
{
	if (!links)
		return;
	while (links->first) {
		set_option(links->first, ZMQ_LINGER, linger_ms);
		link_close(links->first);
	}
	int rc = links->context ? zmq_ctx_term(links->context) : 0;
	while (rc < 0 && errno == EINTR) /* a signal: linger_ms is the limit, not that */
		rc = zmq_ctx_term(links->context);
	free(links);
}

/* ZeroMQ starts its threads with the first socket: they must never be the ones that a signal picks.
 */
static void *open_socket(void *context, int type)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	void *socket = zmq_socket(context, type);
	int saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return socket;
}

int links_answer_only(struct links *links, const uid_t *users, size_t n)
{
	if (n > LINK_USERS)
		return TROUPE_E_FULL;
	memcpy(links->users, users, n * sizeof(*users));
	links->n_users = n;
	return 0;
}

static int set_users(struct link *link, const struct links *links)
{
	for (size_t i = 0; i < links->n_users; i++) {
		if (zmq_setsockopt(link->socket, ZMQ_IPC_FILTER_UID, &links->users[i],
				   sizeof(links->users[i])) < 0)
			return error_from_errno(errno);
	}
	return 0;
}

static int set_options(struct link *link, int type)
{
	int64_t largest = sizeof(union largest_message);
	size_t size = sizeof(link->fd);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof(options) / sizeof(options[0]); i++)
		rc = set_option(link, options[i].option, options[i].value);
	/* A reply to somebody who has gone is to be counted, not to vanish. */
	if (rc == 0 && type == ZMQ_ROUTER)
		rc = set_option(link, ZMQ_ROUTER_MANDATORY, 1);
	if (rc < 0)
		return rc;
	if (zmq_setsockopt(link->socket, ZMQ_MAXMSGSIZE, &largest, sizeof(largest)) < 0 ||
	    zmq_getsockopt(link->socket, ZMQ_FD, &link->fd, &size) < 0)
		return error_from_errno(errno);
	return 0;
}

static int check_path(const char *path)
{
	if (strlen(path) >= LINK_PATH_SIZE)
		return TROUPE_E_OVERSIZED;
	/* To ZeroMQ these begin an address that is no file. */
	return strchr("@*", path[0]) ? TROUPE_E_ARGUMENT : 0;
}

static void enlist(struct links *links, struct link *link)
{
	link->links = links;
	link->next = links->first;
	if (link->next)
		link->next->previous = link;
	links->first = link;
}

/* NULL: *rc says why. */
static struct link *link_create(struct links *links, int type, const char *path, int *rc)
{
	*rc = check_path(path);
	if (*rc < 0)
		return NULL;
	*rc = TROUPE_E_MEMORY;
	struct link *link = calloc(1, sizeof(*link));
	if (!link)
		return NULL;
	memcpy(link->path, path, strlen(path) + 1);
	link->type = type;
	link->socket = open_socket(links->context, type);
	if (!link->socket) {
		*rc = error_from_errno(errno);
		free(link);
		return NULL;
	}
	enlist(links, link);
	*rc = set_options(link, type);
	if (*rc == 0)
		*rc = set_users(link, links);
	if (*rc < 0) {
		link_close(link);
		return NULL;
	}
	return link;
}

static void endpoint(const char *path, char out[LINK_PATH_SIZE + 8])
{
	snprintf(out, LINK_PATH_SIZE + 8, "ipc://%s", path);
}

/* libzmq removes what is at the path before it binds, be it the socket of somebody who still
 * listens. So we look first; two who look at once are kept apart by the pipeline's lock. */
static int check_free(const char *path)
{
	struct stat st;
	if (lstat(path, &st) == 0)
		return TROUPE_E_EXISTS;
	return errno == ENOENT ? 0 : error_from_errno(errno);
}

int link_bind(struct links *links, int type, const char *path, struct link **out)
{
	char address[LINK_PATH_SIZE + 8];
	struct stat st;
	int rc;
	*out = NULL;
	struct link *link = link_create(links, type, path, &rc);
	if (!link)
		return rc;
	rc = check_free(path);
	if (rc < 0)
		goto failed;
	endpoint(path, address);
	if (zmq_bind(link->socket, address) < 0 || lstat(path, &st) < 0) {
		rc = error_from_errno(errno);
		goto failed;
	}
	link->bound = true;
	link->device = st.st_dev;
	link->inode = st.st_ino;
	*out = link;
	return 0;
failed:
	link_close(link);
	return rc;
}

int link_connect(struct links *links, int type, const char *path, struct link **out)
{
	char address[LINK_PATH_SIZE + 8];
	int rc;
	*out = NULL;
	struct link *link = link_create(links, type, path, &rc);
	if (!link)
		return rc;
	endpoint(path, address);
	if (zmq_connect(link->socket, address) < 0) {
		rc = error_from_errno(errno);
		link_close(link);
		return rc;
	}
	*out = link;
	return 0;
}

void link_close(struct link *link)
{
	struct stat st;
	if (!link)
		return;
	if (link->bound && lstat(link->path, &st) == 0 && st.st_dev == link->device &&
	    st.st_ino == link->inode)
		unlink(link->path);
	zmq_close(link->socket);
	if (link->previous)
		link->previous->next = link->next;
	else
		link->links->first = link->next;
	if (link->next)
		link->next->previous = link->previous;
	free(link);
}

struct link_counts link_counts(const struct link *link)
{
	return link->counts;
}

/* What a socket call that failed means. EHOSTUNREACH: a ROUTER's peer has gone. */
static int socket_error(void)
{
	return errno == ETERM || errno == ENOTSOCK || errno == EHOSTUNREACH
		       ? TROUPE_E_CLOSED
		       : error_from_errno(errno);
}

int link_put(struct link *link, const void *bytes, size_t size, int flags)
{
	static const char *const shapes[] = {[ZMQ_PAIR] = "PIPE",
					     [ZMQ_PUSH] = "QUEUE",
					     [ZMQ_DEALER] = "ASK",
					     [ZMQ_ROUTER] = "ANSWER"};
	int rc;
	link->dry = false;
	FAIL_POINT_OF("BEFORE_", shapes[link->type]);
	do
		rc = zmq_send(link->socket, bytes, size, flags | ZMQ_DONTWAIT);
	while (rc < 0 && errno == EINTR);
	FAIL_POINT_OF("AFTER_", shapes[link->type]);
	return rc < 0 ? socket_error() : 0;
}

int link_take(struct link *link, zmq_msg_t *part, bool *more)
{
	int rc;
	link->dry = false;
	do
		rc = zmq_msg_recv(part, link->socket, ZMQ_DONTWAIT);
	while (rc < 0 && errno == EINTR);
	if (rc >= 0) {
		*more = zmq_msg_more(part);
		return 0;
	}
	/* libzmq has looked at all commands before it says this. */
	link->dry = errno == EAGAIN;
	return socket_error();
}

void link_skip(struct link *link)
{
	bool more = true;
	while (more) {
		zmq_msg_t part;
		zmq_msg_init(&part);
		if (link_take(link, &part, &more) < 0)
			more = false;
		zmq_msg_close(&part);
	}
}

bool link_ready(struct link *link)
{
	int events = 0, rc;
	size_t size = sizeof(events);
	do
		rc = zmq_getsockopt(link->socket, ZMQ_EVENTS, &events, &size);
	while (rc < 0 && errno == EINTR);
	link->dry = rc == 0 && !(events & ZMQ_POLLIN);
	return rc == 0 && events & ZMQ_POLLIN;
}

int link_reject(struct link *link, int why)
{
	uint64_t n = ++link->counts.rejected;
	/* The 1st, 2nd, 4th, 8th, …: whoever sends rubbish must not fill the log too. */
	if ((n & (n - 1)) == 0)
		log_warn("%s: message %s (%s), %llu thrown away so far", link->path,
			 error_name(why), error_text(why), (unsigned long long)n);
	return why;
}
