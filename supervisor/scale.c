/* Pools grow by members and shrink by draining them, the highest numbers first. */
#include "supervisor/scale.h"

#include "ipc/base/errors.h"
#include "supervisor/member.h"
#include "supervisor/swap.h"

#include <stdio.h>
#include <string.h>

static struct section *find_pool(struct supervisor *s, const char *name)
{
	for (size_t i = 0; i < s->config.n_sections; i++) {
		struct section *section = &s->config.sections[i];
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

/* Seats that `count` of the pool need beside those of the ones there are. */
static uint32_t seats_more(struct supervisor *s, const struct section *pool, uint32_t count)
{
	uint32_t more = 0;
	for (uint32_t number = 1; number <= count; number++) {
		const struct member *m = numbered(s, pool, number);
		more += m && m->wanted ? 0 : 1 + (uint32_t)pool->settings.spares;
	}
	return more;
}

static uint32_t count_wanted(const struct supervisor *s, const struct section *pool)
{
	uint32_t n = 0;
	for (size_t i = 0; i < s->n_members; i++)
		n += s->members[i]->section == pool && s->members[i]->wanted;
	return n;
}

int scale(struct supervisor *s, const char *name, uint32_t count, char *why, size_t why_size)
{
	struct section *pool = find_pool(s, name);
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
	if (!members_seated(s, seats_more(s, pool, count), why, why_size))
		return TROUPE_E_FULL;
	/* What follows from it comes behind it. */
	journal_write(
		&s->journal, JOURNAL_SCALE, name,
		json_pack("{s:i, s:i}", "from", (int)count_wanted(s, pool), "count", (int)count));
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
		swap_cancel(m, "the pool gets smaller");
		for (int k = 0; k < PARTS; k++)
			part_event(&m->parts[k], EVENT_DRAIN);
	}
	pool->settings.count = count; /* what a reload compares with */
	snprintf(why, why_size, "%s: %u workers", name, count);
	return 0;
}
