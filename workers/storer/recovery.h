/* What a writer does before its first record: make segments and index agree again, whatever the
 * last writer was doing when it died. Also makes the index anew from the segments alone.
 *
 * The order of a writer is: records into the segments, sync, rows into the index, commit, only then
 * settle. So behind the index's `bytes` of the newest segment of a stream there may be records that
 * nobody vouched for: whole ones are kept, the first that is not whole ends the segment. They are
 * written again before they are synced and believed: a sync that failed in the dead writer's hands
 * leaves pages that look clean and are not on disk. */
#ifndef TROUPE_WORKERS_STORER_RECOVERY_H
#define TROUPE_WORKERS_STORER_RECOVERY_H

#include "workers/storer/event_book.h"
#include "workers/storer/folder.h"
#include "workers/storer/index.h"

#include <stdbool.h>
#include <stdint.h>

struct recovery {
	uint64_t rows_added;   /* frames of the segments that the index lacked */
	uint64_t rows_removed; /* rows whose frames the segments lack */
	uint64_t bytes_cut;    /* of half a record at the end */
	uint32_t removed;      /* segments whose removal or replacement was not finished */
	uint32_t damaged;      /* places that could not be read, left as they are */
};

/* To be called under the recording's lock; `segments`: the open folder. `made`: the index is new,
 * so damage within a segment is stepped over. Afterwards the last segment of each stream is open in
 * the index and may be gone on with, and *numbers is the highest that a segment ever had. `events`
 * follows the frames that are entered, and makes all events anew where the index has none.
 * TROUPE_E_CORRUPT: the index is damaged (set it aside and call again with a new one). */
int recovery_run(struct index *index, struct event_book *events, bool made, int segments,
		 uint32_t *numbers, struct recovery *done, folder_waiting_fn *waiting, void *arg);

#endif
