/* Noticing and telling what a recording should say. */
#include "supervisor/happenings.h"

#include "ipc/base/clock.h"
#include "ipc/links/json.h"
#include "ipc/links/pipe.h"
#include "ipc/slots/record.h"
#include "schemas/life.pb-c.h"
#include "supervisor/member.h"

#include <stdio.h>
#include <string.h>

#define WHY_WAIT NS_PER_S

static void keep(struct supervisor *s, const struct happening *what)
{
	s->happenings.kept[s->happenings.count++ % HAPPENINGS_KEPT] = *what;
}

/* ---- out of the journal ---- */

static const char *text_of(const json_t *line, const char *key)
{
	const char *text = json_string_value(json_object_get(line, key));
	return text ? text : "";
}

static int64_t number_of(const json_t *line, const char *key)
{
	return json_integer_value(json_object_get(line, key));
}

static void hear_exit(struct supervisor *s, const json_t *line)
{
	const struct member *m = member_find(s, text_of(line, "worker"));
	struct exit_note note;
	exit_from_json(line, &note);
	bool as_it_should = note.kind == EXIT_ASKED || note.kind == EXIT_REPLACED ||
			    note.kind == EXIT_FINISHED || note.kind == EXIT_DEVICE;
	if (as_it_should || !note.turn)
		return;
	struct happening what = {
		.kind = "died", .begun = number_of(line, "t"), .begun_wall = journal_wall(line)};
	what.ended = what.begun;
	what.ended_wall = what.begun_wall;
	snprintf(what.worker, sizeof(what.worker), "%s", text_of(line, "worker"));
	if (m && m->role->source)
		snprintf(what.stream, sizeof(what.stream), "%s", s->ledger.streams[m->number].name);
	snprintf(what.cause, sizeof(what.cause), "%.90s%s%.60s", note.cause,
		 *note.words ? ": " : "", note.words);
	keep(s, &what);
}

static void hear_source(struct supervisor *s, const json_t *line)
{
	bool back = strcmp(text_of(line, "what"), "back") == 0;
	struct happening lost = {.kind = "lost", .begun = number_of(line, "since")};
	lost.begun_wall = journal_wall(line) - (number_of(line, "t") - lost.begun);
	if (back) {
		lost.ended = lost.begun + number_of(line, "lasted");
		lost.ended_wall = lost.begun_wall + number_of(line, "lasted");
	}
	snprintf(lost.worker, sizeof(lost.worker), "%s", text_of(line, "worker"));
	snprintf(lost.stream, sizeof(lost.stream), "%s", text_of(line, "stream"));
	snprintf(lost.cause, sizeof(lost.cause), "%s", text_of(line, "why"));
	keep(s, &lost);
	for (uint32_t i = 0; i < s->ledger.header->n_streams; i++)
		if (strcmp(s->ledger.streams[i].name, lost.stream) == 0)
			s->happenings.lost[i] = back ? (struct happening){0} : lost;
}

void happenings_hear(void *arg, const json_t *line)
{
	enum journal_event event = journal_event_find(text_of(line, "event"));
	if (event == JOURNAL_EXIT)
		hear_exit(arg, line);
	else if (event == JOURNAL_SOURCE)
		hear_source(arg, line);
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
		return record_time(
			atomic_load(&m->supervisor->ledger.streams[m->number].away_since));
	}
}

static void say_why(const struct member *m, char *out, size_t size)
{
	static const char said[] = " lost: "; /* "camera lost: …", "camera still lost: …" */
	const char *why = strstr(m->said, said);
	if (m->lead->life.state == LIFE_NO_DEVICE)
		snprintf(out, size, "no device: %.140s", m->device.path);
	else
		snprintf(out, size, "%.150s", why ? why + strlen(said) : "");
}

/* Its row says at once that it is lost; why, its report does, a moment later or never. */
static int64_t why_due(const struct member *m, int64_t since)
{
	bool known = m->lead->life.state == LIFE_NO_DEVICE || m->said_at >= since;
	return known ? since : since + WHY_WAIT;
}

static void note(struct supervisor *s, const struct member *m, const char *what, int64_t since,
		 int64_t lasted, const char *why)
{
	journal_write(&s->journal, JOURNAL_SOURCE, m->name,
		      json_pack("{s:s, s:s, s:I, s:o, s:I}", "stream",
				s->ledger.streams[m->number].name, "what", what, "since",
				(json_int_t)since, "why", json_text(why), "lasted",
				(json_int_t)lasted));
}

/* Returns when to look again. */
static int64_t look_at_source(struct supervisor *s, const struct member *m, int64_t now)
{
	const struct happening *lost = &s->happenings.lost[m->number];
	int64_t since = lost_since(m, now);
	char why[HAPPENING_CAUSE];
	if (since && !lost->begun) {
		int64_t due = why_due(m, since);
		if (due > now)
			return due;
		say_why(m, why, sizeof(why));
		note(s, m, "lost", since, 0, why);
	} else if (!since && lost->begun) {
		snprintf(why, sizeof(why), "%s", lost->cause);
		note(s, m, "back", lost->begun, now - lost->begun, why);
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
