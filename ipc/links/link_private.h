/* What the files of ipc/links/ share among themselves: a link's inside and the moves on its socket.
 */
#ifndef TROUPE_IPC_LINKS_LINK_PRIVATE_H
#define TROUPE_IPC_LINKS_LINK_PRIVATE_H

#include "ipc/links/link.h"
#include "ipc/links/message.h"

#include <sys/types.h>
#include <zmq.h>

struct link {
	struct links *links;
	struct link *previous, *next;
	void *socket;
	int type; /* ZeroMQ's */
	int fd; /* ZMQ_FD: readable while libzmq has commands for the socket that it has not looked
		   at */
	/* Nothing has come since libzmq last looked, so that `fd` alone tells when to look again.
	 * Anything done to the socket may swallow what `fd` would have told: it clears this. */
	bool dry;
	bool bound;
	dev_t device; /* of the socket file this process made, so that nobody else's is removed */
	ino_t inode;
	char path[LINK_PATH_SIZE];
	uint64_t last_id; /* of the requests sent here */
	struct link_counts counts;
};

/* Makes a socket of ZeroMQ's `type` and binds it to (or connects it with) the path.
 * TROUPE_E_OVERSIZED: the path is too long; TROUPE_E_EXISTS: something is there already (bind
 * only). */
int link_bind(struct links *links, int type, const char *path, struct link **out);
int link_connect(struct links *links, int type, const char *path, struct link **out);

/* Sends one part, without waiting; `flags` may be ZMQ_SNDMORE. 0, TROUPE_E_AGAIN, TROUPE_E_CLOSED.
 */
int link_put(struct link *link, const void *bytes, size_t size, int flags);

/* Takes one part, without waiting, into an initialised `part`. *more: another part of it follows.
 */
int link_take(struct link *link, zmq_msg_t *part, bool *more);

/* Takes and throws away what is left of a message of several parts. */
void link_skip(struct link *link);

/* Whether a message waits. */
bool link_ready(struct link *link);

/* Counts and logs a message that was thrown away. Returns `why`. */
int link_reject(struct link *link, int why);

#endif
