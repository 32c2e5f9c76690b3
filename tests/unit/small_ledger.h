/* A small ledger for tests, and the steps they take on it again and again. */
#ifndef TROUPE_TESTS_UNIT_SMALL_LEDGER_H
#define TROUPE_TESTS_UNIT_SMALL_LEDGER_H

#include "ipc/slots/ledger.h"

#define BYPASS_AFTER INT64_C(1000000000)
#define LIVE_STREAM  0 /* 8 slots, cannot wait, low water at 50 % */
#define OTHER_STREAM 1 /* 4 slots, can wait */
#define SMALL_SLOTS  12

/* The plan of it, with two taps that are owed every frame; a test changes what it wants before
 * ledger_create. `streams` has room for two. */
struct ledger_plan small_plan(struct stream_plan *streams);

/* cmocka's set-up and tear-down: *state is a struct ledger. */
int small_setup(void **state);
int small_teardown(void **state);

/* Takes and publishes a frame with this pts; returns its slot. */
uint32_t small_publish(struct ledger *ledger, uint32_t stream, uint8_t seat, int64_t pts);

/* The same, and the oldest queued frame is claimed and finished, which must be this one. */
uint32_t small_finish(struct ledger *ledger, uint32_t stream, int64_t pts);

/* A slot's word taken apart. */
struct slot_word small_word(const struct ledger *ledger, uint32_t slot);

#endif
