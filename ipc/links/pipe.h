/* The pipe: two ends, duplex; a supervisor and one incarnation of a worker (ZeroMQ PAIR over
 * ipc://). It dies with the incarnation: a successor gets a new path. */
#ifndef TROUPE_IPC_LINKS_PIPE_H
#define TROUPE_IPC_LINKS_PIPE_H

#include "ipc/links/link.h"
#include "ipc/links/message.h"

/* The supervisor's end. The path must not exist: libzmq would silently steal it (TROUPE_E_EXISTS).
 */
int pipe_bind(struct links *links, const char *path, struct link **link);
/* The worker's end. */
int pipe_connect(struct links *links, const char *path, struct link **link);

/* Sends without blocking: 0, TROUPE_E_AGAIN (dropped, counted), TROUPE_E_CLOSED. */
int link_send(struct link *link, enum message_kind kind, const ProtobufCMessage *message);

/* Takes the next message without blocking. 0; TROUPE_E_AGAIN: none; SCHEMA, MALFORMED, …: one was
 * there and was thrown away (counted, logged by name); the next call goes on. */
int link_receive(struct link *link, enum message_kind *kind, ProtobufCMessage **message);

#endif
