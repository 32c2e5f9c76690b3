/* Adoption.
 *
 * The supervisor was killed between any two instructions. What it knew is in its image, which is at
 * most one turn of its loop old; what is, is in the processes and the ledger. So the image is
 * believed where a process with that pid and start time still runs, and for the rest:
 *
 * - A process of the image that is gone has ended while nobody supervised. It is dealt with as if
 *   its end were seen now (reap_gone): its successor starts by the rules of every death, and what
 *   it held is given back without an attempt counted, since nobody knows what it died of.
 * - A worker that the image does not know was started in that last turn. If nobody alive plays its
 *   member, it is the lead. If somebody does, it is the standby (its seat row says so), or the
 *   lead's successor, and then the other one drains. Who has no place, or a second one where there
 *   can be only one, is ended, and its end is awaited before its seat is given back.
 * - One that was started but has not executed yet cannot be seen. It reads in the ledger that
 *   somebody else supervises (we write that first and look then) and ends before it has touched
 *   anything; a program that does not look is found by a second search and ended.
 * - A seat without a process was assigned for one that never came to be, or was half given back:
 *   it is given back, of which every step may be done twice.
 * - What a worker has said and nobody heard, it says again. One that was told to drain says so: it
 *   ends and is started anew, unless the image knows that it shall stay down.
 * - A swap half-way is given up: a newcomer that does not play yet is sent away, one that plays,
 *   stays. The stage of the pipeline is the image's: what was starting or stopping goes on with it.
 * - A device or a listening socket lives in the worker that uses it. If that is gone too, it is
 *   opened anew, the socket at the same address.
 *
 * Each of these steps can be done again by the next adopter, if we are killed as well. */
#include "supervisor/adopt.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/seats.h"
#include "ipc/worker/contract.h"
#include "supervisor/ended.h"
#include "supervisor/image.h"
#include "supervisor/member.h"
#include "supervisor/orphans.h"
#include "supervisor/reap.h"
#include "supervisor/setup.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* Descriptors of ours lie above all that mean something to a worker. */
#define LEAST_FD 128
/* How long a process may take to end that was killed, or that holds the lock and is none. */
#define END_PATIENCE (10 * NS_PER_S)

/* It had been handed something: whoever runs of it has that. */
#define HANDED_LOST (-2)

struct finding {
	struct supervisor *s;
	struct orphan all[ORPHANS_MAX];
	size_t n;
};

bool adopt_possible(struct supervisor *s, char **image, char *why, size_t why_size)
{
	*why = '\0';
	*image = NULL;
	if (!runtime_has_orphans(&s->runtime))
		return false;
	*image = runtime_image(&s->runtime);
	if (!*image) {
		snprintf(why, why_size,
			 "its workers drain and cannot be taken over: the config says nothing like "
			 "on_orphan = \"wait 10s\"");
	}
	if (*image && image_check(*image, why, why_size) == 0)
		return true;
	free(*image);
	*image = NULL;
	return false;
}

/* ---- what the workers have ---- */

