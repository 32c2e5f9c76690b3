/* What differs, and what of it cannot be. */
#include "ipc/base/errors.h"
#include "ipc/base/redact.h"
#include "supervisor/allot.h"
#include "supervisor/member.h"
#include "supervisor/reload_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* `troupe up -n NAME` holds for the whole run, whatever the file calls it. */
static void keep_name(const struct config *running, struct config *wanted)
{
	const char *said = row_find(&settings_top, "name")->fallback;
	for (size_t i = 0; i < running->said.count; i++)
		if (strcmp(running->said.all[i].key, "name") == 0)
			said = running->said.all[i].value;
	if (strcmp(said, running->top.name) != 0)
		memcpy(wanted->top.name, running->top.name, sizeof(wanted->top.name));
}

static int check_folder(const struct supervisor *s, const struct config *wanted, char *why,
			size_t why_size)
{
	if (strcmp(wanted->folder, s->config.folder) == 0)
		return 0;
	snprintf(why, why_size,
		 "%.300s: lies in another folder than the config that runs (%.300s), from which "
		 "all paths count: put it there",
		 wanted->file, s->config.folder);
	return TROUPE_E_CONFIG;
}

/* ---- what only shows on this machine ---- */

static const struct member *source_of(const struct supervisor *s, const char *title)
{
	for (size_t i = 0; i < s->n_members; i++) {
		const struct member *m = s->members[i];
		if (m->role->source && strcmp(m->section->title, title) == 0)
			return m;
	}
	return NULL;
}

/* Makes those of a section's changes impossible whose row is called so. How many they are. */
static size_t never_called(struct reload *reload, const struct section *now, const char *called,
			   const char *why)
{
	size_t n = 0;
	for (size_t i = 0; i < reload->changes.count; i++) {
		struct change *change = &reload->changes.all[i];
		if (change->now != now || change->kind != CHANGE_RESTART ||
		    !strstr(change->row, called))
			continue;
		change->kind = CHANGE_NEVER;
		change->why = why;
		n++;
	}
	return n;
}

/* What of a source's rows has changed cannot be, for that is what comes of it: the row that says it
 * by its name, else the source, else any of them may be the cause. */
static void never(struct reload *reload, const struct section *now, const char *row,
		  const char *why)
{
	if (!never_called(reload, now, row, why) && !never_called(reload, now, "source", why))
		never_called(reload, now, "", why);
}

static void check_stream(struct supervisor *s, struct reload *reload,
			 const struct proposed_stream *stream)
{
	const struct section *now = config_section(&reload->wanted.config, "stream", stream->title);
	const struct member *m = source_of(s, stream->title);
	const struct probed *probed = &stream->probed;
	if (!m || !now)
		return; /* a stream that there is not is refused for that */
	const struct stream_row *row = &s->ledger.streams[m->number];
	if (row->width != probed->width || row->height != probed->height) {
		never(reload, now, "size",
		      "the picture would have another size than the slots are made for: `troupe "
		      "down`, then `troupe up`");
	}
	if ((row->live != 0) != probed->live) {
		never(reload, now, "live",
		      "a live source and one that ends are not kept alike: `troupe down`, then "
		      "`troupe up`");
	}
	if (strcmp(s->device[m->number], probed->device) != 0) {
		never(reload, now, "source",
		      "the supervisor holds the device: `troupe down`, then `troupe up`");
	}
}

/* A recording that is read goes on where it was, which would mean nothing in another one. */
static void check_sources(struct supervisor *s, struct reload *reload)
{
	for (size_t i = 0; i < reload->changes.count; i++) {
		struct change *change = &reload->changes.all[i];
		const struct member *m = change->now && change->now->role->source
						 ? source_of(s, change->now->title)
						 : NULL;
		if (!m || strcmp(change->row, "source") != 0 || s->ledger.streams[m->number].live)
			continue;
		change->kind = CHANGE_NEVER;
		change->why = "a source that ends is read from its beginning: `troupe down`, then "
			      "`troupe up`";
	}
	for (size_t i = 0; i < reload->wanted.n_streams; i++)
		check_stream(s, reload, &reload->wanted.streams[i]);
}

/* The sockets of a pipeline answer its owner and the users that its workers were when it began. */
static bool is_known_user(const struct supervisor *s, const char *name)
{
	uid_t wanted, uid;
	gid_t gid;
	bool known = !*name || (allot_user(name, &wanted, &gid) == 0 && wanted == geteuid());
	for (size_t i = 0; i < s->config.n_sections && !known; i++) {
		const char *its = s->config.sections[i].settings.user;
		known = *its && allot_user(its, &uid, &gid) == 0 && uid == wanted;
	}
	return known;
}

