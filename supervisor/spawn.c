/* From a part to a process. */
#include "supervisor/spawn.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/links/json.h"
#include "ipc/links/pipe.h"
#include "ipc/slots/seats.h"
#include "ipc/worker/contract.h"
#include "supervisor/allot.h"
#include "supervisor/contain.h"
#include "supervisor/dying.h"
#include "supervisor/launch.h"
#include "supervisor/logs.h"
#include "supervisor/member.h"
#include "supervisor/pipes.h"
#include "supervisor/reap.h"
#include "supervisor/setup.h"
#include "supervisor/stack.h"
#include "supervisor/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The contract's, and those of an environment row, of which none is shorter than "A=" and a blank.
 */
#define ENVIRONMENT_MAX (20 + ENVIRONMENT_SIZE / 3)

void socket_path(const struct supervisor *s, const char *worker, uint32_t incarnation,
		 const char *kind, char *out, size_t size)
{
	snprintf(out, size, "%s/%s.%u.%s", s->runtime.folder, worker, incarnation, kind);
}

struct environment {
	char *all[ENVIRONMENT_MAX];
	size_t n;
	bool failed;
};

__attribute__((format(printf, 3, 4))) static void add(struct environment *e, const char *name,
						      const char *format, ...)
{
	char *value, *entry;
	va_list args;
	va_start(args, format);
	int length = vasprintf(&value, format, args);
	va_end(args);
	if (length < 0 || asprintf(&entry, "%s=%s", name, value) < 0) {
		e->failed = true;
		entry = NULL;
	}
	if (length >= 0)
		free(value);
	if (entry)
		e->all[e->n++] = entry;
}

static void number_or_none(struct environment *e, const char *name, bool is_set, uint32_t number)
{
	if (is_set)
		add(e, name, "%u", number);
	else
		add(e, name, "%s", "");
}

/* What the worker takes, for a program that can do several. */
static void fill_takes(struct environment *e, const struct member *m)
{
	const struct section_settings *set = &m->section->settings;
	bool looks = m->role->shape == ROLE_NAMED && !m->role->queue;
	add(e, CONTRACT_ENV_TAKES, "%s", m->role->queue ? "queue" : looks ? set->takes : "");
	add(e, CONTRACT_ENV_HOW, "%s", looks ? set->tap : "");
}

static void fill_environment(struct environment *e, const struct part *part)
{
	const struct member *m = part->member;
	const struct supervisor *s = m->supervisor;
	const struct process *p = &part->process;
	char path[LINK_PATH_SIZE + 64];
	socket_path(s, m->name, p->incarnation, "pipe", path, sizeof(path));
	add(e, CONTRACT_ENV_PIPELINE, "%s", s->config.top.name);
	add(e, CONTRACT_ENV_WORKER, "%s", m->name);
	add(e, CONTRACT_ENV_SEAT, "%u", p->seat);
	number_or_none(e, CONTRACT_ENV_STREAM, m->role->shape == ROLE_STREAM, m->number);
	number_or_none(e, CONTRACT_ENV_TAP, m->role->tap >= 0, (uint32_t)m->role->tap);
	fill_takes(e, m);
	add(e, CONTRACT_ENV_RUNTIME, "%s", s->runtime.folder);
	add(e, CONTRACT_ENV_STATE, "%s", s->runtime.state);
	add(e, CONTRACT_ENV_PIPE, "%s", path);
	add(e, CONTRACT_ENV_CONTROL, "%s", s->runtime.control);
	add(e, CONTRACT_ENV_REPORTS, "%s", s->runtime.reports);
	add(e, CONTRACT_ENV_SUPERVISOR, "%d", (int)getpid());
}

/* What the section says, on top. */
static void fill_own_environment(struct environment *e, const struct section *section)
{
	const char *at = section->settings.environment;
	char variable[ENVIRONMENT_SIZE];
	while (allot_variable(&at, variable, sizeof(variable))) {
		size_t name = strcspn(variable, "=");
		variable[name] = '\0';
		add(e, variable, "%s", variable + name + 1);
	}
}

