/* The one place that changes a word, and the steps of each role on top of it. */
#include "ipc/slots/ledger.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/slots/record.h"

#include "ipc/slots/stations.h"
#include <string.h>

int ledger_step(struct ledger *ledger, uint32_t slot, uint64_t expected, enum word_cause cause,
		const struct word_args *args, uint64_t *now)
{
	uint64_t next;
	int rc = word_step(expected, cause, args, &next);
	if (rc < 0)
		return rc;
	if (!atomic_compare_exchange_strong_explicit(&ledger->words[slot], &expected, next,
						     memory_order_acq_rel, memory_order_acquire))
		return TROUPE_E_LOST;
	FAIL_POINT_OF("STEP_", cause_name(cause));
	if (now)
		*now = next;
	return 0;
}

/* Takes a step from whatever the word says now, again and again until it is taken or not allowed.
 */
static int step_now(struct ledger *ledger, uint32_t slot, enum word_cause cause,
		    const struct word_args *args, uint64_t *now)
{
	int rc;
	do
		rc = ledger_step(ledger, slot, ledger_word(ledger, slot), cause, args, now);
	while (rc == TROUPE_E_LOST);
	return rc;
}

/* `published` of a slot that may be refilled under our eyes: a hint for order and age, the swap on
 * the word decides. */
static int64_t published_hint(const struct ledger *ledger, uint32_t slot)
{
	return record_time(__atomic_load_n(&ledger->records[slot].published, __ATOMIC_RELAXED));
}

/* ---- capture ---- */

/* The FREE slot with the lowest number, but for the stream's last published frame: its record is
 * where a successor of the capture goes on, and what the next frame's ordinals count from. */
static uint32_t lowest_free(const struct ledger *ledger, uint32_t stream, uint64_t *word)
{
	const struct stream_row *s = &ledger->streams[stream];
	uint32_t best = SLOT_NONE, last;
	ledger_last_seq(ledger, stream, &last);
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = ledger_look(ledger, i);
		if (i == last || w.phase != PHASE_FREE)
			continue;
		if (best == SLOT_NONE || w.seq < word_unpack(*word).seq) {
			best = i;
			*word = word_pack(w);
		}
	}
	return best;
}

int ledger_take(struct ledger *ledger, uint32_t stream, uint8_t seat, uint32_t *slot)
{
	int rc;
	do {
		uint64_t word = 0;
		uint32_t best = lowest_free(ledger, stream, &word);
		if (best == SLOT_NONE)
			return TROUPE_E_FULL;
		rc = ledger_step(ledger, best, word, CAUSE_TAKE, &(struct word_args){.seat = seat},
				 NULL);
		*slot = best;
	} while (rc == TROUPE_E_LOST);
	/* Who peeks and sees a byte of what is written next must also see FILLING: pairs with the
	 * acquire fence in ledger_still. */
	atomic_thread_fence(memory_order_release);
	return rc;
}

/* Which taps are owed a frame with this pts: those that are on and whose rate has a tick between
 * the predecessor and it. A pure function of two neighbours, so a successor decides the same. */
static uint8_t owed_taps(const struct ledger *ledger, const struct stream_row *s, int64_t pts,
			 const struct published *before)
{
	uint32_t on = atomic_load(&s->taps_on);
	uint8_t owed = 0;
	for (uint32_t t = 0; t < ledger->header->n_taps; t++) {
		int64_t every = s->tap_every_ns[t];
		if ((on >> t & 1) && (every <= 0 || !before || pts / every != before->pts / every))
			owed |= (uint8_t)(1U << t);
	}
	return owed;
}

/* What was published last: by our own memory, else by the slots, as a successor. */
static struct published last_published(const struct ledger *ledger, uint32_t stream, uint8_t seat)
{
	const struct published *own = &ledger->published[stream];
	if (own->seat == seat)
		return *own;
	uint32_t slot;
	struct published last = {.seq = ledger_last_seq(ledger, stream, &slot)};
	if (slot == SLOT_NONE)
		return last;
	last.seat = seat;
	last.pts = record_time(ledger->records[slot].pts);
	memcpy(last.ordinal, ledger->records[slot].ordinal, sizeof(last.ordinal));
	return last;
}

