/* Members and what the actions of their lives do. */
#include "supervisor/member.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/links/json.h"
#include "ipc/slots/seats.h"
#include "supervisor/ended.h"
#include "supervisor/pipes.h"
#include "supervisor/progress.h"
#include "supervisor/spawn.h"
#include "supervisor/swap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* After SIGTERM, until SIGKILL. */
#define TERM_TIMEOUT (2 * NS_PER_S)

static void init_part(struct part *part, struct member *m)
{
	*part = (struct part){
		.member = m, .life = life_new(clock_now()), .process = {.pidfd = -1, .log_fd = -1}};
	memcpy(part->program, m->program, sizeof(part->program));
}

struct member *member_add(struct supervisor *s, const struct section *section, const char *title,
			  uint32_t number)
{
	char name[NAME_SIZE];
	if (roster_name(section->role, title, number, name, sizeof(name)) < 0)
		return NULL;
	for (size_t i = 0; i < s->n_members; i++) {
		if (strcmp(s->members[i]->name, name) == 0) {
			s->members[i]->wanted = true;
			return s->members[i];
		}
	}
	struct member *m = s->n_members < MEMBERS_MAX ? calloc(1, sizeof(*m)) : NULL;
	if (!m)
		return NULL;
	*m = (struct member){.supervisor = s,
			     .role = section->role,
			     .section = section,
			     .number = number,
			     .wanted = true,
			     .handed_fd = -1};
	memcpy(m->name, name, sizeof(name));
	memcpy(m->program, section->program, sizeof(m->program));
	m->lead = &m->parts[0];
	m->next = &m->parts[1];
	m->last = &m->parts[2];
	for (int k = 0; k < PARTS; k++)
		init_part(&m->parts[k], m);
	s->members[s->n_members++] = m;
	return m;
}

int members_create(struct supervisor *s)
{
	uint32_t streams = 0;
	for (size_t i = 0; i < s->config.n_sections; i++) {
		const struct section *section = &s->config.sections[i];
		bool pool = section->role->shape == ROLE_POOL;
		bool stream = section->role->shape == ROLE_STREAM;
		if (!section->settings.enabled)
			continue;
		for (uint32_t k = 1; k <= (pool ? section->settings.count : 1); k++)
			if (!member_add(s, section, section->title, stream ? streams : k))
				return TROUPE_E_MEMORY;
		streams += stream;
	}
	return 0;
}

bool members_seated(const struct supervisor *s, uint32_t more, char *why, size_t why_size)
{
	uint32_t workers = more, spares = 0;
	for (size_t i = 0; i < s->n_members; i++) {
		workers += s->members[i]->wanted;
		spares += s->members[i]->wanted ? (uint32_t)s->members[i]->section->settings.spares
						: 0;
	}
	if (workers + spares < SEATS_MAX)
		return true;
	snprintf(why, why_size,
		 "%u workers and %u spares need %u seats, %d are there: fewer streams, a lower "
		 "count or fewer spares",
		 workers, spares, workers + spares, SEATS_MAX - 1);
	return false;
}

void members_destroy(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		for (int k = 0; k < PARTS; k++)
			process_finish(&m->parts[k].process, s);
		if (m->handed_fd >= 0)
			close(m->handed_fd);
		free(m);
	}
	s->n_members = 0;
}

bool member_lives(const struct member *member)
{
	return life_has_process(member->lead->life.state);
}

struct member *member_find(struct supervisor *s, const char *name)
{
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		if (strcmp(m->name, name) == 0 && (m->wanted || member_lives(m)))
			return m;
	}
	return NULL;
}

const struct worker_history *member_history(const struct member *m)
{
	return history_worker(&m->supervisor->journal.history, m->name);
}

const struct exit_note *member_last_exit(const struct member *m, bool standby)
{
	const struct worker_history *known = member_history(m);
	if (!known)
		return NULL;
	const struct exit_note *last = standby ? &known->last_standby : &known->last_played;
	return last->pid ? last : NULL;
}