static int launch_contained(struct part *part, struct launch *what, struct launched *made)
{
	struct sandbox sandbox;
	bool has;
	int rc = contain(part, &sandbox, &has, made->why, sizeof(made->why));
	what->sandbox = has ? &sandbox : NULL;
	if (rc == 0)
		rc = launch(what, made);
	if (rc == 0) { /* from now on somebody may be told of */
		part->process.pid = made->pid;
		part->process.pidfd = made->pidfd; /* without one SIGCHLD alone tells of the end */
	}
	what->sandbox = NULL; /* it ends with us */
	contained(part, &sandbox);
	return rc;
}

static int start_program(struct part *part, int log, struct launched *made)
{
	const struct member *m = part->member;
	const struct supervisor *s = m->supervisor;
	const struct section *section = swap_section(part);
	int handed = swap_handed_fd(part);
	struct environment e = {0};
	struct allotment given;
	char title[2 * NAME_SIZE + 16];
	snprintf(title, sizeof(title), "troupe: %s %s", s->config.top.name, m->name);
	fill_environment(&e, part);
	fill_own_environment(&e, section);
	char *lines = section_lines(section);
	struct launch what = {.program = part->program,
			      .title = title,
			      .environment = (const char *const *)e.all,
			      .n_environment = e.n,
			      .input = lines,
			      .out = log,
			      .err = log,
			      .fds = {{s->ledger.fd, CONTRACT_FD_LEDGER},
				      {s->runtime.lock, CONTRACT_FD_LIFE},
				      {handed, CONTRACT_FD_HANDED}},
			      .n_fds = handed >= 0 ? 3 : 2,
			      .close_from = CONTRACT_FD_BELLS + SEATS_MAX,
			      .allotment = &given};
	*made = (struct launched){.pidfd = -1, .why = "its rows: out of memory"};
	int rc = e.failed || !lines ? TROUPE_E_MEMORY : 0;
	if (rc == 0 && (rc = allot(m->role, &section->settings, s->oom_base, &given)) < 0)
		snprintf(made->why, sizeof(made->why), "user = \"%.64s\": there is none any more",
			 section->settings.user);
	if (rc == 0)
		rc = launch_contained(part, &what, made);
	for (size_t i = 0; i < e.n; i++)
		free(e.all[i]);
	free(lines);
	return rc;
}

void process_finish(struct process *process, struct supervisor *s)
{
	if (process->pipe) {
		loop_forget_link(s->loop, process->pipe);
		link_close(process->pipe);
	}
	dying_forget(process->dying);
	guard_destroy(process->guard);
	stack_forget(process, s);
	words_finish(&process->words);
	int *const fds[] = {&process->pidfd, &process->log_fd};
	for (int i = 0; i < 2; i++) {
		if (*fds[i] >= 0) {
			loop_watch_fd(s->loop, *fds[i], 0, NULL, NULL);
			close(*fds[i]);
		}
	}
	*process = (struct process){.pidfd = -1, .log_fd = -1};
}

/* A pipe's end that reads as well: who holds that is never told that nobody reads, and what it says
 * while nobody does waits for whoever takes it over. */
static int open_both_ways(int end)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", end);
	int both = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (both < 0)
		return end;
	close(end);
	return both;
}

/* Seat, pipe and log. *log is the end that the worker gets. */
static int prepare(struct part *part, int *log)
{
	struct member *m = part->member;
	struct supervisor *s = m->supervisor;
	struct process *p = &part->process;
	char path[LINK_PATH_SIZE + 64];
	*p = (struct process){.pidfd = -1, .log_fd = -1, .incarnation = ++m->incarnations};
	scrutiny_mend(s);
	int seat = seat_assign(&s->ledger, m->name, p->incarnation);
	if (seat < 0)
		return seat;
	p->seat = (uint8_t)seat;
	p->standby = part == m->next || (m->last->process.pid && !member_may_overlap(m));
	if (part != m->next)
		part_plays(part);
	if (p->standby)
		seat_stand_by(&s->ledger, p->seat);
	socket_path(s, m->name, p->incarnation, "pipe", path, sizeof(path));
	int rc = pipe_bind(s->links, path, &p->pipe);
	int fds[2];
	if (rc < 0)
		return rc;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_from_errno(errno);
	p->log_fd = fds[0];
	*log = open_both_ways(fds[1]);
	return 0;
}

