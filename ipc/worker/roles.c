/* What a worker does with frames, by what it takes. Each role is one turn that never sleeps. */
#include "ipc/worker/worker_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/record.h"
#include "ipc/slots/stations.h"

#include <poll.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* How many frames a source that can wait keeps QUEUED ahead of the pool: enough that no processor
 * idles, few enough that a frame's age tells of a processor that hangs and not of a backlog. */
#define QUEUE_AHEAD 8

/* Frames a tap or peeker takes in one turn before it looks at its messages again. */
#define FRAMES_PER_TURN 16

/* After a ring, a paced source sleeps this long before it prepares the next frame: the one it woke
 * may have to wait for this very CPU. */
#define NAP (1 * NS_PER_MS)

struct frame role_frame(struct worker *w, uint32_t slot, uint64_t word)
{
	uint32_t stream = ledger_stream_of(w->ledger, slot);
	struct slot_word parts = word_unpack(word);
	record_copy(w->ledger, slot, word, &w->record);
	return (struct frame){
		.slot = slot,
		.stream_number = stream,
		.stream = &w->ledger->streams[stream],
		.record = &w->record,
		.image = ledger_image(w->ledger, slot),
		.view = ledger_view(w->ledger, slot),
		.coded = ledger_coded(w->ledger, slot),
		.seq = parts.seq,
		.word = word,
		.bypassed = parts.marks & MARK_BYPASSED,
		.quarantined = parts.marks & MARK_QUARANTINED,
	};
}

static void sooner(int64_t *due, int64_t at)
{
	if (at < *due)
		*due = at;
}

static void count_frame(struct worker *w)
{
	atomic_fetch_add_explicit(&w->row->frames, 1, memory_order_relaxed);
	worker_progress(w);
}

/* ---- source ---- */

static struct stream_row *own_stream(const struct worker *w)
{
	return &w->ledger->streams[w->number];
}

/* Whether a source that can wait has to: enough is queued, or no slot is free but perhaps the last
 * published frame's, which stays. */
static bool source_must_wait(const struct worker *w)
{
	const struct ledger *ledger = w->ledger;
	return ledger_count(ledger, w->number, PHASE_QUEUED) >= QUEUE_AHEAD ||
	       ledger_count(ledger, w->number, PHASE_FREE) < 2;
}

static int source_ended(struct worker *w)
{
	atomic_store(&own_stream(w)->ended, 1);
	w->ended = true;
	return TROUPE_E_ENDED;
}

/* A live source whose stream has no free slot: frames go by, uncounted ones never. */
static int source_overrun(struct worker *w, int64_t now)
{
	if (ledger_bypass(w->ledger, w->number, now) + ledger_write_off(w->ledger, w->number) > 0)
		bells_ring_all(w->ledger); /* whoever is owed what went on */
	if (!w->table->drop)
		return TROUPE_E_FULL;
	int rc = w->table->drop(w, w->self);
	if (rc == SOURCE_ENDED)
		return source_ended(w);
	return rc < 0 ? rc : 1;
}

static int source_give_up(struct worker *w, uint32_t slot, int result)
{
	ledger_abandon(w->ledger, slot, w->seat);
	bells_freed(w->ledger);
	if (result == SOURCE_ENDED)
		return source_ended(w);
	return result < 0 ? result : 1;
}

/* Fills one slot and publishes it. The ring comes last, and nothing comes between it and the next
 * sleep. */
static int source_capture(struct worker *w, uint32_t slot)
{
	note_announce(w, slot);
	uint64_t word = ledger_word(w->ledger, slot);
	struct frame frame = role_frame(w, slot, word);
	frame.seq = ledger_last_seq(w->ledger, w->number, NULL) + 1;
	frame.record = &w->ledger->records[slot]; /* which is ours to fill */
	int result = w->table->frame(w, w->self, &frame);
	if (result != SOURCE_PUBLISH)
		return source_give_up(w, slot, result);
	count_frame(w);
	if (ledger_publish(w->ledger, slot, w->seat) < 0) {
		/* Somebody has written over our word; the supervisor will set the slot aside. */
		log_warn("slot %u was taken out of our hands: a frame is lost", slot);
		worker_drop(w, DROP_DAMAGED, 1);
		return 1;
	}
	FAIL_POINT(PUBLISHED);
	bells_published(w->ledger);
	return 1;
}