static int take_bells(const struct orphan *o)
{
	for (int seat = 0; seat < SEATS_MAX; seat++) {
		int at = CONTRACT_FD_BELLS + seat;
		int fd = orphan_descriptor(o, at, LEAST_FD);
		if (fd < 0)
			return fd;
		int rc = dup2(fd, at) < 0 ? error_from_errno(errno) : 0;
		close(fd);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_ledger(struct supervisor *s, const struct orphan *o)
{
	int fd = orphan_descriptor(o, CONTRACT_FD_LEDGER, LEAST_FD);
	if (fd < 0)
		return fd;
	int rc = ledger_attach(&s->ledger, fd, true);
	if (rc == 0 && strcmp(s->ledger.header->pipeline, s->config.top.name) != 0)
		rc = TROUPE_E_CORRUPT;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	s->ledger.fd = fd;
	return 0;
}

static void drop(struct supervisor *s)
{
	if (s->ledger.header)
		ledger_finish(&s->ledger);
	if (s->runtime.lock >= 0)
		close(s->runtime.lock);
	s->runtime.lock = -1;
}

/* What all of them have, out of one of them. */
static int take_common(struct supervisor *s, const struct orphan *o)
{
	int rc = take_ledger(s, o);
	if (rc == 0) {
		s->runtime.lock = orphan_descriptor(o, CONTRACT_FD_LIFE, LEAST_FD);
		rc = s->runtime.lock < 0 ? s->runtime.lock : take_bells(o);
	}
	if (rc == 0)
		s->ledger.bell_base = CONTRACT_FD_BELLS;
	else
		drop(s);
	return rc;
}

/* The first that has them; each may end at any moment. */
static int take_from_any(struct finding *f, char *why, size_t why_size)
{
	int rc = TROUPE_E_NOT_FOUND;
	for (size_t i = 0; i < f->n; i++) {
		rc = take_common(f->s, &f->all[i]);
		if (rc == 0)
			return 0;
	}
	if (rc == TROUPE_E_DENIED) {
		snprintf(why, why_size,
			 "the kernel does not let this user take descriptors out of its workers "
			 "(another user's, or kernel.yama.ptrace_scope)");
	} else {
		snprintf(why, why_size, "none of its workers has what is needed: %s",
			 error_text(rc));
	}
	return rc;
}

/* The killed one may hold the lock for a moment still, with all workers gone. */
static int find_some(struct finding *f, char *why, size_t why_size)
{
	int64_t deadline = clock_now() + END_PATIENCE;
	for (;;) {
		f->n = orphans_find(f->s->runtime.folder, f->all, ORPHANS_MAX);
		if (f->n > 0)
			return 0;
		if (clock_now() >= deadline) {
			snprintf(why, why_size, "%s/lock is held, and by no worker",
				 f->s->runtime.folder);
			return TROUPE_E_TIMEOUT;
		}
		poll(NULL, 0, 5);
	}
}

/* ---- who is who ---- */

/* A worker's child has the same environment, but its pid is not in the seat row. */
static bool is_worker(const struct supervisor *s, const struct orphan *o)
{
	if (o->seat == 0 || o->seat >= SEATS_MAX)
		return false;
	const struct seat_row *row = &s->ledger.seats[o->seat];
	int32_t pid = atomic_load(&row->pid);
	return atomic_load(&row->state) == SEAT_LIVE && row->incarnation == o->incarnation &&
	       strncmp(row->worker, o->worker, NAME_SIZE) == 0 && (pid == 0 || pid == o->pid);
}

static bool is_child_of_worker(const struct finding *f, const struct orphan *o)
{
	const struct seat_row *row = &f->s->ledger.seats[o->seat];
	int32_t pid = o->seat < SEATS_MAX ? atomic_load(&row->pid) : 0;
	return pid && pid != o->pid && row->incarnation == o->incarnation;
}

/* Its descriptors, and that it is no child. */
static void take_process(struct part *part, struct orphan *o)
{
	struct supervisor *s = part->member->supervisor;
	struct process *p = &part->process;
	o->taken = true;
	p->pid = o->pid;
	p->pidfd = o->pidfd;
	o->pidfd = -1;
	p->start_time = o->start_time;
	p->seat = o->seat;
	p->incarnation = o->incarnation;
	p->adopted = true;
	atomic_store(&s->ledger.seats[p->seat].pid, p->pid);
	struct orphan same = {.pid = p->pid, .pidfd = p->pidfd};
	p->log_fd = orphan_descriptor(&same, STDOUT_FILENO, LEAST_FD);
	if (p->log_fd < 0)
		p->log_fd = -1;
	struct member *m = part->member;
	if (m->handed_fd == HANDED_LOST) {
		int fd = orphan_descriptor(&same, CONTRACT_FD_HANDED, LEAST_FD);
		m->handed_fd = fd < 0 ? HANDED_LOST : fd;
	}
}

static struct orphan *find_orphan(struct finding *f, pid_t pid, uint64_t start_time)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->all[i].pid == pid && f->all[i].start_time == start_time)
			return &f->all[i];
	return NULL;
}

/* The numbers of descriptors are those of the dead. */
static void match_part(struct finding *f, struct part *part)
{
	struct process *p = &part->process;
	struct orphan *o = p->pid ? find_orphan(f, p->pid, p->start_time) : NULL;
	p->pidfd = p->log_fd = -1;
	p->guard_fd = 0;
	if (!p->pid)
		return;
	const struct seat_row *row = &f->s->ledger.seats[p->seat % SEATS_MAX];
	if (o && is_worker(f->s, o)) {
		take_process(part, o);
		p->standby = atomic_load(&row->standby);
		return;
	}
	p->gone = true;
	/* Given back already, and perhaps another's by now. */
	if (atomic_load(&row->state) == SEAT_EMPTY || atomic_load(&row->pid) != p->pid)
		p->seat = 0;
}

static bool lives(const struct part *part)
{
	return part->process.pid && !part->process.gone;
}

