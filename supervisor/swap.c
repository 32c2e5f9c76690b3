/* The stages of a swap.
 *
 * - In a pool: WAITING, PREPARING, TAKING, and with the newcomer as lead while the old one drains
 *   PROBATION.
 * - Of what there is one of: WAITING, PREPARING, DRAINING (the old one), and with the newcomer as
 *   lead TAKING, PROBATION.
 *
 * swap_advance() looks at states, not at events, and takes one step after the other: whatever dies
 * in between, and in whatever order the supervisor learns of it, it goes on from what is. Only an
 * end is an event, because it decides what follows in that very part. Until the probation is over
 * the member's program is the old one, so to go back is to start the member again. */
#include "supervisor/swap.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/links/json.h"
#include "supervisor/contain.h"
#include "supervisor/member.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *stage_text(enum swap_stage stage)
{
	static const char *const texts[] = {
		[SWAP_NONE] = "done",
		[SWAP_WAITING] = "waiting",
		[SWAP_PREPARING] = "preparing",
		[SWAP_DRAINING] = "draining the old one",
		[SWAP_TAKING] = "taking charge",
		[SWAP_PROBATION] = "on probation",
	};
	return texts[stage];
}

bool swap_is_newcomer(const struct part *part)
{
	const struct swap *swap = &part->member->swap;
	return swap->stage != SWAP_NONE && swap->newcomer == part;
}

const struct section *swap_section(const struct part *part)
{
	const struct swap *swap = &part->member->swap;
	return swap_is_newcomer(part) && swap->section ? swap->section : part->member->section;
}

int swap_handed_fd(const struct part *part)
{
	const struct swap *swap = &part->member->swap;
	return swap_is_newcomer(part) && swap->handed_fd ? swap->handed_fd
							 : part->member->handed_fd;
}

/* ---- telling ---- */

static uint64_t count_drops(const struct supervisor *s)
{
	uint64_t drops = 0;
	for (uint32_t i = 0; i < s->ledger.header->n_streams; i++)
		for (int k = 0; k < N_DROP_REASONS; k++)
			drops += atomic_load(&s->ledger.streams[i].drops[k]);
	return drops;
}

/* The time between two of a swap's moments, 0 if it never came to the second. */
static int64_t span(int64_t from, int64_t to)
{
	return from && to > from ? to - from : 0;
}

static void fill_report(struct member *m, int code, Troupe__SwapReport *report)
{
	struct swap *swap = &m->swap;
	report->worker = m->name;
	report->before = m->program;
	report->after = swap->program;
	report->pid = swap->newcomer ? swap->newcomer->process.pid : 0;
	report->ok = code == 0;
	report->begun = swap->begun;
	report->ended = clock_now();
	report->preparing = span(swap->started, swap->prepared);
	report->draining = span(swap->drained, swap->gone);
	report->hand_over = span(swap->gone, swap->ready);
	report->drops = count_drops(m->supervisor) - swap->drops;
}

/* Tells whoever asked; `more`: this is not the end of it. */
static void tell(struct member *m, int code, const char *text, bool more)
{
	struct supervisor *s = m->supervisor;
	Troupe__Reply reply = TROUPE__REPLY__INIT;
	Troupe__SwapReport report = TROUPE__SWAP_REPORT__INIT;
	char copy[2 * WHY_SIZE];
	snprintf(copy, sizeof(copy), "%s", text);
	fill_report(m, code, &report);
	reply.id = m->swap.id;
	reply.code = code;
	reply.text = copy;
	reply.swap = &report;
	/* The answer to a reload is the reload's. */
	reply.more = more || m->swap.section;
	if (s->control && (!more || m->swap.stages))
		answer_send(s->control, &m->swap.asker, &reply);
	const char *outcome = more ? "" : code == 0 ? "done" : "failed";
	journal_write(&s->journal, JOURNAL_SWAP, m->name,
		      json_pack("{s:s, s:s, s:i, s:o, s:i, s:o, s:o}", "stage",
				stage_text(m->swap.stage), "outcome", outcome, "code", code, "text",
				json_text(text), "pid", (int)report.pid, "before",
				json_text(m->program), "after", json_text(m->swap.program)));
}