int ledger_publish(struct ledger *ledger, uint32_t slot, uint8_t seat)
{
	uint32_t stream = ledger_stream_of(ledger, slot);
	struct slot_record *record = &ledger->records[slot];
	/* Only this process publishes on this stream (owner word), so the maximum stands still. */
	struct published last = last_published(ledger, stream, seat), next = {.seat = seat};
	uint8_t owed =
		owed_taps(ledger, &ledger->streams[stream], record->pts, last.seat ? &last : NULL);
	for (uint32_t t = 0; t < TAPS_MAX; t++)
		next.ordinal[t] = last.ordinal[t] + (owed >> t & 1);
	next.seq = last.seq + 1;
	next.pts = record->pts;
	memcpy(record->ordinal, next.ordinal, sizeof(record->ordinal));
	__atomic_store_n(&record->seq, next.seq, __ATOMIC_RELAXED);
	record->owed = owed;
	__atomic_store_n(&record->published, clock_now(), __ATOMIC_RELAXED);
	struct word_args args = {.seat = seat, .seq = next.seq, .owed = owed};
	int rc = step_now(ledger, slot, CAUSE_PUBLISH, &args, NULL);
	if (rc == 0)
		ledger->published[stream] = next;
	return rc;
}

int ledger_abandon(struct ledger *ledger, uint32_t slot, uint8_t seat)
{
	return step_now(ledger, slot, CAUSE_ABANDON, &(struct word_args){.seat = seat}, NULL);
}

/* ---- processor ---- */

/* When a frame came up for its turn: when it was published, or, of a stream with more frames than
 * are done, when the one before it was claimed. So a stream that waits for nobody's sake but its
 * own does not make the others wait as long: each gets an equal share if it has the frames for it.
 * Both times are hints: who dies between the claim and the note makes its stream come once too
 * early. */
struct turn {
	int64_t up, published;
};

static struct turn turn_of(const struct ledger *ledger, const struct stream_row *s, uint32_t slot)
{
	int64_t published = published_hint(ledger, slot);
	int64_t served = atomic_load_explicit(&s->served, memory_order_relaxed);
	return (struct turn){.up = published > served ? published : served, .published = published};
}

static bool comes_before(const struct turn *a, const struct turn *b)
{
	return a->up != b->up ? a->up < b->up : a->published < b->published;
}

/* The QUEUED slot whose turn it is, SLOT_NONE when there is none. */
static uint32_t next_queued(const struct ledger *ledger, uint64_t *word)
{
	uint32_t best = SLOT_NONE;
	struct turn best_turn = {0};
	for (uint32_t n = 0; n < ledger->header->n_streams; n++) {
		const struct stream_row *s = &ledger->streams[n];
		for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
			struct slot_word w = ledger_look(ledger, i);
			if (w.phase != PHASE_QUEUED)
				continue;
			struct turn turn = turn_of(ledger, s, i);
			if (best == SLOT_NONE || comes_before(&turn, &best_turn)) {
				best = i;
				best_turn = turn;
				*word = word_pack(w);
			}
		}
	}
	return best;
}

int ledger_claim(struct ledger *ledger, uint8_t seat, uint32_t *slot)
{
	int rc;
	do {
		uint64_t word = 0;
		*slot = next_queued(ledger, &word);
		if (*slot == SLOT_NONE)
			return TROUPE_E_AGAIN;
		rc = ledger_step(ledger, *slot, word, CAUSE_CLAIM,
				 &(struct word_args){.seat = seat}, NULL);
	} while (rc == TROUPE_E_LOST);
	if (rc == 0) {
		struct stream_row *s = &ledger->streams[ledger_stream_of(ledger, *slot)];
		atomic_store_explicit(&s->served, clock_now(), memory_order_relaxed);
	}
	return rc;
}

/* What a holder does when it is through: `cause`, unless the frame was bypassed meanwhile. */
static int let_go_as(struct ledger *ledger, uint32_t slot, uint8_t seat, enum word_cause cause)
{
	struct word_args args = {.seat = seat};
	int rc = step_now(ledger, slot, cause, &args, NULL);
	if (rc == TROUPE_E_STATE && step_now(ledger, slot, CAUSE_LET_GO, &args, NULL) == 0)
		return 1;
	return rc;
}

int ledger_finish_frame(struct ledger *ledger, uint32_t slot, uint8_t seat)
{
	return let_go_as(ledger, slot, seat, CAUSE_FINISH);
}

