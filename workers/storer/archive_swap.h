/* From a segment to the one that replaces it: a look at every record, in portions that hold up
 * nothing; then the steps of which each leaves either the old one or the new one in force.
 *
 *   name     the draft gets its name; nobody knows it yet, and a start would throw it away
 *   enter    one transaction: the frames' rows say that they lie in the new one, the old one is
 *            doomed; from here on the old file is a leftover
 *   remove   the old file goes
 *   forget   and its row
 *
 * Used between two commits, on the recorder's thread. */
#ifndef TROUPE_WORKERS_STORER_ARCHIVE_SWAP_H
#define TROUPE_WORKERS_STORER_ARCHIVE_SWAP_H

#include "workers/storer/index.h"
#include "workers/storer/segment.h"

struct archive_swap {
	struct index *index;	  /* borrowed */
	int folder;		  /* of the segments; borrowed */
	struct index_segment old; /* as it was when this began */
	uint32_t number;	  /* of the new one */
	struct segment_reader reader;
	struct index_row *rows; /* of the frames, as they will be */
	size_t n_rows, room;
	uint64_t old_at, new_at; /* up to where it was looked at */
};

/* Opens the draft and looks at its header. TROUPE_E_CORRUPT and others. */
int archive_swap_init(struct archive_swap *swap, struct index *index, int folder,
		      const struct index_segment *old, uint32_t number);
void archive_swap_finish(struct archive_swap *swap); /* also what was only zeroed */

/* Looks at a few more records. 1: there are more; 0: all is as it should be; TROUPE_E_CORRUPT: it
 * is not. */
int archive_swap_look(struct archive_swap *swap);

int archive_swap_name(const struct archive_swap *swap);
/* TROUPE_E_STATE: the old one is not what it was; nothing was changed. After any other error it is
 * not known whether it was entered: this is to be tried again, or left to the next start. */
int archive_swap_enter(const struct archive_swap *swap);
int archive_swap_remove(const struct archive_swap *swap);
int archive_swap_forget(const struct archive_swap *swap);

/* Throws the draft away, under either name. */
void archive_swap_discard(const struct archive_swap *swap);

#endif
