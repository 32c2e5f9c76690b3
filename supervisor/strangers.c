/* Strangers' workers. */
#include "supervisor/strangers.h"

#include "ipc/base/clock.h"
#include "ipc/base/log.h"
#include "ipc/slots/bells.h"
#include "supervisor/member.h"
#include "supervisor/progress.h"

#include <inttypes.h>
#include <string.h>

/* So far apart are two sayings of the same. */
#define NEWS (10 * NS_PER_S)

/* ---- what it takes ---- */

static bool takes_what_it_should(const struct member *m, const char *takes)
{
	static const char *const looking[] = {"latest", "each", "nothing"};
	if (m->role->queue)
		return strcmp(takes, "queue") == 0;
	if (m->role->tap >= 0)
		return strcmp(takes, "tap") == 0;
	for (size_t i = 0; i < sizeof(looking) / sizeof(looking[0]); i++)
		if (strcmp(takes, looking[i]) == 0)
			return true;
	return false;
}

void stranger_said_hello(struct part *part)
{
	const struct member *m = part->member;
	if (m->role->shape != ROLE_NAMED || takes_what_it_should(m, part->takes))
		return;
	log_error("%s: says that it takes \"%s\", its section says takes = \"%s\", tap = \"%s\"",
		  m->name, part->takes, m->section->settings.takes, m->section->settings.tap);
	part->process.killed_for = "takes something else than its section says";
	part_event(part, EVENT_KILL);
}

/* ---- what it is owed ---- */

static bool has_tap(const struct member *m)
{
	return m->role->tap > RECORDING_TAP;
}

/* Between two incarnations it stays: a restart alone loses nothing. */
static bool is_played(const struct member *m)
{
	enum life_state state = m->lead->life.state;
	if (m->supervisor->stage >= STAGE_STOPPING)
		return life_has_process(state);
	return m->wanted && state != LIFE_DOWN && state != LIFE_GAVE_UP && state != LIFE_FINISHED;
}

/* Turns it on or off in one stream. Returns whether it was the other way. */
static bool set_tap(struct stream_row *row, int tap, bool on)
{
	uint32_t bit = 1U << tap;
	uint32_t before =
		on ? atomic_fetch_or(&row->taps_on, bit) : atomic_fetch_and(&row->taps_on, ~bit);
	return (before & bit) != (on ? bit : 0);
}

static void keep_tap(struct member *m)
{
	struct ledger *ledger = &m->supervisor->ledger;
	bool on = is_played(m);
	int gone = 0;
	for (uint32_t i = 0; i < ledger->header->n_streams; i++) {
		bool changed = set_tap(&ledger->streams[i], m->role->tap, on);
		/* A capture may have read the word just before, so as long as it is off what comes
		 * late goes the same way. */
		if (!on || changed)
			gone += ledger_write_off(ledger, i);
	}
	if (gone)
		bells_ring_all(ledger);
}

uint64_t stranger_missed(const struct member *m)
{
	return has_tap(m) ? atomic_load(&m->supervisor->ledger.taps[m->role->tap].written_off) : 0;
}

void strangers_hear(void *arg, const json_t *line)
{
	const char *event = json_string_value(json_object_get(line, "event"));
	const char *worker = json_string_value(json_object_get(line, "worker"));
	struct member *m = worker ? member_find(arg, worker) : NULL;
	if (m && event && journal_event_find(event) == JOURNAL_WRITTEN_OFF)
		m->missed.count = (uint64_t)json_integer_value(json_object_get(line, "frames"));
}

static void say_missed(struct member *m, uint64_t missed, int64_t now)
{
	struct supervisor *s = m->supervisor;
	struct missed *told = &m->missed;
	char text[160];
	snprintf(text, sizeof(text), "%s: %" PRIu64 " frames that it was owed are written off: %s",
		 m->name, missed - told->count,
		 is_played(m) ? "it is behind by more than its share of the slots"
			      : "nobody plays it");
	told->count = missed;
	told->said = now;
	log_warn("%s", text);
	progress_say(s, "%s", text);
	journal_write(&s->journal, JOURNAL_WRITTEN_OFF, m->name,
		      json_pack("{s:I, s:s}", "frames", (json_int_t)missed, "text", text));
}

int64_t strangers_advance(struct supervisor *s, int64_t now)
{
	int64_t next = CLOCK_NEVER;
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		if (!has_tap(m))
			continue;
		keep_tap(m);
		uint64_t missed = stranger_missed(m);
		if (missed == m->missed.count)
			continue;
		if (m->missed.said && now - m->missed.said < NEWS && s->stage < STAGE_STOPPING) {
			int64_t due = m->missed.said + NEWS;
			next = due < next ? due : next;
		} else {
			say_missed(m, missed, now);
		}
	}
	return next;
}
