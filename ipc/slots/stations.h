/* What the stations of a frame's way cost: for each stream and each step a histogram in the ledger,
 * how many frames took about so long.
 *
 * A bucket is a quarter of an octave wide, from 1 µs on. Whoever finishes a step adds one to one
 * bucket: a single relaxed atomic operation, of times that the frame's record has anyway. Nothing
 * is ever reset, so any number of viewers can take the difference of two copies of their own; a
 * process that dies before it has counted costs a count, and nothing else depends on them. */
#ifndef TROUPE_IPC_SLOTS_STATIONS_H
#define TROUPE_IPC_SLOTS_STATIONS_H

#include "ipc/slots/ledger.h"

/* One copy of a stream's histograms. */
struct stations {
	uint64_t count[N_STATIONS][STATION_BUCKETS];
};

/* "published", …: the name of the station that a step ends at. */
const char *station_text(enum station station);

/* The bucket of a duration in ns; what is shorter or longer than all of them is in the first or
 * last. Pure. */
unsigned station_bucket(int64_t took);

/* The least duration that belongs to a bucket, ns; 0 for the first. Pure. */
int64_t station_bucket_begin(unsigned bucket);

/* Counts one frame whose step took so long. */
void stations_note(struct ledger *ledger, uint32_t stream, enum station station, int64_t took);

/* Counts the steps up to `finished` of a frame that the caller still holds: the one before PUBLISH,
 * too, so that the capture does nothing between its publishing and its ring. */
void stations_note_finished(struct ledger *ledger, uint32_t stream,
			    const struct slot_record *record);

/* Copies what has been counted for a stream since the run began. */
void stations_copy(const struct ledger *ledger, uint32_t stream, struct stations *out);

/* How many frames made a step between two copies; `before` NULL: since the run began. Pure. */
uint64_t stations_count(const struct stations *now, const struct stations *before,
			enum station station);

/* The duration that `share` (0..1) of those frames did not exceed, ns, exact to the width of its
 * bucket, within which frames are taken to lie evenly. -1: there was no frame. Pure. */
int64_t stations_percentile(const struct stations *now, const struct stations *before,
			    enum station station, double share);

#endif
