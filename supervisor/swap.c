/* Swap and scale.
 *
 * In a pool the newcomer starts beside the old one, which is drained when the newcomer is ready.
 * What there is one of is drained first; then the other program has one trial: it becomes ready, or
 * the old one comes back. */
#include "supervisor/swap.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "supervisor/member.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void answer(struct member *m, int code, const char *text)
{
	struct supervisor *s = m->supervisor;
	Troupe__Reply reply = TROUPE__REPLY__INIT;
	char copy[2 * WHY_SIZE];
	snprintf(copy, sizeof(copy), "%s", text);
	reply.id = m->swap.id;
	reply.code = code;
	reply.text = copy;
	if (s->control)
		answer_send(s->control, &m->swap.asker, &reply);
	journal_write(&s->journal, JOURNAL_SWAP, m->name,
		      json_pack("{s:i, s:s}", "code", code, "text", text));
	m->swap.stage = SWAP_NONE;
}

/* Whether the program can be run and knows all rows that are set. */
static int check_program(const struct member *m, const char *program, char *why, size_t why_size)
{
	struct row *rows = NULL;
	if (access(program, X_OK) < 0) {
		snprintf(why, why_size, "%s: %s", program, strerror(errno));
		return TROUPE_E_NOT_FOUND;
	}
	int count = config_rows(program, &rows, why, why_size);
	int rc = count < 0 ? count : 0;
	for (size_t i = 0; i < m->section->n_set && rc == 0; i++) {
		const struct setting *set = &m->section->set[i];
		const struct row *row = row_find(
			&(struct row_table){.rows = rows, .count = (size_t)count}, set->key);
		if (!row) {
			snprintf(why, why_size,
				 "%s does not know \"%s\", which line %d of the config sets",
				 program, set->key, set->line);
			rc = TROUPE_E_CONFIG;
		} else {
			rc = row_set(row, NULL, set->value, why, why_size);
		}
	}
	free(rows);
	return rc;
}

int swap_begin(struct member *m, const char *exec, const struct asker *asker, uint64_t id,
	       char *why, size_t why_size)
{
	char program[PROGRAM_SIZE];
	if (m->swap.stage != SWAP_NONE || m->spare->process.pid) {
		snprintf(why, why_size, "%s: a swap is under way already", m->name);
		return TROUPE_E_BUSY;
	}
	if (m->supervisor->stage == STAGE_STOPPING || m->lead->life.state == LIFE_FINISHED) {
		snprintf(why, why_size, "%s: has ended or is about to", m->name);
		return TROUPE_E_STATE;
	}
	if (*exec)
		config_program(&m->supervisor->config, m->role, exec, program, sizeof(program));
	else
		snprintf(program, sizeof(program), "%s", m->section->program);
	int rc = check_program(m, program, why, why_size);
	if (rc < 0)
		return rc;
	m->swap = (struct swap){.stage = SWAP_TRIAL, .asker = *asker, .id = id};
	snprintf(m->swap.before, sizeof(m->swap.before), "%s", m->lead->program);
	bool overlaps = m->role->shape == ROLE_POOL && member_lives(m);
	struct part *part = overlaps ? m->spare : m->lead;
	if (overlaps || !member_lives(m)) {
		snprintf(part->program, sizeof(part->program), "%s", program);
		part_event(part, EVENT_START);
		return 0;
	}
	m->swap.stage = SWAP_DRAINING;
	/* The process that runs has the old program; the next has the new one. */
	snprintf(part->program, sizeof(part->program), "%s", program);
	part_event(part, EVENT_RESTART);
	return 0;
}

void swap_part_ready(struct part *part)
{
	struct member *m = part->member;
	char text[PROGRAM_SIZE + 128];
	if (m->swap.stage != SWAP_TRIAL)
		return;
	if (part == m->spare) {
		m->spare = m->lead;
		m->lead = part;
		part_event(m->spare, EVENT_DRAIN);
	}
	snprintf(text, sizeof(text), "%s is played by %s (pid %d)", m->name, part->program,
		 (int)part->process.pid);
	answer(m, 0, text);
}

bool swap_part_ended(struct part *part, const struct ending *end, const char *words)
{
	struct member *m = part->member;
	char text[2 * WHY_SIZE];
	if (m->swap.stage == SWAP_DRAINING && part == m->lead) {
		m->swap.stage = SWAP_TRIAL;
		part_exit_event(part, end->clean, true);
		if (part->life.state != LIFE_STARTING)
			answer(m, TROUPE_E_STATE,
			       "the old worker has ended, and none was to follow");
		return true;
	}
	if (m->swap.stage != SWAP_TRIAL || (part == m->lead && m->spare->process.pid))
		return false;
	snprintf(text, sizeof(text), "%.200s: %s%s%.200s: %s is played by %.200s as before",
		 part->program, end->cause, *words ? ": " : "", words, m->name, m->swap.before);
	if (part == m->lead) {
		snprintf(part->program, sizeof(part->program), "%s", m->swap.before);
		answer(m, TROUPE_E_STATE, text);
		part_exit_event(part, false, true);
	} else {
		answer(m, TROUPE_E_STATE, text);
		part_event(part, EVENT_TERM); /* not to be started again */
		part_exit_event(part, false, true);
	}
	return true;
}

/* ---- scale ---- */

static const struct section *find_pool(struct supervisor *s, const char *name)
{
	for (size_t i = 0; i < s->config.n_sections; i++) {
		const struct section *section = &s->config.sections[i];
		if (section->role->shape == ROLE_POOL && section->settings.enabled &&
		    strcmp(section->role->worker, name) == 0)
			return section;
	}
	return NULL;
}

static struct member *numbered(struct supervisor *s, const struct section *pool, uint32_t number)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i]->section == pool && s->members[i]->number == number)
			return s->members[i];
	return NULL;
}

int scale(struct supervisor *s, const char *name, uint32_t count, char *why, size_t why_size)
{
	const struct section *pool = find_pool(s, name);
	const struct row *row = pool ? settings_find(pool->role, "count") : NULL;
	if (!pool) {
		snprintf(why, why_size, "%s: no pool of that name, valid: processor", name);
		return TROUPE_E_NOT_FOUND;
	}
	if (count > row->max) {
		snprintf(why, why_size, "%u is no number of %ss, valid: 0 to %.0f", count, name,
			 row->max);
		return TROUPE_E_ARGUMENT;
	}
	for (uint32_t number = 1; number <= count; number++) {
		struct member *m = numbered(s, pool, number);
		if (m && m->wanted)
			continue;
		m = member_add(s, pool, "", number);
		if (!m) {
			snprintf(why, why_size, "too many workers");
			return TROUPE_E_FULL;
		}
		part_event(m->lead, EVENT_START);
	}
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		if (m->section != pool || m->number <= count || !m->wanted)
			continue;
		m->wanted = false;
		part_event(m->lead, EVENT_DRAIN);
		part_event(m->spare, EVENT_DRAIN);
	}
	snprintf(why, why_size, "%s: %u workers", name, count);
	journal_write(&s->journal, JOURNAL_SCALE, name, json_pack("{s:i}", "count", (int)count));
	return 0;
}