/* A process that the image does not know begins its life; whatever was counted is counted on. */
static void settle_in(struct part *part, struct orphan *o, bool plays)
{
	struct member *m = part->member;
	struct supervisor *s = m->supervisor;
	int64_t now = clock_now();
	struct life life = life_new(now);
	life_inherit(&life, &m->lead->life);
	life.state = LIFE_STARTING;
	life.again = true;
	life.until = now + m->section->settings.ready_timeout;
	part->life = life;
	memcpy(part->program, m->program, sizeof(part->program));
	part->process = (struct process){.pidfd = -1, .log_fd = -1, .started = now};
	take_process(part, o);
	part->process.standby = atomic_load(&s->ledger.seats[o->seat].standby);
	if (plays)
		part_plays(part);
}

/* The lead drains or is dead, and the new one plays: as when an heir is started. */
static struct part *make_room(struct member *m)
{
	struct part *empty = m->last;
	m->last = m->lead;
	m->lead = empty;
	return empty;
}

/* Whether there was a place for it. */
static bool place(struct supervisor *s, struct orphan *o)
{
	struct member *m = member_find(s, o->worker);
	bool standby = atomic_load(&s->ledger.seats[o->seat].standby);
	if (!m || !m->wanted)
		return false;
	if (!lives(m->lead) && !m->lead->process.pid) {
		settle_in(m->lead, o, true);
	} else if (lives(m->lead) && standby) {
		if (m->next->process.pid || m->section->settings.spares == 0)
			return false;
		settle_in(m->next, o, false);
	} else if (m->last->process.pid) {
		return false;
	} else {
		struct life heir = m->lead->life;
		struct part *lead = make_room(m);
		lead->life = heir; /* what was counted */
		settle_in(lead, o, true);
		m->last->life.again = false;
	}
	return true;
}

static void end_stranger(struct supervisor *s, struct orphan *o)
{
	struct pollfd end = {.fd = o->pidfd, .events = POLLIN};
	log_warn("%s: pid %d has no place any more: ending it", o->worker, (int)o->pid);
	orphan_kill(o);
	if (poll(&end, 1, (int)(END_PATIENCE / NS_PER_MS)) > 0)
		return;
	log_error("%s: pid %d cannot be killed", o->worker, (int)o->pid);
	if (o->seat && o->seat < SEATS_MAX)
		s->stuck_seats |= UINT64_C(1) << o->seat;
}

static void place_all(struct finding *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct orphan *o = &f->all[i];
		if (o->taken || is_child_of_worker(f, o))
			continue;
		if (is_worker(f->s, o) && place(f->s, o))
			continue;
		end_stranger(f->s, o);
	}
}

/* ---- what is left over ---- */

static uint64_t seats_in_use(const struct supervisor *s)
{
	uint64_t used = s->stuck_seats;
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++)
			if (s->members[i]->parts[k].process.pid)
				used |= UINT64_C(1) << s->members[i]->parts[k].process.seat;
	}
	return used;
}

static void give_back_seats(struct supervisor *s)
{
	uint64_t used = seats_in_use(s);
	for (uint8_t seat = 1; seat < SEATS_MAX; seat++) {
		struct reclaimed what;
		if (!(used >> seat & 1) && atomic_load(&s->ledger.seats[seat].state) != SEAT_EMPTY)
			seat_reclaim(&s->ledger, seat, false, &what);
	}
	bells_ring_all(&s->ledger);
}

/* A number that a socket's path has had is not given out again. */
static void count_on(struct member *m)
{
	const struct ledger *ledger = &m->supervisor->ledger;
	for (uint8_t seat = 1; seat < SEATS_MAX; seat++) {
		const struct seat_row *row = &ledger->seats[seat];
		if (strncmp(row->worker, m->name, NAME_SIZE) == 0 &&
		    row->incarnation > m->incarnations)
			m->incarnations = row->incarnation;
	}
}

/* Who plays, plays on; who was to play, is sent away. */
static void give_up_swap(struct member *m)
{
	bool draining = m->swap.stage == SWAP_DRAINING;
	m->swap = (struct swap){.stage = SWAP_NONE};
	if (draining)
		m->lead->life.again = m->wanted;
	if (m->lead->process.pid)
		memcpy(m->program, m->lead->program, sizeof(m->program));
}

/* The streams are what the ledger was made of. */
static int check_streams(const struct supervisor *s, char *why, size_t why_size)
{
	uint32_t n = 0;
	bool same = true;
	for (size_t i = 0; i < s->config.n_sections; i++) {
		const struct section *section = &s->config.sections[i];
		if (section->role->shape != ROLE_STREAM || !section->settings.enabled)
			continue;
		same &= n < s->ledger.header->n_streams &&
			strcmp(s->ledger.streams[n].name, section->title) == 0;
		n++;
	}
	if (same && n == s->ledger.header->n_streams)
		return 0;
	snprintf(why, why_size, "%s: has other streams than what runs", s->config.file);
	return TROUPE_E_CONFIG;
}

