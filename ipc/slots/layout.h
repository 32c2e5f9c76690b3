/* What lies in the shared memory of a pipeline, byte by byte. One memfd, made by the supervisor,
 * mapped by every worker:
 *
 *   header | stream rows | seat rows | tap rows | words | records | model board |
 *   playback words | playback records | station rows | pixel areas (page-aligned) | playback areas
 *
 * What never changes during a run lies on pages of its own, and every process reads it from a copy
 * that it took when it began (guard.h): whatever anybody writes there later reaches nobody.
 *
 * Numbers only and fixed widths; times are CLOCK_MONOTONIC ns unless named wall. Who writes a field
 * is said beside it; everything else only reads it. The words decide; nothing else in here does. */
#ifndef TROUPE_IPC_SLOTS_LAYOUT_H
#define TROUPE_IPC_SLOTS_LAYOUT_H

#include "ipc/slots/word.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_MAGIC	 UINT64_C(0x72656764656c7274) /* "trledger" */
#define LEDGER_VERSION	 6
#define LEDGER_PAGE	 4096 /* bytes; also where the machine's pages are larger */
#define STREAMS_MAX	 16
#define STREAM_SLOTS_MAX 1024
#define NAME_SIZE	 32
#define LABELS_MAX	 32
#define ENDPOINT_SIZE	 108 /* sun_path; ipc:// paths must fit */
#define PLAYBACK_SLOTS	 8   /* for recorded frames; see playback.h */

#define THUMB_WIDTH  32
#define THUMB_HEIGHT 24
#define THUMB_SIZE   768 /* their product, as a plain number */
static_assert(THUMB_SIZE == THUMB_WIDTH * THUMB_HEIGHT, "one byte a pixel");

/* Why a captured frame took no slot and so no number. X(name, text) */
#define DROP_REASONS(X)                                                                            \
	X(NO_SLOT, "no slot was free")                                                             \
	X(DEVICE, "the driver or source lost it")                                                  \
	X(DAMAGED, "it could not be decoded")                                                      \
	X(SIZE, "its size is not the stream's")

enum drop_reason {
#define DROP_REASON_ENUM(name, text) DROP_##name,
	DROP_REASONS(DROP_REASON_ENUM)
#undef DROP_REASON_ENUM
		N_DROP_REASONS
};

/* What the coded area of a frame is before a processor has seen it. */
enum coded_at_source {
	CODED_NOT = 0,	    /* nothing yet: `image` holds the picture, the processor makes a JPEG */
	CODED_PICTURE = 1,  /* the picture itself as JPEG, `image` holds nothing */
	CODED_UNIT = 2,	    /* an H.264 access unit that needs the frames before it; `image` holds
			       the picture */
	CODED_KEY_UNIT = 3, /* the same, of a picture that needs no other (IDR) */
};

/* Whether the coded area holds an H.264 access unit. */
static inline int coded_is_unit(uint32_t coded_at_source)
{
	return coded_at_source == CODED_UNIT || coded_at_source == CODED_KEY_UNIT;
}

/* One stream: its geometry is fixed for the run. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): pages of their own */
struct stream_row {
	/* written once by the supervisor before the first worker */
	char name[NAME_SIZE];
	uint32_t first_slot, n_slots;
	uint32_t width, height;		  /* of the image, pixels, both even */
	uint32_t view_width, view_height; /* of the view, pixels; rows are tight RGB24 */
	uint32_t fps_num, fps_den;	  /* the source's nominal rate */
	uint32_t reserved2;
	uint32_t live; /* 1: the source cannot wait, no free slot means a drop */
	uint32_t image_size, view_size, coded_size; /* capacity of the areas, bytes */
	uint32_t reserved0;
	uint64_t first_seq; /* the number before the run's first frame, normally 0 */

	/* any time */
	alignas(LEDGER_PAGE) _Atomic uint64_t
		owner;		  /* seat of the capture in charge; 0: up for taking */
	_Atomic uint32_t taps_on; /* bit t: frames are owed to tap t (recording on/off); control */
	_Atomic int32_t label;	  /* what `troupe label` said last; 0: none; control */
	_Atomic int64_t pace_origin; /* monotonic time of pts 0 for paced sources; capture */
	_Atomic uint64_t drops[N_DROP_REASONS]; /* since the run began; capture */
	_Atomic uint64_t settled; /* highest number the recording has for good; storer */
	_Atomic uint64_t stored;  /* frames of this run in the recording; storer, absolute */
	_Atomic uint64_t stored_bypassed, stored_quarantined; /* of those; storer, absolute */
	_Atomic uint32_t ended;	      /* 1: the source has ended, nothing more will come; capture */
	_Atomic uint32_t quarantined; /* frames that caused three deaths, recorded or not;
					 supervisor */
	_Atomic uint64_t source_word; /* where a source stands that outlives its capture, in the
					 source's own terms; 0 at first; capture */
	_Atomic int64_t served; /* when a frame of it was claimed last: a hint for whose turn it is;
				   processor */
	_Atomic int64_t away_since;  /* the source is lost since then, and looked for; 0: it is not;
					capture */
	_Atomic uint32_t reconnects; /* how often it was lost and came back; capture */
	_Atomic uint32_t quality;    /* JPEG quality 1..100 of the coded area; supervisor */
	_Atomic int64_t keep_bytes, keep_age;	/* so much of the stream's recording is kept; ns; 0:
						   no limit of its own; supervisor */
	_Atomic int64_t tap_every_ns[TAPS_MAX]; /* 0: every frame; else at most one frame per so
						   many ns of pts; supervisor */
	_Atomic uint64_t written_off[TAPS_MAX]; /* frames that the tap was owed once and did not
						   take; whoever wrote them off */
};