int ledger_hand_back(struct ledger *ledger, uint32_t slot, uint8_t seat)
{
	return let_go_as(ledger, slot, seat, CAUSE_HAND_BACK);
}

/* ---- lossless taps ---- */

/* Why the lowest owed number of one scan is exact here, although in general it is no snapshot: the
 * scan looks only at numbers up to `newest`, read before it began. Such a frame was published by
 * then, and if it is owed to this tap it stays in its slot, owed, until this very caller settles
 * it. */
int ledger_next_owed(struct ledger *ledger, uint32_t stream, uint8_t tap, uint64_t *last,
		     uint32_t *slot)
{
	const struct stream_row *s = &ledger->streams[stream];
	uint64_t newest = ledger_newest(ledger, stream, slot);
	uint64_t next = newest + 1;
	struct slot_word found = {0};
	*slot = SLOT_NONE;
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = ledger_look(ledger, i);
		if (w.seq > *last && w.seq < next && (w.owed >> tap & 1)) {
			next = w.seq;
			found = w;
			*slot = i;
		}
	}
	if (next > *last)
		*last = next - 1;
	return *slot != SLOT_NONE && found.phase == PHASE_DONE ? 0 : TROUPE_E_AGAIN;
}

/* How long a frame took to the recording; it is still owed to the caller, so the record is its. */
static void note_stored(struct ledger *ledger, uint32_t stream, uint32_t slot, int64_t *now)
{
	*now = *now ? *now : clock_now(); /* one look for all that are settled at once */
	stations_note(ledger, stream, STATION_STORED,
		      *now - record_time(ledger->records[slot].captured));
}

int ledger_settle(struct ledger *ledger, uint32_t stream, uint8_t tap, uint64_t seq)
{
	const struct stream_row *s = &ledger->streams[stream];
	int settled = 0;
	int64_t now = 0;
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = word_unpack(ledger_word(ledger, i));
		if (w.phase != PHASE_DONE || !(w.owed >> tap & 1) || w.seq > seq)
			continue;
		if (tap == TAP_RECORDING)
			note_stored(ledger, stream, i, &now);
		settled += step_now(ledger, i, CAUSE_SETTLE, &(struct word_args){.tap = tap},
				    NULL) == 0;
		if (settled == 2)
			FAIL_POINT(SETTLE_HALF);
	}
	return settled;
}

uint32_t ledger_share(const struct ledger *ledger, uint32_t stream, uint8_t tap)
{
	const struct stream_row *s = &ledger->streams[stream];
	if (!(atomic_load(&s->taps_on) >> tap & 1))
		return 0;
	uint32_t strangers = ledger->header->n_taps - 1;
	uint32_t share = s->n_slots / 4 / (strangers ? strangers : 1);
	return share ? share : 1;
}

/* The slot of the oldest frame owed to the tap, and in *done how many such are done. */
static uint32_t oldest_owed(const struct ledger *ledger, uint32_t stream, uint8_t tap,
			    uint64_t *word, uint32_t *done)
{
	const struct stream_row *s = &ledger->streams[stream];
	uint32_t best = SLOT_NONE;
	*done = 0;
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = ledger_look(ledger, i);
		if (!(w.owed >> tap & 1))
			continue;
		*done += w.phase == PHASE_DONE;
		if (best == SLOT_NONE || w.seq < word_unpack(*word).seq) {
			best = i;
			*word = word_pack(w);
		}
	}
	return best;
}

/* What is still on its way is written off only for one that is gone. */
static int write_off_of(struct ledger *ledger, uint32_t stream, uint8_t tap)
{
	uint32_t share = ledger_share(ledger, stream, tap), done, slot;
	uint64_t word;
	int n = 0;
	while ((slot = oldest_owed(ledger, stream, tap, &word, &done)) != SLOT_NONE &&
	       (done > share || share == 0)) {
		FAIL_POINT(WRITES_OFF);
		int rc = ledger_step(ledger, slot, word, CAUSE_WRITE_OFF,
				     &(struct word_args){.tap = tap}, NULL);
		if (rc < 0 && rc != TROUPE_E_LOST)
			break; /* no word that could be right */
		if (rc == 0) {
			atomic_fetch_add(&ledger->taps[tap].written_off, 1);
			atomic_fetch_add(&ledger->streams[stream].written_off[tap], 1);
		}
		n += rc == 0;
	}
	return n;
}

