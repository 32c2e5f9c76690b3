/* Section by section, table by table, row by row. */
#include "supervisor/differ.h"

#include "ipc/base/errors.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_SIZE 1100

#define NEW_RUN "only a new run can have that: `troupe down`, then `troupe up`"

const char *change_text(enum change_kind kind)
{
	static const char *const texts[] = {
#define CHANGE_TEXT(name, text) [CHANGE_##name] = (text),
		CHANGE_KINDS(CHANGE_TEXT)
#undef CHANGE_TEXT
	};
	return texts[kind];
}

/* Two sections of the same name and title, or the top level of both. */
struct pair {
	const struct config *wanted;
	const struct section *was, *now;
	struct changes *out;
};

int changes_add(struct changes *changes, const struct change *change, const char *before,
		const char *after)
{
	struct change *more = reallocarray(changes->all, changes->count + 1, sizeof(*more));
	if (!more)
		return TROUPE_E_MEMORY;
	changes->all = more;
	struct change *added = &more[changes->count++];
	const struct section *section = change->now ? change->now : change->was;
	*added = *change;
	added->before = before ? strdup(before) : NULL;
	added->after = after ? strdup(after) : NULL;
	if (section)
		snprintf(added->section, sizeof(added->section), "%s%s%s", section->role->section,
			 *section->title ? "." : "", section->title);
	return (before && !added->before) || (after && !added->after) ? TROUPE_E_MEMORY : 0;
}

void changes_finish(struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		free(changes->all[i].before);
		free(changes->all[i].after);
	}
	free(changes->all);
	*changes = (struct changes){0};
}

static int add_row(const struct pair *pair, enum change_kind kind, const char *row,
		   const char *before, const char *after, const char *why)
{
	const struct change change = {.kind = kind,
				      .was = pair->was,
				      .now = pair->now,
				      .row = row,
				      .line = config_line(pair->wanted, pair->now, row),
				      .why = why};
	return changes_add(pair->out, &change, before, after);
}

/* Nobody runs who could be restarted, or nobody will. */
static bool is_idle(const struct pair *pair)
{
	return pair->was && !(pair->was->settings.enabled && pair->now->settings.enabled);
}

/* ---- the supervisor's rows ---- */

static enum change_kind kind_of(const struct pair *pair, enum row_change change)
{
	static const enum change_kind kinds[] = {
		[ROW_RESTARTS] = CHANGE_RESTART,
		[ROW_LIVE] = CHANGE_LIVE,
		[ROW_TAPS] = CHANGE_LIVE, /* for the section itself */
		[ROW_NEVER] = CHANGE_NEVER,
	};
	return change == ROW_RESTARTS && is_idle(pair) ? CHANGE_LIVE : kinds[change];
}

/* Who comes or goes. A stream is made of the ledger, and frames that are owed need their tap. */
static int add_enabled(const struct pair *pair, const char *before, const char *after)
{
	if (!pair->was || !pair->now)
		return 0;
	const struct role *role = pair->was->role;
	const char *why = role->shape == ROLE_STREAM ? NEW_RUN
			  : role->tap >= 0	     ? "`troupe record off` ends the recording; "
						       "without its worker only a new run can be"
						     : NULL;
	enum change_kind kind = pair->now->settings.enabled ? CHANGE_ADD : CHANGE_REMOVE;
	return add_row(pair, why ? CHANGE_NEVER : kind, "enabled", before, after, why);
}

/* Whoever is owed every frame learns of it by starting anew. */
static int add_taps(const struct pair *pair, const struct config *running)
{
	int rc = 0;
	for (size_t i = 0; i < pair->wanted->n_sections && rc == 0; i++) {
		const struct section *now = &pair->wanted->sections[i];
		const struct section *was = config_section(running, now->role->section, now->title);
		struct pair tap = {pair->wanted, was, now, pair->out};
		if (now->role->tap == 0 && was && was->settings.enabled && now->settings.enabled &&
		    !changes_restart(pair->out, now))
			rc = add_row(&tap, CHANGE_RESTART, "", NULL, NULL, NULL);
	}
	return rc;
}

static int compare_table(const struct pair *pair, const struct config *running,
			 const struct row_table *table, const void *old, const void *new)
{
	int rc = 0;
	for (size_t i = 0; i < table->count && rc == 0; i++) {
		const struct row *row = &table->rows[i];
		char before[VALUE_SIZE], after[VALUE_SIZE];
		row_format(row, old, before, sizeof(before));
		row_format(row, new, after, sizeof(after));
		if (strcmp(before, after) == 0)
			continue;
		enum change_kind kind = kind_of(pair, row->change);
		if (strcmp(row->name, "enabled") == 0)
			rc = add_enabled(pair, before, after);
		else
			rc = add_row(pair, kind, row->name, before, after,
				     kind == CHANGE_NEVER ? NEW_RUN : NULL);
		if (rc == 0 && row->change == ROW_TAPS)
			rc = add_taps(pair, running);
	}
	return rc;
}

/* ---- the program's rows ---- */

/* The text as its row would write it, so that 1s and 1000ms are the same. */
static const char *value_of(const struct section *section, const char *key, char *out, size_t size)
{
	alignas(8) char value[VALUE_SIZE];
	char why[VALUE_SIZE];
	const char *text = section_value(section, key);
	const struct row *row =
		row_find(&(struct row_table){.rows = section->rows, .count = section->n_rows}, key);
	if (!row || !text || row_set(row, value, text, why, sizeof(why)) < 0)
		return text;
	return row_format(row, value, out, size);
}