int part_watch(struct part *part)
{
	struct supervisor *s = part->member->supervisor;
	struct process *p = &part->process;
	int rc = loop_watch_link(s->loop, p->pipe, pipes_on_message, part);
	if (rc == 0 && p->log_fd >= 0)
		rc = loop_watch_fd(s->loop, p->log_fd, POLLIN, logs_on_output, part);
	if (rc == 0 && p->pidfd >= 0)
		rc = p->adopted ? loop_watch_fd(s->loop, p->pidfd, POLLIN, reap_adopted, part)
				: loop_watch_fd(s->loop, p->pidfd, POLLIN, reap_on_pidfd, s);
	return rc;
}

static void introduce(struct part *part)
{
	struct member *m = part->member;
	struct supervisor *s = m->supervisor;
	struct process *p = &part->process;
	p->start_time = process_start_time(p->pid);
	p->started = clock_now();
	p->before = p->last = (struct usage){.time = p->started};
	atomic_store(&s->ledger.seats[p->seat].pid, p->pid);
	remember_workers(s);
	journal_write(&s->journal, JOURNAL_SPAWN, m->name,
		      json_pack("{s:i, s:i, s:i, s:o, s:b}", "pid", (int)p->pid, "seat", p->seat,
				"incarnation", (int)p->incarnation, "program",
				json_text(part->program), "standby", p->standby));
}

/* The log and the part's last words say it. */
static void say_failed(struct part *part, const struct launched *made, int rc)
{
	char words[160];
	const char *why = *made->why ? made->why : error_text(rc);
	log_error("%s: %s: cannot be started: %s", part->member->name, part->program, why);
	snprintf(words, sizeof(words), "cannot be started: %s\n", why);
	words_add(&part->process.words, words, strlen(words));
	journal_write(&part->member->supervisor->journal, JOURNAL_SPAWN_FAILED, part->member->name,
		      json_pack("{s:i, s:o, s:o}", "incarnation", (int)part->process.incarnation,
				"program", json_text(part->program), "why", json_text(why)));
}

int part_spawn(struct part *part)
{
	struct member *m = part->member;
	struct supervisor *s = m->supervisor;
	struct process *p = &part->process;
	struct launched made = {.pidfd = -1};
	int log = -1;
	memcpy(part->program, swap_is_newcomer(part) ? m->swap.program : m->program,
	       sizeof(part->program));
	int rc = prepare(part, &log);
	/* Who ends because it came too late for an adopter still holds the address for a moment. */
	if (rc == 0 && m->handed_fd == HANDED_LOST)
		rc = setup_socket_again(s, m, made.why, sizeof(made.why));
	if (rc == 0)
		rc = start_program(part, log, &made);
	if (log >= 0)
		close(log);
	if (rc == 0) {
		introduce(part);
		rc = part_watch(part);
		if (rc == 0)
			return 0;
		/* It runs, but could not be watched: its end comes by SIGCHLD. */
		kill(-p->pid, SIGKILL);
		return 0;
	}
	say_failed(part, &made, rc);
	if (p->seat) {
		struct reclaimed what;
		seat_reclaim(&s->ledger, p->seat, false, &what);
	}
	process_finish(p, s);
	return rc;
}

void remember_workers(struct supervisor *s)
{
	struct remembered all[PARTS * MEMBERS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++) {
			const struct process *p = &s->members[i]->parts[k].process;
			if (p->pid)
				all[n++] = (struct remembered){.pid = p->pid,
							       .start_time = p->start_time};
		}
	}
	int rc = runtime_remember(&s->runtime, all, n);
	if (rc < 0)
		log_warn("%s/workers: %s", s->runtime.folder, error_text(rc));
}
