/* From dying to the next lead, and spares. */
#include "supervisor/succession.h"

#include "ipc/base/clock.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/bells.h"
#include "supervisor/dying.h"
#include "supervisor/member.h"
#include "supervisor/proc.h"
#include "supervisor/swap.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* ---- a lead dies ---- */

/* Nobody may follow one that was told to end, nor in the middle of a handing over, which knows by
 * itself who comes next. */
static bool may_follow(const struct part *part)
{
	const struct member *m = part->member;
	const struct supervisor *s = m->supervisor;
	bool ended = m->role->source && atomic_load(&s->ledger.streams[m->number].ended);
	return part == m->lead && m->wanted && s->stage < STAGE_STOPPING && !part->process.asked &&
	       !part->life.said_finished && !ended && !m->last->process.pid &&
	       m->swap.stage <= SWAP_PREPARING && !device_gone(m);
}

/* One that is stopped, or has gone as well, would be no help. */
static bool has_spare(const struct member *m)
{
	const struct part *spare = m->next;
	struct proc_stat stat;
	return spare->life.state == LIFE_PREPARED && !swap_is_newcomer(spare) &&
	       !dying_seen(spare->process.dying) && proc_stat_read(spare->process.pid, &stat) &&
	       stat.state != 'T' && stat.state != 'Z';
}

static void use_spare(struct member *m, const struct life *heir)
{
	member_promote(m);
	life_inherit(&m->lead->life, heir);
	FAIL_POINT(SPARE_PROMOTED);
	journal_write(&m->supervisor->journal, JOURNAL_SUCCEED, m->name,
		      json_pack("{s:i, s:i}", "pid", (int)m->lead->process.pid, "after",
				(int)m->last->process.pid));
	if (!member_may_overlap(m))
		return;
	part_charge(m->lead);
	FAIL_POINT(SPARE_CHARGED);
}

static void start_heir(struct member *m, const struct life *heir)
{
	struct part *empty = m->last;
	m->last = m->lead;
	m->lead = empty;
	part_start_as(m->lead, heir);
	FAIL_POINT(HEIR_STARTED);
}

void succession_follow(struct part *part)
{
	struct member *m = part->member;
	struct life heir;
	if (!may_follow(part))
		return;
	enum life_verdict verdict = member_verdict(m, &heir);
	bool spare = has_spare(m);
	if (verdict == LIFE_NEVER_AGAIN || (verdict == LIFE_LATER && !spare))
		return;
	part->process.succeeded = true;
	part_event(part, EVENT_DYING);
	if (spare)
		use_spare(m, &heir);
	else
		start_heir(m, &heir);
	member_restarted(m, 0);
}

/* ---- hearing of it ---- */

/* Nobody shall ring for one that cannot hear; all others may have waited for it. */
static void note_dying(struct part *part)
{
	struct supervisor *s = part->member->supervisor;
	part->process.dies = true;
	seat_bit_clear(&s->ledger.header->idle, part->process.seat);
	bells_ring_all(&s->ledger);
	journal_write(&s->journal, JOURNAL_DYING, part->member->name,
		      json_pack("{s:i, s:i, s:b}", "pid", (int)part->process.pid, "seat",
				part->process.seat, "asked", part->process.asked));
	succession_follow(part);
}

/* The word that tells of it lies where anybody may write. Whoever lives all the same is no longer
 * listened for: its end is known by its pidfd. */
static void hear(struct part *part)
{
	struct process *p = &part->process;
	if (!dying_seen(p->dying) || p->dies)
		return;
	if (proc_is_ending(p->pid)) {
		note_dying(part);
		return;
	}
	log_warn("%s: pid %d was said to die and does not", part->member->name, (int)p->pid);
	dying_forget(p->dying);
	p->dying = NULL;
}

static void on_dying(void *arg, int fd, short revents)
{
	struct supervisor *s = arg;
	uint64_t count;
	ssize_t ignored = read(fd, &count, sizeof(count));
	(void)ignored;
	(void)revents;
	for (size_t i = 0; i < s->n_members; i++)
		for (int k = 0; k < PARTS; k++)
			hear(&s->members[i]->parts[k]);
}

void succession_begin(struct supervisor *s)
{
	s->dying_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->dying_fd >= 0)
		loop_watch_fd(s->loop, s->dying_fd, POLLIN, on_dying, s);
}

void succession_finish(struct supervisor *s)
{
	if (s->dying_fd < 0)
		return;
	loop_watch_fd(s->loop, s->dying_fd, 0, NULL, NULL);
	close(s->dying_fd);
	s->dying_fd = -1;
}

void succession_watch(struct part *part)
{
	struct supervisor *s = part->member->supervisor;
	struct process *p = &part->process;
	if (!p->dying && s->dying_fd >= 0)
		p->dying = dying_watch(&s->ledger.seats[p->seat].alive, s->dying_fd);
}

/* ---- spares ---- */

/* All is calm: the lead plays, and nothing of it is on its way in or out. */
static bool wants_spare(const struct member *m)
{
	return m->section->settings.spares > 0 && m->wanted &&
	       m->supervisor->stage == STAGE_RUNNING && m->lead->life.state == LIFE_READY &&
	       !m->lead->life.said_finished && !m->last->process.pid && !device_gone(m);
}

/* A spare is of no use to a member that will not play again by itself. */
static bool has_no_use(const struct member *m)
{
	enum life_state state = m->lead->life.state;
	return state == LIFE_DOWN || state == LIFE_FINISHED || state == LIFE_GAVE_UP ||
	       state == LIFE_NO_DEVICE;
}

static void advance(struct member *m)
{
	/* One that must not overlap had to wait for the dead. */
	if (m->lead->process.standby && !m->last->process.pid)
		part_charge(m->lead);
	if (m->swap.stage != SWAP_NONE)
		return;
	if (m->next->life.state == LIFE_DOWN && wants_spare(m))
		part_event(m->next, EVENT_START);
	else if (has_no_use(m))
		part_event(m->next, EVENT_DRAIN);
}

void succession_advance(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_members; i++)
		advance(s->members[i]);
}
