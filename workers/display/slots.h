/* The slots as JSON, straight from the words of the ledger: who holds what, now. */
#ifndef TROUPE_WORKERS_DISPLAY_SLOTS_H
#define TROUPE_WORKERS_DISPLAY_SLOTS_H

#include "ipc/slots/ledger.h"

/* {"run": …, "slots": [{"slot": 0, "stream": "cam1", "phase": "HELD", "seq": 17, "seat": 3,
 * "worker": "processor.1", "owed": 1, "attempts": 0, "marks": ["bypassed"]}, …]}. The caller frees
 * it; NULL: no memory. */
char *slots_json(const struct ledger *ledger);

#endif
