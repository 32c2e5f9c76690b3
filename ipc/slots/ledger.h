/* The ledger: the slots of a pipeline in shared memory, and every step that processes take on them.
 *
 * Concurrency. A slot's word changes only by ledger_step(): load, compute by word_step(), one
 * compare-and-swap (acquire-release). Who wins the swap into FILLING or HELD owns the areas that
 * phase lets it write, and its writes are published by the swap that leaves the phase. A process
 * that dies between two instructions therefore leaves a word that says truly what it held. Nothing
 * in here blocks or takes a lock; every function may be called by any thread unless said otherwise.
 */
#ifndef TROUPE_IPC_SLOTS_LEDGER_H
#define TROUPE_IPC_SLOTS_LEDGER_H

#include "ipc/slots/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_NONE UINT32_MAX

/* One process's handle of the ledger: pointers into its mapping. Read-only after ledger_attach, but
 * for `published`. */
struct ledger {
	int fd;
	int bell_base; /* bell of seat s is descriptor bell_base + s; -1: this process has no bells
			*/
	bool writable;
	size_t size;
	struct ledger_header *header;
	struct stream_row *streams;
	struct seat_row *seats; /* SEATS_MAX rows, [0] unused */
	struct tap_row *taps;
	_Atomic uint64_t *words;
	struct slot_record *records;
	struct model_board *model;
	_Atomic uint64_t *playback_words; /* PLAYBACK_SLOTS of them; see playback.h */
	struct playback_record *playback_records;
	struct station_row *stations; /* one a stream; see stations.h */
	uint8_t *playback_areas;
	uint64_t playback_size; /* of one: a whole coded frame of any stream fits; page-aligned */
	uint8_t *areas;
	uint64_t area_at[STREAMS_MAX];	   /* of a stream's first slot, from `areas` */
	uint64_t area_stride[STREAMS_MAX]; /* image + view + coded of one slot, page-aligned */
	/* What this process has published last of each stream; nobody else does meanwhile, so it
	 * need not believe the slots about that. */
	struct published {
		uint8_t seat; /* as whom; 0: nothing yet */
		uint64_t seq, ordinal[TAPS_MAX];
		int64_t pts;
	} published[STREAMS_MAX];
};

/* What a stream needs, in the maker's words; sizes are derived. */
struct stream_plan {
	const char *name;
	uint32_t n_slots;
	uint32_t width, height, view_width, view_height;
	uint32_t fps_num, fps_den, quality;
	bool live;
	uint32_t taps_on;
	int64_t tap_every_ns[TAPS_MAX];
	int64_t keep_bytes, keep_age;
	uint64_t first_seq;
};

struct ledger_plan {
	const char *pipeline;
	uint64_t run;
	int64_t hang_after, bypass_after, orphan_wait;
	uint32_t low_water_percent;
	uint32_t n_streams;
	const struct stream_plan *streams;
	uint32_t n_taps;
	const char *const *taps;
};

/* Bytes the memory of a plan takes. */
uint64_t ledger_plan_size(const struct ledger_plan *plan);

/* Makes the memory (memfd, all pages reserved so that no access can ever fault), maps it into
 * *ledger. TROUPE_E_MEMORY: it does not fit; TROUPE_E_ARGUMENT: the plan makes no sense. */
int ledger_create(struct ledger *ledger, const struct ledger_plan *plan);

/* Maps an existing ledger. `fd` stays the caller's. Checks magic, version, size and offsets:
 * TROUPE_E_SCHEMA, TROUPE_E_CORRUPT. */
int ledger_attach(struct ledger *ledger, int fd, bool writable);

/* Reads what never changes from copies of our own from now on, as who attaches does anyway. The
 * maker calls it once all is written. */
int ledger_guard(struct ledger *ledger);

/* Writes those copies back to the memory (`fd` of the ledger must be it) where somebody has written
 * over it. Returns how many pages were wrong. */
int ledger_mend(const struct ledger *ledger);

/* Unmaps; closes the descriptor when ledger_create made it. A zeroed ledger is fine. */
void ledger_finish(struct ledger *ledger);

/* ---- looking ---- */

uint64_t ledger_word(const struct ledger *ledger, uint32_t slot);
/* The word taken apart, as far as it can be right: one that is not legal, or whose number is not
 * that of its record, looks like a slot that is set aside. */
struct slot_word ledger_look(const struct ledger *ledger, uint32_t slot);

uint32_t ledger_stream_of(const struct ledger *ledger, uint32_t slot);
uint8_t *ledger_image(const struct ledger *ledger, uint32_t slot); /* I420: Y, U, V tight planes */
uint8_t *ledger_view(const struct ledger *ledger, uint32_t slot);
uint8_t *ledger_coded(const struct ledger *ledger, uint32_t slot);

/* The last published number of a stream (the maximum over its slots, never below first_seq), and in
 * *slot (may be NULL) the slot that has it, SLOT_NONE before the first. */
