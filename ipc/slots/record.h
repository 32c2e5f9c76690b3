/* Reading what others have written: copies in which every number is one that a program can go on
 * with, and every text ends. The words say whether a frame may be looked at; what its record says
 * may still be anything, for any process that maps the ledger can write there. */
#ifndef TROUPE_IPC_SLOTS_RECORD_H
#define TROUPE_IPC_SLOTS_RECORD_H

#include "ipc/slots/ledger.h"

/* A time that can be calculated with: one that cannot be right is 0. */
int64_t record_time(int64_t time);

/* The record of a slot. Sizes fit the slot's areas, labels are numbers of the table, times, shares
 * and marks are within their ranges; the number is the one that the word said. */
void record_copy(const struct ledger *ledger, uint32_t slot, uint64_t word,
		 struct slot_record *out);

/* Writes a processor's fields of a copy to the slot, which the caller holds. */
void record_put_back(struct ledger *ledger, uint32_t slot, const struct slot_record *copy);

/* The record of a playback slot. */
void record_copy_playback(const struct ledger *ledger, uint32_t slot, struct playback_record *out);

/* The name of a label; "" for none and for one that is not known. Returns `out`. */
char *ledger_label(const struct ledger *ledger, int64_t number, char out[NAME_SIZE]);

/* What the worker in a seat counts, fit to be shown; "" nothing. Returns `out`. */
char *ledger_counts(const struct ledger *ledger, uint8_t seat, char out[NAME_SIZE]);

/* Who sits in a seat, by its row; "" nobody. Returns `out`. */
char *ledger_worker(const struct ledger *ledger, uint64_t seat, char out[NAME_SIZE]);

#endif
