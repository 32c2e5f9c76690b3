/* What is known of programs, the filters that were made, and what a process is given of both. */
#include "supervisor/contain.h"

#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/worker/contract.h"
#include "supervisor/contain_ask.h"
#include "supervisor/ended.h"
#include "supervisor/filter.h"
#include "supervisor/orphans.h"
#include "supervisor/rules.h"
#include "supervisor/ruleset.h"
#include "supervisor/swap.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUESTIONS_MAX 8

/* Larger than any kernel's struct seccomp_notif. */
union notice {
	struct seccomp_notif head;
	char room[512];
};

struct containment {
	int version; /* of Landlock, 0: none */
	bool filters, asks;
	struct sock_fprog filter[FILTER_VARIANTS]; /* len 0: not made yet */
	struct known_program *known;		   /* beside those of the config */
	struct question {
		struct program_question *asked; /* NULL: this one is free */
		struct containment *containment;
		char program[PROGRAM_SIZE];
	} questions[QUESTIONS_MAX];
	char lacks[256];
};

static bool is_mode(const struct supervisor *s, const char *mode)
{
	return strcmp(s->config.top.sandbox, mode) == 0;
}

/* ---- what the kernel has ---- */

static void describe_lacks(struct containment *c)
{
	const char *lacks = ruleset_lacks(c->version);
	if (!*lacks && c->filters)
		return;
	snprintf(c->lacks, sizeof(c->lacks),
		 "this kernel cannot keep workers from %s%s%s: the rest of the sandbox holds",
		 lacks, *lacks && !c->filters ? ", nor from " : "",
		 c->filters ? "" : "system calls (it has no seccomp filters)");
}

int containment_create(struct supervisor *s)
{
	struct containment *c = calloc(1, sizeof(*c));
	if (!c)
		return TROUPE_E_MEMORY;
	c->version = ruleset_version();
	c->filters = filter_is_there();
	c->asks = filter_can_ask();
	describe_lacks(c);
	s->containment = c;
	if (*containment_lacks(s))
		log_warn("sandbox: %s", c->lacks);
	return 0;
}

void containment_destroy(struct supervisor *s)
{
	struct containment *c = s->containment;
	if (!c)
		return;
	for (size_t i = 0; i < FILTER_VARIANTS; i++)
		free(c->filter[i].filter);
	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		program_ask_no_more(c->questions[i].asked);
	for (struct known_program *k = c->known; k;) {
		struct known_program *next = k->next;
		free(k->rows);
		free(k);
		k = next;
	}
	free(c);
	s->containment = NULL;
}

const char *containment_lacks(const struct supervisor *s)
{
	return s->containment && !is_mode(s, "off") ? s->containment->lacks : "";
}

/* ---- what programs have said ---- */

static const struct known_program *find_known(const struct containment *c, const char *program)
{
	for (const struct known_program *k = c->known; k; k = k->next)
		if (strcmp(k->program, program) == 0)
			return k;
	return NULL;
}

static const struct section *find_section(const struct supervisor *s, const struct part *part,
					  const char *program)
{
	const struct section *own = part ? swap_section(part) : NULL;
	if (own && strcmp(own->program, program) == 0)
		return own;
	for (size_t i = 0; i < s->config.n_sections; i++)
		if (strcmp(s->config.sections[i].program, program) == 0)
			return &s->config.sections[i];
	return NULL;
}

static void on_told(void *arg, struct known_program *known)
{
	struct question *q = arg;
	known->next = q->containment->known;
	q->containment->known = known;
	q->asked = NULL;
}

static void ask_for(struct supervisor *s, const char *program)
{
	struct containment *c = s->containment;
	struct question *q = NULL;
	for (size_t i = 0; i < QUESTIONS_MAX; i++) {
		if (!c->questions[i].asked)
			q = &c->questions[i];
		else if (strcmp(c->questions[i].program, program) == 0)
			return;
	}
	if (!q)
		return;
	*q = (struct question){.containment = c};
	snprintf(q->program, sizeof(q->program), "%s", program);
	q->asked = program_ask(s->loop, program, on_told, q);
}

bool containment_knows(struct supervisor *s, const char *program)
{
	if (is_mode(s, "off") || find_section(s, NULL, program) ||
	    find_known(s->containment, program))
		return true;
	ask_for(s, program);
	return find_known(s->containment, program);
}

/* ---- what a process is given ---- */

