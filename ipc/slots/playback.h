/* Playback slots: a few slots beside those of the streams, by which recorded frames come to the
 * running workers that asked for one. Whoever reads the recording fills a slot and owes it to the
 * asker alone, who copies what it wants and gives it back.
 *
 *   63               24 23      16 15       8 7     4 3     0
 *  +-------------------+----------+----------+-------+-------+
 *  | uses (40)         | asker    | filler   | 0     | phase |
 *  +-------------------+----------+----------+-------+-------+
 *
 * One word a slot is the whole truth, and playback_step() the law, as with the slots of streams
 * (word.h): one compare-and-swap a step, so a death between any two instructions leaves a word that
 * says who has to be helped. Nothing here takes a lock or waits. docs/slots.md tells the rest and
 * is checked against the table by a test. */
#ifndef TROUPE_IPC_SLOTS_PLAYBACK_H
#define TROUPE_IPC_SLOTS_PLAYBACK_H

#include "ipc/slots/ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum playback_phase {
	PLAYBACK_FREE,	  /* nobody's */
	PLAYBACK_FILLING, /* the filler writes record and area; asker 0: nobody wants it any more */
	PLAYBACK_OWED,	  /* whole, and the asker's alone */
	N_PLAYBACK_PHASES
};

/* A word taken apart. */
struct playback_word {
	uint64_t uses; /* how often the slot was taken, this time included */
	uint8_t asker; /* the seat that it is for */
	uint8_t filler;
	uint8_t phase;
};

/* Why a word changes. X(name, who, from, to, text), as WORD_CAUSES; playback_step() is the law. */
#define PLAYBACK_CAUSES(X)                                                                         \
	X(TAKE, "filler", "FREE", "FILLING", "a recorded frame is about to be copied into it")     \
	X(OWE, "filler", "FILLING", "OWED, FREE",                                                  \
	  "the frame is whole; FREE when the asker has died meanwhile")                            \
	X(ABANDON, "filler", "FILLING", "FREE", "the asker is not there any more")                 \
	X(GIVE_BACK, "asker", "OWED", "FREE", "the asker has copied it, or did not expect it")     \
	X(RECLAIM, "supervisor", "FILLING, OWED", "FILLING, FREE",                                 \
	  "the seat's process is dead: what it filled or was owed is given back")

enum playback_cause {
#define PLAYBACK_CAUSE_ENUM(name, who, from, to, text) PLAYBACK_##name,
	PLAYBACK_CAUSES(PLAYBACK_CAUSE_ENUM)
#undef PLAYBACK_CAUSE_ENUM
		N_PLAYBACK_CAUSES
};

struct playback_word playback_unpack(uint64_t word);
uint64_t playback_pack(struct playback_word parts);

/* The law. Computes the word that `cause` makes of `from`. `seat`: who does it or whose things are
 * given back; `asker`: TAKE: whom it is for. TROUPE_E_STATE: not allowed from there;
 * TROUPE_E_ARGUMENT: no word could come of it; TROUPE_E_CORRUPT: `from` is none. */
int playback_step(uint64_t from, enum playback_cause cause, uint8_t seat, uint8_t asker,
		  uint64_t *to);

/* Whether a word can be right at all. */
bool playback_legal(uint64_t word);

const char *playback_phase_name(enum playback_phase phase);
const char *playback_cause_name(enum playback_cause cause);

/* "use 17 OWED to seat 3", "use 18 FILLING by seat 2 for seat 3" for people. Returns `out`. */
char *playback_format(uint64_t word, char *out, size_t size);

/* How many slots one asker may have while `others` more have some: alone no more than half of all,
 * so that the next one finds some; then an equal share. */
uint32_t playback_quota(uint32_t others);

/* ---- in the ledger ---- */

uint64_t playback_word(const struct ledger *ledger, uint32_t slot);
struct playback_record *playback_record(const struct ledger *ledger, uint32_t slot);
uint8_t *playback_area(const struct ledger *ledger, uint32_t slot);

/* Who asked: a seat may have gone to somebody else meanwhile, this is one incarnation for ever. */
struct playback_asker {
	uint8_t seat;
	char worker[NAME_SIZE];
	uint32_t incarnation;
};

/* The one who sits in a seat now. */
struct playback_asker playback_asker_of(const struct ledger *ledger, uint8_t seat);

/* Whether a slot could be taken for that seat: 0, TROUPE_E_FULL, TROUPE_E_BUSY as below. */
int playback_room(const struct ledger *ledger, uint8_t asker);

/* FREE -> FILLING for that asker. TROUPE_E_FULL: no slot is free; TROUPE_E_BUSY: the asker has its
 * share and has to give some back; TROUPE_E_CLOSED: the asker is not there any more. */
int playback_take(struct ledger *ledger, uint8_t filler, const struct playback_asker *asker,
		  uint32_t *slot);

/* FILLING -> OWED, and rings the asker. TROUPE_E_CLOSED: it has died, the slot is FREE again. */
int playback_owe(struct ledger *ledger, uint32_t slot, uint8_t filler);

/* FILLING -> FREE. */
int playback_abandon(struct ledger *ledger, uint32_t slot, uint8_t filler);

/* The first slot from `slot` on that is owed to the asker; SLOT_NONE. */
uint32_t playback_owed(const struct ledger *ledger, uint8_t asker, uint32_t slot);

/* OWED -> FREE. */
int playback_give_back(struct ledger *ledger, uint32_t slot, uint8_t asker);

/* The supervisor, for a dead seat: gives back what it filled or was owed; returns how many slots
 * that freed. Called while the seat is SEAT_DEAD: see playback_take for the argument. */
uint32_t playback_reclaim(struct ledger *ledger, uint8_t seat);

/* Whether all of them are FREE. */
bool playback_quiet(const struct ledger *ledger);

#endif
