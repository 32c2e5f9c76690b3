/* Bells: one eventfd a seat, made by the supervisor for all seats and inherited by all workers at
 * the same numbers, so that every loop polls bell, pipe and sockets in one place. A bell says
 * "look", never what. */
#ifndef TROUPE_IPC_SLOTS_BELLS_H
#define TROUPE_IPC_SLOTS_BELLS_H

#include "ipc/slots/ledger.h"

/* Makes the bells of all seats at descriptors base .. base + SEATS_MAX - 1 (not close-on-exec). */
int bells_create(struct ledger *ledger, int base);
void bells_destroy(struct ledger *ledger);

/* Rings one seat. Seat 0 or a process without bells: nothing happens. */
void bell_ring(const struct ledger *ledger, uint8_t seat);

/* Takes the rings of one's own bell. */
void bell_answer(const struct ledger *ledger, uint8_t seat);

/* Rings every seat in the set. */
void bells_ring_set(const struct ledger *ledger, uint64_t seats);

/* Rings every LIVE seat. */
void bells_ring_all(const struct ledger *ledger);

/* PUBLISH happened: takes one idle bit and rings that seat. Returns the seat, 0 when nobody was
 * idle (a worker scans before it sleeps, so nobody needs to be told). */
uint8_t bells_published(struct ledger *ledger);

/* A frame is finished (FINISH, BYPASS or the reclaim of its holder made it DONE or FREE, `word` is
 * how it stands): rings the owners of the taps it is owed to, those who asked and, when a slot
 * became FREE by it, those who wait for one. */
void bells_done(struct ledger *ledger, uint64_t word);

/* A slot became FREE (SETTLE, LET_GO, ABANDON): rings those who wait for one. */
void bells_freed(struct ledger *ledger);

/* Sets or clears the caller's bit in one of the header's sets. After seat_bit_set the caller scans
 * the words once more before it sleeps: either that scan sees what was changed, or the changer sees
 * the bit (both sides have a sequentially consistent fence between their write and their read). */
void seat_bit_set(_Atomic uint64_t *set, uint8_t seat);
void seat_bit_clear(_Atomic uint64_t *set, uint8_t seat);

#endif
