/* Giving out seats and giving back what the dead held. */
#include "ipc/slots/seats.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/playback.h"

#include <string.h>

int seat_assign(struct ledger *ledger, const char *worker, uint32_t incarnation)
{
	struct ledger_header *h = ledger->header;
	for (uint32_t i = 1; i < SEATS_MAX; i++) {
		uint32_t seat = (h->last_seat + i - 1) % (SEATS_MAX - 1) + 1;
		struct seat_row *row = &ledger->seats[seat];
		if (atomic_load(&row->state) != SEAT_EMPTY)
			continue;
		*row = (struct seat_row){.incarnation = incarnation, .due = CLOCK_NEVER};
		strncpy(row->worker, worker, NAME_SIZE - 1);
		bell_answer(ledger, (uint8_t)seat); /* rings for a predecessor in this seat */
		atomic_store(&row->state, SEAT_LIVE);
		seat_bit_set(&h->bells_all, (uint8_t)seat);
		h->last_seat = seat;
		FAIL_POINT(SEAT_ASSIGNED);
		return (int)seat;
	}
	return TROUPE_E_FULL;
}

void seat_stand_by(struct ledger *ledger, uint8_t seat)
{
	atomic_store(&ledger->seats[seat].standby, 1);
}

void seat_charge(struct ledger *ledger, uint8_t seat)
{
	/* The word before the ring: who wakes finds what it was rung for. */
	atomic_store(&ledger->seats[seat].standby, 0);
	bell_ring(ledger, seat);
}

static void count_back(struct reclaimed *what, struct slot_word before, struct slot_word after)
{
	what->filling += before.phase == PHASE_FILLING;
	what->held += before.phase == PHASE_HELD;
	what->bypassed += before.phase == PHASE_DONE;
	what->quarantined += before.phase == PHASE_HELD && (after.marks & MARK_QUARANTINED);
}

/* The seat's process is gone, so of all processes only bypassers and settlers can still move this
 * word, and each of their steps keeps the seat in it: the loop ends. */
static void give_back(struct ledger *ledger, uint32_t slot, uint8_t seat, bool fault,
		      struct reclaimed *what)
{
	enum word_cause cause = fault ? CAUSE_BLAME : CAUSE_RECLAIM;
	for (;;) {
		uint64_t word = ledger_word(ledger, slot), now;
		int rc = ledger_step(ledger, slot, word, cause, &(struct word_args){.seat = seat},
				     &now);
		if (rc == TROUPE_E_LOST)
			continue;
		if (rc < 0)
			return; /* it was not this seat's */
		count_back(what, word_unpack(word), word_unpack(now));
		bells_done(ledger, now);
		return;
	}
}

void seat_reclaim(struct ledger *ledger, uint8_t seat, bool fault, struct reclaimed *what)
{
	struct ledger_header *h = ledger->header;
	*what = (struct reclaimed){0};
	atomic_store(&ledger->seats[seat].state, SEAT_DEAD);
	for (uint32_t i = 0; i < h->n_slots; i++) {
		if (i == h->n_slots / 2)
			FAIL_POINT(RECLAIM_HALF);
		give_back(ledger, i, seat, fault, what);
	}
	what->playback = playback_reclaim(ledger, seat);
	for (uint32_t i = 0; i < h->n_streams; i++) {
		what->streams += atomic_load(&ledger->streams[i].owner) == seat;
		owner_release(&ledger->streams[i].owner, seat);
	}
	for (uint32_t i = 0; i < h->n_taps; i++) {
		what->taps += atomic_load(&ledger->taps[i].owner) == seat;
		owner_release(&ledger->taps[i].owner, seat);
	}
	seat_bit_clear(&h->idle, seat);
	seat_bit_clear(&h->asked, seat);
	seat_bit_clear(&h->waiting, seat);
	seat_bit_clear(&h->bells_all, seat);
	FAIL_POINT(RECLAIMED);
	/* Last of all: from here on the number may be given out again. */
	atomic_store(&ledger->seats[seat].state, SEAT_EMPTY);
}

static bool tap_is_owed(const struct ledger *ledger, uint32_t tap)
{
	for (uint32_t i = 0; i < ledger->header->n_slots; i++) {
		struct slot_word w = word_unpack(ledger_word(ledger, i));
		if (w.phase == PHASE_DONE && (w.owed >> tap & 1))
			return true;
	}
	return false;
}

bool seat_holds_slot(const struct ledger *ledger, uint8_t seat)
{
	if (seat == 0)
		return false; /* nobody */
	for (uint32_t i = 0; i < ledger->header->n_slots; i++)
		if (word_unpack(ledger_word(ledger, i)).seat == seat)
			return true;
	return false;
}

bool seat_holds(const struct ledger *ledger, uint8_t seat)
{
	if (seat == 0)
		return false; /* nobody */
	if (seat_holds_slot(ledger, seat) || playback_owed(ledger, seat, 0) != SLOT_NONE)
		return true;
	for (uint32_t t = 0; t < ledger->header->n_taps; t++)
		if (atomic_load(&ledger->taps[t].owner) == seat && tap_is_owed(ledger, t))
			return true;
	return false;
}