__attribute__((format(printf, 3, 4))) static void finish(struct member *m, int code,
							 const char *format, ...)
{
	char text[2 * WHY_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tell(m, code, text, false);
	if (m->swap.outcome)
		snprintf(m->swap.outcome, SWAP_OUTCOME, "%s", text);
	if (m->swap.handed_fd)
		close(m->swap.handed_fd);
	m->swap = (struct swap){.stage = SWAP_NONE};
}

static void enter(struct member *m, enum swap_stage stage)
{
	char text[PROGRAM_SIZE + 64];
	m->swap.stage = stage;
	snprintf(text, sizeof(text), "%s: %s is %s", m->name, m->swap.program, stage_text(stage));
	tell(m, 0, text, true);
}

/* The rows of a reload are the member's from now on, and its socket. */
static void take_rows(struct member *m)
{
	struct swap *swap = &m->swap;
	if (swap->section)
		m->section = swap->section;
	if (!swap->handed_fd)
		return;
	*swap->replaced_fd = m->handed_fd;
	m->handed_fd = swap->handed_fd;
	swap->handed_fd = 0;
}

static void succeed(struct member *m, const char *how)
{
	take_rows(m);
	finish(m, 0, "%s is played by %s (pid %d)%s", m->name, m->swap.program,
	       (int)m->lead->process.pid, how);
	memcpy(m->program, m->lead->program, sizeof(m->program));
}

/* ---- beginning ---- */

/* Whether the member can be swapped now, for `swap`. */
static int begin(struct member *m, const struct swap *swap, char *why, size_t why_size)
{
	struct supervisor *s = m->supervisor;
	if (m->swap.stage != SWAP_NONE) {
		snprintf(why, why_size, "%s: a swap is under way already", m->name);
		return TROUPE_E_BUSY;
	}
	if (s->stage >= STAGE_STOPPING || !m->wanted || m->lead->life.state == LIFE_FINISHED) {
		snprintf(why, why_size, "%s: has ended or is about to", m->name);
		return TROUPE_E_STATE;
	}
	if (m->lead->life.state == LIFE_NO_DEVICE) {
		snprintf(why, why_size, "%s: no device: %s: swap it when that is back", m->name,
			 m->device.path);
		return TROUPE_E_STATE;
	}
	if (access(swap->program, X_OK) < 0) {
		snprintf(why, why_size, "%s: %s", swap->program, strerror(errno));
		return TROUPE_E_NOT_FOUND;
	}
	m->swap = *swap;
	return 0;
}

int swap_begin(struct member *m, const Troupe__SwapRequest *request, const struct asker *asker,
	       uint64_t id, char *why, size_t why_size)
{
	struct supervisor *s = m->supervisor;
	struct swap swap = {.stage = SWAP_WAITING,
			    .probation = request->probation > 0 ? request->probation : 0,
			    .begun = clock_now(),
			    .drops = count_drops(s),
			    .asker = *asker,
			    .id = id,
			    .stages = request->stages};
	if (s->reload) {
		snprintf(why, why_size, "%s: a reload is under way", m->name);
		return TROUPE_E_BUSY;
	}
	memcpy(swap.program, m->section->program, sizeof(swap.program));
	if (*request->exec) {
		config_program(&s->config, m->role, request->exec, swap.program,
			       sizeof(swap.program));
	}
	return begin(m, &swap, why, why_size);
}

int swap_begin_reload(struct member *m, const struct swap_reload *how, const struct asker *asker,
		      uint64_t id, char *why, size_t why_size)
{
	struct swap swap = {.stage = SWAP_WAITING,
			    .probation = how->probation,
			    .begun = clock_now(),
			    .drops = count_drops(m->supervisor),
			    .asker = *asker,
			    .id = id,
			    .stages = true,
			    .section = how->section,
			    .handed_fd = how->handed_fd,
			    .replaced_fd = how->replaced_fd,
			    .outcome = how->outcome};
	memcpy(swap.program, how->section->program, sizeof(swap.program));
	return begin(m, &swap, why, why_size);
}

/* ---- one step of each stage ---- */

/* A former lead may still be ending, and a spare of the old program gives way. */
static void wait_for_room(struct member *m)
{
	part_event(m->next, EVENT_DRAIN);
	if (m->next->process.pid || m->last->process.pid ||
	    !containment_knows(m->supervisor, m->swap.program))
		return;
	m->swap.newcomer = m->next;
	m->swap.started = clock_now();
	enter(m, SWAP_PREPARING);
	part_event(m->next, EVENT_START);
	FAIL_POINT(SWAP_STARTED);
}

static bool overlaps(const struct member *m)
{
	return m->role->queue && member_lives(m);
}

static void take_charge(struct member *m)
{
	m->swap.charged = clock_now();
	enter(m, SWAP_TAKING);
	part_charge(m->swap.newcomer);
	FAIL_POINT(SWAP_CHARGED);
}

static void when_prepared(struct member *m)
{
	if (m->next->life.state != LIFE_PREPARED)
		return;
	m->swap.prepared = clock_now();
	if (overlaps(m)) {
		take_charge(m);
		return;
	}
	m->swap.drained = member_lives(m) ? clock_now() : 0;
	enter(m, SWAP_DRAINING);
	part_event(m->lead, EVENT_DRAIN);
	FAIL_POINT(SWAP_DRAINS);
}

/* By now everything that the old one held was given back. */
static void when_alone(struct member *m)
{
	if (member_lives(m) || m->last->process.pid)
		return;
	member_promote(m);
	FAIL_POINT(SWAP_PROMOTED);
	take_charge(m);
}

static void when_ready(struct member *m)
{
	struct part *newcomer = m->swap.newcomer;
	if (newcomer->life.state != LIFE_READY || (newcomer == m->next && m->last->process.pid))
		return;
	m->swap.ready = clock_now();
	if (newcomer == m->next) {
		member_promote(m);
		part_event(m->last, EVENT_DRAIN);
	}
	enter(m, SWAP_PROBATION);
	FAIL_POINT(SWAP_PROVING);
}

static int64_t when_proved(struct member *m, int64_t now)
{
	int64_t until = m->swap.ready + m->swap.probation;
	if (now < until)
		return until;
	succeed(m, "");
	return CLOCK_NEVER;
}

static int64_t advance(struct member *m, int64_t now)
{
	static void (*const steps[])(struct member * m) = {
		[SWAP_WAITING] = wait_for_room,
		[SWAP_PREPARING] = when_prepared,
		[SWAP_DRAINING] = when_alone,
		[SWAP_TAKING] = when_ready,
	};
	enum swap_stage before;
	do {
		before = m->swap.stage;
		if (before == SWAP_PROBATION)
			return when_proved(m, now);
		if (before != SWAP_NONE)
			steps[before](m);
	} while (m->swap.stage != before);
	return CLOCK_NEVER;
}

int64_t swap_advance(struct supervisor *s, int64_t now)
{
	int64_t next = CLOCK_NEVER;
	for (size_t i = 0; i < s->n_members; i++) {
		int64_t due = advance(s->members[i], now);
		if (due < next)
			next = due;
	}
	return next;
}

/* ---- what comes in between ---- */

void swap_cancel(struct member *m, const char *why)
{
	struct part *newcomer = m->swap.newcomer;
	if (m->swap.stage == SWAP_NONE)
		return;
	if (m->swap.stage == SWAP_PROBATION) {
		succeed(m, ", though its probation was cut short");
		return;
	}
	finish(m, TROUPE_E_STATE, "%s is not swapped: %s", m->name, why);
	if (newcomer == m->next)
		part_event(newcomer, EVENT_DRAIN);
}

/* The newcomer has failed. An old one that ends already comes again. */
static void fail(struct member *m, const char *cause, const char *words)
{
	bool ending = m->swap.stage == SWAP_DRAINING;
	finish(m, TROUPE_E_STATE, "%.200s: %s%s%.200s; %s is played by %.200s as before",
	       m->swap.program, cause, *words ? ": " : "", words, m->name, m->program);
	if (ending && m->wanted)
		part_event(m->lead, EVENT_START);
}

bool swap_not_spawned(struct part *part)
{
	char words[256];
	if (!swap_is_newcomer(part))
		return false;
	words_last(&part->process.words, words, sizeof(words));
	fail(part->member, "cannot be started", words);
	return true;
}

/* Who owns a stream, a tap, or a place in the queue can only be followed by its like; peekers may
 * differ in how they peek. */
static bool is_alike(const char *old, const char *new)
{
	static const char *const owning[] = {"source", "queue", "tap"};
	for (size_t i = 0; i < sizeof(owning) / sizeof(owning[0]); i++)
		if ((strcmp(old, owning[i]) == 0) != (strcmp(new, owning[i]) == 0))
			return false;
	return true;
}

void swap_part_said_hello(struct part *part)
{
	const struct part *old = part->member->lead;
	if (!swap_is_newcomer(part) || part == old || !*old->takes ||
	    is_alike(old->takes, part->takes))
		return;
	log_warn("%s: %s takes \"%s\", wanted \"%s\"", part->member->name, part->program,
		 part->takes, old->takes);
	part->process.killed_for = "plays another role";
	part_event(part, EVENT_KILL);
}

static enum follows newcomer_ended(struct part *part, bool finished, const struct ending *end,
				   const char *words)
{
	struct member *m = part->member;
	bool is_lead = part == m->lead;
	if (is_lead && finished) {
		succeed(m, ", and its source has ended");
		return FOLLOWS_AS_EVER;
	}
	fail(m, end->cause, words);
	if (!is_lead)
		return FOLLOWS_NOBODY;
	return m->wanted ? FOLLOWS_AT_ONCE : FOLLOWS_AS_EVER;
}

enum follows swap_part_ended(struct part *part, bool finished, const struct ending *end,
			     const char *words)
{
	struct member *m = part->member;
	if (swap_is_newcomer(part))
		return newcomer_ended(part, finished, end, words);
	if (part == m->last)
		return FOLLOWS_NOBODY;
	if (part != m->lead || m->swap.stage == SWAP_NONE)
		return FOLLOWS_AS_EVER;
	if (finished) {
		swap_cancel(m, "its source has ended");
		return FOLLOWS_AS_EVER;
	}
	if (m->swap.stage != SWAP_DRAINING)
		return FOLLOWS_AS_EVER;
	m->swap.gone = clock_now();
	return FOLLOWS_NOBODY;
}
