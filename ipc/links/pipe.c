/* The pipe, and how any link but request/reply sends and receives a message. */
#include "ipc/links/pipe.h"

#include "ipc/base/errors.h"
#include "ipc/links/link_private.h"

#include <stdlib.h>

int pipe_bind(struct links *links, const char *path, struct link **link)
{
	return link_bind(links, ZMQ_PAIR, path, link);
}

int pipe_connect(struct links *links, const char *path, struct link **link)
{
	return link_connect(links, ZMQ_PAIR, path, link);
}

int link_send(struct link *link, enum message_kind kind, const ProtobufCMessage *message)
{
	size_t size;
	uint8_t *bytes = message_pack(kind, message, &size);
	int rc = bytes ? link_put(link, bytes, size, 0) : TROUPE_E_OVERSIZED;
	free(bytes);
	if (rc < 0)
		link->counts.dropped++;
	else
		link->counts.sent++;
	return rc;
}

int link_receive(struct link *link, enum message_kind *kind, ProtobufCMessage **message)
{
	zmq_msg_t part;
	bool more = false;
	zmq_msg_init(&part);
	int rc = link_take(link, &part, &more);
	if (rc < 0)
		goto out;
	if (more) {
		link_skip(link);
		rc = TROUPE_E_MALFORMED;
	} else {
		rc = message_unpack(zmq_msg_data(&part), zmq_msg_size(&part), kind, message);
	}
	if (rc < 0)
		link_reject(link, rc);
	else
		link->counts.received++;
out:
	zmq_msg_close(&part);
	return rc;
}