struct said {
	const struct needs *needs;
	struct row_table rows;
};

/* What the part's program has said of itself, by the config or by a question. */
static struct said said_by(const struct part *part)
{
	static const struct needs none;
	const struct supervisor *s = part->member->supervisor;
	const struct section *section = find_section(s, part, part->program);
	const struct known_program *known =
		section ? NULL : find_known(s->containment, part->program);
	if (section)
		return (struct said){&section->needs,
				     {.rows = section->rows, .count = section->n_rows}};
	if (known)
		return (struct said){&known->needs, {.rows = known->rows, .count = known->n_rows}};
	return (struct said){&none, {0}};
}

static int resolve(const struct part *part, struct rules *rules)
{
	const struct supervisor *s = part->member->supervisor;
	const struct role *role = part->member->role;
	struct said said = said_by(part);
	char stock[PROGRAM_SIZE] = "";
	if (*role->program)
		config_program(&s->config, role, "", stock, sizeof(stock));
	return rules_resolve(rules, &(struct rules_of){
					    .program = part->program,
					    .stock = stock,
					    .needs = said.needs,
					    .rows = &said.rows,
					    .section = swap_section(part),
					    .folder = s->config.folder,
					    .runtime = s->runtime.folder,
					    .state = s->runtime.state,
				    });
}

static int filter_for(struct supervisor *s, const struct rules *rules, struct sock_fprog *out)
{
	struct containment *c = s->containment;
	unsigned parts = (rules->network ? FILTER_NETWORK : 0) |
			 (rules->starts ? FILTER_STARTS : 0) | (rules->writes ? FILTER_WRITES : 0) |
			 (c->asks && is_mode(s, "strict") ? FILTER_ASKS : 0);
	int rc = c->filters && !c->filter[parts].len ? filter_create(parts, &c->filter[parts]) : 0;
	*out = c->filter[parts];
	return rc;
}

/* The filter's listener is made in the child, which has other descriptors than we do. */
static int make_ears(const struct supervisor *s, struct sandbox *out)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return error_from_errno(errno);
	out->hear = ends[0];
	out->tell = ends[1];
	/* So that who takes the process over hears of it, too, and of a call that was made before:
	 * the call waits for as long as the listener is open anywhere. */
	if (settings_orphan_wait(&s->config.top) > 0)
		out->keep = CONTRACT_FD_EARS;
	return 0;
}

int contain(struct part *part, struct sandbox *out, bool *has, char *why, size_t why_size)
{
	struct supervisor *s = part->member->supervisor;
	struct rules rules;
	*out = (struct sandbox){.ruleset = -1, .tell = -1, .hear = -1, .keep = -1};
	*has = !is_mode(s, "off");
	if (!*has)
		return 0;
	int rc = resolve(part, &rules);
	if (rc == 0 && s->containment->version > 0)
		rc = out->ruleset = ruleset_create(&rules, s->containment->version);
	if (rc >= 0)
		rc = filter_for(s, &rules, &out->filter);
	if (rc >= 0 && out->filter.len && s->containment->asks && is_mode(s, "strict"))
		rc = make_ears(s, out);
	rules_finish(&rules);
	if (rc < 0)
		snprintf(why, why_size, "its sandbox: %s", error_text(rc));
	return rc < 0 ? rc : 0;
}

/* ---- what it tries all the same ---- */

struct guard {
	struct part *part;
	int listener;
	char forbidden[64];
};

void guard_destroy(struct guard *guard)
{
	if (!guard)
		return;
	loop_watch_fd(guard->part->member->supervisor->loop, guard->listener, 0, NULL, NULL);
	close(guard->listener);
	free(guard);
}

/* The thread that made the call stands still until it is dead. */
static void on_forbidden(void *arg, int fd, short revents)
{
	struct guard *guard = arg;
	struct part *part = guard->part;
	union notice notice = {0};
	char name[32];
	if (revents & (POLLHUP | POLLERR | POLLNVAL)) { /* nobody is left that could */
		loop_watch_fd(part->member->supervisor->loop, fd, 0, NULL, NULL);
		return;
	}
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &notice) < 0) {
		/* ENOENT: the caller is gone. Else it is no listener, and poll() would turn. */
		if (errno != EINTR && errno != ENOENT)
			loop_watch_fd(part->member->supervisor->loop, fd, 0, NULL, NULL);
		return;
	}
	snprintf(guard->forbidden, sizeof(guard->forbidden), "forbidden system call: %s",
		 filter_call_name(notice.head.data.nr, name, sizeof(name)));
	log_error("%s: %s", part->member->name, guard->forbidden);
	part->process.killed_for = guard->forbidden;
	ended_signal_group(part->process.pidfd, part->process.pid, SIGKILL);
}

