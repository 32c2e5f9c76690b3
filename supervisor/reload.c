/* The order of things. */
#include "supervisor/reload.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "supervisor/member.h"
#include "supervisor/reload_private.h"
#include "supervisor/share.h"
#include "supervisor/spawn.h"
#include "supervisor/swap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void finish(struct supervisor *s)
{
	struct reload *reload = s->reload;
	s->reload = NULL;
	for (size_t i = 0; i < reload->n_targets; i++)
		if (reload->targets[i].replaced_fd >= 0)
			close(reload->targets[i].replaced_fd);
	changes_finish(&reload->changes);
	proposal_finish(&reload->proposal);
	proposed_finish(&reload->wanted);
	free(reload);
}

static void answer_and_finish(struct supervisor *s, int code, const char *text)
{
	reload_answer(s, s->reload, code, text);
	finish(s);
}

void reload_drop(struct supervisor *s)
{
	if (s->reload)
		finish(s);
}

/* ---- beginning ---- */

static bool swaps_now(const struct supervisor *s)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i]->swap.stage != SWAP_NONE)
			return true;
	return false;
}

static int may_begin(const struct supervisor *s, char *why, size_t why_size)
{
	if (s->stage != STAGE_RUNNING) {
		snprintf(why, why_size, "the pipeline is %s: reload it when it runs",
			 s->stage < STAGE_RUNNING ? "starting" : "draining");
		return TROUPE_E_STATE;
	}
	if (s->reload || swaps_now(s)) {
		snprintf(why, why_size, "a %s is under way already", s->reload ? "reload" : "swap");
		return TROUPE_E_BUSY;
	}
	return 0;
}

static void on_proposed(struct supervisor *s);

int reload_begin(struct supervisor *s, const Troupe__ReloadRequest *request,
		 const struct asker *asker, uint64_t id, char *why, size_t why_size)
{
	int rc = may_begin(s, why, why_size);
	if (rc < 0)
		return rc;
	struct reload *reload = calloc(1, sizeof(*reload));
	snprintf(why, why_size, "out of memory");
	if (!reload)
		return TROUPE_E_MEMORY;
	s->reload = reload;
	reload->asker = *asker;
	reload->id = id;
	reload->dry_run = request->dry_run;
	reload->stages = request->stages;
	reload->probation = request->probation > 0 ? request->probation : 0;
	if (*request->config)
		snprintf(reload->file, sizeof(reload->file), "%s", request->config);
	else
		snprintf(reload->file, sizeof(reload->file), "%.500s/%.500s", s->config.folder,
			 basename(s->config.file));
	rc = proposal_begin(&reload->proposal, s, reload->file, on_proposed, why, why_size);
	if (rc < 0)
		finish(s);
	return rc;
}

/* ---- who starts anew ---- */

static void add_targets(struct supervisor *s, struct reload *reload)
{
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		struct section *now = config_section(&reload->wanted.config,
						     m->section->role->section, m->section->title);
		if (m->wanted && now && now->settings.enabled &&
		    changes_restart(&reload->changes, now))
			reload->targets[reload->n_targets++] = (struct reload_target){
				.member = m, .was = m->section, .now = now, .replaced_fd = -1};
	}
}

/* A new address to listen at is taken before anybody is told to go. 0: the old one stays. */
static int open_socket(const struct reload_target *target, char *url, size_t url_size, char *why,
		       size_t why_size)
{
	char actual[80];
	const char *address = reload_address(target->now);
	if (!*address || strcmp(address, reload_address(target->was)) == 0)
		return 0;
	int fd = listen_at(address, actual, sizeof(actual), why, why_size);
	if (fd >= 0)
		snprintf(url, url_size, "http://%s/", actual);
	return fd;
}

/* One without a process, which no newcomer could follow. Who was given up or waits to be tried
 * again may do better with the new rows. */
static bool rebase_idle(struct reload_target *target)
{
	struct member *m = target->member;
	enum life_state state = m->lead->life.state;
	if (life_has_process(state))
		return false;
	reload_rebase(m, target->now);
	target->done = true;
	if (state == LIFE_BACK_OFF || state == LIFE_GAVE_UP)
		part_event(m->lead, EVENT_START);
	return true;
}

static int begin_target(struct supervisor *s, struct reload *reload, char *why, size_t why_size)
{
	struct reload_target *target = &reload->targets[reload->at];
	int fd = open_socket(target, s->url, sizeof(s->url), why, why_size);
	if (fd < 0)
		return fd;
	const struct swap_reload how = {.section = target->now,
					.handed_fd = fd,
					.replaced_fd = &target->replaced_fd,
					.probation = reload->probation,
					.outcome = reload->outcome};
	int rc = swap_begin_reload(target->member, &how, &reload->asker, reload->id, why, why_size);
	if (rc < 0 && fd > 0)
		close(fd);
	reload->under_way = rc == 0;
	return rc;
}