static int source_turn(struct worker *w, int64_t now, int64_t *due)
{
	if (w->ended)
		return TROUPE_E_ENDED;
	if (now < w->nap_until) {
		sooner(due, w->nap_until);
		return 0;
	}
	int64_t at = w->table->due ? w->table->due(w, w->self) : now;
	if (at < 0)
		return (int)at;
	if (at > now) {
		sooner(due, at);
		w->paced = true;
		return 0;
	}
	bool live = own_stream(w)->live;
	uint32_t slot;
	if (!live && source_must_wait(w) &&
	    (ledger_write_off(w->ledger, w->number) == 0 || source_must_wait(w)))
		return 0;
	int rc = ledger_take(w->ledger, w->number, w->seat, &slot);
	if (rc == TROUPE_E_FULL)
		return live ? source_overrun(w, now) : 0;
	rc = rc < 0 ? rc : source_capture(w, slot);
	if (rc > 0 && w->paced) {
		w->nap_until = clock_now() + NAP;
		w->rang = true;
	}
	return rc;
}

/* ---- queue ---- */

/* What the one before it may have left, whom its death or a bypass has stopped, is gone. */
static void begin_record(const struct worker *w, struct slot_record *record, int64_t claimed)
{
	record->claimed = claimed;
	record->processor = w->seat;
	record->model_version = 0;
	record->motion = record->probability = 0;
	record->prediction = 0;
	if (record->coded_at_source == CODED_NOT)
		record->coded_bytes = 0;
}

static int queue_turn(struct worker *w)
{
	uint32_t slot;
	if (ledger_claim(w->ledger, w->seat, &slot) < 0)
		return 0;
	int64_t claimed = clock_now();
	bells_freed(w->ledger); /* a source may wait for the queue to get shorter */
	struct frame frame = role_frame(w, slot, ledger_word(w->ledger, slot));
	begin_record(w, frame.record, claimed);
	record_put_back(w->ledger, slot, frame.record);
	worker_progress(w);
	int rc = w->table->frame(w, w->self, &frame);
	if (rc < 0) {
		ledger_hand_back(w->ledger, slot, w->seat);
		bells_published(w->ledger);
		return rc;
	}
	frame.record->finished = clock_now();
	record_put_back(w->ledger, slot, frame.record);
	stations_note_finished(w->ledger, frame.stream_number, frame.record);
	/* What is rung for is the word as it was left; DONE keeps the owed bits of QUEUED and HELD.
	 */
	uint64_t before = ledger_word(w->ledger, slot);
	int bypassed = ledger_finish_frame(w->ledger, slot, w->seat);
	count_frame(w);
	if (bypassed) { /* or somebody has written over the word, and it is not ours any more */
		bells_freed(w->ledger);
		return 1;
	}
	struct slot_word done = word_unpack(before);
	done.phase = done.owed ? PHASE_DONE : PHASE_FREE;
	FAIL_POINT(FINISHED);
	note_done(w, slot, word_pack(done));
	bells_done(w->ledger, word_pack(done));
	return 1;
}

/* ---- lossless tap ---- */