static int compare_value(const struct pair *pair, const char *key)
{
	char old[VALUE_SIZE], new[VALUE_SIZE];
	const char *before = value_of(pair->was, key, old, sizeof(old));
	const char *after = value_of(pair->now, key, new, sizeof(new));
	const char *folder = pair->now->role->folder_row;
	if (before && after && strcmp(before, after) == 0)
		return 0;
	if (folder && strcmp(folder, key) == 0) {
		return add_row(pair, CHANGE_NEVER, key, before, after,
			       "what a run records lies in one folder: `troupe down`, then "
			       "`troupe up`");
	}
	return add_row(pair, is_idle(pair) ? CHANGE_LIVE : CHANGE_RESTART, key, before, after,
		       NULL);
}

static bool has_row(const struct section *section, const char *key)
{
	return row_find(&(struct row_table){.rows = section->rows, .count = section->n_rows},
			key) != NULL;
}

/* The rows of both programs, which may be two; those that the supervisor has as well were compared
 * there. */
static int compare_values(const struct pair *pair)
{
	const struct section *const sides[] = {pair->now, pair->was};
	int rc = 0;
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < sides[side]->n_rows && rc == 0; i++) {
			const char *key = sides[side]->rows[i].name;
			if (!settings_find(pair->now->role, key) &&
			    (side == 0 || !has_row(pair->now, key)))
				rc = compare_value(pair, key);
		}
	}
	return rc;
}

/* ---- sections ---- */

static int add_section_change(const struct pair *pair)
{
	const struct section *section = pair->now ? pair->now : pair->was;
	bool fixed = section->role->shape == ROLE_STREAM || section->role->tap >= 0;
	enum change_kind kind = pair->now ? CHANGE_ADD : CHANGE_REMOVE;
	const struct change change = {.kind = fixed ? CHANGE_NEVER : kind,
				      .was = pair->was,
				      .now = pair->now,
				      .row = "",
				      .line = pair->now ? pair->now->line : 0,
				      .why = fixed ? NEW_RUN : NULL};
	return changes_add(pair->out, &change, pair->was ? "there" : NULL,
			   pair->now ? "there" : NULL);
}

static int compare_sections(const struct pair *pair, const struct config *running)
{
	const struct section *was = pair->was, *now = pair->now;
	const struct row_table *parts[SETTINGS_PARTS];
	size_t n = settings_for(now->role, parts);
	int rc = 0;
	if (was->role != now->role) {
		return add_row(pair, CHANGE_NEVER, "takes", was->settings.takes,
			       now->settings.takes,
			       "it would play another role: give it another name, or a new run");
	}
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = compare_table(pair, running, parts[i], &was->settings, &now->settings);
	return rc == 0 ? compare_values(pair) : rc;
}

static int compare_section(const struct pair *pair, const struct config *running)
{
	const struct section *only = pair->now ? pair->now : pair->was;
	if (pair->was && pair->now)
		return compare_sections(pair, running);
	return only->settings.enabled ? add_section_change(pair) : 0;
}

/* A row of the top level that restarts restarts all. */
static int restart_all(const struct pair *top, const struct config *running)
{
	int rc = 0;
	for (size_t i = 0; i < top->wanted->n_sections && rc == 0; i++) {
		const struct section *now = &top->wanted->sections[i];
		struct pair pair = {top->wanted,
				    config_section(running, now->role->section, now->title), now,
				    top->out};
		if (pair.was && pair.was->settings.enabled && now->settings.enabled &&
		    !changes_restart(top->out, now))
			rc = add_row(&pair, CHANGE_RESTART, "", NULL, NULL, NULL);
	}
	return rc;
}

int differ(const struct config *running, const struct config *wanted, struct changes *out)
{
	struct pair top = {wanted, NULL, NULL, out};
	*out = (struct changes){0};
	int rc = compare_table(&top, running, &settings_top, &running->top, &wanted->top);
	bool all = false;
	for (size_t i = 0; i < out->count; i++)
		all |= out->all[i].kind == CHANGE_RESTART;
	for (size_t i = 0; i < running->n_sections && rc == 0; i++) {
		const struct section *was = &running->sections[i];
		struct pair pair = {wanted, was,
				    config_section(wanted, was->role->section, was->title), out};
		if (!pair.now)
			rc = compare_section(&pair, running);
	}
	for (size_t i = 0; i < wanted->n_sections && rc == 0; i++) {
		const struct section *now = &wanted->sections[i];
		struct pair pair = {wanted, config_section(running, now->role->section, now->title),
				    now, out};
		rc = compare_section(&pair, running);
	}
	return rc == 0 && all ? restart_all(&top, running) : rc;
}

const struct change *changes_never(const struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		if (changes->all[i].kind == CHANGE_NEVER)
			return &changes->all[i];
	return NULL;
}

bool changes_restart(const struct changes *changes, const struct section *now)
{
	for (size_t i = 0; i < changes->count; i++)
		if (changes->all[i].now == now && changes->all[i].kind == CHANGE_RESTART)
			return true;
	return false;
}
