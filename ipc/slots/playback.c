/* The one place that changes a playback slot's word, and the steps of each role on top of it. */
#include "ipc/slots/playback.h"

#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/slots/bells.h"

#include <string.h>

uint64_t playback_word(const struct ledger *ledger, uint32_t slot)
{
	return atomic_load_explicit(&ledger->playback_words[slot], memory_order_acquire);
}

struct playback_record *playback_record(const struct ledger *ledger, uint32_t slot)
{
	return &ledger->playback_records[slot];
}

uint8_t *playback_area(const struct ledger *ledger, uint32_t slot)
{
	return ledger->playback_areas + slot * ledger->playback_size;
}

/* The one place that changes a word; *now is what it was made. */
static int change(struct ledger *ledger, uint32_t slot, uint64_t expected,
		  enum playback_cause cause, uint8_t seat, uint8_t asker, uint64_t *now)
{
	int rc = playback_step(expected, cause, seat, asker, now);
	if (rc < 0)
		return rc;
	if (!atomic_compare_exchange_strong(&ledger->playback_words[slot], &expected, *now))
		return TROUPE_E_LOST;
	FAIL_POINT_OF("PLAYBACK_", playback_cause_name(cause));
	return 0;
}

/* From whatever the word says now, again and again until it is taken or not allowed. */
static int change_now(struct ledger *ledger, uint32_t slot, enum playback_cause cause, uint8_t seat,
		      uint64_t *now)
{
	int rc;
	do
		rc = change(ledger, slot, playback_word(ledger, slot), cause, seat, 0, now);
	while (rc == TROUPE_E_LOST);
	return rc;
}

struct playback_asker playback_asker_of(const struct ledger *ledger, uint8_t seat)
{
	const struct seat_row *row = &ledger->seats[seat];
	struct playback_asker asker = {.seat = seat, .incarnation = row->incarnation};
	memcpy(asker.worker, row->worker, NAME_SIZE);
	asker.worker[NAME_SIZE - 1] = '\0';
	return asker;
}

/* Name and incarnation stand in the row before it is LIVE, and stay until another is. */
static bool is_there(const struct ledger *ledger, const struct playback_asker *asker)
{
	const struct seat_row *row = &ledger->seats[asker->seat];
	return atomic_load(&row->state) == SEAT_LIVE && row->incarnation == asker->incarnation &&
	       strncmp(row->worker, asker->worker, NAME_SIZE) == 0;
}

/* What an asker has of all slots, what it may have, and which is FREE and was used least. */
struct survey {
	uint32_t has, others, slot;
	uint64_t word; /* of `slot` */
};

static struct survey survey(const struct ledger *ledger, uint8_t asker)
{
	struct survey s = {.slot = SLOT_NONE};
	uint64_t others = 0, fewest = UINT64_MAX;
	for (uint32_t i = 0; i < PLAYBACK_SLOTS; i++) {
		uint64_t word = playback_word(ledger, i);
		struct playback_word w = playback_unpack(word);
		s.has += w.asker == asker;
		if (w.asker && w.asker != asker)
			others |= UINT64_C(1) << w.asker % SEATS_MAX;
		if (w.phase != PLAYBACK_FREE || w.uses >= fewest)
			continue;
		fewest = w.uses;
		s.slot = i;
		s.word = word;
	}
	s.others = (uint32_t)__builtin_popcountll(others);
	return s;
}

static int room_in(const struct survey *s)
{
	if (s->has >= playback_quota(s->others))
		return TROUPE_E_BUSY;
	return s->slot == SLOT_NONE ? TROUPE_E_FULL : 0;
}

int playback_room(const struct ledger *ledger, uint8_t asker)
{
	struct survey s = survey(ledger, asker);
	return room_in(&s);
}

/* Whom it is for is looked at after the swap. The supervisor makes the seat DEAD before it looks at
 * the words; both are in one total order, so either we see that it is not LIVE, or the supervisor
 * sees our word and takes the asker out of it. */
int playback_take(struct ledger *ledger, uint8_t filler, const struct playback_asker *asker,
		  uint32_t *slot)
{
	uint64_t now;
	int rc;
	if (!asker->seat || asker->seat >= SEATS_MAX || !is_there(ledger, asker))
		return TROUPE_E_CLOSED;
	do {
		struct survey s = survey(ledger, asker->seat);
		rc = room_in(&s);
		if (rc < 0)
			return rc;
		*slot = s.slot;
		rc = change(ledger, s.slot, s.word, PLAYBACK_TAKE, filler, asker->seat, &now);
	} while (rc == TROUPE_E_LOST);
	atomic_thread_fence(memory_order_seq_cst);
	if (rc < 0 || is_there(ledger, asker))
		return rc;
	playback_abandon(ledger, *slot, filler);
	return TROUPE_E_CLOSED;
}

int playback_owe(struct ledger *ledger, uint32_t slot, uint8_t filler)
{
	uint64_t now;
	int rc = change_now(ledger, slot, PLAYBACK_OWE, filler, &now);
	if (rc < 0)
		return rc;
	struct playback_word w = playback_unpack(now);
	bell_ring(ledger, w.asker);
	return w.phase == PLAYBACK_OWED ? 0 : TROUPE_E_CLOSED;
}

int playback_abandon(struct ledger *ledger, uint32_t slot, uint8_t filler)
{
	uint64_t now;
	return change_now(ledger, slot, PLAYBACK_ABANDON, filler, &now);
}

uint32_t playback_owed(const struct ledger *ledger, uint8_t asker, uint32_t slot)
{
	for (; slot < PLAYBACK_SLOTS; slot++) {
		struct playback_word w = playback_unpack(playback_word(ledger, slot));
		if (w.phase == PLAYBACK_OWED && w.asker == asker)
			return slot;
	}
	return SLOT_NONE;
}

int playback_give_back(struct ledger *ledger, uint32_t slot, uint8_t asker)
{
	uint64_t now;
	return change_now(ledger, slot, PLAYBACK_GIVE_BACK, asker, &now);
}

uint32_t playback_reclaim(struct ledger *ledger, uint8_t seat)
{
	uint32_t freed = 0;
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t slot = 0; slot < PLAYBACK_SLOTS; slot++) {
		uint64_t now;
		if (change_now(ledger, slot, PLAYBACK_RECLAIM, seat, &now) == 0)
			freed += playback_unpack(now).phase == PLAYBACK_FREE;
	}
	return freed;
}

bool playback_quiet(const struct ledger *ledger)
{
	for (uint32_t i = 0; i < PLAYBACK_SLOTS; i++)
		if (playback_unpack(playback_word(ledger, i)).phase != PLAYBACK_FREE)
			return false;
	return true;
}
