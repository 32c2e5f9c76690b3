/* Datagrams to $NOTIFY_SOCKET. */
#include "supervisor/notify.h"

#include "ipc/base/clock.h"
#include "supervisor/journald.h"
#include "supervisor/roster.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_SIZE 2048
#define STATUS_EVERY NS_PER_S
/* How soon what the manager had no room for is offered again. */
#define RETRY_AFTER (50 * NS_PER_MS)

/* A path, or with '@' in front a name of the abstract kind. */
static bool find_socket(struct notify *notify, const char *name)
{
	size_t length = name ? strlen(name) : 0;
	if (length < 2 || length >= sizeof(notify->address.sun_path) ||
	    (name[0] != '/' && name[0] != '@'))
		return false;
	notify->address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(notify->address.sun_path, name, length);
	notify->address_size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'));
	if (name[0] == '@')
		notify->address.sun_path[0] = '\0';
	return true;
}

/* A number of the environment, 0: there is none. */
static int64_t number(const char *name)
{
	const char *text = getenv(name);
	return text ? strtoll(text, NULL, 10) : 0;
}

void notify_begin(struct notify *notify)
{
	*notify = (struct notify){.fd = -1,
				  .journal = journald_open(JOURNALD_SOCKET),
				  .sign_due = CLOCK_NEVER,
				  .status_due = CLOCK_NEVER};
	if (!find_socket(notify, getenv(NOTIFY_ENV_SOCKET)))
		return;
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int64_t of = number(NOTIFY_ENV_WATCHDOG_PID), limit = number(NOTIFY_ENV_WATCHDOG);
	if (notify->fd < 0 || limit <= 0 || (of && of != getpid()))
		return;
	notify->period = limit * NS_PER_US / 2;
	notify->sign_due = clock_now();
}

/* False: there was no room, and it is worth another try. */
static bool send_text(struct notify *notify, const char *text)
{
	const struct sockaddr *to = (const struct sockaddr *)&notify->address;
	return sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL, to, notify->address_size) >=
		       0 ||
	       (errno != EAGAIN && errno != ENOBUFS);
}

static enum notify_state state_of(const struct supervisor *s)
{
	if (s->stage >= STAGE_STOPPING)
		return NOTIFY_STOPPING;
	if (s->stage < STAGE_RUNNING)
		return NOTIFY_STARTING;
	return s->reload ? NOTIFY_RELOADING : NOTIFY_READY;
}

/* All of what a drain may take by the config: with this told, the unit's own limit need not fit. */
static int64_t stopping_takes(const struct supervisor *s)
{
	return (roster_ranks() + 2) * s->config.top.drain_timeout / NS_PER_US;
}

/* The lines that tell a state. Returns their length. */
static int write_state(const struct supervisor *s, enum notify_state told, enum notify_state state,
		       char *out, size_t size)
{
	switch (state) {
	case NOTIFY_READY:
		return snprintf(out, size, "READY=1\n");
	case NOTIFY_RELOADING:
		return snprintf(out, size, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\n",
				clock_now() / NS_PER_US);
	case NOTIFY_STOPPING:
		/* Sources that end at once: a service that was never ready would have failed. */
		return snprintf(out, size, "%sSTOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64 "\n",
				told == NOTIFY_STARTING && !*s->failure ? "READY=1\n" : "",
				stopping_takes(s));
	case NOTIFY_STARTING:
		break;
	}
	*out = '\0';
	return 0;
}

/* A number that is another one when there is something new to say beside the figures. */
static uint64_t look(const struct supervisor *s)
{
	uint64_t seen = (uint64_t)s->stage + 1;
	for (size_t i = 0; i < s->n_members; i++)
		seen = seen * 31 + (uint64_t)s->members[i]->lead->life.state +
		       s->members[i]->incarnations;
	for (const char *c = s->limits.text; *c; c++)
		seen = seen * 31 + (unsigned char)*c;
	return seen;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t notify_advance(struct supervisor *s, struct notify *notify, int64_t now)
{
	char text[MESSAGE_SIZE], line[PROGRESS_LINE];
	if (notify->fd < 0)
		return CLOCK_NEVER;
	enum notify_state state = state_of(s);
	uint64_t seen = look(s);
	if (seen != notify->seen && notify->status_due == CLOCK_NEVER)
		notify->status_due = notify->figures.time + STATUS_EVERY;
	bool sign = now >= notify->sign_due, status = now >= notify->status_due;
	if (state == notify->told && !sign && !status)
		return sooner(notify->sign_due, notify->status_due);
	int used =
		state == notify->told ? 0 : write_state(s, notify->told, state, text, sizeof(text));
	if (sign)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "WATCHDOG=1\n");
	if (progress_text(&notify->figures, s, now, line, sizeof(line)))
		snprintf(text + used, sizeof(text) - (size_t)used, "STATUS=%s\n", line);
	if (!send_text(notify, text))
		return now + RETRY_AFTER;
	notify->told = state;
	notify->seen = seen;
	notify->status_due = CLOCK_NEVER;
	if (sign)
		notify->sign_due = now + notify->period;
	return sooner(notify->sign_due, notify->status_due);
}

void notify_finish(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	if (notify->journal >= 0)
		close(notify->journal);
	notify->fd = notify->journal = -1;
}