/* Within its range, whatever stands there. */
static inline uint32_t stream_quality(const struct stream_row *stream)
{
	uint32_t quality = atomic_load_explicit(&stream->quality, memory_order_relaxed);
	return quality < 1 ? 1 : quality > 100 ? 100 : quality;
}

/* One seat: one incarnation of one worker. */
struct seat_row {
	/* supervisor, before the process exists */
	char worker[NAME_SIZE]; /* "processor.1" */
	_Atomic uint32_t state; /* enum seat_state */
	uint32_t incarnation;	/* of that worker, from 1 */
	_Atomic int32_t pid;	/* supervisor, after the spawn */
	/* supervisor; set before the process exists, then cleared once */
	_Atomic uint32_t
		standby; /* 1: it opens, says Prepared, and takes nothing; 0: take charge */
	/* the worker itself */
	char inbox[ENDPOINT_SIZE]; /* path of its inbox socket, "" without one; valid once
				      `inbox_set` */
	_Atomic uint32_t inbox_set;
	_Atomic uint64_t progress; /* moves whenever the worker gets on */
	_Atomic int64_t due;	   /* asleep: its next timer or CLOCK_NEVER; awake: since when */
	_Atomic uint64_t frames;   /* frames it finished, filled, took or peeked */
	_Atomic uint64_t turns;	   /* times its loop woke up */
	_Atomic uint32_t alive;	   /* id of its main thread, a robust futex: see alive.h */
	uint32_t room[15];
	/* the worker itself: what it counts of its own, for people */
	char counts[NAME_SIZE];	  /* "faces"; "": nothing; before it says Hello */
	_Atomic uint64_t counted; /* so many of them, in this incarnation */
	uint64_t reserved[3];
};

enum seat_state { SEAT_EMPTY, SEAT_LIVE, SEAT_DEAD };

/* One lossless tap. */
struct tap_row {
	char name[NAME_SIZE];	      /* supervisor, once */
	_Atomic uint64_t owner;	      /* seat of the worker in charge; 0: up for taking */
	_Atomic uint64_t written_off; /* frames that it was owed once and did not take; whoever
					 wrote them off */
};

struct slot_record {
	/* capture, while FILLING */
	alignas(64) uint64_t
		seq; /* what PUBLISH will write into the word; a copy for readers of copies */
	uint64_t source_index;	    /* number of the frame in its source, from 0, drops included */
	uint64_t ordinal[TAPS_MAX]; /* frames owed to tap t up to this one, itself included */
	int64_t pts;		    /* presentation time in the source, ns */
	int64_t captured;	    /* when the frame came out of the source */
	int64_t captured_wall;	    /* the same on the wall clock */
	int64_t published;	    /* just before PUBLISH */
	uint64_t drops_total[N_DROP_REASONS];  /* of the stream since the run began */
	uint32_t drops_before[N_DROP_REASONS]; /* between this frame and its predecessor */
	int32_t label;			       /* 0: none */
	uint32_t coded_bytes; /* bytes in the coded area: capture where the source is coded, else
				 processor */
	uint8_t thumb[THUMB_SIZE];	  /* luma */
	uint8_t thumb_before[THUMB_SIZE]; /* the predecessor's; all 0 for the first */
	/* processor, while HELD; void when the word is marked bypassed */
	int64_t claimed;
	int64_t finished;
	uint64_t model_version; /* 0: no prediction */
	float motion;		/* mean absolute difference of the thumbs, 0..1 */
	float probability;	/* of the prediction, 0..1 */
	int32_t prediction;	/* a label, 0: none */
	uint32_t processor;	/* seat that did it */
	/* capture, while FILLING */
	uint32_t coded_at_source; /* enum coded_at_source */
	uint16_t lacks; /* of an access unit: so many frames at least have to follow before it
			   and all before it can be shown; 0: none */
	uint8_t owed;	/* bit t: owed to tap t when it was published */
	uint8_t reserved;
	int64_t dts; /* of an access unit: its place in the order of decoding, on pts' scale */
};

/* A recorded frame in a playback slot. Its texts are its own: a run of another day had other
 * labels. Who filled it has written all of it before the word says OWED; the asker alone reads. */
struct playback_record {
	alignas(64) uint64_t question; /* its id, as the asker gave it */
	uint64_t run, seq, ordinal, source_index;
	int64_t pts, captured, captured_wall, published, claimed, finished, stored;
	uint64_t model_version;
	uint32_t drops_before[N_DROP_REASONS];
	uint32_t width, height;
	uint32_t marks; /* enum mark */
	uint32_t coded_bytes;
	float motion, probability;
	uint32_t filler; /* which incarnation filled it, so that a viewer sees a successor */
	uint32_t reserved;
	char stream[NAME_SIZE], label[NAME_SIZE], prediction[NAME_SIZE]; /* "" none */
};

