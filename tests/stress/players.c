/* What captures, processors and peekers do under stress; taps are in tap.c. */
#include "tests/stress/players.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/bells.h"
#include "tests/stress/pattern.h"

#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HANG	    (60 * NS_PER_MS) /* longer than the ledger's bypass_after */
#define MOST_ERRORS 20

int stress_ledger_create(struct ledger *ledger)
{
	static const char *const taps[STRESS_TAPS] = {"every", "some"};
	struct stream_plan streams[STRESS_STREAMS];
	for (uint32_t i = 0; i < STRESS_STREAMS; i++) {
		streams[i] = (struct stream_plan){
			.name = i == 0 ? "live" : "patient",
			.n_slots = 12,
			.width = FRAME_WIDTH,
			.height = FRAME_HEIGHT,
			.view_width = VIEW_WIDTH,
			.view_height = VIEW_HEIGHT,
			.fps_num = 30,
			.fps_den = 1,
			.quality = 80,
			.live = i == 0,
			.taps_on = (1U << STRESS_TAPS) - 1,
			/* pts go up by 1 ms a frame: tap 1 is owed two frames of five */
			.tap_every_ns = {0, 5 * NS_PER_MS / 2},
		};
	}
	struct ledger_plan plan = {
		.pipeline = "stress",
		.run = 1,
		.hang_after = NS_PER_S,
		.bypass_after = 40 * NS_PER_MS,
		.low_water_percent = 25,
		.n_streams = STRESS_STREAMS,
		.streams = streams,
		.n_taps = STRESS_TAPS,
		.taps = taps,
	};
	return ledger_create(ledger, &plan);
}

const char *role_name(enum role role)
{
	static const char *const names[] = {"capture", "processor", "tap",
					    "peeker",  "filler",    "asker"};
	return names[role];
}

bool players_poison(uint64_t seq)
{
	return seq % 997 == 11;
}

bool players_startling(uint64_t seq)
{
	return seq % 499 == 7;
}

void stage_wrong(struct stage *stage, const char *format, ...)
{
	char line[256];
	va_list args;
	if (atomic_fetch_add(&stage->errors, 1) >= MOST_ERRORS)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	dprintf(2, "stress: WRONG: %s\n", line);
}

bool player_chance(struct player *p, uint32_t n)
{
	return pattern_random(&p->random) % n == 0;
}

static void pause_for(int64_t ns)
{
	struct timespec t = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
	nanosleep(&t, NULL);
}

void player_hesitate(struct player *p)
{
	if (player_chance(p, 16))
		sched_yield();
	else if (player_chance(p, 64))
		pause_for((int64_t)(pattern_random(&p->random) % 200) * NS_PER_US);
}

void player_sleep(struct player *p)
{
	struct pollfd bell = {.fd = p->ledger->bell_base + p->seat, .events = POLLIN};
	poll(&bell, 1, p->patience_ms);
	bell_answer(p->ledger, p->seat);
}

static bool stopped(const struct player *p)
{
	return atomic_load(&p->stage->stop);
}

bool player_take_charge(struct player *p, _Atomic uint64_t *owner)
{
	while (owner_take(owner, p->seat) != 0) {
		if (stopped(p))
			return false;
		player_sleep(p); /* a death rings everybody */
	}
	return true;
}

void player_bypass(struct player *p, uint32_t stream)
{
	int gone = ledger_bypass(p->ledger, stream, clock_now());
	if (gone > 0) {
		atomic_fetch_add(&p->stage->bypassed, (uint64_t)gone);
		bells_ring_all(p->ledger);
	}
}

/* ---- capture ---- */

/* Fills the slot with the frame after the stream's last one, whose record says where the source
 * stands: a successor goes on exactly there. */
