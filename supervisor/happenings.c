/* Noticing and telling what a recording should say. */
#include "supervisor/happenings.h"

#include "ipc/base/clock.h"
#include "ipc/links/json.h"
#include "ipc/links/pipe.h"
#include "schemas/life.pb-c.h"
#include "supervisor/supervisor.h"

#include <stdio.h>
#include <string.h>

#define WHY_WAIT NS_PER_S

static void keep(struct supervisor *s, const struct happening *what)
{
	s->happenings.kept[s->happenings.count++ % HAPPENINGS_KEPT] = *what;
}

static struct happening begin(const char *kind, const struct member *m, int64_t time, int64_t now)
{
	struct happening what = {
		.kind = kind, .begun = time, .begun_wall = clock_wall() - (now - time)};
	snprintf(what.worker, sizeof(what.worker), "%s", m->name);
	if (m->role->source)
		snprintf(what.stream, sizeof(what.stream), "%s",
			 m->supervisor->ledger.streams[m->number].name);
	return what;
}

/* ---- deaths ---- */

void happened_death(struct part *part, const char *cause, const char *words)
{
	struct member *m = part->member;
	int64_t now = clock_now();
	struct happening what = begin("died", m, now, now);
	snprintf(what.cause, sizeof(what.cause), "%.90s%s%.60s", cause, *words ? ": " : "", words);
	what.ended = what.begun;
	what.ended_wall = what.begun_wall;
	keep(m->supervisor, &what);
}

/* ---- sources that are lost ---- */

/* Since when, 0: it is not. A capture that nobody starts again looks for nothing. */
static int64_t lost_since(const struct member *m, int64_t now)
{
	const struct happening *known = &m->supervisor->happenings.lost[m->number];
	switch (m->lead->life.state) {
	case LIFE_NO_DEVICE:
		return known->begun ? known->begun : now;
	case LIFE_DOWN:
	case LIFE_FINISHED:
	case LIFE_GAVE_UP:
		return 0;
	default:
		return atomic_load(&m->supervisor->ledger.streams[m->number].away_since);
	}
}

static void say_why(const struct member *m, struct happening *what)
{
	static const char said[] = " lost: "; /* "camera lost: …", "camera still lost: …" */
	const char *why = strstr(m->said, said);
	if (m->lead->life.state == LIFE_NO_DEVICE)
		snprintf(what->cause, sizeof(what->cause), "no device: %.140s", m->device.path);
	else
		snprintf(what->cause, sizeof(what->cause), "%.150s", why ? why + strlen(said) : "");
}

/* Its row says at once that it is lost; why, its report does, a moment later or never. */
static int64_t why_due(const struct member *m, int64_t since)
{
	bool known = m->lead->life.state == LIFE_NO_DEVICE || m->said_at >= since;
	return known ? since : since + WHY_WAIT;
}

static void note(struct supervisor *s, const struct happening *lost)
{
	journal_write(&s->journal, JOURNAL_SOURCE, lost->worker,
		      json_pack("{s:s, s:s, s:I, s:o, s:I}", "stream", lost->stream, "what",
				lost->ended ? "back" : "lost", "since", (json_int_t)lost->begun,
				"why", json_text(lost->cause), "lasted",
				(json_int_t)(lost->ended ? lost->ended - lost->begun : 0)));
}

/* Returns when to look again. */
static int64_t look_at_source(struct supervisor *s, const struct member *m, int64_t now)
{
	struct happening *lost = &s->happenings.lost[m->number];
	int64_t since = lost_since(m, now);
	if (since && !lost->begun) {
		int64_t due = why_due(m, since);
		if (due > now)
			return due;
		*lost = begin("lost", m, since, now);
		say_why(m, lost);
		keep(s, lost);
		note(s, lost);
	} else if (!since && lost->begun) {
		lost->ended = now;
		lost->ended_wall = clock_wall();
		keep(s, lost);
		note(s, lost);
		*lost = (struct happening){0};
	}
	return CLOCK_NEVER;
}

/* ---- telling ---- */

static int tell(const struct part *part, struct happening *what)
{
	Troupe__Happened told = TROUPE__HAPPENED__INIT;
	char kind[16];
	snprintf(kind, sizeof(kind), "%s", what->kind);
	told.kind = kind;
	told.worker = what->worker;
	told.stream = what->stream;
	told.cause = what->cause;
	told.begun = what->begun;
	told.begun_wall = what->begun_wall;
	told.ended = what->ended;
	told.ended_wall = what->ended_wall;
	return link_send(part->process.pipe, MESSAGE_HAPPENED, &told.base);
}

/* What its process has not heard yet. */
static void tell_part(struct supervisor *s, struct part *part)
{
	struct process *p = &part->process;
	uint64_t count = s->happenings.count;
	if (count - p->told > HAPPENINGS_KEPT)
		p->told = count - HAPPENINGS_KEPT;
	while (p->pipe && p->told < count &&
	       tell(part, &s->happenings.kept[p->told % HAPPENINGS_KEPT]) == 0)
		p->told++;
}

int64_t happenings_advance(struct supervisor *s, int64_t now)
{
	int64_t due = CLOCK_NEVER;
	for (size_t i = 0; i < s->n_members; i++) {
		int64_t next = s->members[i]->role->source ? look_at_source(s, s->members[i], now)
							   : CLOCK_NEVER;
		due = next < due ? next : due;
	}
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		if (m->role->tap >= 0 && m->lead->life.state == LIFE_READY)
			tell_part(s, m->lead);
	}
	return due;
}
