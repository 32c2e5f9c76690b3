/* One kill, and what is seen of it from outside: in the ledger, over HTTP, by the pidfd. */
#include "tools/bench/restart.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How often we look; what we find by looking (not by a time in a record) is late by half of it. */
#define LOOK_EVERY (100 * NS_PER_US)

/* A worker that is ready has so much time to settle before it is killed: for the supervisor to have
 * heard of it, and for the machine to become quiet. */
#define SETTLE (60 * NS_PER_MS)

/* How long at most something may take that has to come. */
#define PATIENCE (20 * NS_PER_S)

/* ---- what a successor does ---- */

/* The first of the frames that a seat other than the dead one's has claimed after the kill. The
 * seat is written after the time, by one process at a time, so a record with another seat has its
 * time. */
int64_t restart_claimed(struct restart *restart)
{
	const struct ledger *ledger = &restart->rig.ledger;
	int64_t first = 0;
	for (uint32_t i = 0; i < ledger->header->n_slots; i++) {
		const volatile struct slot_record *record = &ledger->records[i];
		uint32_t seat = record->processor;
		int64_t claimed = record->claimed;
		if (seat && seat != restart->seat && claimed > restart->killed &&
		    (!first || claimed < first))
			first = claimed;
	}
	return first;
}

int64_t restart_committed(struct restart *restart)
{
	return atomic_load(&restart->rig.ledger.streams[0].settled) > restart->settled ? clock_now()
										       : 0;
}

/* The listening socket is the supervisor's and stays open: a connection waits there for the next
 * display. One that the dying display had still accepted is reset, and made again. */
static int ask(struct restart *restart)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	int http = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (http < 0)
		return error_from_errno(errno);
	if (connect(http, (const struct sockaddr *)&restart->address, sizeof(restart->address)) <
		    0 ||
	    send(http, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0) {
		int rc = error_from_errno(errno);
		close(http);
		return rc;
	}
	restart->http = http;
	return 0;
}

int64_t restart_answered(struct restart *restart)
{
	char some[64];
	if (restart->http < 0) {
		int rc = ask(restart);
		if (rc < 0)
			return rc;
	}
	ssize_t n = recv(restart->http, some, sizeof(some), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	int64_t now = clock_now();
	close(restart->http);
	restart->http = -1;
	return n >= 12 && memcmp(some, "HTTP/1.1", 8) == 0 ? now : 0;
}

int restart_greet(struct restart *restart)
{
	int64_t deadline = clock_now() + PATIENCE, at = 0;
	restart->http = -1;
	while (at == 0 && clock_now() < deadline && !bench_interrupted()) {
		struct pollfd answer = {.fd = restart->http, .events = POLLIN};
		poll(&answer, 1, 1);
		at = restart_answered(restart);
	}
	return at < 0		     ? (int)at
	       : at > 0		     ? 0
	       : bench_interrupted() ? TROUPE_E_AGAIN
				     : TROUPE_E_TIMEOUT;
}

int restart_free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_from_errno(errno);
	bool bound = bind(fd, (struct sockaddr *)&address, size) == 0 &&
		     getsockname(fd, (struct sockaddr *)&address, &size) == 0;
	int rc = bound ? ntohs(address.sin_port) : error_from_errno(errno);
	close(fd);
	return rc;
}

/* ---- before the kill ---- */

/* Whether a seat's process has come as far as its loop. */
static bool turns(const struct seat_row *row)
{
	return atomic_load(&row->pid) > 0 &&
	       (atomic_load(&row->turns) > 0 || atomic_load(&row->frames) > 0);
}

/* Whether the worker plays, alone or beside a spare that waits. Its seat and pid. */
static bool complete(struct restart *restart, uint8_t *seat, pid_t *pid)
{
	const struct ledger *ledger = &restart->rig.ledger;
	int leads = 0, spares = 0, others = 0;
	for (uint8_t i = 1; i < SEATS_MAX; i++) {
		const struct seat_row *row = &ledger->seats[i];
		if (atomic_load(&row->state) == SEAT_EMPTY ||
		    strncmp(row->worker, restart->worker, NAME_SIZE) != 0)
			continue;
		if (!turns(row)) {
			others++;
		} else if (atomic_load(&row->standby)) {
			spares++;
		} else {
			leads++;
			*seat = i;
			*pid = atomic_load(&row->pid);
		}
	}
	return leads == 1 && others == 0 && spares == (restart->spare ? 1 : 0);
}