static void reopen(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		char why[WHY_SIZE];
		if (m->handed_fd != HANDED_LOST)
			continue;
		m->handed_fd = -1; /* a device is opened when its capture starts */
		if (!*m->device.path && setup_socket_again(s, m, why, sizeof(why)) < 0)
			log_warn("%s: %s", m->name, why);
	}
}

/* Told to take charge in the last turn, which the image does not know. */
static void note_charged(struct member *m)
{
	struct part *next = m->next;
	if (!lives(next) || next->process.standby)
		return;
	if (next->life.state == LIFE_PREPARED)
		next->life.state = LIFE_STARTING;
	next->life.until = clock_now() + m->section->settings.ready_timeout;
	if (!lives(m->lead) && !m->last->process.pid)
		member_promote(m);
}

/* Who is missed by nobody: their ends make room. */
static void bury_others(struct member *m)
{
	struct part *const parts[] = {m->last, m->next};
	for (int k = 0; k < 2; k++) {
		if (!parts[k]->process.gone)
			continue;
		parts[k]->life.state = LIFE_DOWN;
		parts[k]->life.until = CLOCK_NEVER;
		reap_gone(parts[k]);
	}
}

static int take_over(struct finding *f, const char *image, char *why, size_t why_size)
{
	struct supervisor *s = f->s;
	int ledger = s->ledger.fd, lock = s->runtime.lock, own = s->runtime.own_lock;
	bool show = s->show;
	int rc = image_apply(s, image);
	s->ledger.fd = ledger; /* the numbers in the image were the dead one's */
	s->runtime.lock = lock;
	s->runtime.own_lock = own;
	s->console = -1;
	s->show = show;
	s->oom_base = OOM_BASE_UNKNOWN;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		m->handed_fd = m->handed_fd >= 0 ? HANDED_LOST : -1;
		for (int k = 0; k < PARTS; k++)
			match_part(f, &m->parts[k]);
		count_on(m);
		give_up_swap(m);
	}
	rc = setup_rest(s, true, why, why_size);
	if (rc < 0)
		return rc;
	FAIL_POINT(ADOPT_MATCHED);
	for (size_t i = 0; i < s->n_members; i++) {
		bury_others(s->members[i]);
		note_charged(s->members[i]);
	}
	place_all(f);
	FAIL_POINT(ADOPT_PLACED);
	give_back_seats(s);
	reopen(s);
	s->generation++;
	s->adopted = true;
	journal_write(
		&s->journal, JOURNAL_ADOPT, NULL,
		json_pack("{s:i, s:i}", "pid", (int)getpid(), "generation", (int)s->generation));
	return 0;
}

static bool is_ours(const struct supervisor *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++)
			if (s->members[i]->parts[k].process.pid == pid)
				return true;
	}
	return false;
}

void adopt_look_again(struct supervisor *s)
{
	struct finding *f = s->adopted ? calloc(1, sizeof(*f)) : NULL;
	if (!f)
		return;
	s->adopted = false;
	f->s = s;
	f->n = orphans_find(s->runtime.folder, f->all, ORPHANS_MAX);
	for (size_t i = 0; i < f->n; i++) {
		struct orphan *o = &f->all[i];
		if (!is_ours(s, o->pid) && !is_child_of_worker(f, o) && !is_worker(s, o))
			end_stranger(s, o);
	}
	orphans_finish(f->all, f->n);
	free(f);
}

int adopt_setup(struct supervisor *s, const char *image, char *why, size_t why_size)
{
	struct finding *f = calloc(1, sizeof(*f));
	if (!f)
		return TROUPE_E_MEMORY;
	f->s = s;
	int rc = find_some(f, why, why_size);
	if (rc == 0)
		rc = take_from_any(f, why, why_size);
	orphans_finish(f->all, f->n);
	f->n = 0;
	if (rc == 0 && (rc = check_streams(s, why, why_size)) < 0)
		drop(s);
	if (rc == 0) {
		/* From here on nobody begins any more whom the next look does not see. */
		atomic_store(&s->ledger.header->supervisor_pid, getpid());
		FAIL_POINT(ADOPT_SAID);
		f->n = orphans_find(s->runtime.folder, f->all, ORPHANS_MAX);
		rc = take_over(f, image, why, why_size);
		orphans_finish(f->all, f->n);
	}
	free(f);
	return rc;
}
