/* What the display's tests share: a site on a real socket with a ledger behind it, clients that
 * read what it sends, a supervisor that answers, and one loop that turns until something has
 * happened. */
#ifndef TROUPE_TESTS_UNIT_DISPLAY_RIG_H
#define TROUPE_TESTS_UNIT_DISPLAY_RIG_H

#include "ipc/links/ask.h"
#include "workers/display/site.h"

#define RIG_CLIENTS_MAX 512

struct client {
	int fd;	     /* -1: closed */
	bool paused; /* does not read */
	bool ended;  /* the server closed it */
	char *in;    /* everything received, with a final zero */
	size_t size, capacity;
};

struct rig;
/* Answers a request as the supervisor would; `reply` is prepared with id and an empty text. */
typedef void rig_answer_fn(struct rig *rig, const Troupe__Request *request, Troupe__Reply *reply);

struct rig {
	char folder[64], control_path[LINK_PATH_SIZE];
	struct ledger ledger;
	uint32_t coded_at_source; /* of the frames that are shown */
	int listen_fd;
	uint16_t port;
	struct site *site;
	int64_t due;	     /* when the site wants its next turn, though its descriptor is quiet */
	struct links *links; /* the supervisor's */
	struct link *link;
	rig_answer_fn *answer; /* NULL: it says nothing */
	unsigned questions;    /* it was asked */
	struct client clients[RIG_CLIENTS_MAX];
	size_t n_clients;
};

/* cmocka set-up and tear-down; *state is the rig. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* Makes the site of a rig (rig_setup does); and ends it, the socket stays open. */
void rig_open_site(struct rig *rig, uint32_t viewers);
void rig_close_site(struct rig *rig);

/* A client that has connected and sent `request`. */
struct client *rig_client(struct rig *rig, const char *request);
/* The same with a GET of that path. */
struct client *rig_get(struct rig *rig, const char *path);
/* Closes; what it received stays until the tear-down. */
void client_close(struct client *client);

typedef bool rig_until_fn(struct rig *rig, const void *arg);
/* Turns site, supervisor and clients until the condition holds; fails the test when it never does.
 */
void rig_until(struct rig *rig, rig_until_fn *condition, const void *arg);
/* A condition: the client's answer is here, head and body, or all that will ever come. */
bool client_answered(struct rig *rig, const void *client);
/* GET or POST in one go: returns the client with its answer. */
struct client *rig_ask(struct rig *rig, const char *request);

/* Of an answer: its status; whether the head has that line; its body. */
int client_status(const struct client *client);
bool client_has_header(const struct client *client, const char *line);
const char *client_body(const struct client *client);

/* One part as a client received it. */
struct received_part {
	const char *head; /* to the empty line; not ended by a zero */
	size_t head_size;
	const uint8_t *body;
	size_t size;
};

/* What a stream's client has received, without its chunks, and the whole parts in it. */
struct parts {
	uint8_t *bytes;
	size_t size, count;
	struct received_part part[512];
};
/* Fails the test when the framing is wrong. */
void client_parts(const struct client *client, struct parts *parts);
void parts_free(struct parts *parts);

/* Shows the next frame of a stream: `seq`, with `size` bytes of a coded area that begins with the
 * number. */
void rig_show(struct rig *rig, uint32_t stream, uint64_t seq, size_t size, bool bypassed);
/* The number that rig_show wrote into a part. */
uint64_t part_number(const struct received_part *part);

#endif
