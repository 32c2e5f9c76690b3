/* What the display's tests share; see display_rig.h. */
#include "display_rig.h"

#include "ipc/base/clock.h"
#include "ipc/links/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Only a test that hangs ever waits so long. */
#define PATIENCE (30 * NS_PER_S)

/* ---- the rig ---- */

static void make_ledger(struct rig *rig)
{
	static const struct stream_plan streams[] = {
		{.name = "cam1",
		 .n_slots = 4,
		 .width = 320,
		 .height = 240,
		 .view_width = 160,
		 .view_height = 120,
		 .fps_num = 10,
		 .fps_den = 1,
		 .quality = 80,
		 .taps_on = 1},
		{.name = "cam2",
		 .n_slots = 5,
		 .width = 320,
		 .height = 240,
		 .view_width = 160,
		 .view_height = 120,
		 .fps_num = 10,
		 .fps_den = 1,
		 .quality = 80,
		 .taps_on = 1},
	};
	static const char *const taps[] = {"storer"};
	struct ledger_plan plan = {
		.pipeline = "test",
		.run = 1,
		.hang_after = NS_PER_S,
		.bypass_after = NS_PER_S,
		.n_streams = 2,
		.streams = streams,
		.n_taps = 1,
		.taps = taps,
	};
	assert_int_equal(ledger_create(&rig->ledger, &plan), 0);
	strcpy(rig->ledger.header->labels[1], "cir\"cle");
	strcpy(rig->ledger.header->labels[2], "square");
	atomic_store(&rig->ledger.header->n_labels, 3);
}

static void make_socket(struct rig *rig)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	rig->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(rig->listen_fd >= 0);
	assert_int_equal(bind(rig->listen_fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(rig->listen_fd, 512), 0);
	assert_int_equal(getsockname(rig->listen_fd, (struct sockaddr *)&address, &size), 0);
	rig->port = ntohs(address.sin_port);
}

void rig_open_site(struct rig *rig, uint32_t viewers)
{
	struct site_plan plan = {.ledger = &rig->ledger,
				 .control_path = rig->control_path,
				 .listen_fd = rig->listen_fd,
				 .viewers = viewers,
				 .names = "video.example"};
	assert_int_equal(site_create(&rig->site, &plan), 0);
	rig->due = 0;
}

