/* Adoption: who is there, and what all of them have, taken out of one of them. */
#include "supervisor/adopt_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/worker/contract.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int take_bells(const struct orphan *o)
{
	for (int seat = 0; seat < SEATS_MAX; seat++) {
		int at = CONTRACT_FD_BELLS + seat;
		int fd = orphan_descriptor(o, at, ADOPT_LEAST_FD);
		if (fd < 0)
			return fd;
		int rc = dup2(fd, at) < 0 ? error_from_errno(errno) : 0;
		close(fd);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_ledger(struct supervisor *s, const struct orphan *o)
{
	int fd = orphan_descriptor(o, CONTRACT_FD_LEDGER, ADOPT_LEAST_FD);
	if (fd < 0)
		return fd;
	int rc = ledger_attach(&s->ledger, fd, true);
	if (rc == 0 && strcmp(s->ledger.header->pipeline, s->config.top.name) != 0)
		rc = TROUPE_E_CORRUPT;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	s->ledger.fd = fd;
	return 0;
}

void finding_drop(struct supervisor *s)
{
	if (s->ledger.header)
		ledger_finish(&s->ledger);
	if (s->runtime.lock >= 0)
		close(s->runtime.lock);
	s->runtime.lock = -1;
}

/* What all of them have, out of one of them. */
static int take_common(struct supervisor *s, const struct orphan *o)
{
	int rc = take_ledger(s, o);
	if (rc == 0) {
		s->runtime.lock = orphan_descriptor(o, CONTRACT_FD_LIFE, ADOPT_LEAST_FD);
		rc = s->runtime.lock < 0 ? s->runtime.lock : take_bells(o);
	}
	if (rc == 0)
		s->ledger.bell_base = CONTRACT_FD_BELLS;
	else
		finding_drop(s);
	return rc;
}

/* The first that has them; each may end at any moment. */
int finding_take_common(struct finding *f, char *why, size_t why_size)
{
	int rc = TROUPE_E_NOT_FOUND;
	for (size_t i = 0; i < f->n; i++) {
		rc = take_common(f->s, &f->all[i]);
		if (rc == 0)
			return 0;
	}
	if (rc == TROUPE_E_DENIED) {
		snprintf(why, why_size,
			 "the kernel does not let this user take descriptors out of its workers "
			 "(another user's, or kernel.yama.ptrace_scope)");
	} else {
		snprintf(why, why_size, "none of its workers has what is needed: %s",
			 error_text(rc));
	}
	return rc;
}

/* The killed one may hold the lock for a moment still, with all workers gone. */
int finding_look(struct finding *f, char *why, size_t why_size)
{
	int64_t deadline = clock_now() + ADOPT_END_PATIENCE;
	for (;;) {
		f->n = orphans_find(f->s->runtime.folder, f->all, ORPHANS_MAX);
		if (f->n > 0)
			return 0;
		if (clock_now() >= deadline) {
			snprintf(why, why_size, "%s/lock is held, and by no worker",
				 f->s->runtime.folder);
			return TROUPE_E_TIMEOUT;
		}
		poll(NULL, 0, 5);
	}
}
