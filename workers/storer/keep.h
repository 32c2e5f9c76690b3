/* What of a recording goes next, and why: a pure function of the segments there are, what may be
 * kept, the space that is free, and how old frames are. Whoever asks does it (retention.h), and
 * asks again.
 *
 * Oldest first, whole segments. An open segment never goes, and the newest of a stream that is
 * recorded goes only for its age. Where segments with frames within events are kept longer, the
 * others go before them; whether a segment has any is asked for only when it is the oldest.
 *
 * Ages are counted by the monotonic clock: a wall clock that jumps makes nothing older. It is
 * believed for one thing, how long the machine was off, and only when a day has gone by since
 * (keep_ages): so a machine that comes up with a clock that is years ahead has a day to be told. */
#ifndef TROUPE_WORKERS_STORER_KEEP_H
#define TROUPE_WORKERS_STORER_KEEP_H

#include "ipc/base/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One boot of the machine, as far as its frames are in the recording. */
struct keep_boot {
	int64_t first, last; /* monotonic: of the frames that are known */
	int64_t offset;	     /* wall - monotonic, the least that was seen */
	int64_t latest;	     /* wall: of its frames */
	uint32_t order;	     /* of its first segment */
	int64_t age;	     /* of its last frame; set by keep_ages */
};

enum keep_events { KEEP_EVENTS_UNKNOWN, KEEP_EVENTS_NONE, KEEP_EVENTS_SOME };

struct keep_segment {
	uint32_t number;
	uint32_t order;	 /* in which segments were begun; a re-coded one has its original's */
	uint32_t stream; /* number in the rules */
	uint32_t boot;	 /* of its last frame; number in the list of boots */
	bool open;
	enum keep_events events; /* whether it has frames within events */
	uint64_t bytes;		 /* that come back when it goes */
	int64_t captured;	 /* its last frame, monotonic … */
	int64_t wall;		 /* … and on the wall clock of then */
	int64_t age;		 /* of its last frame, ns; set by keep_ages */
};

/* A stream by its name; of this run or of an earlier one. */
struct keep_stream {
	struct keep_limit limit; /* its own */
	bool recorded;		 /* now, by us */
};

struct keep_rules {
	struct keep_limit all;
	int64_t events; /* ns: so long segments with frames within events stay; 0: as the rest */
	int64_t free_floor; /* bytes of the disk that stay free; 0: it does not matter */
	const struct keep_stream *streams;
	size_t n_streams;
};

/* What there is. Segments are in the order of `order`. */
struct keep_stock {
	struct keep_segment *segments;
	size_t n;
	struct keep_boot *boots;
	size_t n_boots;
	uint64_t beside; /* bytes of the catalogue, which count into the limit of all */
	int64_t free;	 /* bytes of the disk */
};

enum keep_what {
	KEEP_REST,	/* all limits hold */
	KEEP_ASK,	/* find out whether segment `which` has frames within events */
	KEEP_CLOSE,	/* segment `which` is open and alone too much: end it */
	KEEP_FORGET,	/* segment `which` goes */
	KEEP_EXHAUSTED, /* a limit is exceeded and nothing can go */
};

enum keep_why { KEEP_FOR_NOTHING, KEEP_FOR_AGE, KEEP_FOR_BYTES, KEEP_FOR_SPACE };

struct keep_verdict {
	enum keep_what what;
	enum keep_why why;
	size_t which; /* index */
};

/* Sets the ages of boots and segments. `boot` is the one that runs, whose monotonic clock shows
 * `now` and whose wall clock is `offset` ahead of that. Which frames are of which boot, and how the
 * clocks stood, is taken from the segments. */
void keep_ages(const struct keep_stock *stock, uint32_t boot, int64_t now, int64_t offset);

/* To be called after keep_ages(). */
struct keep_verdict keep_next(const struct keep_rules *rules, const struct keep_stock *stock);

#endif