/* The steps of a frame's way that are counted by how long they took; see stations.h.
 * X(NAME, station that the step ends at, from which field of the record to which) */
#define STATIONS(X)                                                                                \
	X(PUBLISHED, "published", "captured to published")                                         \
	X(CLAIMED, "claimed", "published to claimed: it waited for a processor")                   \
	X(FINISHED, "finished", "claimed to finished: it was processed")                           \
	X(STORED, "stored", "captured to settled: it is in the recording for good")

enum station {
#define STATION_ENUM(name, text, step) STATION_##name,
	STATIONS(STATION_ENUM)
#undef STATION_ENUM
		N_STATIONS
};

#define STATION_BUCKETS 112 /* the last begins at 3 minutes and a half */

/* One stream's: whoever finishes a step adds one. */
struct station_row {
	alignas(64) _Atomic uint64_t count[N_STATIONS][STATION_BUCKETS];
};

/* The model board: two banks; `current` is the version published last, in bank version % 2. A
 * publisher fills the other bank and then stores `current`: a death half-way leaves the old model
 * in force. */
#define MODEL_FEATURES_MAX 256
struct model_bank {
	uint64_t version;
	uint32_t classes, features; /* rows and columns in use */
	uint32_t crc32c;	    /* over everything in the bank behind this field */
	int32_t label[LABELS_MAX];  /* the label that class c stands for */
	float weight[LABELS_MAX][MODEL_FEATURES_MAX]; /* features - 1 weights and the bias last */
};

struct model_board {
	_Atomic uint64_t current; /* 0: no model yet */
	uint64_t reserved;
	struct model_bank bank[2];
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): pages of their own */
struct ledger_header {
	uint64_t magic;
	uint32_t version;
	uint32_t n_streams, n_slots, n_taps;
	uint64_t size; /* of the whole memory, bytes */
	uint64_t run;  /* wall-clock ms of `up`: the run's name in the recording */
	uint64_t streams_at, seats_at, taps_at, words_at, records_at, model_at,
		areas_at; /* byte offsets */
	uint64_t playback_words_at, playback_records_at, playback_areas_at;
	uint64_t stations_at;
	char pipeline[NAME_SIZE];

	/* any time */
	alignas(LEDGER_PAGE) _Atomic int32_t supervisor_pid; /* an adopter writes its own before it
								looks for workers */
	uint32_t reserved;
	_Atomic int64_t hang_after, bypass_after; /* ns; supervisor */
	_Atomic uint32_t
		low_water_percent; /* free slots of a stream below this: bypass; supervisor */
	uint32_t reserved1;
	char labels[LABELS_MAX]
		   [NAME_SIZE]; /* [0] is "none"; the supervisor appends, never changes */
	_Atomic uint32_t n_labels;
	uint32_t last_seat;	    /* given out last, so that numbers come back late; supervisor */
	_Atomic uint64_t idle;	    /* bit per seat: sleeps and would take a QUEUED frame */
	_Atomic uint64_t asked;	    /* bit per seat: wants a bell at the next DONE */
	_Atomic uint64_t waiting;   /* bit per seat: wants a bell at the next FREE */
	_Atomic uint64_t bells_all; /* bit per seat that is LIVE: who is rung when everybody is */
	_Atomic int64_t orphan_wait; /* so long workers go on without a supervisor, ns; 0: they
					drain at once; supervisor */
};

static_assert(sizeof(struct stream_row) == (size_t)2 * LEDGER_PAGE,
	      "stream_row is part of the layout");
static_assert(offsetof(struct stream_row, source_word) == LEDGER_PAGE + 96,
	      "source_word is part of the layout");
static_assert(sizeof(struct seat_row) == 320, "seat_row is part of the layout");
static_assert(offsetof(struct seat_row, standby) == 44, "standby is part of the layout");
static_assert(offsetof(struct seat_row, alive) == 192, "alive is part of the layout");
static_assert(offsetof(struct seat_row, counts) == 256, "counts is part of the layout");
static_assert(sizeof(struct tap_row) == 48, "tap_row is part of the layout");
static_assert(sizeof(struct slot_record) == 1728, "slot_record is part of the layout");
static_assert(sizeof(struct playback_record) == 256, "playback_record is part of the layout");
static_assert(sizeof(struct station_row) == 3584, "station_row is part of the layout");
static_assert(offsetof(struct ledger_header, playback_words_at) == 96,
	      "what is read by its offset stays where it is");
static_assert(offsetof(struct ledger_header, supervisor_pid) == LEDGER_PAGE,
	      "what never changes is on a page of its own");
static_assert(offsetof(struct stream_row, owner) == LEDGER_PAGE,
	      "what never changes is on a page of its own");
static_assert(sizeof(_Atomic uint64_t) == 8 && ATOMIC_LLONG_LOCK_FREE == 2,
	      "words must be lock-free");

#endif
