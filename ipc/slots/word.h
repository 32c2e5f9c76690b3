/* The word of a slot: 64 bits that are the whole truth about one frame's life, and the one table of
 * the steps it may take. Pure functions; the ledger applies them with one compare-and-swap each.
 *
 *   63            24 23   20 19      16 15       8 7     4 3     0
 *  +----------------+-------+----------+----------+-------+-------+
 *  | sequence (40)  | owed  | attempts | seat     | marks | phase |
 *  +----------------+-------+----------+----------+-------+-------+
 *
 * FREE keeps the sequence number of its last life, so that viewers can still peek; only PUBLISH
 * writes a new one. docs/slots.md tells the life of a slot and is checked against the table by a
 * test. */
#ifndef TROUPE_IPC_SLOTS_WORD_H
#define TROUPE_IPC_SLOTS_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum phase {
	PHASE_FREE,    /* nobody's; areas still show the frame `seq` unless spoiled */
	PHASE_FILLING, /* a capture writes image and its fields of the record */
	PHASE_QUEUED,  /* published, waits for a processor */
	PHASE_HELD,    /* a processor works on it */
	PHASE_DONE,    /* owed to lossless taps, or waits for a bypassed holder to let go */
	PHASE_ASIDE,   /* its word could not be right: nobody's for the rest of the run */
	N_PHASES
};

enum mark {
	MARK_BYPASSED = 1,    /* went on unprocessed: view, coded and prediction are void */
	MARK_QUARANTINED = 2, /* bypassed because it caused QUARANTINE_ATTEMPTS deaths */
	MARK_SPOILED = 4,     /* FREE after an aborted filling: no area shows the frame `seq` */
};

#define SEATS_MAX	    64 /* seats 1..63; 0 is nobody */
#define TAPS_MAX	    4
#define RECORDING_TAP	    0 /* whose owner has the recording; the others are strangers' */
#define TAP_RECORDING	    0 /* whose settling makes a frame stored */
#define QUARANTINE_ATTEMPTS 3
#define SEQ_MAX		    ((UINT64_C(1) << 40) - 1)

/* A word taken apart. */
struct slot_word {
	uint64_t seq;
	uint8_t owed; /* bit t: lossless tap t has not settled this frame */
	uint8_t attempts;
	uint8_t seat;
	uint8_t marks;
	uint8_t phase;
};

/* Why a word changes. X(name, who, from, to, text) — `from` and `to` are for people and the table
 * of docs/slots.md; word_step() is the law. */
#define WORD_CAUSES(X)                                                                             \
	X(TAKE, "capture", "FREE", "FILLING", "a frame is about to be captured into the slot")     \
	X(PUBLISH, "capture", "FILLING", "QUEUED",                                                 \
	  "the frame is whole; the only step that writes seq")                                     \
	X(ABANDON, "capture", "FILLING", "FREE", "the frame could not be captured; areas spoiled") \
	X(CLAIM, "processor", "QUEUED", "HELD", "an idle processor takes the oldest frame")        \
	X(FINISH, "processor", "HELD", "DONE, FREE",                                               \
	  "the frame is processed; FREE when nothing is owed")                                     \
	X(HAND_BACK, "processor", "HELD", "QUEUED", "the holder cannot finish and says so")        \
	X(BYPASS, "tap, capture", "QUEUED, HELD", "DONE, FREE",                                    \
	  "waited too long: goes on unprocessed; a holder keeps its seat")                         \
	X(LET_GO, "processor", "DONE", "DONE, FREE",                                               \
	  "the holder of a bypassed frame is through with its areas")                              \
	X(SETTLE, "tap", "DONE", "DONE, FREE", "a lossless tap has the frame for good")            \
	X(WRITE_OFF, "supervisor, tap, capture", "QUEUED, HELD, DONE", "QUEUED, HELD, DONE, FREE", \
	  "a stranger's tap is gone or too far behind: the frame is owed to it no longer")         \
	X(SET_ASIDE, "supervisor", "any", "ASIDE",                                                 \
	  "its word cannot be right: somebody has written over it; nothing leads out again")       \
	X(RECLAIM, "supervisor", "FILLING, HELD, DONE", "FREE, QUEUED, DONE",                      \
	  "the seat's process is dead: what it held is given back")                                \
	X(BLAME, "supervisor", "FILLING, HELD, DONE", "FREE, QUEUED, DONE",                        \
	  "as RECLAIM, and the worker's own fault: attempts + 1, at the third quarantine")

enum word_cause {
#define WORD_CAUSE_ENUM(name, who, from, to, text) CAUSE_##name,
	WORD_CAUSES(WORD_CAUSE_ENUM)
#undef WORD_CAUSE_ENUM
		N_CAUSES
};

/* What a step needs to know beside the word itself; unused members stay 0. */
struct word_args {
	uint64_t seq; /* PUBLISH: the new number */
	uint8_t seat; /* everything but BYPASS and SETTLE: who does it or whose things are given
			 back */
	uint8_t owed; /* PUBLISH: the taps that are owed the frame */
	uint8_t tap;  /* SETTLE: the tap's number */
};

struct slot_word word_unpack(uint64_t word);
uint64_t word_pack(struct slot_word parts);

/* The law. Computes the word that `cause` makes of `from`. Returns 0, or TROUPE_E_STATE when that
 * step is not allowed from there (which is how a process learns that somebody else was faster),
 * TROUPE_E_ARGUMENT when no word could come of it, TROUPE_E_CORRUPT when `from` is none. */
int word_step(uint64_t from, enum word_cause cause, const struct word_args *args, uint64_t *to);

/* Whether a word can be right at all: phase, seat, owed bits and marks agree. */
bool word_legal(uint64_t word);

/* Whether the areas still show frame `seq`, for takers that only peek. */
bool word_shows(uint64_t word, uint64_t seq);

const char *phase_name(enum phase phase);
const char *cause_name(enum word_cause cause);

/* "seq 17 HELD seat 3 attempts 1 owed 0x1 bypassed" for people. Returns `out`. */
char *word_format(uint64_t word, char *out, size_t size);

#endif
