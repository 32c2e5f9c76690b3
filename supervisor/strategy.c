/* By the roster's ranks. */
#include "supervisor/strategy.h"

#include "ipc/base/log.h"
#include "ipc/links/json.h"
#include "supervisor/member.h"

#include <string.h>

static bool is_rest_for_one(const struct member *m)
{
	const char *own = m->section->settings.strategy;
	const char *all = m->supervisor->config.top.strategy;
	return strcmp(strcmp(own, "pipeline") == 0 ? all : own, "rest-for-one") == 0;
}

/* One that starts, ends or is swapped is new enough by itself. */
static bool is_of_the_rest(const struct member *m, const struct member *died)
{
	return m->wanted && m->role->stops > died->role->stops &&
	       m->lead->life.state == LIFE_READY && m->swap.stage == SWAP_NONE;
}

void strategy_follow(const struct member *died, const char *cause)
{
	struct supervisor *s = died->supervisor;
	if (s->stage != STAGE_RUNNING || !is_rest_for_one(died))
		return;
	json_t *names = json_array();
	for (size_t i = 0; i < s->n_members; i++)
		if (is_of_the_rest(s->members[i], died))
			json_array_append_new(names, json_string(s->members[i]->name));
	/* What follows from it comes behind it. */
	journal_write(&s->journal, JOURNAL_REST, died->name,
		      json_pack("{s:o, s:o}", "cause", json_text(cause), "restarts", names));
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		if (!is_of_the_rest(m, died))
			continue;
		log_info("%s: is started anew after %s", m->name, died->name);
		part_event(m->lead, EVENT_RESTART);
		part_event(m->next, EVENT_DRAIN);
	}
}
