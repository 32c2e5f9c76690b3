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
 *   opened anew, the socket at the same address; if somebody holds that still, as one who is about
 *   to find out that he came too late, at each start of the worker until it is free.
 * - What hears of a worker's forbidden system calls (strict) is open in the worker itself; a call
 *   that it has made since stands still until we have heard of it.
 *
 * Each of these steps can be done again by the next adopter, if we are killed as well. */
#include "supervisor/adopt.h"
#include "supervisor/adopt_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/seats.h"
#include "supervisor/image.h"
#include "supervisor/member.h"
#include "supervisor/reap.h"
#include "supervisor/setup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
		if (*m->device.path)
			m->handed_fd = -1; /* it is opened when its capture starts */
		else if (setup_socket_again(s, m, why, sizeof(why)) < 0)
			log_warn("%s: %s", m->name, why); /* part_spawn tries again */
	}
}

/* Told to take charge in the last turn, which the image does not know. */
static void note_charged(struct member *m)
{
	struct part *next = m->next;
	if (!part_lives(next) || next->process.standby)
		return;
	if (next->life.state == LIFE_PREPARED)
		next->life.state = LIFE_STARTING;
	next->life.until = clock_now() + m->section->settings.ready_timeout;
	if (!part_lives(m->lead) && !m->last->process.pid)
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
		if (m->handed_fd >= 0)
			m->handed_fd = HANDED_LOST;
		for (int k = 0; k < PARTS; k++)
			finding_match(f, &m->parts[k]);
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
	finding_place(f);
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

int adopt_setup(struct supervisor *s, const char *image, char *why, size_t why_size)
{
	struct finding *f = calloc(1, sizeof(*f));
	if (!f)
		return TROUPE_E_MEMORY;
	f->s = s;
	int rc = finding_look(f, why, why_size);
	if (rc == 0)
		rc = finding_take_common(f, why, why_size);
	orphans_finish(f->all, f->n);
	f->n = 0;
	if (rc == 0 && (rc = check_streams(s, why, why_size)) < 0)
		finding_drop(s);
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
