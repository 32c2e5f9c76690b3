/* What follows from the rows that nobody has to be restarted for. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "supervisor/allot.h"
#include "supervisor/member.h"
#include "supervisor/reload_private.h"
#include "supervisor/scale.h"
#include "supervisor/spawn.h"
#include "supervisor/swap.h"

#include <stdlib.h>
#include <string.h>

const char *reload_address(const struct section *section)
{
	for (size_t i = 0; i < section->n_rows; i++)
		if (section->rows[i].type == ROW_LISTEN)
			return section_value(section, section->rows[i].name);
	return "";
}

/* ---- the ledger ---- */

/* Workers look at these whenever they need one, and each is right by itself. */
static void apply_stream(struct stream_row *row, const struct section *was,
			 const struct section *now)
{
	const struct section_settings *set = &now->settings;
	row->quality = (uint32_t)set->quality;
	row->tap_every_ns[0] =
		set->record_fps > 0 ? (int64_t)((double)NS_PER_S / set->record_fps) : 0;
	row->keep_bytes = set->keep.bytes;
	row->keep_age = set->keep.age;
	if (set->record == was->settings.record)
		return; /* `troupe record` has the last word */
	if (set->record)
		atomic_fetch_or(&row->taps_on, 1U);
	else
		atomic_fetch_and(&row->taps_on, ~1U);
}

void reload_apply_rows(struct supervisor *s, const struct top_settings *top,
		       const struct config *was, const struct config *now)
{
	struct ledger_header *header = s->ledger.header;
	s->config.top = *top;
	s->journal.limit = top->journal_size;
	header->hang_after = top->hang_after;
	header->bypass_after = top->bypass_after;
	header->low_water_percent = (uint32_t)top->low_water;
	header->orphan_wait = settings_orphan_wait(top);
	for (size_t i = 0; i < s->n_members; i++) {
		const struct member *m = s->members[i];
		if (!m->role->source)
			continue;
		const char *title = m->section->title;
		apply_stream(&s->ledger.streams[m->number], config_section(was, "stream", title),
			     config_section(now, "stream", title));
	}
}

/* ---- who comes and goes ---- */

void reload_rebase(struct member *m, const struct section *section)
{
	m->section = section;
	memcpy(m->program, section->program, sizeof(m->program));
}

static void retire(struct member *m)
{
	m->wanted = false;
	swap_cancel(m, "it is not wanted any more");
	for (int k = 0; k < PARTS; k++)
		part_event(&m->parts[k], EVENT_DRAIN);
}

static void listen_for(struct supervisor *s, struct member *m)
{
	char actual[80], why[WHY_SIZE];
	const char *address = reload_address(m->section);
	if (m->handed_fd >= 0 || !*address)
		return;
	m->handed_fd = listen_at(address, actual, sizeof(actual), why, sizeof(why));
	if (m->handed_fd >= 0)
		snprintf(s->url, sizeof(s->url), "http://%s/", actual);
	else
		log_error("%s: %s", m->name, why);
}

static void enlist(struct supervisor *s, const struct section *section)
{
	int64_t n = section->role->shape == ROLE_POOL ? section->settings.count : 1;
	for (int64_t k = 1; k <= n; k++) {
		struct member *m = member_add(s, section, section->title, (uint32_t)k);
		if (!m) {
			log_error("%s: too many workers", section->role->section);
			return;
		}
		reload_rebase(m, section);
		listen_for(s, m);
		part_event(m->lead, EVENT_START);
	}
}

/* ---- those that stay ---- */

/* What a process cannot be given while it runs, its successor gets. */
static void give_again(struct member *m)
{
	const struct section_settings *set = &m->section->settings;
	bool denied = false;
	for (int k = 0; k < PARTS; k++) {
		pid_t pid = m->parts[k].process.pid;
		if (pid)
			denied |= allot_again(pid, m->role, set, m->supervisor->oom_base) ==
				  TROUPE_E_DENIED;
	}
	if (set->spares == 0 || denied)
		part_event(m->next, EVENT_DRAIN);
	if (!denied || !member_lives(m))
		return;
	log_info("%s: is started anew, for it cannot be given that while it runs", m->name);
	part_event(m->lead, EVENT_RESTART);
}

static bool is_target(const struct reload *reload, const struct member *m)
{
	for (size_t i = 0; i < reload->n_targets; i++)
		if (reload->targets[i].member == m)
			return true;
	return false;
}

static bool has_changes(const struct changes *changes, const struct section *now)
{
	for (size_t i = 0; i < changes->count; i++)
		if (changes->all[i].now == now)
			return true;
	return false;
}

/* A section that is gone is kept, disabled, for the members that were its; reload_judge has made
 * the room. */
static void keep_gone(struct config *wanted, const struct config *running)
{
	for (size_t i = 0; i < running->n_sections; i++) {
		const struct section *was = &running->sections[i];
		if (config_section(wanted, was->role->section, was->title))
			continue;
		struct section *kept = &wanted->sections[wanted->n_sections++];
		*kept = (struct section){.role = was->role, .settings = was->settings};
		kept->settings.enabled = false;
		memcpy(kept->title, was->title, sizeof(kept->title));
		memcpy(kept->program, was->program, sizeof(kept->program));
	}
}

static void take_section(struct reload *reload, struct member *m)
{
	const struct section *now = config_section(&reload->wanted.config,
						   m->section->role->section, m->section->title);
	if (m->wanted)
		m->section = now;
	else
		reload_rebase(m, now);
	if (m->wanted && now->settings.enabled && !is_target(reload, m) &&
	    has_changes(&reload->changes, now))
		give_again(m);
}

static void carry_out(struct supervisor *s, const struct change *change)
{
	char why[WHY_SIZE];
	if (change->kind == CHANGE_ADD) {
		enlist(s, change->now);
	} else if (change->kind == CHANGE_REMOVE) {
		for (size_t i = 0; i < s->n_members; i++)
			if (!s->members[i]->section->settings.enabled && s->members[i]->wanted)
				retire(s->members[i]);
	} else if (change->now && change->now->role->shape == ROLE_POOL &&
		   change->now->settings.enabled && strcmp(change->row, "count") == 0 &&
		   scale(s, change->now->role->worker, (uint32_t)change->now->settings.count, why,
			 sizeof(why)) < 0) {
		log_error("%s", why);
	}
}

void reload_commit(struct supervisor *s, struct reload *reload)
{
	struct config before = s->config;
	keep_gone(&reload->wanted.config, &s->config);
	for (size_t i = 0; i < s->n_members; i++)
		take_section(reload, s->members[i]);
	s->config = reload->wanted.config;
	reload->wanted.config = before;
	for (size_t i = 0; i < reload->changes.count; i++)
		carry_out(s, &reload->changes.all[i]);
}
