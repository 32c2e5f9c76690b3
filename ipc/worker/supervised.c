/* Who supervises: knowing that it has died, going on without for a while, being taken over.
 *
 * The supervisor that started us is our parent: its death comes as SIGHUP (PDEATHSIG). One that
 * took us over is not: its pidfd tells. Without one, a worker goes on as usual for as long as the
 * ledger says, and then drains as an orphan; once it has begun to, nothing makes it go back. */
#include "ipc/worker/worker_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/log.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

/* How long an orphan goes on for what is on its way. */
#define ORPHAN_DEADLINE (10 * NS_PER_S)

bool supervised_too_late(const struct worker *w, pid_t born_of)
{
	/* Whoever takes a pipeline over first says so here and then looks who is there. If we read
	 * another's pid, that one may have looked before we could be seen, and have started
	 * somebody else in our place; if we read the pid of who started us, we are seen. */
	return born_of && atomic_load(&w->ledger->header->supervisor_pid) != born_of;
}

static void become_orphan(struct worker *w)
{
	if (w->orphan)
		return;
	log_warn("the supervisor is dead: finishing what is on its way");
	w->alone = false;
	w->orphan = true;
	w->orphan_deadline = clock_now() + ORPHAN_DEADLINE;
}

static void forget_adopter(struct worker *w)
{
	if (w->adopter_fd < 0)
		return;
	loop_watch_fd(w->loop, w->adopter_fd, 0, NULL, NULL);
	close(w->adopter_fd);
	w->adopter_fd = -1;
}

static void lose(struct worker *w)
{
	int64_t wait = atomic_load(&w->ledger->header->orphan_wait);
	forget_adopter(w);
	if (w->orphan || wait <= 0) {
		become_orphan(w);
		return;
	}
	log_warn("the supervisor is dead: going on without for %.1f s",
		 (double)wait / (double)NS_PER_S);
	w->alone = true;
	w->alone_until = clock_now() + wait;
}

void supervised_begin(struct worker *w, pid_t born_of)
{
	w->born_of = born_of;
	prctl(PR_SET_PDEATHSIG, SIGHUP);
	if (born_of && getppid() != born_of)
		lose(w);
}

static bool adopter_lives(const struct worker *w)
{
	struct pollfd end = {.fd = w->adopter_fd, .events = POLLIN};
	return w->adopter_fd >= 0 && poll(&end, 1, 0) == 0;
}

void supervised_hang_up(struct worker *w, pid_t from)
{
	/* Of the one before, whose locks are free a moment before its death is told. */
	if (adopter_lives(w))
		return;
	/* The kernel tells of each thread of it that dies, in its name. Whoever else says so wants
	 * us to wait no longer. */
	if (!w->alone)
		lose(w);
	else if (from != w->born_of)
		become_orphan(w);
}

static void adopter_died(void *arg, int fd, short revents)
{
	(void)fd;
	(void)revents;
	lose(arg);
}

void supervised_by(struct worker *w, pid_t supervisor)
{
	if (supervisor <= 0 || w->orphan || supervisor == getppid() ||
	    (supervisor == w->adopter && adopter_lives(w)))
		return;
	int fd = pidfd_open(supervisor, 0);
	if (fd < 0)
		return; /* it is dead, too */
	forget_adopter(w);
	if (loop_watch_fd(w->loop, fd, POLLIN, adopter_died, w) < 0) {
		close(fd);
		return;
	}
	log_info("taken over by supervisor %d", (int)supervisor);
	w->adopter = supervisor;
	w->adopter_fd = fd;
	w->alone = false;
}

void supervised_turn(struct worker *w, int64_t *due)
{
	if (!w->alone)
		return;
	if (clock_now() >= w->alone_until)
		become_orphan(w);
	else if (w->alone_until < *due)
		*due = w->alone_until;
}

void supervised_end(struct worker *w)
{
	if (w->adopter_fd >= 0)
		close(w->adopter_fd);
	w->adopter_fd = -1;
}
