/* The fold as lines of the journal, and back. */
#include "ipc/journal/history.h"

#include "ipc/base/clock.h"
#include "ipc/links/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- numbers, by a table each ---- */

struct number {
	const char *name;
	size_t at, size;
};

#define NUMBER(type, member)                                                                       \
	{                                                                                          \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member)         \
	}

static const struct number of_tally[] = {
	NUMBER(tally, lives),	NUMBER(tally, failed),	     NUMBER(tally, restarts),
	NUMBER(tally, exits),	NUMBER(tally, faults),	     NUMBER(tally, excused),
	NUMBER(tally, gave_up), NUMBER(tally, swaps),	     NUMBER(tally, swaps_failed),
	NUMBER(tally, repairs), NUMBER(tally, repair_total), NUMBER(tally, repair_longest),
	NUMBER(tally, played),	NUMBER(tally, broken),
};

static const struct number of_worker[] = {
	NUMBER(worker_history, incarnation),  NUMBER(worker_history, turn),
	NUMBER(worker_history, repair_last),  NUMBER(worker_history, played_since),
	NUMBER(worker_history, broken_since),
};

static const struct number of_exit[] = {
	NUMBER(exit_note, pid),	   NUMBER(exit_note, incarnation), NUMBER(exit_note, turn),
	NUMBER(exit_note, signal), NUMBER(exit_note, lived),
};

static const struct number of_time[] = {NUMBER(exit_note, time), NUMBER(exit_note, wall)};

static const struct number of_pipeline[] = {
	NUMBER(history, up_time),
	NUMBER(history, up_wall),
	NUMBER(history, pid),
	NUMBER(history, lost),
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int put(json_t *out, const void *from, const struct number *table, size_t n)
{
	int failed = 0;
	for (size_t i = 0; i < n; i++) {
		const char *at = (const char *)from + table[i].at;
		json_int_t value = 0;
		if (table[i].size == sizeof(int32_t))
			value = *(const int32_t *)(const void *)at;
		else
			value = *(const int64_t *)(const void *)at;
		failed |= json_object_set_new(out, table[i].name, json_integer(value));
	}
	return failed;
}

static void take(const json_t *from, void *to, const struct number *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *at = (char *)to + table[i].at;
		json_int_t value = json_integer_value(json_object_get(from, table[i].name));
		if (table[i].size == sizeof(int32_t))
			*(int32_t *)(void *)at = (int32_t)value;
		else
			*(int64_t *)(void *)at = value;
	}
}

#define PUT(out, from, table) put(out, from, table, COUNT(table))
#define TAKE(from, to, table) take(from, to, table, COUNT(table))

/* ---- exits ---- */

static const struct {
	const char *name;
	size_t at;
} flags[] = {
	{"fault", offsetof(struct exit_note, fault)},
	{"ready", offsetof(struct exit_note, ready)},
	{"core", offsetof(struct exit_note, core)},
	{"excused", offsetof(struct exit_note, excused)},
};

json_t *exit_json(const struct exit_note *note)
{
	json_t *out = json_object();
	if (!out)
		return NULL;
	PUT(out, note, of_exit);
	json_object_set_new(out, "kind", json_string(exit_kind_text(note->kind)));
	json_object_set_new(out, "standby", json_boolean(note->turn == 0));
	for (size_t i = 0; i < COUNT(flags); i++) {
		bool flag = *(const bool *)((const char *)note + flags[i].at);
		json_object_set_new(out, flags[i].name, json_boolean(flag));
	}
	json_object_set_new(out, "cause", json_text(note->cause));
	json_object_set_new(out, "words", json_text(note->words));
	return out;
}

static void copy_text(const json_t *from, const char *key, char *out, size_t size)
{
	const char *found = json_string_value(json_object_get(from, key));
	snprintf(out, size, "%s", found ? found : "");
}