char *members_list(struct supervisor *s, char *out, size_t size)
{
	size_t used = 0;
	*out = '\0';
	for (size_t i = 0; i < s->n_members && used < size; i++) {
		if (s->members[i]->wanted)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
						 s->members[i]->name);
	}
	return out;
}

/* ---- lives ---- */

static double roll(void)
{
	uint32_t random = 0;
	ssize_t ignored = getrandom(&random, sizeof(random), GRND_NONBLOCK);
	(void)ignored;
	return random / 4294967296.0;
}

static struct life_limits limits_of(const struct member *m)
{
	const struct section_settings *set = &m->section->settings;
	return (struct life_limits){.max_restarts = set->max_restarts,
				    .restart_window = set->restart_window,
				    .backoff = set->backoff,
				    .backoff_max = set->backoff_max,
				    .ready_timeout = set->ready_timeout,
				    .drain_timeout = m->supervisor->config.top.drain_timeout,
				    .term_timeout = TERM_TIMEOUT};
}

static void gave_up_spares(struct member *m, const char *cause, const char *words)
{
	struct supervisor *s = m->supervisor;
	char text[PROGRAM_SIZE + 640];
	snprintf(text, sizeof(text),
		 "%s: its spares keep dying, it goes on without: %s%s%s; `troupe -n %s start %s` "
		 "tries again",
		 m->name, cause, *words ? ": " : "", words, s->config.top.name, m->name);
	log_error("%s", text);
	progress_say(s, "%s", text);
	journal_write(&s->journal, JOURNAL_GAVE_UP, m->name,
		      json_pack("{s:b, s:o}", "spare", 1, "text", json_text(text)));
}

static void gave_up(struct part *part)
{
	struct member *m = part->member;
	struct supervisor *s = m->supervisor;
	const struct exit_note *last = member_last_exit(m, part != m->lead);
	const char *cause = last ? last->cause : "cannot be started";
	const char *words = last ? last->words : "";
	char text[PROGRAM_SIZE + 640];
	if (access(m->program, X_OK) < 0) { /* no process came to say anything */
		cause = m->program;
		words = strerror(errno);
	}
	if (part != m->lead) {
		gave_up_spares(m, cause, words);
		return;
	}
	snprintf(text, sizeof(text),
		 "%s: gave up after %lld restarts within %lld s: %s%s%s; `troupe -n %s start %s` "
		 "tries again",
		 m->name, (long long)m->section->settings.max_restarts,
		 (long long)(m->section->settings.restart_window / NS_PER_S), cause,
		 *words ? ": " : "", words, s->config.top.name, m->name);
	log_error("%s", text);
	progress_say(s, "%s", text);
	journal_write(&s->journal, JOURNAL_GAVE_UP, m->name,
		      json_pack("{s:o}", "text", json_text(text)));
	if (s->stage < STAGE_RUNNING && !m->was_ready) {
		supervisor_fail(s, "%s: does not start: %s", m->name,
				last ? (*last->words ? last->words : last->cause)
				     : "cannot be spawned");
	}
}

static void kill_group(struct part *part, const char *why)
{
	pid_t pid = part->process.pid;
	if (!pid)
		return;
	part->process.killed_for = part->process.killed_for ? part->process.killed_for : why;
	if (part->process.adopted) {
		ended_signal_group(part->process.pidfd, pid, SIGKILL);
		return;
	}
	/* A process that still is what was spawned cannot have given its pid away: we have not
	 * reaped it. */
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	kill(-pid, SIGCONT);
}

void part_plays(struct part *part)
{
	if (!part->process.turn)
		part->process.turn = ++part->member->turns;
}

void part_charge(struct part *part)
{
	struct process *p = &part->process;
	if (!p->pid || !p->standby)
		return;
	p->standby = false;
	part_plays(part);
	seat_charge(&part->member->supervisor->ledger, p->seat);
	part_event(part, EVENT_CHARGE);
}