uint64_t ledger_last_seq(const struct ledger *ledger, uint32_t stream, uint32_t *slot);

/* The highest number that a slot and its record both have, without those of slots set aside, and
 * that slot. */
uint64_t ledger_newest(const struct ledger *ledger, uint32_t stream, uint32_t *slot);

uint32_t ledger_count(const struct ledger *ledger, uint32_t stream, enum phase phase);

/* Whether all slots of all streams are FREE. */
bool ledger_quiet(const struct ledger *ledger);

/* ---- the one place that changes a word ---- */

/* Takes one step of `cause` from the word `expected`; on success returns 0 and *now (may be NULL)
 * is the new word. TROUPE_E_LOST: the word is no longer `expected`; TROUPE_E_STATE: not from there.
 */
int ledger_step(struct ledger *ledger, uint32_t slot, uint64_t expected, enum word_cause cause,
		const struct word_args *args, uint64_t *now);

/* ---- capture ---- */

/* Takes the FREE slot of the stream with the lowest number, never that of the last published frame.
 * TROUPE_E_FULL: none. */
int ledger_take(struct ledger *ledger, uint32_t stream, uint8_t seat, uint32_t *slot);

/* FILLING -> QUEUED with number last + 1. The caller has filled image and record (but seq, ordinal
 * and published, which this writes). Rings nobody: see bells.h. */
int ledger_publish(struct ledger *ledger, uint32_t slot, uint8_t seat);

int ledger_abandon(struct ledger *ledger, uint32_t slot, uint8_t seat);

/* ---- processor ---- */

/* QUEUED -> HELD: the frame published first, across streams; but a stream that has more frames than
 * are done gets no more than its share, see docs/slots.md. TROUPE_E_AGAIN: nothing is queued. */
int ledger_claim(struct ledger *ledger, uint8_t seat, uint32_t *slot);

/* HELD -> DONE or FREE. If the frame was bypassed meanwhile, lets go of it instead and returns 1.
 */
int ledger_finish_frame(struct ledger *ledger, uint32_t slot, uint8_t seat);

/* HELD -> QUEUED; as above returns 1 when it was bypassed. */
int ledger_hand_back(struct ledger *ledger, uint32_t slot, uint8_t seat);

/* ---- lossless taps ---- */

/* Looks for frame *last + 1, skipping numbers that are not owed to `tap` (they raise *last).
 * 0: *slot is DONE and owed; TROUPE_E_AGAIN: not published, or not done yet: then *slot is the slot
 * that is waited for, or SLOT_NONE. Only the tap's owner may call it. */
int ledger_next_owed(struct ledger *ledger, uint32_t stream, uint8_t tap, uint64_t *last,
		     uint32_t *slot);

/* Settles every frame up to and including `seq` that is owed to `tap`; returns how many. */
int ledger_settle(struct ledger *ledger, uint32_t stream, uint8_t tap, uint64_t seq);

/* Frames of a stream that are done and kept for a stranger's tap: its share of the slots, 0 while
 * frames are not owed to it. Never the recording's tap. */
uint32_t ledger_share(const struct ledger *ledger, uint32_t stream, uint8_t tap);

/* Writes off what strangers' taps are owed beyond their shares, the oldest first. Anybody may, at
 * any time. Returns how many frames. */
int ledger_write_off(struct ledger *ledger, uint32_t stream);

/* ---- bypass: any tap's owner or the stream's capture ---- */

/* Sends QUEUED and HELD frames on unprocessed that are older than bypass_after, and, with free
 * slots below the low-water mark, the oldest of them. Returns how many. */
int ledger_bypass(struct ledger *ledger, uint32_t stream, int64_t now);

/* When ledger_bypass has to look again (the oldest frame's time, CLOCK_NEVER when nothing waits).
 */
int64_t ledger_bypass_due(const struct ledger *ledger, uint32_t stream);

/* ---- peeking takers ---- */

/* The slot that shows the newest (each = false) or the next (each = true) finished frame after
 * `after`; *word is what it said. TROUPE_E_AGAIN: none. Copy what you want, then ask ledger_still.
 */
int ledger_peek(const struct ledger *ledger, uint32_t stream, uint64_t after, bool each,
		uint32_t *slot, uint64_t *word);

/* Whether everything copied since ledger_peek returned `word` was of that one frame. */
bool ledger_still(const struct ledger *ledger, uint32_t slot, uint64_t word);

/* ---- things there is one of: a stream's capture, a tap ---- */

/* Takes the owner word for `seat` if nobody has it (or `seat` itself): 0, else TROUPE_E_BUSY. */
int owner_take(_Atomic uint64_t *owner, uint8_t seat);
/* Gives it up if `seat` has it. */
void owner_release(_Atomic uint64_t *owner, uint8_t seat);

#endif