void rig_close_site(struct rig *rig)
{
	site_destroy(rig->site);
	rig->site = NULL;
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	assert_non_null(rig);
	strcpy(rig->folder, "/tmp/troupe-display-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->control_path, sizeof(rig->control_path), "%s/control", rig->folder);
	make_ledger(rig);
	make_socket(rig);
	rig->links = links_create();
	assert_non_null(rig->links);
	assert_int_equal(answer_bind(rig->links, rig->control_path, &rig->link), 0);
	rig_open_site(rig, 400);
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	rig_close_site(rig);
	for (size_t i = 0; i < rig->n_clients; i++) {
		client_close(&rig->clients[i]);
		free(rig->clients[i].in);
	}
	close(rig->listen_fd);
	link_close(rig->link);
	links_destroy(rig->links, 0);
	ledger_finish(&rig->ledger);
	int removed = rmdir(rig->folder);
	free(rig);
	return removed;
}

/* ---- clients ---- */

struct client *rig_client(struct rig *rig, const char *request)
{
	assert_true(rig->n_clients < RIG_CLIENTS_MAX);
	struct client *client = &rig->clients[rig->n_clients++];
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(rig->port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	/* A small window, so that one who does not read is soon full. */
	int window = 16 << 10;
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client->fd >= 0);
	setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
	assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(write(client->fd, request, strlen(request)), strlen(request));
	return client;
}

struct client *rig_get(struct rig *rig, const char *path)
{
	char request[256];
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", path,
		 rig->port);
	return rig_client(rig, request);
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

static void client_read(struct client *client)
{
	for (;;) {
		if (client->capacity - client->size < 65536) {
			client->capacity = client->capacity * 2 + 131072;
			client->in = realloc(client->in, client->capacity);
			assert_non_null(client->in);
		}
		ssize_t n = read(client->fd, client->in + client->size,
				 client->capacity - client->size - 1);
		if (n <= 0) {
			client->ended = n == 0 || errno != EAGAIN;
			return;
		}
		client->size += (size_t)n;
		client->in[client->size] = '\0';
	}
}

/* ---- the loop ---- */

static void supervise(struct rig *rig)
{
	struct asker asker;
	Troupe__Request *request;
	while (answer_receive(rig->link, &asker, &request) == 0) {
		Troupe__Reply reply;
		troupe__reply__init(&reply);
		reply.id = request->id;
		rig->questions++;
		if (rig->answer) {
			rig->answer(rig, request, &reply);
			assert_int_equal(answer_send(rig->link, &asker, &reply), 0);
		}
		troupe__request__free_unpacked(request, NULL);
	}
}

static void rig_turn(struct rig *rig)
{
	struct pollfd fds[RIG_CLIENTS_MAX + 1];
	struct client *readers[RIG_CLIENTS_MAX + 1];
	nfds_t n = 0;
	int64_t now = clock_now(), look = now + 20 * NS_PER_MS;
	fds[n++] = (struct pollfd){.fd = site_fd(rig->site), .events = POLLIN};
	for (size_t i = 0; i < rig->n_clients; i++) {
		struct client *client = &rig->clients[i];
		if (client->fd < 0 || client->paused || client->ended)
			continue;
		readers[n] = client;
		fds[n++] = (struct pollfd){.fd = client->fd, .events = POLLIN};
	}
	poll(fds, n, clock_poll_ms(now, rig->due < look ? rig->due : look));
	/* As a worker's loop does: nothing but its descriptor and its time gives the site a turn.
	 */
	if (fds[0].revents || clock_now() >= rig->due)
		rig->due = site_turn(rig->site, clock_now());
	for (nfds_t i = 1; i < n; i++)
		if (fds[i].revents)
			client_read(readers[i]);
	supervise(rig);
}

void rig_until(struct rig *rig, rig_until_fn *condition, const void *arg)
{
	int64_t deadline = clock_now() + PATIENCE;
	while (!condition(rig, arg)) {
		assert_true(clock_now() < deadline);
		rig_turn(rig);
	}
}

/* ---- answers ---- */

static const char *body_of(const struct client *client)
{
	const char *end = client->size ? strstr(client->in, "\r\n\r\n") : NULL;
	return end ? end + 4 : NULL;
}

bool client_answered(struct rig *rig, const void *arg)
{
	(void)rig;
	const struct client *client = arg;
	const char *body = body_of(client);
	if (!body)
		return false;
	const char *length = strcasestr(client->in, "Content-Length: ");
	return client->ended || !length || length > body ||
	       strlen(body) >= strtoul(length + 16, NULL, 10);
}

struct client *rig_ask(struct rig *rig, const char *request)
{
	struct client *client = rig_client(rig, request);
	rig_until(rig, client_answered, client);
	return client;
}

int client_status(const struct client *client)
{
	int status = 0;
	assert_int_equal(sscanf(client->in, "HTTP/1.1 %d", &status), 1);
	return status;
}

bool client_has_header(const struct client *client, const char *line)
{
	const char *at = strcasestr(client->in, line);
	return at && at < body_of(client) && at[strlen(line)] == '\r';
}

const char *client_body(const struct client *client)
{
	return body_of(client);
}

/* ---- parts ---- */

/* Takes the chunk headers off; what is not whole yet is left out. */
static void dechunk(const struct client *client, struct parts *parts)
{
	const char *at = body_of(client), *end = client->in + client->size;
	parts->bytes = malloc(client->size + 1);
	assert_non_null(parts->bytes);
	while (at && at < end) {
		char *after;
		unsigned long size = strtoul(at, &after, 16);
		if (after + 2 + size + 2 > end || size == 0)
			return;
		assert_memory_equal(after, "\r\n", 2);
		memcpy(parts->bytes + parts->size, after + 2, size);
		parts->size += size;
		at = after + 2 + size;
		assert_memory_equal(at, "\r\n", 2);
		at += 2;
	}
}

void client_parts(const struct client *client, struct parts *parts)
{
	*parts = (struct parts){0};
	if (!client->size || !body_of(client))
		return;
	dechunk(client, parts);
	static const char opening[] = FEED_OPENING;
	const uint8_t *at = parts->bytes, *end = at + parts->size;
	const size_t mark = sizeof(opening) - 1;
	while ((size_t)(end - at) > mark) {
		struct received_part *part = &parts->part[parts->count];
		assert_memory_equal(at, opening, mark);
		part->head = (const char *)at + mark;
		const char *empty = memmem(part->head, (size_t)(end - at) - mark, "\r\n\r\n", 4);
		if (!empty)
			return;
		part->head_size = (size_t)(empty - part->head) + 2;
		const char *length = memmem(part->head, part->head_size, "Content-Length: ", 16);
		assert_non_null(length);
		part->size = strtoul(length + 16, NULL, 10);
		part->body = (const uint8_t *)empty + 4;
		if (part->body + part->size + 2 > end)
			return;
		at = part->body + part->size;
		assert_memory_equal(at, "\r\n", 2);
		at += 2;
		assert_true(++parts->count < sizeof(parts->part) / sizeof(parts->part[0]));
	}
}

void parts_free(struct parts *parts)
{
	free(parts->bytes);
}

/* ---- frames ---- */

static struct slot_record record_of(uint64_t seq, size_t size)
{
	return (struct slot_record){
		.seq = seq,
		.pts = (int64_t)seq * 100 * NS_PER_MS,
		.captured = 1000000000,
		.published = 1002000000,
		.claimed = 1005000000,
		.finished = 1009000000,
		.drops_before = {[DROP_NO_SLOT] = 3},
		.label = 1,
		.coded_bytes = (uint32_t)size,
		.model_version = 7,
		.motion = 0.25F,
		.probability = 0.75F,
		.prediction = 2,
	};
}

void rig_show(struct rig *rig, uint32_t stream, uint64_t seq, size_t size, bool bypassed)
{
	struct slot_record record = record_of(seq, size);
	record.coded_at_source = rig->coded_at_source;
	uint32_t slot = rig->ledger.streams[stream].first_slot;
	struct frame frame = {
		.slot = slot,
		.stream_number = stream,
		.stream = &rig->ledger.streams[stream],
		.record = &record,
		.image = ledger_image(&rig->ledger, slot),
		.view = ledger_view(&rig->ledger, slot),
		.coded = ledger_coded(&rig->ledger, slot),
		.seq = seq,
		.bypassed = bypassed,
	};
	struct shot *shot;
	memset(frame.coded, (int)(seq & 0xff), size);
	memcpy(frame.coded, &seq, sizeof(seq));
	assert_int_equal(site_copy(rig->site, &frame, &shot), 0);
	site_show(rig->site, shot);
	rig->due = 0;
}

uint64_t part_number(const struct received_part *part)
{
	uint64_t seq;
	assert_true(part->size > sizeof(seq));
	memcpy(&seq, part->body, sizeof(seq));
	for (size_t i = sizeof(seq); i < part->size; i++)
		assert_int_equal(part->body[i], seq & 0xff);
	return seq;
}
