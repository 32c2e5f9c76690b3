/* Links: ZeroMQ sockets in three shapes (pipe, queue, request/reply) and the one loop that polls
 * them together with plain descriptors. No other part of troupe includes zmq.h.
 *
 * Thread rules: a context and everything made from it belong to one thread. Sends never block: a
 * message that does not fit is dropped and counted, because messages only say "look" — what is, the
 * slots say. */
#ifndef TROUPE_IPC_LINKS_LINK_H
#define TROUPE_IPC_LINKS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Paths of ipc:// sockets: the kernel's limit with its final zero. */
#define LINK_PATH_SIZE 108

struct links; /* one per process: the ZeroMQ context */
struct link;  /* one socket */

struct links *links_create(void);
/* Closes what is still open; pending messages get `linger_ms`. NULL is fine. */
void links_destroy(struct links *links, int linger_ms);

/* Removes the socket file of a link that this process bound. Then closes. NULL is fine. */
void link_close(struct link *link);

/* Sockets that are bound from now on answer only peers of these users; without it, of all. libzmq
 * closes the connection of any other. TROUPE_E_FULL: more than LINK_USERS. */
#define LINK_USERS 16
int links_answer_only(struct links *links, const uid_t *users, size_t n);

struct link_counts {
	uint64_t sent, received, dropped,
		rejected; /* dropped: would have blocked; rejected: undecodable */
};
struct link_counts link_counts(const struct link *link);

#endif
