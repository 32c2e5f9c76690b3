/* The loop: one ppoll(2) for plain descriptors and links together.
 *
 * Not zmq_poll: that polls twice and asks every socket before and after, and it counts in
 * milliseconds, where a frame's hop is 30 µs and frames are paced to 33.367 ms. ppoll takes
 * nanoseconds, rounds up, and needs no timer of its own. What it costs is one rule: ZeroMQ's
 * descriptor of a socket only says "there are commands that I have not looked at", so a message
 * that libzmq has taken in already is announced by nothing. A link knows when that cannot be
 * (`dry`, see link_private.h); one that is not dry is asked before the sleep, and with a message
 * waiting the sleep is a mere look. */
#include "ipc/links/loop.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/links/link_private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* What is watched. Its descriptor and events are in the item of the same index; a removed row has
 * -1 there, which ppoll passes over, until the next wait closes the gap. */
struct row {
	struct link *link; /* NULL: a plain descriptor */
	loop_fd_fn *on_fd;
	loop_link_fn *on_link;
	void *arg;
};

struct loop {
	struct row *rows;
	struct pollfd *items;
	size_t count, capacity;
	bool gaps;
	bool running;
};

struct loop *loop_create(void)
{
	return calloc(1, sizeof(struct loop));
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	free(loop->rows);
	free(loop->items);
	free(loop);
}

static int grow(struct loop *loop)
{
	if (loop->count < loop->capacity)
		return 0;
	size_t capacity = loop->capacity ? loop->capacity * 2 : 16;
	struct row *rows = reallocarray(loop->rows, capacity, sizeof(*rows));
	if (rows)
		loop->rows = rows;
	struct pollfd *items = reallocarray(loop->items, capacity, sizeof(*items));
	if (items)
		loop->items = items;
	if (!rows || !items)
		return TROUPE_E_MEMORY;
	loop->capacity = capacity;
	return 0;
}

/* The row that watches this descriptor; loop->count: none. */
static size_t find(const struct loop *loop, int fd)
{
	size_t i = 0;
	while (i < loop->count && loop->items[i].fd != fd)
		i++;
	return i;
}

static void forget(struct loop *loop, size_t i)
{
	if (i == loop->count)
		return;
	loop->items[i] = (struct pollfd){.fd = -1};
	loop->gaps = true;
}

/* A row that is replaced while callbacks run loses what was reported for the old one: whatever
 * still is so will be reported again. */
static int watch(struct loop *loop, int fd, short events, struct row row)
{
	size_t i = find(loop, fd);
	int rc = i == loop->count ? grow(loop) : 0;
	if (rc < 0)
		return rc;
	loop->rows[i] = row;
	loop->items[i] = (struct pollfd){.fd = fd, .events = events};
	loop->count += i == loop->count;
	return 0;
}

int loop_watch_fd(struct loop *loop, int fd, short events, loop_fd_fn *fn, void *arg)
{
	if (fd < 0)
		return TROUPE_E_ARGUMENT;
	if (events == 0) {
		forget(loop, find(loop, fd));
		return 0;
	}
	return watch(loop, fd, events, (struct row){.on_fd = fn, .arg = arg});
}

int loop_watch_link(struct loop *loop, struct link *link, loop_link_fn *fn, void *arg)
{
	return watch(loop, link->fd, POLLIN, (struct row){.link = link, .on_link = fn, .arg = arg});
}

void loop_forget_link(struct loop *loop, struct link *link)
{
	forget(loop, find(loop, link->fd));
}

static void close_gaps(struct loop *loop)
{
	size_t kept = 0;
	for (size_t i = 0; i < loop->count; i++) {
		if (loop->items[i].fd < 0)
			continue;
		loop->items[kept] = loop->items[i];
		loop->rows[kept++] = loop->rows[i];
	}
	loop->count = kept;
	loop->gaps = false;
}

/* Whether a link has a message that its descriptor does not tell of. */
static bool has_waiting(struct loop *loop)
{
	bool waiting = false;
	for (size_t i = 0; i < loop->count; i++) {
		struct link *link = loop->rows[i].link;
		waiting |= link && !link->dry && link_ready(link);
	}
	return waiting;
}

/* Sleeps once. TROUPE_E_AGAIN: a signal came. */
static int sleep_until(struct loop *loop, int64_t deadline)
{
	struct timespec left = {0};
	bool forever = false;
	if (!has_waiting(loop)) {
		int64_t ns = deadline - clock_now();
		forever = deadline == CLOCK_NEVER;
		if (ns > 0)
			left = (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
	}
	if (ppoll(loop->items, loop->count, forever ? NULL : &left, NULL) < 0)
		return errno == EINTR ? TROUPE_E_AGAIN : error_from_errno(errno);
	return 0;
}

/* Runs what is ready. Rows that callbacks add lie behind `count` and wait for the next turn; rows
 * they remove have no revents any more. */
static int run_callbacks(struct loop *loop)
{
	int ran = 0;
	size_t count = loop->count;
	for (size_t i = 0; i < count; i++) {
		struct row row = loop->rows[i];
		int fd = loop->items[i].fd;
		short revents = loop->items[i].revents;
		if (fd < 0)
			continue;
		if (row.link && (revents || !row.link->dry) && link_ready(row.link)) {
			row.on_link(row.arg, row.link);
			ran++;
		} else if (!row.link && revents) {
			/* Closed, but still watched: a mistake that must not become a busy loop. */
			if (revents & POLLNVAL) {
				log_error("descriptor %d was closed while the loop watched it", fd);
				forget(loop, i);
			}
			row.on_fd(row.arg, fd, revents);
			ran++;
		}
	}
	return ran;
}

int loop_wait(struct loop *loop, int64_t deadline)
{
	if (loop->running)
		return TROUPE_E_STATE;
	for (;;) {
		if (loop->gaps)
			close_gaps(loop);
		int rc = sleep_until(loop, deadline);
		if (rc < 0)
			return rc;
		log_catch_up();
		loop->running = true;
		int ran = run_callbacks(loop);
		loop->running = false;
		/* A link's descriptor also wakes for commands that bring no message. */
		if (ran > 0 || (deadline != CLOCK_NEVER && clock_now() >= deadline))
			return ran;
	}
}