static void fill_frame(struct player *p, uint32_t slot)
{
	uint32_t before;
	uint64_t seq = ledger_last_seq(p->ledger, p->number, &before) + 1;
	struct slot_record *records = p->ledger->records, *record = &records[slot];
	uint64_t index = before == SLOT_NONE ? 0 : records[before].source_index + 1;
	if (before != SLOT_NONE && (records[before].seq != seq - 1 || index != seq - 1))
		stage_wrong(p->stage, "stream %u: the record of the last frame is not there",
			    p->number);
	pattern_write_image(ledger_image(p->ledger, slot), p->number, seq, 0, IMAGE_WORDS / 2);
	player_hesitate(p);
	record->source_index = index;
	record->pts = (int64_t)index * NS_PER_MS;
	pattern_write_image(ledger_image(p->ledger, slot), p->number, seq, IMAGE_WORDS / 2,
			    IMAGE_WORDS);
	player_hesitate(p);
}

static void publish_frame(struct player *p, uint32_t slot)
{
	int rc;
	if (player_chance(p, 20)) {
		rc = ledger_abandon(p->ledger, slot, p->seat);
		bells_freed(p->ledger);
		atomic_fetch_add(&p->stage->abandoned, 1);
	} else {
		rc = ledger_publish(p->ledger, slot, p->seat);
		player_hesitate(p);
		bells_published(p->ledger);
		atomic_fetch_add(&p->stage->published, 1);
	}
	if (rc != 0)
		stage_wrong(p->stage, "capture, seat %u: its slot %u is not its own: %s", p->seat,
			    slot, error_name(rc));
}

void play_capture(struct player *p)
{
	struct stream_row *s = &p->ledger->streams[p->number];
	_Atomic uint64_t *waiting = &p->ledger->header->waiting;
	uint32_t slot;
	if (!player_take_charge(p, &s->owner))
		return;
	while (!stopped(p) && !atomic_load(&p->stage->drain)) {
		player_bypass(p, p->number);
		int rc = ledger_take(p->ledger, p->number, p->seat, &slot);
		if (rc == TROUPE_E_FULL) {
			seat_bit_set(waiting, p->seat);
			rc = ledger_take(p->ledger, p->number, p->seat, &slot);
			if (rc == TROUPE_E_FULL && !atomic_load(&p->stage->drain))
				player_sleep(p);
			seat_bit_clear(waiting, p->seat);
		}
		if (rc == TROUPE_E_FULL)
			continue;
		player_hesitate(p);
		fill_frame(p, slot);
		publish_frame(p, slot);
	}
	owner_release(&s->owner, p->seat);
}

/* ---- processor ---- */

static void process_frame(struct player *p, uint32_t slot)
{
	uint32_t stream = ledger_stream_of(p->ledger, slot);
	uint8_t *image = ledger_image(p->ledger, slot);
	struct slot_word w = word_unpack(ledger_word(p->ledger, slot));
	if (!pattern_image_is(image, stream, w.seq))
		stage_wrong(p->stage, "processor: the image of %u/%llu is not of this frame",
			    stream, (unsigned long long)w.seq);
	if (p->stage->mortal &&
	    (players_poison(w.seq) ||
	     (players_startling(w.seq) && w.attempts == 0 && w.phase == PHASE_HELD)))
		abort();
	player_hesitate(p);
	if (player_chance(p, 3000))
		pause_for(HANG);
	uint32_t words = pattern_coded_words(stream, w.seq);
	pattern_process(image, ledger_view(p->ledger, slot), ledger_coded(p->ledger, slot), words);
	player_hesitate(p);
	/* The image may not have changed while it was looked at, bypassed or not. */
	if (!pattern_image_is(image, stream, w.seq))
		stage_wrong(p->stage, "processor: the image of %u/%llu changed under its holder",
			    stream, (unsigned long long)w.seq);
}

static void finish_frame(struct player *p, uint32_t slot)
{
	bool back = player_chance(p, 30);
	int rc = back ? ledger_hand_back(p->ledger, slot, p->seat)
		      : ledger_finish_frame(p->ledger, slot, p->seat);
	player_hesitate(p);
	if (rc < 0) {
		stage_wrong(p->stage, "processor, seat %u: its slot %u is not its own: %s", p->seat,
			    slot, error_name(rc));
	} else if (rc == 1) {
		bells_freed(p->ledger);
	} else if (back) {
		bells_published(p->ledger);
	} else {
		bells_done(p->ledger, ledger_word(p->ledger, slot));
	}
	atomic_fetch_add(rc == 1 ? &p->stage->let_go
			 : back	 ? &p->stage->handed_back
				 : &p->stage->processed,
			 1);
}