/* Resident bytes. */
static size_t memory_of(pid_t pid)
{
	char path[64];
	unsigned long pages = 0;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int await_calm(struct restart *restart, pid_t *pid)
{
	int64_t deadline = clock_now() + PATIENCE;
	int64_t calm_since = clock_now();
	while (clock_now() < deadline) {
		bool calm = complete(restart, &restart->seat, pid) &&
			    memory_of(*pid) >= restart->memory;
		if (!calm)
			calm_since = clock_now();
		if (calm && clock_now() - calm_since >= SETTLE)
			return 0;
		if (bench_sleep_until(clock_now() + NS_PER_MS) < 0)
			return TROUPE_E_AGAIN;
	}
	return TROUPE_E_TIMEOUT;
}

/* ---- from the kill on ---- */

/* Sleeps a little, or until the dead one's memory is gone. */
static void look_around(struct restart *restart)
{
	struct pollfd end = {.fd = restart->dead ? -1 : restart->pidfd, .events = POLLIN};
	if (ppoll(&end, 1, &(struct timespec){.tv_nsec = LOOK_EVERY}, NULL) > 0)
		restart->dead = clock_now();
}

/* By then no instruction of the killed one runs, so what is settled later a successor settled. */
static void await_last_instruction(struct restart *restart)
{
	while (clock_now() < restart->killed + LOOK_EVERY) {
	}
	restart->settled = atomic_load(&restart->rig.ledger.streams[0].settled);
}

static int watch(struct restart *restart, restart_done_fn *done, int64_t *took)
{
	int64_t deadline = restart->killed + PATIENCE, at = 0;
	await_last_instruction(restart);
	while (at == 0 || !restart->dead) {
		if (at == 0)
			at = done(restart);
		if (at < 0)
			return (int)at;
		if (clock_now() > deadline)
			return TROUPE_E_TIMEOUT;
		if (bench_interrupted())
			return TROUPE_E_AGAIN;
		look_around(restart);
	}
	*took = at - restart->killed;
	return 0;
}

/* Lets go on when there is at once what the successor will be measured by. */
static int await_work(const struct restart *restart)
{
	int64_t deadline = clock_now() + PATIENCE;
	while (restart->queued && ledger_count(&restart->rig.ledger, 0, PHASE_QUEUED) == 0) {
		if (clock_now() > deadline)
			return TROUPE_E_TIMEOUT;
		if (bench_sleep_until(clock_now() + LOOK_EVERY) < 0)
			return TROUPE_E_AGAIN;
	}
	return 0;
}

static int kill_and_watch(struct restart *restart, restart_done_fn *done, pid_t pid,
			  struct restart_times *times)
{
	restart->pidfd = pidfd_open(pid, 0);
	if (restart->pidfd < 0)
		return error_from_errno(errno);
	restart->dead = 0;
	restart->http = -1;
	int rc = await_work(restart);
	if (rc == 0) {
		restart->killed = clock_now();
		kill(pid, SIGKILL);
		rc = watch(restart, done, &times->took);
	}
	times->dead = restart->dead - restart->killed;
	close(restart->pidfd);
	if (restart->http >= 0)
		close(restart->http);
	return rc;
}

int restart_once(struct restart *restart, restart_done_fn *done, struct restart_times *times)
{
	pid_t pid = 0;
	int rc = await_calm(restart, &pid);
	if (rc < 0)
		return rc;
	times->sync = restart_sync(restart->folder);
	times->bare = restart_bare();
	if (times->sync < 0 || times->bare < 0)
		return (int)(times->sync < 0 ? times->sync : times->bare);
	return kill_and_watch(restart, done, pid, times);
}