int ledger_write_off(struct ledger *ledger, uint32_t stream)
{
	int n = 0;
	for (uint32_t t = RECORDING_TAP + 1; t < ledger->header->n_taps; t++)
		n += write_off_of(ledger, stream, (uint8_t)t);
	return n;
}

/* ---- bypass ---- */

/* How many waiting frames have to go on unprocessed so that a live stream keeps its low-water mark
 * of free slots. Only where waiting frames are what fills the pool: with a slow tap it would not
 * help. */
static uint32_t low_water_excess(const struct ledger *ledger, uint32_t stream)
{
	const struct stream_row *s = &ledger->streams[stream];
	if (!s->live)
		return 0;
	uint32_t floor = s->n_slots * (ledger->header->low_water_percent % 101) / 100;
	uint32_t free_slots = ledger_count(ledger, stream, PHASE_FREE);
	uint32_t waiting = ledger_count(ledger, stream, PHASE_QUEUED);
	if (free_slots >= floor || waiting <= ledger_count(ledger, stream, PHASE_DONE))
		return 0;
	return floor - free_slots < waiting ? floor - free_slots : waiting;
}

static int bypass_one(struct ledger *ledger, uint32_t slot, uint64_t word)
{
	return ledger_step(ledger, slot, word, CAUSE_BYPASS, &(struct word_args){0}, NULL);
}

int ledger_bypass(struct ledger *ledger, uint32_t stream, int64_t now)
{
	const struct stream_row *s = &ledger->streams[stream];
	uint64_t last = ledger_last_seq(ledger, stream, NULL);
	uint32_t excess = low_water_excess(ledger, stream);
	uint64_t oldest = last;
	int done = 0;
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = ledger_look(ledger, i);
		if (w.phase == PHASE_QUEUED && w.seq < oldest)
			oldest = w.seq;
	}
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = ledger_look(ledger, i);
		if (w.phase != PHASE_QUEUED && w.phase != PHASE_HELD)
			continue;
		bool old = now - published_hint(ledger, i) >=
			   record_time(ledger->header->bypass_after);
		bool crowded = w.phase == PHASE_QUEUED && excess && w.seq < oldest + excess;
		done += (old || crowded) && bypass_one(ledger, i, word_pack(w)) == 0;
	}
	return done;
}

int64_t ledger_bypass_due(const struct ledger *ledger, uint32_t stream)
{
	const struct stream_row *s = &ledger->streams[stream];
	int64_t due = CLOCK_NEVER;
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = ledger_look(ledger, i);
		if (w.phase != PHASE_QUEUED && w.phase != PHASE_HELD)
			continue;
		int64_t at = published_hint(ledger, i) + record_time(ledger->header->bypass_after);
		due = at < due ? at : due;
	}
	return due;
}

/* ---- peeking takers ---- */

int ledger_peek(const struct ledger *ledger, uint32_t stream, uint64_t after, bool each,
		uint32_t *slot, uint64_t *word)
{
	const struct stream_row *s = &ledger->streams[stream];
	uint64_t best = 0;
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = ledger_look(ledger, i);
		if (w.seq <= after || !word_shows(word_pack(w), w.seq))
			continue;
		if (!best || (each ? w.seq < best : w.seq > best)) {
			best = w.seq;
			*slot = i;
			*word = word_pack(w);
		}
	}
	return best ? 0 : TROUPE_E_AGAIN;
}

bool ledger_still(const struct ledger *ledger, uint32_t slot, uint64_t word)
{
	/* The copies come before this fence, the word's load after it. */
	atomic_thread_fence(memory_order_acquire);
	uint64_t now = atomic_load_explicit(&ledger->words[slot], memory_order_relaxed);
	return word_shows(now, word_unpack(word).seq);
}

/* ---- things there is one of ---- */

int owner_take(_Atomic uint64_t *owner, uint8_t seat)
{
	uint64_t nobody = 0;
	if (!atomic_compare_exchange_strong(owner, &nobody, seat) && nobody != seat)
		return TROUPE_E_BUSY;
	FAIL_POINT(OWNER_TAKEN);
	return 0;
}

void owner_release(_Atomic uint64_t *owner, uint8_t seat)
{
	uint64_t me = seat;
	if (atomic_compare_exchange_strong(owner, &me, 0))
		FAIL_POINT(OWNER_RELEASED);
}