void exit_from_json(const json_t *from, struct exit_note *note)
{
	const char *kind = json_string_value(json_object_get(from, "kind"));
	*note = (struct exit_note){.kind = kind ? exit_kind_find(kind) : EXIT_UNKNOWN};
	TAKE(from, note, of_exit);
	for (size_t i = 0; i < COUNT(flags); i++) {
		bool *flag = (bool *)((char *)note + flags[i].at);
		*flag = json_is_true(json_object_get(from, flags[i].name));
	}
	copy_text(from, "cause", note->cause, sizeof(note->cause));
	copy_text(from, "words", note->words, sizeof(note->words));
}

/* With its times, which the line of its own has elsewhere. */
static json_t *kept_exit_json(const struct exit_note *note)
{
	json_t *out = exit_json(note);
	if (out)
		PUT(out, note, of_time);
	return out;
}

static void take_kept_exit(const json_t *from, struct exit_note *note)
{
	exit_from_json(from, note);
	TAKE(from, note, of_time);
}

/* ---- workers ---- */

json_t *tally_json(const struct tally *tally)
{
	json_t *out = json_object();
	if (out)
		PUT(out, tally, of_tally);
	return out;
}

json_t *history_worker_json(const struct worker_history *worker)
{
	json_t *out = tally_json(&worker->now), *ready = json_array(), *exits = json_array();
	uint32_t n = worker->n_exits < EXITS_KEPT ? worker->n_exits : EXITS_KEPT;
	PUT(out, worker, of_worker);
	json_object_set_new(out, "given_up", json_boolean(worker->gave_up));
	for (uint32_t i = 0; i < worker->n_ready; i++)
		json_array_append_new(ready, json_integer(worker->ready[i]));
	for (uint32_t i = worker->n_exits - n; i != worker->n_exits; i++)
		json_array_append_new(exits, kept_exit_json(&worker->exits[i % EXITS_KEPT]));
	json_object_set_new(out, "ready", ready);
	json_object_set_new(out, "exits_kept", exits);
	json_object_set_new(out, "last_played", kept_exit_json(&worker->last_played));
	json_object_set_new(out, "last_standby", kept_exit_json(&worker->last_standby));
	return out;
}

void history_worker_set(struct worker_history *worker, const json_t *fold)
{
	const json_t *ready = json_object_get(fold, "ready");
	const json_t *exits = json_object_get(fold, "exits_kept");
	struct worker_history as_told = {.before = worker->before};
	if (!json_is_object(fold))
		return;
	memcpy(as_told.name, worker->name, sizeof(as_told.name));
	TAKE(fold, &as_told.now, of_tally);
	TAKE(fold, &as_told, of_worker);
	as_told.gave_up = json_is_true(json_object_get(fold, "given_up"));
	for (size_t i = 0; i < json_array_size(ready) && i < HISTORY_READY_MAX; i++)
		as_told.ready[as_told.n_ready++] =
			(int32_t)json_integer_value(json_array_get(ready, i));
	for (size_t i = 0; i < json_array_size(exits) && i < EXITS_KEPT; i++)
		take_kept_exit(json_array_get(exits, i), &as_told.exits[as_told.n_exits++]);
	take_kept_exit(json_object_get(fold, "last_played"), &as_told.last_played);
	take_kept_exit(json_object_get(fold, "last_standby"), &as_told.last_standby);
	*worker = as_told;
}

/* ---- the pipeline ---- */

json_t *history_pipeline_json(const struct history *history)
{
	json_t *out = json_object();
	if (!out)
		return NULL;
	PUT(out, history, of_pipeline);
	json_object_set_new(out, "stopping", json_boolean(history->stopping));
	return out;
}

void history_pipeline_set(struct history *history, const json_t *fold)
{
	if (!json_is_object(fold))
		return;
	TAKE(fold, history, of_pipeline);
	history->stopping = json_is_true(json_object_get(fold, "stopping"));
}

int64_t journal_wall(const json_t *line)
{
	const char *wall = json_string_value(json_object_get(line, "wall"));
	struct tm tm = {0};
	int ms = 0;
	if (!wall || sscanf(wall, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &tm.tm_year, &tm.tm_mon,
			    &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) != 7)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * NS_PER_S + ms * NS_PER_MS;
}
