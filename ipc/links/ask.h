/* Request and reply: the supervisor's control socket (ROUTER) and those who ask (DEALER): the
 * command line and the page. Each request has an id and a deadline; a reply carries the id back. */
#ifndef TROUPE_IPC_LINKS_ASK_H
#define TROUPE_IPC_LINKS_ASK_H

#include "ipc/links/link.h"
#include "schemas/control.pb-c.h"

/* Who asked: copied around by the answering side until it replies (answers may come out of order).
 */
struct asker {
	uint8_t id[32];
	size_t size;
};

int answer_bind(struct links *links, const char *path, struct link **link);
/* 0 and a request (free with troupe__request__free_unpacked(r, NULL)), TROUPE_E_AGAIN, or what was
 * wrong with a message that was thrown away. */
int answer_receive(struct link *link, struct asker *asker, Troupe__Request **request);
int answer_send(struct link *link, const struct asker *asker, const Troupe__Reply *reply);

int ask_connect(struct links *links, const char *path, struct link **link);
/* Sends one request (its id and deadline are filled in here) and returns its id in *id. */
int ask_send(struct link *link, Troupe__Request *request, int64_t deadline, uint64_t *id);
/* Non-blocking: 0 and a reply (troupe__reply__free_unpacked), TROUPE_E_AGAIN, … */
int ask_receive(struct link *link, Troupe__Reply **reply);
/* Asks and waits until `deadline` (monotonic ns): TROUPE_E_TIMEOUT when nobody answers. */
int ask(struct link *link, Troupe__Request *request, int64_t deadline, Troupe__Reply **reply);

#endif
