/* Adoption: each process that was found is held against the image and its seat row, and has its
 * place, or is ended. The argument is at the top of adopt.c. */
#include "supervisor/adopt.h"
#include "supervisor/adopt_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/log.h"
#include "ipc/worker/contract.h"
#include "supervisor/contain.h"
#include "supervisor/member.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A worker's child has the same environment, but its pid is not in the seat row. */
static bool is_worker(const struct supervisor *s, const struct orphan *o)
{
	if (o->seat == 0 || o->seat >= SEATS_MAX)
		return false;
	const struct seat_row *row = &s->ledger.seats[o->seat];
	int32_t pid = atomic_load(&row->pid);
	return atomic_load(&row->state) == SEAT_LIVE && row->incarnation == o->incarnation &&
	       strncmp(row->worker, o->worker, NAME_SIZE) == 0 && (pid == 0 || pid == o->pid);
}

static bool is_child_of_worker(const struct finding *f, const struct orphan *o)
{
	const struct seat_row *row = &f->s->ledger.seats[o->seat];
	int32_t pid = o->seat < SEATS_MAX ? atomic_load(&row->pid) : 0;
	return pid && pid != o->pid && row->incarnation == o->incarnation;
}

/* Its descriptors, and that it is no child. */
static void take_process(struct part *part, struct orphan *o)
{
	struct supervisor *s = part->member->supervisor;
	struct process *p = &part->process;
	o->taken = true;
	p->pid = o->pid;
	p->pidfd = o->pidfd;
	o->pidfd = -1;
	p->start_time = o->start_time;
	p->seat = o->seat;
	p->incarnation = o->incarnation;
	p->adopted = true;
	atomic_store(&s->ledger.seats[p->seat].pid, p->pid);
	struct orphan same = {.pid = p->pid, .pidfd = p->pidfd};
	p->log_fd = orphan_descriptor(&same, STDOUT_FILENO, ADOPT_LEAST_FD);
	if (p->log_fd < 0)
		p->log_fd = -1;
	p->guard_fd = guard_take(&same, ADOPT_LEAST_FD);
	struct member *m = part->member;
	if (m->handed_fd == HANDED_LOST) {
		int fd = orphan_descriptor(&same, CONTRACT_FD_HANDED, ADOPT_LEAST_FD);
		m->handed_fd = fd < 0 ? HANDED_LOST : fd;
	}
}

static struct orphan *find_orphan(struct finding *f, pid_t pid, uint64_t start_time)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->all[i].pid == pid && f->all[i].start_time == start_time)
			return &f->all[i];
	return NULL;
}

/* The numbers of descriptors are those of the dead. */
void finding_match(struct finding *f, struct part *part)
{
	struct process *p = &part->process;
	struct orphan *o = p->pid ? find_orphan(f, p->pid, p->start_time) : NULL;
	p->pidfd = p->log_fd = -1;
	p->guard_fd = 0;
	if (!p->pid)
		return;
	const struct seat_row *row = &f->s->ledger.seats[p->seat % SEATS_MAX];
	if (o && is_worker(f->s, o)) {
		take_process(part, o);
		p->standby = atomic_load(&row->standby);
		return;
	}
	p->gone = true;
	/* Given back already, and perhaps another's by now. */
	if (atomic_load(&row->state) == SEAT_EMPTY || atomic_load(&row->pid) != p->pid)
		p->seat = 0;
}

bool part_lives(const struct part *part)
{
	return part->process.pid && !part->process.gone;
}

/* A process that the image does not know begins its life; whatever was counted is counted on. */
static void settle_in(struct part *part, struct orphan *o, bool plays)
{
	struct member *m = part->member;
	struct supervisor *s = m->supervisor;
	int64_t now = clock_now();
	struct life life = life_new(now);
	life_inherit(&life, &m->lead->life);
	life.state = LIFE_STARTING;
	life.again = true;
	life.until = now + m->section->settings.ready_timeout;
	part->life = life;
	memcpy(part->program, m->program, sizeof(part->program));
	part->process = (struct process){.pidfd = -1, .log_fd = -1, .started = now};
	take_process(part, o);
	part->process.standby = atomic_load(&s->ledger.seats[o->seat].standby);
	if (plays)
		part_plays(part);
}

/* The lead drains or is dead, and the new one plays: as when an heir is started. */
static struct part *make_room(struct member *m)
{
	struct part *empty = m->last;
	m->last = m->lead;
	m->lead = empty;
	return empty;
}

/* Whether there was a place for it. */
static bool place(struct supervisor *s, struct orphan *o)
{
	struct member *m = member_find(s, o->worker);
	bool standby = atomic_load(&s->ledger.seats[o->seat].standby);
	if (!m || !m->wanted)
		return false;
	if (!part_lives(m->lead) && !m->lead->process.pid) {
		settle_in(m->lead, o, true);
	} else if (part_lives(m->lead) && standby) {
		if (m->next->process.pid || m->section->settings.spares == 0)
			return false;
		settle_in(m->next, o, false);
	} else if (m->last->process.pid) {
		return false;
	} else {
		struct life heir = m->lead->life;
		struct part *lead = make_room(m);
		lead->life = heir; /* what was counted */
		settle_in(lead, o, true);
		m->last->life.again = false;
	}
	return true;
}

static void end_stranger(struct supervisor *s, struct orphan *o)
{
	struct pollfd end = {.fd = o->pidfd, .events = POLLIN};
	log_warn("%s: pid %d has no place any more: ending it", o->worker, (int)o->pid);
	orphan_kill(o);
	if (poll(&end, 1, (int)(ADOPT_END_PATIENCE / NS_PER_MS)) > 0)
		return;
	log_error("%s: pid %d cannot be killed", o->worker, (int)o->pid);
	if (o->seat && o->seat < SEATS_MAX)
		s->stuck_seats |= UINT64_C(1) << o->seat;
}

void finding_place(struct finding *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct orphan *o = &f->all[i];
		if (o->taken || is_child_of_worker(f, o))
			continue;
		if (is_worker(f->s, o) && place(f->s, o))
			continue;
		end_stranger(f->s, o);
	}
}

/* ---- a while later ---- */

static bool is_ours(const struct supervisor *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++)
			if (s->members[i]->parts[k].process.pid == pid)
				return true;
	}
	return false;
}

void adopt_look_again(struct supervisor *s)
{
	struct finding *f = s->adopted ? calloc(1, sizeof(*f)) : NULL;
	if (!f)
		return;
	s->adopted = false;
	f->s = s;
	f->n = orphans_find(s->runtime.folder, f->all, ORPHANS_MAX);
	for (size_t i = 0; i < f->n; i++) {
		struct orphan *o = &f->all[i];
		if (!is_ours(s, o->pid) && !is_child_of_worker(f, o) && !is_worker(s, o))
			end_stranger(s, o);
	}
	orphans_finish(f->all, f->n);
	free(f);
}
