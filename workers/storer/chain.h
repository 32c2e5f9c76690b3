/* Whether the access unit that came with a frame may be stored in place of a JPEG.
 *
 * The promise: every H.264 frame of a recording can be shown with what is in its segment. It is
 * kept where the recording is written, by looking at nothing but the slots and the end of the
 * recording, so that a successor of any process decides by the same facts.
 *
 * First: nothing before it is missing. A key unit needs no other. Any other unit is stored right
 * behind that of the frame before it: the next number, nothing dropped in between, and that frame
 * is the last of its stream in the recording, as H.264 (recorder_links). So by induction all units
 * since the key unit are there, one behind the other. They are in one segment, because one begins
 * with a key unit or a JPEG only, and behind a JPEG no unit follows that is no key.
 *
 * Second: nothing that it needs and that is shown later (B-frames) can be missed. Units say how
 * many have to follow at least (lacks, see workers/capture/units.h); a frame whose unit lacks
 * nothing closes the row: it and all before it need only each other. So a unit is stored once the
 * row from it to the one that closes it is finished and owed to us: what is owed stays in its slot
 * until it is stored, whoever dies. For each later frame of the row the same holds, and so does the
 * first condition: all of it will be stored as H.264, by us or a successor. No commit comes in
 * between (storer.c), and no start enters half a row, for a record says what it lacks (recovery.c):
 * so a power failure, which takes the slots as well, leaves none either.
 *
 * Everything else is stored as a JPEG of its image. What lacks something waits for it, in its slot;
 * not when it cannot come any more, and no longer than CHAIN_PATIENCE and twice the time that so
 * many frames take. */
#ifndef TROUPE_WORKERS_STORER_CHAIN_H
#define TROUPE_WORKERS_STORER_CHAIN_H

#include "ipc/base/clock.h"
#include "ipc/worker/worker.h"

#define CHAIN_PATIENCE (5 * NS_PER_S)

enum chain_answer {
	CHAIN_STORE,  /* the access unit */
	CHAIN_WAIT,   /* what it lacks may still come: ask again */
	CHAIN_BROKEN, /* a JPEG */
};

/* `linked`: the recording ends with the frame before this one, as H.264. `coming`: later frames may
 * still be published; looked at before this is called. */
enum chain_answer chain_ask(const struct ledger *ledger, uint32_t tap, const struct frame *frame,
			    bool linked, bool coming);

#endif
