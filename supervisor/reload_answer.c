/* What is said of a reload, to who asked and to the journal. */
#include "ipc/base/redact.h"
#include "ipc/links/json.h"
#include "supervisor/arena.h"
#include "supervisor/reload_private.h"

#include <string.h>

/* Values of a config may have passwords in them: in an address, or a variable called so. */
static char *shown(struct arena *arena, const struct change *change, const char *value)
{
	char text[2048];
	if (!value)
		return NULL;
	if (strcmp(change->row, "environment") == 0)
		return arena_text(arena, "%s", *value ? "***" : "");
	return arena_text(arena, "%s", redact(value, text, sizeof(text)));
}

static Troupe__Change *change_answer(const struct change *change, struct arena *arena)
{
	Troupe__Change *out = arena_get(arena, sizeof(*out));
	if (!out)
		return NULL;
	troupe__change__init(out);
	out->kind = arena_text(arena, "%s", change_text(change->kind));
	out->section = arena_text(arena, "%s", change->section);
	out->row = arena_text(arena, "%s", change->row);
	if (change->before)
		out->before = shown(arena, change, change->before);
	if (change->after)
		out->after = shown(arena, change, change->after);
	out->fresh = !change->before;
	out->gone = !change->after;
	out->line = (uint32_t)change->line;
	if (change->why)
		out->why = arena_text(arena, "%s", change->why);
	return out;
}

static void fill(const struct reload *reload, struct arena *arena, Troupe__Reload *out)
{
	out->file = arena_text(arena, "%s", reload->file);
	out->dry_run = reload->dry_run;
	out->change = arena_get(arena, (reload->changes.count + 1) * sizeof(void *));
	for (size_t i = 0; i < reload->changes.count && out->change; i++) {
		Troupe__Change *change = change_answer(&reload->changes.all[i], arena);
		if (change)
			out->change[out->n_change++] = change;
	}
	out->restarts = arena_get(arena, (reload->n_targets + 1) * sizeof(void *));
	for (size_t i = 0; i < reload->n_targets && out->restarts; i++)
		out->restarts[out->n_restarts++] =
			arena_text(arena, "%s", reload->targets[i].member->name);
}

static json_t *change_note(const struct change *change, struct arena *arena)
{
	char *before = shown(arena, change, change->before);
	char *after = shown(arena, change, change->after);
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:i}", "kind", change_text(change->kind),
			 "section", change->section, "row", change->row, "before",
			 json_text(before ? before : ""), "after", json_text(after ? after : ""),
			 "line", change->line);
}

static void note(struct supervisor *s, const struct reload *reload, struct arena *arena, int code,
		 const char *text)
{
	json_t *changes = json_array();
	for (size_t i = 0; i < reload->changes.count; i++)
		json_array_append_new(changes, change_note(&reload->changes.all[i], arena));
	journal_write(&s->journal, JOURNAL_RELOAD, NULL,
		      json_pack("{s:o, s:i, s:o, s:o}", "file", json_text(reload->file), "code",
				code, "text", json_text(text), "changes", changes));
}

void reload_answer(struct supervisor *s, const struct reload *reload, int code, const char *text)
{
	struct arena arena = {0};
	Troupe__Reply reply = TROUPE__REPLY__INIT;
	Troupe__Reload answer = TROUPE__RELOAD__INIT;
	fill(reload, &arena, &answer);
	answer.done = code == 0 && !reload->dry_run;
	reply.id = reload->id;
	reply.code = code;
	reply.text = arena_text(&arena, "%s", text);
	reply.reload = &answer;
	if (s->control)
		answer_send(s->control, &reload->asker, &reply);
	if (!reload->dry_run)
		note(s, reload, &arena, code, text);
	arena_finish(&arena);
}
