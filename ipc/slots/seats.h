/* Seats: the supervisor gives each incarnation a number of its own and takes it back only after all
 * it held was given back. Only the supervisor's main thread calls these. */
#ifndef TROUPE_IPC_SLOTS_SEATS_H
#define TROUPE_IPC_SLOTS_SEATS_H

#include "ipc/slots/ledger.h"

/* Gives out an EMPTY seat, the one that was empty longest (round robin), and fills its row.
 * Returns the seat's number or TROUPE_E_FULL. */
int seat_assign(struct ledger *ledger, const char *worker, uint32_t incarnation);

/* Says before the process exists that it shall stand by; later, that it shall take charge. */
void seat_stand_by(struct ledger *ledger, uint8_t seat);
void seat_charge(struct ledger *ledger, uint8_t seat);

struct reclaimed {
	uint32_t filling, held, bypassed; /* slots given back, by what they were */
	uint32_t quarantined;		  /* of the held ones */
	uint32_t playback;		  /* playback slots */
	uint32_t streams, taps;		  /* owner words given up */
};

/* Gives back everything a dead seat held, clears its bits, then empties the seat. To be called only
 * when the kernel has confirmed the end of its process. `fault`: it died by its own doing. */
void seat_reclaim(struct ledger *ledger, uint8_t seat, bool fault, struct reclaimed *what);

/* Whether a seat holds a slot. */
bool seat_holds_slot(const struct ledger *ledger, uint8_t seat);

/* Whether a seat holds a slot, is owed a recorded frame, or has an owner word under which something
 * is owed. */
bool seat_holds(const struct ledger *ledger, uint8_t seat);

#endif
