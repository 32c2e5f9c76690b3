/* Hang detection. */
#include "supervisor/watch.h"

#include "ipc/base/clock.h"
#include "ipc/base/log.h"
#include "ipc/slots/seats.h"
#include "supervisor/member.h"
#include "supervisor/proc.h"
#include "supervisor/stack.h"

#include <poll.h>

bool watch_should_move(const struct sight *sight, int64_t now)
{
	if (sight->stopped)
		return true;
	if (sight->drains && !sight->holds)
		return false;
	return sight->bell || sight->due <= now || (sight->holds && sight->due == CLOCK_NEVER);
}

static bool is_rung(const struct ledger *ledger, uint8_t seat)
{
	struct pollfd bell = {.fd = ledger->bell_base + seat, .events = POLLIN};
	return poll(&bell, 1, 0) > 0;
}

static struct sight look(const struct supervisor *s, const struct part *part,
			 const struct proc_stat *stat)
{
	const struct process *p = &part->process;
	const struct seat_row *row = &s->ledger.seats[p->seat];
	bool drains = part->life.state == LIFE_DRAINING;
	return (struct sight){
		.progress = atomic_load_explicit(&row->progress, memory_order_relaxed),
		.due = atomic_load_explicit(&row->due, memory_order_relaxed),
		.bell = is_rung(&s->ledger, p->seat),
		/* What is owed to the tap of one that drains is its successor's. */
		.holds = drains ? seat_holds_slot(&s->ledger, p->seat)
				: seat_holds(&s->ledger, p->seat),
		.drains = drains,
		.stopped = stat->state == 'T',
	};
}

static void note_usage(const struct supervisor *s, struct process *p, const struct proc_stat *stat,
		       int64_t now)
{
	if (now - p->last.time < NS_PER_S)
		return;
	p->before = p->last;
	p->last = (struct usage){.time = now,
				 .frames = atomic_load_explicit(&s->ledger.seats[p->seat].frames,
								memory_order_relaxed),
				 .cpu_ticks = stat->cpu_ticks};
}

static void hangs(struct part *part, char state, int64_t now)
{
	struct member *m = part->member;
	struct supervisor *s = m->supervisor;
	struct process *p = &part->process;
	char stack[STACK_PATH_SIZE];
	if (stack_is_taken(p))
		return; /* it is as good as dead */
	if (proc_traced(p->pid)) {
		p->still_since =
			now; /* somebody looks at it with a debugger: it has all the time */
		return;
	}
	bool waits = stack_keep(part, state, now);
	stack_path(s, m->name, p->incarnation, stack, sizeof(stack));
	log_warn("%s: pid %d hangs, killing it; %s says in what", m->name, (int)p->pid, stack);
	journal_write(&s->journal, JOURNAL_HUNG, m->name,
		      json_pack("{s:i, s:I, s:s}", "pid", (int)p->pid, "still",
				(json_int_t)(now - p->still_since), "stack", stack));
	if (!waits)
		part_event(part, EVENT_KILL);
}

int64_t watch_patience(const struct member *m)
{
	int64_t own = m->section->settings.hang_after;
	return own > 0 ? own : m->supervisor->config.top.hang_after;
}

/* Who starts has a deadline of its own; so has a drain, but a frame cannot wait as long. */
static bool is_watched(enum life_state state)
{
	return state == LIFE_READY || state == LIFE_PREPARED || state == LIFE_DRAINING;
}

/* Returns whether there is something to watch. */
static bool watch_part(struct supervisor *s, struct part *part, int64_t now)
{
	struct process *p = &part->process;
	struct proc_stat stat;
	if (!is_watched(part->life.state) || !p->pid || !proc_stat_read(p->pid, &stat))
		return false;
	note_usage(s, p, &stat, now);
	struct sight sight = look(s, part, &stat);
	bool suspicious = watch_should_move(&sight, now);
	bool moved = sight.progress != p->progress;
	p->progress = sight.progress;
	if (!suspicious || moved)
		p->still_since = 0;
	else if (!p->still_since)
		p->still_since = now;
	else if (now - p->still_since >= watch_patience(part->member))
		hangs(part, stat.state, now);
	/* A source that flows moves again and again without ever holding a slot for long. */
	bool flows = part->member->role->source &&
		     !atomic_load(&s->ledger.streams[part->member->number].ended);
	return suspicious || sight.holds || flows;
}

int64_t watch_look(struct supervisor *s, int64_t now)
{
	bool any = false;
	int64_t shortest = CLOCK_NEVER;
	for (size_t i = 0; i < s->n_members; i++) {
		int64_t patience = watch_patience(s->members[i]);
		for (int k = 0; k < PARTS; k++)
			any |= watch_part(s, &s->members[i]->parts[k], now);
		shortest = patience < shortest ? patience : shortest;
	}
	if (!any)
		return CLOCK_NEVER;
	int64_t period = shortest / 4;
	return now + (period > NS_PER_S ? NS_PER_S : period);
}