/* ---- back to what ran ---- */

static void take_back_socket(struct reload_target *target)
{
	if (target->replaced_fd < 0)
		return;
	close(target->member->handed_fd);
	target->member->handed_fd = target->replaced_fd;
	target->replaced_fd = -1;
}

/* They have worked with the old rows before: no newcomer has to prove anything. */
static void undo(struct supervisor *s, struct reload *reload)
{
	reload_apply_rows(s, &reload->was_top, &reload->wanted.config, &s->config);
	memcpy(s->url, reload->was_url, sizeof(s->url));
	for (size_t i = 0; i < reload->n_targets; i++) {
		struct reload_target *target = &reload->targets[i];
		struct member *m = target->member;
		if (!target->done)
			continue;
		reload_rebase(m, target->was);
		take_back_socket(target);
		part_event(m->next, EVENT_DRAIN);
		if (m->wanted && member_lives(m))
			part_event(m->lead, EVENT_RESTART);
	}
}

static void roll_back(struct supervisor *s, const char *why)
{
	char text[2 * WHY_SIZE];
	snprintf(text, sizeof(text), "%.900s; all is as it was before the reload", why);
	undo(s, s->reload);
	answer_and_finish(s, TROUPE_E_STATE, text);
}

/* ---- going on ---- */

static void commit(struct supervisor *s)
{
	char text[128];
	size_t n = s->reload->changes.count;
	reload_commit(s, s->reload);
	snprintf(text, sizeof(text), "reloaded: %zu change%s, %zu worker%s started anew", n,
		 n == 1 ? "" : "s", s->reload->n_targets, s->reload->n_targets == 1 ? "" : "s");
	answer_and_finish(s, 0, text);
}

static void on_proposed(struct supervisor *s)
{
	struct reload *reload = s->reload;
	char why[2 * WHY_SIZE];
	int rc = proposal_take(&reload->proposal, reload->file, &reload->wanted, why, sizeof(why));
	if (rc == 0)
		rc = reload_judge(s, reload, why, sizeof(why));
	if (rc == 0 && s->stage != STAGE_RUNNING) {
		snprintf(why, sizeof(why), "the pipeline is draining");
		rc = TROUPE_E_STATE;
	}
	if (rc < 0) {
		answer_and_finish(s, rc, why);
		return;
	}
	add_targets(s, reload);
	if (reload->dry_run || reload->changes.count == 0) {
		answer_and_finish(s, 0,
				  reload->changes.count ? "nothing was changed: --dry-run"
							: "nothing differs");
		return;
	}
	reload->read = true;
	reload->was_top = s->config.top;
	memcpy(reload->was_url, s->url, sizeof(s->url));
	rc = share_folders(&reload->wanted.config, &s->runtime, why, sizeof(why));
	if (rc < 0) {
		answer_and_finish(s, rc, why);
		return;
	}
	reload_apply_rows(s, &reload->wanted.config.top, &s->config, &reload->wanted.config);
}

/* Whether the one that was begun is over. */
static bool settle(struct supervisor *s, struct reload *reload)
{
	struct reload_target *target = &reload->targets[reload->at];
	if (target->member->swap.stage != SWAP_NONE)
		return false;
	target->done = target->member->section == target->now;
	reload->under_way = false;
	reload->at++;
	if (target->done)
		return true;
	roll_back(s, reload->outcome);
	return false;
}

static void advance(struct supervisor *s)
{
	char why[2 * WHY_SIZE];
	while (s->reload && s->reload->at < s->reload->n_targets) {
		struct reload *reload = s->reload;
		if (reload->under_way) {
			if (!settle(s, reload))
				return;
		} else if (rebase_idle(&reload->targets[reload->at])) {
			reload->at++;
		} else if (begin_target(s, reload, why, sizeof(why)) < 0) {
			roll_back(s, why);
		} else {
			return; /* the swap has its own steps */
		}
	}
	if (s->reload)
		commit(s);
}

int64_t reload_advance(struct supervisor *s, int64_t now)
{
	const struct reload *reload = s->reload;
	if (!reload)
		return CLOCK_NEVER;
	if (!reload->read) {
		if (now < reload->proposal.deadline && s->stage < STAGE_STOPPING)
			return reload->proposal.deadline;
		answer_and_finish(s, TROUPE_E_TIMEOUT,
				  s->stage < STAGE_STOPPING
					  ? "the programs of the new config do not answer"
					  : "the pipeline is stopping");
		return CLOCK_NEVER;
	}
	if (s->stage >= STAGE_STOPPING && !reload->under_way)
		roll_back(s, "the pipeline is stopping");
	else
		advance(s);
	/* A swap that was just begun has its first step in the same round. */
	return s->reload && s->reload->under_way ? CLOCK_NEVER : s->reload ? now : CLOCK_NEVER;
}
