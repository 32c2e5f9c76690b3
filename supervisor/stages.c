/* Start and stop in order.
 *
 * Stopping asks for states, not for events: whatever of the rank that stops is ready is told to
 * drain, as often as it takes. So a storer that is killed while it drains is simply started again,
 * recovers, and is told once more. */
#include "supervisor/stages.h"

#include "ipc/base/clock.h"
#include "ipc/base/log.h"
#include "ipc/links/json.h"
#include "supervisor/member.h"
#include "supervisor/swap.h"

#include <string.h>
#include <unistd.h>

/* How often words are looked at while nothing else tells that they have changed. */
#define LOOK_EVERY (50 * NS_PER_MS)
/* A tap that dies while it drains is started again so many times. */
#define TAP_TRIES 5

static void start_members(struct supervisor *s, bool sources)
{
	/* The order of the roster. */
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i]->role->source == sources)
			part_event(s->members[i]->lead, EVENT_START);
}

void stages_begin(struct supervisor *s)
{
	s->stage = STAGE_TAKERS;
	start_members(s, false);
}

static bool all_ready(const struct supervisor *s, bool sources)
{
	for (size_t i = 0; i < s->n_members; i++) {
		const struct member *m = s->members[i];
		if (m->role->source == sources && m->wanted && !m->was_ready &&
		    m->lead->life.state != LIFE_FINISHED)
			return false;
	}
	return true;
}

/* A source that was given up begins again only if a person starts it, for which those that have
 * ended do not wait; but with none that has ended, a pipeline is not over. */
static bool sources_over(const struct supervisor *s, const struct member **given_up)
{
	size_t finished = 0, given = 0, sources = 0;
	for (size_t i = 0; i < s->n_members; i++) {
		const struct member *m = s->members[i];
		if (!m->role->source)
			continue;
		sources++;
		finished += m->lead->life.state == LIFE_FINISHED;
		if (m->lead->life.state != LIFE_GAVE_UP || m->next->process.pid)
			continue;
		given++;
		*given_up = m;
	}
	return finished > 0 && finished + given == sources;
}

static void end_with_sources(struct supervisor *s)
{
	const struct member *given_up = NULL;
	if (!sources_over(s, &given_up))
		return;
	stages_stop(s, "all sources have ended");
	if (given_up)
		supervisor_fail(s, "%s: was given up before its source had ended", given_up->name);
}

void stages_say_ready(struct supervisor *s)
{
	static const char text[] = "ready\n";
	if (s->ready_fd < 0)
		return;
	ssize_t ignored = write(s->ready_fd, text, sizeof(text) - 1);
	(void)ignored;
	close(s->ready_fd);
	s->ready_fd = -1;
}

/* ---- stopping ---- */

static bool is_under_way(const struct supervisor *s)
{
	for (uint32_t i = 0; i < s->ledger.header->n_slots; i++) {
		enum phase phase = word_unpack(ledger_word(&s->ledger, i)).phase;
		if (phase == PHASE_FILLING || phase == PHASE_QUEUED || phase == PHASE_HELD)
			return true;
	}
	return false;
}

static uint32_t count_owed(const struct supervisor *s, int tap)
{
	uint32_t owed = 0;
	for (uint32_t i = 0; i < s->ledger.header->n_slots; i++)
		owed += word_unpack(ledger_word(&s->ledger, i)).owed >> tap & 1;
	return owed;
}

/* Tells one member of the rank what its state calls for. Returns whether it has come to rest. */
static bool bring_to_rest(struct supervisor *s, struct member *m)
{
	enum life_state state = m->lead->life.state;
	bool needed = m->role->tap == RECORDING_TAP && count_owed(s, RECORDING_TAP) > 0 &&
		      !s->stopping.hurried;
	part_event(m->next, EVENT_DRAIN);
	part_event(m->last, EVENT_DRAIN);
	if (state == LIFE_READY || state == LIFE_NO_DEVICE ||
	    (!needed &&
	     (state == LIFE_STARTING || state == LIFE_PREPARED || state == LIFE_BACK_OFF)))
		part_event(m->lead, EVENT_DRAIN);
	if (state == LIFE_DOWN && needed && m->wanted && s->stopping.tries < TAP_TRIES) {
		s->stopping.tries++;
		part_event(m->lead, EVENT_START);
	}
	state = m->lead->life.state;
	return !life_has_process(state) && state != LIFE_BACK_OFF && !m->next->process.pid &&
	       !m->last->process.pid;
}

static bool rank_at_rest(struct supervisor *s)
{
	bool rest = true;
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i]->role->stops == s->stopping.rank)
			rest &= bring_to_rest(s, s->members[i]);
	return rest;
}

static void note_lost(struct supervisor *s)
{
	uint32_t owed = count_owed(s, RECORDING_TAP);
	for (size_t i = 0; i < s->n_members && owed; i++) {
		if (s->members[i]->role->tap == RECORDING_TAP)
			supervisor_fail(s, "%s: %u frames are not stored", s->members[i]->name,
					owed);
	}
}

/* After the sources, what they left must become DONE while the processors still live. */
static bool wait_for_words(struct supervisor *s, int64_t now)
{
	if (s->stopping.rank != 0 || s->stopping.hurried || !is_under_way(s))
		return false;
	if (!s->stopping.until)
		s->stopping.until = now + s->config.top.drain_timeout;
	return now < s->stopping.until;
}

static int64_t advance_stopping(struct supervisor *s, int64_t now)
{
	while (s->stopping.rank < roster_ranks()) {
		if (!rank_at_rest(s) || wait_for_words(s, now))
			return now + LOOK_EVERY;
		s->stopping.rank++;
	}
	note_lost(s);
	s->stage = STAGE_ENDED;
	return now;
}

void stages_stop(struct supervisor *s, const char *why)
{
	if (s->stage >= STAGE_STOPPING)
		return;
	log_info("stopping: %s", why);
	journal_write(&s->journal, JOURNAL_DOWN, NULL, json_pack("{s:o}", "why", json_text(why)));
	s->stage = STAGE_STOPPING;
	s->stopping = (struct stopping){0};
	for (size_t i = 0; i < s->n_members; i++)
		swap_cancel(s->members[i], "the pipeline is stopping");
}

void stages_hurry(struct supervisor *s)
{
	if (s->stage != STAGE_STOPPING || s->stopping.hurried)
		return;
	s->stopping.hurried = true;
	for (size_t i = 0; i < s->n_members; i++)
		for (int k = 0; k < PARTS; k++)
			part_event(&s->members[i]->parts[k], EVENT_TERM);
}

int64_t stages_advance(struct supervisor *s, int64_t now)
{
	if (*s->failure && s->stage < STAGE_STOPPING) {
		stages_stop(s, s->failure);
		stages_hurry(s);
	}
	if (s->stage == STAGE_TAKERS && all_ready(s, false)) {
		s->stage = STAGE_SOURCES;
		start_members(s, true);
	}
	if (s->stage == STAGE_SOURCES && all_ready(s, true)) {
		s->stage = STAGE_RUNNING;
		stages_say_ready(s);
	}
	if (s->stage == STAGE_RUNNING)
		end_with_sources(s);
	return s->stage == STAGE_STOPPING ? advance_stopping(s, now) : CLOCK_NEVER;
}
