/* Request and reply. On the wire a request is one message; the ROUTER puts the asker's id before
 * it. */
#include "ipc/links/ask.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/links/link_private.h"
#include "ipc/links/pipe.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

int answer_bind(struct links *links, const char *path, struct link **link)
{
	return link_bind(links, ZMQ_ROUTER, path, link);
}

int ask_connect(struct links *links, const char *path, struct link **link)
{
	return link_connect(links, ZMQ_DEALER, path, link);
}

/* Takes the last part of a message and unpacks it if it is of the kind that belongs here. */
static int take_message(struct link *link, enum message_kind expected, ProtobufCMessage **message)
{
	enum message_kind kind;
	int rc = link_receive(link, &kind, message);
	if (rc < 0 || kind == expected)
		return rc;
	message_free(*message);
	link->counts.received--;
	return link_reject(link, TROUPE_E_MALFORMED);
}

static int take_asker(struct link *link, struct asker *asker)
{
	bool more = false;
	zmq_msg_t part;
	zmq_msg_init(&part);
	int rc = link_take(link, &part, &more);
	asker->size = zmq_msg_size(&part);
	if (rc == 0 && (!more || asker->size > sizeof(asker->id))) {
		if (more)
			link_skip(link);
		rc = link_reject(link, TROUPE_E_MALFORMED);
	} else if (rc == 0) {
		memcpy(asker->id, zmq_msg_data(&part), asker->size);
	}
	zmq_msg_close(&part);
	return rc;
}

int answer_receive(struct link *link, struct asker *asker, Troupe__Request **request)
{
	ProtobufCMessage *message;
	int rc = take_asker(link, asker);
	if (rc < 0)
		return rc;
	rc = take_message(link, MESSAGE_REQUEST, &message);
	if (rc < 0)
		return rc;
	Troupe__Request *got = (Troupe__Request *)(void *)message;
	/* Its sender was told that nobody answered: to do it now would surprise. */
	if (got->deadline > 0 && got->deadline < clock_now()) {
		message_free(message);
		link->counts.received--;
		return link_reject(link, TROUPE_E_TIMEOUT);
	}
	*request = got;
	return 0;
}

int answer_send(struct link *link, const struct asker *asker, const Troupe__Reply *reply)
{
	size_t size;
	uint8_t *bytes = message_pack(MESSAGE_REPLY, &reply->base, &size);
	int rc = bytes ? link_put(link, asker->id, asker->size, ZMQ_SNDMORE) : TROUPE_E_OVERSIZED;
	if (rc == 0)
		rc = link_put(link, bytes, size, 0);
	free(bytes);
	if (rc < 0)
		link->counts.dropped++;
	else
		link->counts.sent++;
	return rc;
}

int ask_send(struct link *link, Troupe__Request *request, int64_t deadline, uint64_t *id)
{
	request->id = ++link->last_id;
	request->deadline = deadline;
	*id = request->id;
	return link_send(link, MESSAGE_REQUEST, &request->base);
}

int ask_receive(struct link *link, Troupe__Reply **reply)
{
	ProtobufCMessage *message;
	int rc = take_message(link, MESSAGE_REPLY, &message);
	if (rc < 0)
		return rc;
	*reply = (Troupe__Reply *)(void *)message;
	return 0;
}

/* The reply with that id; replies to earlier requests that came too late are thrown away. */
static int receive_reply(struct link *link, uint64_t id, Troupe__Reply **reply)
{
	for (;;) {
		int rc = ask_receive(link, reply);
		if (rc == TROUPE_E_AGAIN || rc == TROUPE_E_CLOSED)
			return rc;
		if (rc == 0 && (*reply)->id == id)
			return 0;
		if (rc == 0)
			troupe__reply__free_unpacked(*reply, NULL);
	}
}

int ask(struct link *link, Troupe__Request *request, int64_t deadline, Troupe__Reply **reply)
{
	uint64_t id;
	int rc = ask_send(link, request, deadline, &id);
	if (rc < 0)
		return rc;
	for (;;) {
		rc = receive_reply(link, id, reply);
		if (rc != TROUPE_E_AGAIN)
			return rc;
		/* The receive that found nothing left the link dry: its descriptor tells of the
		 * next. */
		int64_t now = clock_now();
		struct pollfd item = {.fd = link->fd, .events = POLLIN};
		if (now >= deadline)
			return TROUPE_E_TIMEOUT;
		if (poll(&item, 1, clock_poll_ms(now, deadline)) < 0 && errno != EINTR)
			return error_from_errno(errno);
	}
}