static int tap_stream(struct worker *w, uint32_t stream)
{
	int taken = 0;
	uint32_t slot;
	while (taken < FRAMES_PER_TURN && !w->retry_tap &&
	       ledger_next_owed(w->ledger, stream, (uint8_t)w->number, &w->seen[stream], &slot) ==
		       0) {
		struct frame frame = role_frame(w, slot, ledger_word(w->ledger, slot));
		int rc = w->table->frame(w, w->self, &frame);
		if (rc < 0)
			return rc;
		if (rc == TAP_LATER)
			w->retry_tap = true;
		if (rc != TAP_TAKEN)
			break;
		w->seen[stream] = frame.seq;
		count_frame(w);
		if (w->table == &w->as_told)
			worker_settle(w, stream, frame.seq);
		taken++;
	}
	return taken;
}

static int tap_turn(struct worker *w, int64_t now, int64_t *due)
{
	int taken = 0;
	for (uint32_t i = 0; i < w->ledger->header->n_streams; i++) {
		/* Bypassed frames are this tap's at once; a word of 0 rings those who asked or
		 * wait. */
		if (ledger_bypass(w->ledger, i, now) + ledger_write_off(w->ledger, i) > 0)
			bells_done(w->ledger, 0);
		int rc = tap_stream(w, i);
		if (rc < 0)
			return rc;
		taken += rc;
		sooner(due, ledger_bypass_due(w->ledger, i));
	}
	return taken;
}

/* ---- peekers ---- */

static int peek_turn(struct worker *w, bool each)
{
	int looked = 0;
	if (w->unwanted)
		return 0;
	for (uint32_t i = 0; i < w->ledger->header->n_streams; i++) {
		uint32_t slot;
		uint64_t word;
		for (int n = 0; n < FRAMES_PER_TURN && !w->unwanted; n++) {
			if (ledger_peek(w->ledger, i, w->seen[i], each, &slot, &word) < 0)
				break;
			struct frame frame = role_frame(w, slot, word);
			int rc = w->table->frame(w, w->self, &frame);
			if (rc < 0)
				return rc;
			w->seen[i] = frame.seq;
			count_frame(w);
			looked++;
		}
	}
	return looked;
}

/* ---- all of them ---- */

int role_turn(struct worker *w, int64_t now, int64_t *due)
{
	if (!w->in_charge)
		return 0;
	switch (w->table->takes) {
	case WORKER_TAKES_SOURCE:
		return w->draining || w->orphan ? 0 : source_turn(w, now, due);
	case WORKER_TAKES_QUEUE:
		return w->draining ? 0 : queue_turn(w);
	case WORKER_TAKES_TAP:
		return tap_turn(w, now, due);
	case WORKER_TAKES_LATEST:
	case WORKER_TAKES_EACH:
		return w->draining ? 0 : peek_turn(w, w->table->takes == WORKER_TAKES_EACH);
	default:
		return 0;
	}
}

static bool peek_has_more(const struct worker *w)
{
	uint32_t slot;
	uint64_t word;
	bool each = w->table->takes == WORKER_TAKES_EACH;
	for (uint32_t i = 0; i < w->ledger->header->n_streams; i++)
		if (ledger_peek(w->ledger, i, w->seen[i], each, &slot, &word) == 0)
			return true;
	return false;
}

static bool queue_has_more(const struct worker *w)
{
	for (uint32_t i = 0; i < w->ledger->header->n_streams; i++)
		if (ledger_count(w->ledger, i, PHASE_QUEUED))
			return true;
	return false;
}

/* Each bit is set before the words are looked at once more: see seat_bit_set. */
bool role_before_sleep(struct worker *w)
{
	struct ledger_header *h = w->ledger->header;
	if (!w->in_charge || w->draining)
		return false;
	switch (w->table->takes) {
	case WORKER_TAKES_SOURCE:
		/* Not due, or free to go on: the timer wakes it. Only waiting for room needs a
		 * bell. */
		if (w->ended || own_stream(w)->live || !source_must_wait(w))
			return false;
		seat_bit_set(&h->waiting, w->seat);
		return !source_must_wait(w);
	case WORKER_TAKES_QUEUE:
		seat_bit_set(&h->idle, w->seat);
		return queue_has_more(w);
	case WORKER_TAKES_LATEST:
	case WORKER_TAKES_EACH:
		if (w->unwanted)
			return false;
		seat_bit_set(&h->asked, w->seat);
		return peek_has_more(w);
	default:
		return false;
	}
}

