/* Recordings for the power to be lost in: frames that follow from their number and are large enough
 * to be torn, and the judgement of what is left of them. */
#ifndef TROUPE_TESTS_POWER_RECORDINGS_H
#define TROUPE_TESTS_POWER_RECORDINGS_H

#include "workers/storer/record.h"

#include <stddef.h>
#include <stdint.h>

#define RUNS	  6 /* each boot of the machine is one */
#define STREAMS	  2
#define CODED_MAX 6000

/* The last frame of each stream that the storer called settled. */
struct promise {
	uint64_t settled[RUNS][STREAMS];
	uint64_t old; /* frames of each stream that a storer of the previous version left */
};

const char *stream_name(unsigned stream);
uint64_t run_number(unsigned run);

/* Frame `seq` of a run's stream: fills record and coded bytes (room for CODED_MAX). */
void make_frame(unsigned run, unsigned stream, uint64_t seq, struct record *record, uint8_t *coded);

/* Whether every promised frame is in the recording, what follows is gapless, each frame is as
 * make_frame made it, and verify finds no fault. Returns the number of frames, or -1 and says why.
 */
int64_t judge(const char *folder, const struct promise *promise, char *why, size_t why_size);

#endif