static void check_users(const struct supervisor *s, struct reload *reload)
{
	for (size_t i = 0; i < reload->changes.count; i++) {
		struct change *change = &reload->changes.all[i];
		if (strcmp(change->row, "user") != 0 || !change->after ||
		    is_known_user(s, change->after))
			continue;
		change->kind = CHANGE_NEVER;
		change->why = "the pipeline's sockets answer no such user: `troupe down`, then "
			      "`troupe up`";
	}
}

/* How many play a section. */
static int64_t players(const struct section *section)
{
	return section->role->shape == ROLE_POOL ? section->settings.count : 1;
}

static int check_seats(const struct config *wanted, char *why, size_t why_size)
{
	int64_t seats = 1; /* of a newcomer */
	for (size_t i = 0; i < wanted->n_sections; i++) {
		const struct section *section = &wanted->sections[i];
		if (section->settings.enabled)
			seats += players(section) * (1 + section->settings.spares);
	}
	if (seats < SEATS_MAX)
		return 0;
	snprintf(why, why_size,
		 "%.400s: needs %lld seats, %d are there: a lower count or fewer spares",
		 wanted->file, (long long)seats, SEATS_MAX - 1);
	return TROUPE_E_FULL;
}

static bool is_member(const struct supervisor *s, const struct section *section, uint32_t number)
{
	char name[NAME_SIZE];
	bool is = roster_name(section->role, section->title, number, name, sizeof(name)) < 0;
	for (size_t i = 0; i < s->n_members && !is; i++)
		is = strcmp(s->members[i]->name, name) == 0;
	return is;
}

/* Whoever has been a member of a run stays one, so that it can come back. */
static int check_members(const struct supervisor *s, const struct config *wanted, char *why,
			 size_t why_size)
{
	size_t members = s->n_members;
	for (size_t i = 0; i < wanted->n_sections; i++) {
		const struct section *section = &wanted->sections[i];
		int64_t n = players(section);
		for (int64_t k = 1; k <= n && section->settings.enabled; k++)
			members += !is_member(s, section, (uint32_t)k);
	}
	if (members <= MEMBERS_MAX)
		return 0;
	snprintf(why, why_size,
		 "%.400s: would make %zu workers with those that this run has had already, %d can "
		 "be: take names that were there, or `troupe down`, then `troupe up`",
		 wanted->file, members, MEMBERS_MAX);
	return TROUPE_E_FULL;
}

static int check_programs(const struct reload *reload, char *why, size_t why_size)
{
	const struct config *wanted = &reload->wanted.config;
	for (size_t i = 0; i < wanted->n_sections; i++) {
		const struct section *section = &wanted->sections[i];
		if (!section->settings.enabled || access(section->program, X_OK) == 0)
			continue;
		snprintf(why, why_size, "%.200s:%d: %.600s: %s", wanted->file,
			 config_line(wanted, section, "exec"), section->program, strerror(errno));
		return TROUPE_E_CONFIG;
	}
	return 0;
}

/* Room for sections that are kept when they are gone, so that none of the others ever moves. */
static int reserve(struct config *wanted, size_t more)
{
	struct section *all =
		reallocarray(wanted->sections, wanted->n_sections + more, sizeof(*all));
	if (!all)
		return TROUPE_E_MEMORY;
	wanted->sections = all;
	return 0;
}

static int refuse(const struct reload *reload, const struct change *change, char *why,
		  size_t why_size)
{
	char before[160], after[160];
	redact(change->before ? change->before : "not there", before, sizeof(before));
	redact(change->after ? change->after : "not there", after, sizeof(after));
	snprintf(why, why_size, "%.300s:%d: %s%s%s: from \"%s\" to \"%s\": %s", reload->file,
		 change->line, change->section, *change->section && *change->row ? ": " : "",
		 change->row, before, after, change->why);
	return TROUPE_E_CONFIG;
}

int reload_judge(struct supervisor *s, struct reload *reload, char *why, size_t why_size)
{
	struct config *wanted = &reload->wanted.config;
	int rc = check_folder(s, wanted, why, why_size);
	if (rc < 0)
		return rc;
	keep_name(&s->config, wanted);
	rc = reserve(wanted, s->config.n_sections);
	if (rc == 0)
		rc = differ(&s->config, wanted, &reload->changes);
	if (rc < 0) {
		snprintf(why, why_size, "%s", error_text(rc));
		return rc;
	}
	check_sources(s, reload);
	check_users(s, reload);
	const struct change *change = changes_never(&reload->changes);
	if (change)
		return refuse(reload, change, why, why_size);
	rc = check_seats(wanted, why, why_size);
	if (rc == 0)
		rc = check_members(s, wanted, why, why_size);
	return rc == 0 ? check_programs(reload, why, why_size) : rc;
}
