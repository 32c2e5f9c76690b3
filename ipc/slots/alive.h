/* The word of a seat row by which the kernel tells at once that a worker's main thread ends: a
 * robust futex (set_robust_list(2)). While the thread lives its id stands there; when it goes, by
 * whatever, the kernel sets FUTEX_OWNER_DIED before anything else of the process is taken apart.
 *
 * The word lies where any process may write, so nothing but that number does: the list by which the
 * kernel finds it is our own memory. (A mutex of pthread's would have its list inside itself, and
 * who unlocks one that was written over follows whatever pointers are there.) */
#ifndef TROUPE_IPC_SLOTS_ALIVE_H
#define TROUPE_IPC_SLOTS_ALIVE_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What the kernel reads of the calling thread; has to stay where it is until alive_release(). */
struct alive {
	struct robust_list_head head, *before;
	struct robust_list entry;
	_Atomic uint32_t *word; /* NULL: nothing is held */
};

/* For a word that is 0: from now on the calling thread's end shows there. TROUPE_E_BUSY: somebody
 * has it. The thread must take nothing else of the kind (robust mutexes of pthread's) meanwhile. */
int alive_take(struct alive *alive, _Atomic uint32_t *word);

/* The thread goes on, or ends in good order: nobody is to be told. By the thread that took it; fine
 * if nothing is held. */
void alive_release(struct alive *alive);

#endif