void play_processor(struct player *p)
{
	_Atomic uint64_t *idle = &p->ledger->header->idle;
	uint32_t slot;
	while (!stopped(p)) {
		int rc = ledger_claim(p->ledger, p->seat, &slot);
		if (rc == TROUPE_E_AGAIN) {
			seat_bit_set(idle, p->seat);
			rc = ledger_claim(p->ledger, p->seat, &slot);
			if (rc == TROUPE_E_AGAIN)
				player_sleep(p);
			seat_bit_clear(idle, p->seat);
		}
		if (rc == TROUPE_E_AGAIN)
			continue;
		player_hesitate(p);
		process_frame(p, slot);
		finish_frame(p, slot);
	}
}

/* ---- peeker ---- */

struct copy {
	_Alignas(8) uint8_t image[IMAGE_WORDS * 8], view[VIEW_WORDS * 8], coded[CODED_WORDS * 8];
};

static void check_copy(struct player *p, const struct copy *copy, uint32_t stream, uint64_t word)
{
	struct slot_word w = word_unpack(word);
	bool bypassed = w.marks & MARK_BYPASSED;
	if (!pattern_image_is(copy->image, stream, w.seq) ||
	    (!bypassed && (!pattern_view_is(copy->view, stream, w.seq) ||
			   !pattern_coded_is(copy->coded, stream, w.seq)))) {
		char text[128];
		stage_wrong(p->stage, "peek: a copy that passed is not of frame %u/%llu: %s",
			    stream, (unsigned long long)w.seq,
			    word_format(word, text, sizeof(text)));
	}
	atomic_fetch_add(&p->stage->peeks, 1);
}

static int peek_once(struct player *p, struct copy *copy, uint32_t stream, uint64_t *after)
{
	uint32_t slot;
	uint64_t word;
	bool each = player_chance(p, 2);
	int rc = ledger_peek(p->ledger, stream, *after, each, &slot, &word);
	if (rc != 0)
		return rc;
	struct slot_word w = word_unpack(word);
	if (w.seq <= *after)
		stage_wrong(p->stage, "peek: went back from %llu", (unsigned long long)*after);
	*after = w.seq;
	pattern_copy(copy->image, ledger_image(p->ledger, slot), IMAGE_WORDS);
	player_hesitate(p);
	pattern_copy(copy->view, ledger_view(p->ledger, slot), VIEW_WORDS);
	pattern_copy(copy->coded, ledger_coded(p->ledger, slot), CODED_WORDS);
	if (ledger_still(p->ledger, slot, word))
		check_copy(p, copy, stream, word);
	else
		atomic_fetch_add(&p->stage->torn, 1);
	return 0;
}

void play_peeker(struct player *p)
{
	_Atomic uint64_t *asked = &p->ledger->header->asked;
	uint64_t after[STRESS_STREAMS] = {0};
	struct copy copy = {0};
	while (!stopped(p)) {
		int found = 0;
		seat_bit_set(asked, p->seat);
		for (uint32_t i = 0; i < STRESS_STREAMS; i++)
			found += peek_once(p, &copy, i, &after[i]) == 0;
		if (!found)
			player_sleep(p);
		/* Also at frames it has seen already: an old one is refilled soonest. */
		if (player_chance(p, 4))
			memset(after, 0, sizeof(after));
	}
	seat_bit_clear(asked, p->seat);
}

void player_run(struct player *p)
{
	static void (*const play[N_ROLES])(struct player *) = {
		[ROLE_CAPTURE] = play_capture, [ROLE_PROCESSOR] = play_processor,
		[ROLE_TAP] = play_tap,	       [ROLE_PEEKER] = play_peeker,
		[ROLE_FILLER] = play_filler,   [ROLE_ASKER] = play_asker,
	};
	play[p->role](p);
}
