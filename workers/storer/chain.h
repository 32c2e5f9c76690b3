/* Whether the access unit that came with a frame may be stored in place of a JPEG.
 *
 * The promise: every H.264 frame of a recording can be shown with what is in its segment. It is
 * kept where the recording is written, by looking at nothing but the slots and the end of the
 * recording, so that a successor of any process decides by the same facts. Stored are
 *
 *  1. a key unit: it needs no other; or a unit right behind the one of the frame before: the next
 *     number, nothing dropped in between, and that frame is the last of its stream in the
 * recording, as H.264. So by induction all units since the key unit are there, in one row, and in
 * one segment, because a segment only begins with a key unit (or a JPEG, behind which no unit can
 * follow).
 *  2. and only if nothing it lacks can be missed: with B-frames a picture may need one that is
 * shown later. Units say how many have to follow at least (lacks, see workers/capture/units.h), and
 * a frame whose unit lacks nothing closes the row: it, and all before it, need only each other. So
 * a unit is stored once the whole row from it to the one that closes it is finished and owed to us:
 * what is owed stays in its slot until it is stored, whoever dies. For each frame of that row the
 * rest of the row is there too, and 1. holds: all of it will be stored as H.264, by us or a
 *     successor. No commit comes between (storer.c), and no start enters half a row (a record says
 *     what it lacks), so nor does a power loss, which takes the slots as well, leave half a row.
 *
 * Everything else is stored as a JPEG of its image. What lacks something waits for it, in its slot;
 * not when it cannot come any more, and no longer than CHAIN_PATIENCE and twice the time that so
 * many frames take. */
#ifndef TROUPE_WORKERS_STORER_CHAIN_H
#define TROUPE_WORKERS_STORER_CHAIN_H

#include "ipc/base/clock.h"
#include "ipc/worker/worker.h"

#define CHAIN_PATIENCE (2 * NS_PER_S)

enum chain_answer {
	CHAIN_STORE,  /* the access unit */
	CHAIN_WAIT,   /* what it lacks may still come: ask again */
	CHAIN_BROKEN, /* a JPEG */
};

/* `linked`: the recording ends with the frame before this one, as H.264. `ending`: we are to end,
 * and without a capture nothing will come. */
enum chain_answer chain_ask(const struct ledger *ledger, uint32_t tap, const struct frame *frame,
			    bool linked, bool ending);

#endif