bool member_may_overlap(const struct member *m)
{
	return m->role->overlaps || m->role->source || m->role->tap >= 0;
}

enum life_verdict member_verdict(const struct member *m, struct life *heir)
{
	struct life_limits limits = limits_of(m);
	return life_judge(&m->lead->life, &limits, clock_now(), heir);
}

void member_promote(struct member *m)
{
	struct part *empty = m->last;
	m->last = m->lead;
	m->lead = m->next;
	m->next = empty;
	part_plays(m->lead);
}

static void became_ready(struct part *part)
{
	struct member *m = part->member;
	m->was_ready = true;
	journal_write(&m->supervisor->journal, JOURNAL_READY, m->name,
		      json_pack("{s:i, s:I}", "pid", (int)part->process.pid, "took",
				(json_int_t)(clock_now() - part->process.started)));
}

static const char *kill_reason(enum life_state before)
{
	static const char *const reasons[N_LIFE_STATES] = {
		[LIFE_STARTING] = "was not ready in time",
		[LIFE_PREPARED] = "hung",
		[LIFE_READY] = "hung",
		[LIFE_DRAINING] = "hung while draining",
		[LIFE_STOPPING] = "did not end in time",
	};
	return reasons[before] ? reasons[before] : "killed";
}

void member_restarted(const struct member *m, int64_t wait)
{
	journal_write(&m->supervisor->journal, JOURNAL_RESTART, m->name,
		      json_pack("{s:I}", "wait", (json_int_t)wait));
}

static void spawn_or_fail(struct part *part);

static void step(struct part *part, const struct life_event *event)
{
	struct member *m = part->member;
	struct life_limits limits = limits_of(m);
	enum life_state before = part->life.state;
	int64_t now = clock_now();
	unsigned actions = life_step(&part->life, event, &limits, now);
	int64_t wait = part->life.state == LIFE_BACK_OFF ? part->life.until - now : 0;
	if (actions & (ACTION_DRAIN | ACTION_TERM))
		part->process.asked = true;
	if (actions & ACTION_DRAIN)
		pipes_drain(part, part->life.again ? "restart" : "stop");
	if ((actions & ACTION_TERM) && part->process.pid)
		ended_signal(part->process.pidfd, part->process.pid, SIGTERM);
	if (actions & ACTION_KILL)
		kill_group(part, kill_reason(before));
	if (before == LIFE_STARTING && part->life.state == LIFE_READY)
		became_ready(part);
	if (actions & ACTION_GIVE_UP)
		gave_up(part);
	if (actions & ACTION_SPAWN)
		spawn_or_fail(part);
	if ((actions & ACTION_RESTARTED) && part == m->lead)
		member_restarted(m, wait > 0 ? wait : 0);
}

/* Only a lead waits for its device: who would stand by for it is started when it plays. */
static void spawn_or_fail(struct part *part)
{
	struct member *m = part->member;
	bool absent = !device_here(m);
	if (!absent && part_spawn(part) == 0)
		return;
	bool final = swap_not_spawned(part) || (absent && part != m->lead);
	step(part,
	     &(struct life_event){
		     .kind = EVENT_SPAWN_FAILED, .final = final, .absent = absent, .dice = roll()});
}

void part_start_as(struct part *part, const struct life *life)
{
	part->life = *life;
	spawn_or_fail(part);
}

void part_event(struct part *part, enum life_event_kind kind)
{
	step(part, &(struct life_event){.kind = kind, .dice = roll()});
}

void part_exit_event(struct part *part, bool clean, bool excused)
{
	step(part, &(struct life_event){
			   .kind = EVENT_EXIT, .clean = clean, .excused = excused, .dice = roll()});
}

void part_misses_device(struct part *part)
{
	step(part, &(struct life_event){.kind = EVENT_EXIT, .absent = true});
}

void part_final_exit(struct part *part)
{
	step(part, &(struct life_event){.kind = EVENT_EXIT, .final = true});
}