void role_after_sleep(struct worker *w)
{
	if (w->table->takes == WORKER_TAKES_QUEUE)
		seat_bit_clear(&w->ledger->header->idle, w->seat);
}

_Atomic uint64_t *role_owner(struct worker *w)
{
	if (w->table->takes == WORKER_TAKES_SOURCE)
		return &own_stream(w)->owner;
	if (w->table->takes == WORKER_TAKES_TAP)
		return &w->ledger->taps[w->number].owner;
	return NULL;
}

static bool anything_in(const struct worker *w, enum phase phase)
{
	for (uint32_t i = 0; i < w->ledger->header->n_streams; i++)
		if (ledger_count(w->ledger, i, phase))
			return true;
	return false;
}

/* Whether it still runs. kill(pid, 0) would take the dead for living until their new parent,
 * whoever that is, has reaped them. */
static bool runs(pid_t pid)
{
	struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	if (end.fd < 0)
		return false;
	bool ended = poll(&end, 1, 0) != 0;
	close(end.fd);
	return !ended;
}

/* Whether the capture in charge of a stream is alive, as far as is known without a supervisor. */
static bool owner_runs(const struct worker *w, const struct stream_row *stream)
{
	uint64_t owner = atomic_load(&stream->owner);
	pid_t pid = owner < SEATS_MAX ? atomic_load(&w->ledger->seats[owner].pid) : 0;
	return owner && pid > 0 && runs(pid);
}

bool worker_stream_goes_on(const struct worker *w, uint32_t stream)
{
	const struct stream_row *s = &w->ledger->streams[stream];
	if (atomic_load(&s->ended))
		return false;
	if (w->orphan)
		return owner_runs(w, s);
	return !w->draining || atomic_load(&s->owner);
}

/* Whether a capture is still alive: it may publish one more frame before it learns, as we did, that
 * the supervisor is dead, be it in the middle of one now or about to begin. Only asked then; a
 * living supervisor takes the ownership of the dead away. */
static bool capture_lives(const struct worker *w)
{
	for (uint32_t i = 0; i < w->ledger->header->n_streams; i++)
		if (owner_runs(w, &w->ledger->streams[i]))
			return true;
	return false;
}

/* An orphan follows a dead owner by itself: the supervisor, who would have given the word back, is
 * dead too, and frames may be owed. The kernel has confirmed the end, and of several who try one
 * swap wins. */
bool role_inherit(struct worker *w, _Atomic uint64_t *owner)
{
	uint64_t seat = atomic_load(owner);
	pid_t pid = seat < SEATS_MAX ? atomic_load(&w->ledger->seats[seat].pid) : 0;
	if (!w->orphan || w->table->takes != WORKER_TAKES_TAP || pid <= 0 || runs(pid))
		return false;
	owner_release(owner, (uint8_t)seat);
	return owner_take(owner, w->seat) == 0;
}

static bool tap_is_owed(const struct worker *w)
{
	for (uint32_t i = 0; i < w->ledger->header->n_slots; i++)
		if (word_unpack(ledger_word(w->ledger, i)).owed >> w->number & 1)
			return true;
	return false;
}

/* With the supervisor dead: captures and peekers end, processors empty the queue, a tap takes all
 * it is owed, each within the deadline. */
bool role_orphan_done(const struct worker *w)
{
	if (clock_now() >= w->orphan_deadline)
		return true;
	switch (w->table->takes) {
	case WORKER_TAKES_QUEUE:
		return !anything_in(w, PHASE_QUEUED) && !capture_lives(w);
	case WORKER_TAKES_TAP:
		return !tap_is_owed(w) && !capture_lives(w);
	default:
		return true;
	}
}