/* The listener that came over the socket, -1: none did. */
static int receive_listener(int from)
{
	char byte;
	struct iovec bytes = {.iov_base = &byte, .iov_len = 1};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int listener = -1;
	if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) == 1 &&
	    message.msg_controllen >= CMSG_LEN(sizeof(listener)))
		memcpy(&listener, CMSG_DATA(&control.header), sizeof(listener));
	return listener;
}

/* A worker may have closed it, and have put something else there: that would be no more than what
 * it may do anyway, but poll() must not turn on it. */
int guard_take(const struct orphan *orphan, int least)
{
	char link[64], what[64] = "";
	int fd = orphan_descriptor(orphan, CONTRACT_FD_EARS, least);
	if (fd < 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, what, sizeof(what) - 1);
	if (n > 0 && strncmp(what, "anon_inode:seccomp", 18) == 0)
		return fd;
	close(fd);
	return 0;
}

void guard_again(struct part *part)
{
	struct process *p = &part->process;
	if (!p->guard_fd)
		return;
	p->guard = calloc(1, sizeof(*p->guard));
	if (!p->guard) {
		close(p->guard_fd);
		p->guard_fd = 0;
		return;
	}
	*p->guard = (struct guard){.part = part, .listener = p->guard_fd};
	loop_watch_fd(part->member->supervisor->loop, p->guard_fd, POLLIN, on_forbidden, p->guard);
}

void contained(struct part *part, struct sandbox *sandbox)
{
	if (sandbox->ruleset >= 0)
		close(sandbox->ruleset);
	if (sandbox->hear < 0)
		return;
	int listener = receive_listener(sandbox->hear);
	close(sandbox->hear);
	close(sandbox->tell);
	part->process.guard_fd = listener > 0 ? listener : 0;
	guard_again(part);
}

static bool needs_fifo(const struct part *part, const char *name)
{
	const struct needs *needs = said_by(part).needs;
	for (size_t i = 0; i < needs->count; i++) {
		if (needs->all[i].kind == NEED_STATE_FIFO &&
		    strcmp(need_at(needs, i).of, name) == 0)
			return part->process.pid != 0;
	}
	return false;
}

/* What it may not remove itself, for others' files lie there, too. */
void contain_ended(const struct part *part)
{
	const struct member *m = part->member;
	const struct supervisor *s = m->supervisor;
	if (is_mode(s, "off"))
		return;
	const struct needs *needs = said_by(part).needs;
	for (size_t i = 0; i < needs->count; i++) {
		char path[PROGRAM_SIZE];
		const char *name = need_at(needs, i).of;
		bool used = needs->all[i].kind != NEED_STATE_FIFO;
		for (int k = 0; k < PARTS; k++)
			used |= &m->parts[k] != part && needs_fifo(&m->parts[k], name);
		snprintf(path, sizeof(path), "%.500s/%.500s", s->runtime.state, name);
		if (!used)
			unlink(path);
	}
}

/* ---- for people ---- */

size_t contain_list(const struct part *part, struct arena *arena, char ***lines)
{
	const struct supervisor *s = part->member->supervisor;
	struct rules rules;
	char text[PROGRAM_SIZE + 64];
	size_t n = 0;
	*lines = arena_get(arena, (RULES_MAX + 4) * sizeof(char *));
	if (!*lines || is_mode(s, "off"))
		return 0;
	if (resolve(part, &rules) == 0) {
		for (size_t i = 0; i < rules.count; i++) {
			if (rules.all[i].own)
				(*lines)[n++] = arena_text(
					arena, "%s", rule_text(&rules.all[i], text, sizeof(text)));
		}
		(*lines)[n++] = arena_text(
			arena, "%s", rules.network ? "connects to the network" : "no network");
		(*lines)[n++] = arena_text(
			arena, "reads libraries and its program's folder, makes sockets in %s",
			s->runtime.folder);
		if (is_mode(s, "strict"))
			(*lines)[n++] = arena_text(arena, "a forbidden system call %s (strict)",
						   part->process.guard ? "kills it" : "is refused");
	}
	rules_finish(&rules);
	return n;
}
