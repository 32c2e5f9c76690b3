/* What never changes during a run (layout.h: the first page of the header and of each stream's row)
 * is read from a private, read-only copy of those pages, which lies in their place in the mapping.
 * So sizes and offsets that were right when a process began stay right, whoever writes over the
 * shared ones; and the supervisor, which has such a copy too, mends those for whoever begins later.
 */
#ifndef TROUPE_IPC_SLOTS_GUARD_H
#define TROUPE_IPC_SLOTS_GUARD_H

#include "ipc/slots/layout.h"

/* Puts a private copy in the place of one page of a mapping. TROUPE_E_MEMORY. Where the machine's
 * pages are of another size nothing is done. */
int guard_page(void *page);

/* Whether pages can be guarded on this machine. */
int guard_works(void);

/* Writes the guarded pages of the header and of `n_streams` rows to the memory `fd` again where
 * they say anything else. Returns how many did. */
int guard_mend(int fd, const struct ledger_header *header, const struct stream_row *streams,
	       uint32_t n_streams);

#endif
