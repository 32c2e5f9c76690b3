/* Playback slots under stress: fillers answer what askers want, now and then twice, and askers look
 * at every byte of what they are owed, which may come late, twice or for nothing. */
#include "ipc/slots/playback.h"

#include "ipc/base/errors.h"
#include "ipc/slots/bells.h"
#include "tests/stress/pattern.h"
#include "tests/stress/players.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#define IDS 0xffffff /* of one asker; small enough for the patterns */

static bool stopped(const struct player *p)
{
	return atomic_load(&p->stage->stop);
}

/* ---- fillers ---- */

static void fill(struct player *p, uint32_t slot, const struct playback_asker *asker, uint64_t id)
{
	struct playback_record *record = playback_record(p->ledger, slot);
	uint8_t *area = playback_area(p->ledger, slot);
	record->question = id;
	pattern_write_image(area, asker->seat, id, 0, IMAGE_WORDS / 2);
	player_hesitate(p);
	record->run = asker->seat;
	record->seq = asker->incarnation;
	pattern_write_image(area, asker->seat, id, IMAGE_WORDS / 2, IMAGE_WORDS);
	player_hesitate(p);
}

static void answer(struct player *p, struct inquiry *inquiry, uint64_t word)
{
	struct playback_asker asker = {.seat = word & 0xff, .incarnation = word >> 8 & 0xffffff};
	uint32_t slot;
	memcpy(asker.worker, inquiry->worker, NAME_SIZE);
	int rc = playback_take(p->ledger, p->seat, &asker, &slot);
	if (rc == TROUPE_E_CLOSED) {
		atomic_compare_exchange_strong(&inquiry->word, &word, 0);
		return;
	}
	if (rc < 0) { /* it has its share, or there is none */
		sched_yield();
		return;
	}
	player_hesitate(p);
	fill(p, slot, &asker, word >> 32);
	rc = playback_owe(p->ledger, slot, p->seat);
	if (rc < 0 && rc != TROUPE_E_CLOSED)
		stage_wrong(p->stage, "filler, seat %u: its slot %u is not its own: %s", p->seat,
			    slot, error_name(rc));
	player_hesitate(p);
	if (!player_chance(p, 20)) /* else it is answered once more */
		atomic_compare_exchange_strong(&inquiry->word, &word, 0);
}

void play_filler(struct player *p)
{
	struct stage *stage = p->stage;
	while (!stopped(p)) {
		int found = 0;
		seat_bit_set(&stage->fillers, p->seat);
		for (int i = 0; i < STRESS_ASKERS; i++) {
			uint64_t word = atomic_load(&stage->inquiries[i].word);
			found += word != 0;
			if (word)
				answer(p, &stage->inquiries[i], word);
		}
		if (!found)
			player_sleep(p);
	}
	seat_bit_clear(&stage->fillers, p->seat);
}

/* ---- askers ---- */

static void ask(struct player *p, uint64_t id)
{
	struct inquiry *inquiry = &p->stage->inquiries[p->number];
	uint64_t incarnation = p->ledger->seats[p->seat].incarnation;
	atomic_store(&inquiry->word, id << 32 | incarnation << 8 | p->seat);
	bells_ring_set(p->ledger, atomic_exchange(&p->stage->fillers, 0));
}

/* Whatever is owed has to be for this very asker, and whole for as long as it is kept. */
static void look_at(struct player *p, uint32_t slot)
{
	const struct playback_record *record = playback_record(p->ledger, slot);
	const uint8_t *area = playback_area(p->ledger, slot);
	uint32_t incarnation = p->ledger->seats[p->seat].incarnation;
	if (record->run != p->seat || record->seq != incarnation)
		stage_wrong(p->stage, "asker, seat %u: slot %u is for another one", p->seat, slot);
	for (int look = 0; look < 2; look++) {
		if (!pattern_image_is(area, p->seat, record->question))
			stage_wrong(p->stage, "asker, seat %u: slot %u holds another frame",
				    p->seat, slot);
		player_hesitate(p);
	}
}

/* Returns whether the frame that was asked for last was among what came. */
static bool take_all(struct player *p, uint64_t id)
{
	bool came = false;
	for (uint32_t slot = 0; (slot = playback_owed(p->ledger, p->seat, slot)) != SLOT_NONE;
	     slot++) {
		bool mine = playback_record(p->ledger, slot)->question == id;
		look_at(p, slot);
		came |= mine;
		atomic_fetch_add(mine ? &p->stage->answered : &p->stage->unexpected, 1);
		int rc = playback_give_back(p->ledger, slot, p->seat);
		if (rc < 0)
			stage_wrong(p->stage, "asker, seat %u: its slot %u is not its own: %s",
				    p->seat, slot, error_name(rc));
	}
	return came;
}

void play_asker(struct player *p)
{
	struct inquiry *inquiry = &p->stage->inquiries[p->number];
	uint64_t id = pattern_random(&p->random) & IDS;
	memcpy(inquiry->worker, p->ledger->seats[p->seat].worker, NAME_SIZE);
	while (!stopped(p)) {
		id = (id + 1) & IDS;
		ask(p, id);
		/* Now and then it does not wait: then that one comes when nobody expects it. */
		bool patient = !player_chance(p, 10);
		while (!take_all(p, id) && patient && !stopped(p))
			player_sleep(p);
	}
	atomic_store(&inquiry->word, 0);
	take_all(p, id);
}
