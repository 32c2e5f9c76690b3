/* Checks the whole ledger against its invariants; changes nothing. */
#ifndef TROUPE_IPC_SLOTS_CHECK_H
#define TROUPE_IPC_SLOTS_CHECK_H

#include "ipc/slots/ledger.h"

/* Called once per violation found with a line that says slot and fault. */
typedef void ledger_fault_fn(void *arg, uint32_t slot, const char *what);

/* Returns the number of violations: illegal words, a number twice in a stream, a seat that is not
 * LIVE, more than one FILLING slot per capture, owner words and bits of empty seats. Words are read
 * one by one: on a running pipeline only per-word faults are certain, the rest when it stands still
 * (`still`). */
int ledger_check(const struct ledger *ledger, bool still, ledger_fault_fn *fault, void *arg);

#endif
