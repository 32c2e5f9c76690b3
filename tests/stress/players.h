/* The players of the stress: each does random legal work on a ledger as fast as it can, with random
 * pauses, until it is told to end. They run as processes that are killed (stress_ledger.c) or as
 * threads on one mapping (stress_threads.c), and know no difference. */
#ifndef TROUPE_TESTS_STRESS_PLAYERS_H
#define TROUPE_TESTS_STRESS_PLAYERS_H

#include "ipc/slots/ledger.h"

#include <stdbool.h>
#include <stdint.h>

#define STRESS_STREAMS 2
#define STRESS_TAPS    2 /* tap 0 is owed every frame, tap 1 some; see stress_ledger_create */

enum role {
	ROLE_CAPTURE,
	ROLE_PROCESSOR,
	ROLE_TAP,
	ROLE_PEEKER,
	ROLE_FILLER, /* of playback slots */
	ROLE_ASKER,  /* whom those are owed to */
	N_ROLES
};

#define STRESS_ASKERS 2

/* What an asker wants to have: written by it alone, answered by any filler, any number of times. */
struct inquiry {
	char worker[NAME_SIZE]; /* the same for all incarnations */
	_Atomic uint64_t word;	/* id << 32 | incarnation << 8 | seat; 0: nothing */
};

/* What all players and the supervisor share beside the ledger. */
struct stage {
	_Atomic uint32_t drain;	 /* captures end */
	_Atomic uint32_t stop;	 /* everybody ends */
	_Atomic uint32_t errors; /* what must not be and was seen */
	uint32_t mortal;	 /* processors die of fatal frames (players_poison, _startling) */
	_Atomic uint64_t peeks, torn; /* copies that were good; that were thrown away */
	_Atomic uint64_t published, processed, let_go, bypassed, abandoned, handed_back;
	struct inquiry inquiries[STRESS_ASKERS];
	_Atomic uint64_t fillers;	       /* bit per seat: sleeps until there is an inquiry */
	_Atomic uint64_t answered, unexpected; /* recorded frames that came */
};

struct player {
	struct ledger *ledger;
	struct stage *stage;
	enum role role;
	uint32_t number; /* of the stream (capture) or of the tap */
	uint8_t seat;
	uint64_t random;
	int patience_ms;    /* longest sleep; -1: bells alone must be enough */
	const char *folder; /* where a tap keeps its logs */
	const char *plant;  /* a fault to commit on purpose, "" for none */
};

/* Makes the ledger all stress runs on: a stream that cannot wait and one that can. */
int stress_ledger_create(struct ledger *ledger);

/* Plays until the stage says stop. */
void player_run(struct player *p);

const char *role_name(enum role role);

/* Frames that kill whoever processes them: every time, or only the first time. */
bool players_poison(uint64_t seq);
bool players_startling(uint64_t seq);

/* Something that must not be: one line on stderr, and the run is red. */
void stage_wrong(struct stage *stage, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- shared by the roles ---- */

/* Now and then a short pause, so that deaths and rivals fall between any two steps. */
void player_hesitate(struct player *p);
/* One in `n`. */
bool player_chance(struct player *p, uint32_t n);
/* Sleeps until the player's bell rings, and answers it. */
void player_sleep(struct player *p);
/* Waits until an owner word is the player's; false: told to stop. */
bool player_take_charge(struct player *p, _Atomic uint64_t *owner);
/* Sends on what waits too long, and rings everybody if something went. */
void player_bypass(struct player *p, uint32_t stream);

void play_capture(struct player *p);
void play_processor(struct player *p);
void play_peeker(struct player *p);
void play_tap(struct player *p);    /* tap.c */
void play_filler(struct player *p); /* playback.c */
void play_asker(struct player *p);

/* ---- what a tap has written down (tap.c) ---- */

/* One frame that a tap has for good. */
struct taken {
	uint64_t seq, ordinal;
	uint32_t marks, sound; /* sound: 1 when its contents were right */
	uint64_t source_index;
};

/* After all is over: reads a tap's log of a stream and checks that it has every frame it was owed
 * up to `last`, once and in order. `ordinal` is the last frame's. Returns how many. */
uint64_t tap_log_judge(struct stage *stage, const char *folder, uint32_t stream, uint32_t tap,
		       uint64_t last, uint64_t ordinal);

#endif
