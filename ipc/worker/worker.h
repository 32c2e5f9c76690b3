/* The worker SDK: a worker is a table and a few callbacks; the skeleton owns argv, log,
 * descriptors, signals, loop, progress, claims and releases.
 *
 *     int main(int argc, char **argv) { return worker_main(argc, argv, &processor); }
 *
 * All callbacks run on the main thread, one at a time. They return 0 or more when all is well; a
 * negative error ends the worker (after close) with an exit code that fits it: TROUPE_E_CONFIG and
 * SCHEMA 100, IO, NOT_FOUND, DENIED, NO_SPACE, BUSY 111, anything else 101. A callback that has
 * said what is wrong by log_error() has said the worker's last words. A callback that works longer
 * than a second calls worker_progress(). */
#ifndef TROUPE_IPC_WORKER_WORKER_H
#define TROUPE_IPC_WORKER_WORKER_H

#include "ipc/base/needs.h"
#include "ipc/base/rows.h"
#include "ipc/links/message.h"
#include "ipc/slots/ledger.h"
#include "schemas/playback.pb-c.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct worker; /* the skeleton's side of one running worker */

/* What a worker takes, which decides when `frame` is called and what its return value means. */
enum worker_takes {
	WORKER_TAKES_SOURCE, /* fills slots of one stream; there is one per stream */
	WORKER_TAKES_QUEUE,  /* claims the oldest QUEUED frame; any number of seats */
	WORKER_TAKES_TAP, /* lossless: offered exactly last + 1 of each stream; there is one per tap
			   */
	WORKER_TAKES_LATEST, /* peeks at the newest finished frame */
	WORKER_TAKES_EACH,   /* peeks at every finished frame it is fast enough for */
	WORKER_TAKES_NOTHING,
	WORKER_TAKES_AS_TOLD, /* worker_main() only: what its section of the config says. Who looks
				 has `frame` for it: a frame that it is owed is settled when that
				 returns TAP_TAKEN. Of the queue, and in a processor's place, it has
				 `process`, and rows that it does not know are passed over. */
};

/* A frame as a callback sees it. Pointers are into the slot, but for `record`: a source fills the
 * slot's, all others see a copy in which nothing can be out of range, and a processor's fields of
 * it are written back. What may be written is what slots/layout.h says for the worker's role. Valid
 * until the callback returns. */
struct frame {
	uint32_t slot;
	uint32_t stream_number;
	const struct stream_row *stream;
	struct slot_record *record;
	uint8_t *image; /* I420, tight planes: width*height, then twice width/2*height/2 */
	uint8_t *view;	/* RGB24, tight rows of view_width * 3 */
	uint8_t *coded; /* record->coded_bytes of JPEG; at most stream->coded_size */
	uint64_t seq;
	uint64_t word; /* as it was when the frame was offered */
	bool bypassed; /* view, coded and the processor's fields are void: only image and capture's
			  fields */
	bool quarantined;
};

/* What `frame` of a source returns. */
enum source_result {
	SOURCE_PUBLISH = 0, /* image and capture's fields of the record are filled */
	SOURCE_NOTHING = 1, /* the slot was not used (a damaged frame: call worker_drop) */
	SOURCE_ENDED = 2,   /* there is no further frame, ever: the slot was not used */
};

/* What `frame` of a lossless tap returns. */
enum tap_result {
	TAP_TAKEN = 0,	/* copied; the tap calls worker_settle once it has it for good */
	TAP_LATER = 1,	/* cannot take it now (disk full): offer it again after the next tick */
	TAP_AWAITS = 2, /* a later frame of this stream must come first: offer it again in the next
			   turn, and go on with the other streams */
};

struct worker_table {
	const char *name;    /* "processor" */
	const char *version; /* TROUPE_VERSION, or the program's own */
	const char *summary; /* one line for --help */
	enum worker_takes takes;
	const struct need *needs; /* what it does beside what all do; anything else is refused */
	size_t n_needs;
	const char *counts;    /* what worker_count() counts, for `ps`: "faces"; NULL: nothing */
	struct row_table rows; /* config; the struct is zeroed, defaulted, then set before open */

	/* Not 0: *self is so many bytes, zeroed before `open` and freed after `close`, both of
	 * which may be NULL then. */
	size_t state_size;
	/* Allocates and opens what this worker needs of its own and stores its state in *self. Must
	 * not touch anything there is one of (stream, recording, the listening socket): a
	 * predecessor may still live, and as a standby it may wait for `ready` as long as that
	 * does. */
	int (*open)(struct worker *w, void **self);
	/* The worker is in charge now (stream or tap taken over; for others at once): adopt,
	 * recover. After this returns the supervisor is told that the worker is ready. May be NULL.
	 */
	int (*ready)(struct worker *w, void *self);
	/* Source: when the next frame is due; CLOCK_NEVER: worker_watch()ed descriptors will say.
	 * NULL: now. */
	int64_t (*due)(struct worker *w, void *self);
	/* One frame; see enum worker_takes. */
	int (*frame)(struct worker *w, void *self, struct frame *frame);
	/* WORKER_TAKES_AS_TOLD: one frame of the queue. NULL: it processes none. */
	int (*process)(struct worker *w, void *self, struct frame *frame);
	/* Live source without a free slot: consume one frame, or say SOURCE_ENDED. NULL for
	 * sources that can wait. */
	int (*drop)(struct worker *w, void *self);
	/* Runs after every wake-up; returns when it wants to run again (monotonic ns, CLOCK_NEVER),
	 * or a negative error. May be NULL. */
	int64_t (*tick)(struct worker *w, void *self, int64_t now);
	/* Another worker has sent a message that the skeleton itself has no use for, valid until
	 * the callback returns. It may be late, doubled, or from one that is dead by now. May be
	 * NULL. */
	void (*message)(struct worker *w, void *self, enum message_kind kind,
			const ProtobufCMessage *message);
	/* Asked to drain: settle and let go of everything. Returns 0 when done, 1 to be called
	 * again after the next turn. May be NULL. Processors and sources are drained by the
	 * skeleton already. */
	int (*drain)(struct worker *w, void *self);
	/* Frees the state; called exactly once if open returned 0. Must cope with any state in
	 * between. */
	void (*close)(struct worker *w, void *self);
	/* `inspect`: adds "key: value" lines about itself. May be NULL. */
	void (*dump)(struct worker *w, void *self, FILE *out);
	/* Sources: `--probe` — with rows applied but no pipeline, prints width, height, fps_num,
	 * fps_den, live (0|1), frames (0: unknown), labels (comma-separated names or empty), and
	 * where the supervisor shall keep a device open for it, device (its path), as "key=value"
	 * lines to `out`. An error is explained in `why`. */
	int (*probe)(const void *config, FILE *out, char *why, size_t why_size);
	/* Sources: `--devices` — prints as a JSON array which devices this machine has and what
	 * each can do; see docs/architecture.md. May be NULL. */
	int (*devices)(FILE *out);
};

/* The whole life of a worker process. Returns its exit code. */
int worker_main(int argc, char **argv, const struct worker_table *table);

/* ---- what callbacks may call ---- */

/* Processors: the JPEG of a frame that came without (`coded_at_source` of its record is CODED_NOT).
 * false: it does not fit; then, as without one, the storer makes it of the image. */
bool frame_put_coded(struct frame *frame, const void *data, size_t size);

const void *worker_config(const struct worker *w);   /* the struct the rows fill */
const char *worker_name(const struct worker *w);     /* "processor.1" */
const char *worker_pipeline(const struct worker *w); /* the pipeline's name */
uint8_t worker_seat(const struct worker *w);
struct ledger *worker_ledger(const struct worker *w);
uint32_t worker_stream(const struct worker *w);		 /* sources: the stream's number */
const char *worker_state_folder(const struct worker *w); /* may be "" in the sequential reference */
const char *
worker_control_path(const struct worker *w);  /* path of the control socket, "" without one */
int worker_handed_fd(const struct worker *w); /* CONTRACT_FD_HANDED or -1; stays the skeleton's */

/* Says that the worker gets on. Cheap. */
void worker_progress(struct worker *w);

/* Counts `n` more of what the table says that it counts. Cheap. */
void worker_count(struct worker *w, uint64_t n);

/* Sources: a frame was lost for `reason` and takes no number. Only between frames. */
void worker_drop(struct worker *w, enum drop_reason reason, uint32_t count);

/* Sources: the record of the stream's last published frame, NULL before the first: where a
 * successor goes on, and the predecessor's thumbnail. Valid until the next call. */
const struct slot_record *worker_last_record(struct worker *w);

/* Taps, in `ready`: the recording of this run ends with `last` (0: nothing); frames up to it are
 * settled. */
void worker_tap_start(struct worker *w, uint32_t stream, uint64_t last);
/* Taps: frames behind `last` are offered again, as far as they are not settled; settles nothing. */
void worker_tap_again(struct worker *w, uint32_t stream, uint64_t last);
/* Taps: everything up to `seq` is kept for good. */
void worker_settle(struct worker *w, uint32_t stream, uint64_t seq);
/* Taps: whether frames may still come on a stream. Who drains, or whose supervisor is dead, waits
 * for no successor of its capture. */
bool worker_stream_goes_on(const struct worker *w, uint32_t stream);
/* Taps: free slots of a stream in percent, for "commit now, slots run low". */
uint32_t worker_free_percent(const struct worker *w, uint32_t stream);

/* Peekers: whether everything copied so far really was of this frame; false: throw the copy away.
 */
bool worker_still(const struct worker *w, const struct frame *frame);
/* Peekers: whether frames are wanted at all (a display without viewers sleeps). Default true. */
void worker_want(struct worker *w, bool wanted);

/* Lets the loop watch a descriptor (events as for poll(2)); `ready` runs on the main thread. A
 * second call for the same descriptor changes it; events 0 removes it. */
typedef void worker_watch_fn(struct worker *w, void *self, int fd, short revents);
int worker_watch(struct worker *w, int fd, short events, worker_watch_fn *ready);

/* A notable event for the supervisor's journal ("recording: disk full"). Never blocks; may be lost.
 */
void worker_report(struct worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sends a message to the inbox of whoever sits there now. Never blocks; may be lost, and
 * TROUPE_E_NOT_FOUND says that it certainly was. */
int worker_send(struct worker *w, uint8_t seat, enum message_kind kind,
		const ProtobufCMessage *message);

/* ---- what was recorded, asked of the worker that has the recording ---- */

struct recorded_question {
	Troupe__Which which;
	char stream[NAME_SIZE];
	uint64_t run, seq;
	int64_t wall, until; /* ns since 1970 */
};

/* A frame or a timeline, or why there is none. Pointers are valid until the callback returns. */
struct recorded_answer {
	int code;	   /* 0, or of the list: TROUPE_E_NOT_FOUND, TROUPE_E_TIMEOUT, … */
	const char *text;  /* what went wrong, for people; "" nothing */
	uint64_t run, seq; /* the frame that cannot be shown, 0: it is not known which */
	const struct playback_record *record;
	const uint8_t *coded; /* record->coded_bytes of JPEG */
	const Troupe__Timeline *timeline;
};

typedef void recorded_fn(void *arg, const struct recorded_answer *answer);

/* Asks, and asks a successor again should the one that was asked be killed. `answer` runs exactly
 * once, on the main thread and never within this call: with the answer, with TROUPE_E_TIMEOUT at
 * `deadline`, or with TROUPE_E_CLOSED before `close`. TROUPE_E_FULL: too many questions are out. */
int worker_ask_recorded(struct worker *w, const struct recorded_question *question,
			int64_t deadline, recorded_fn *answer, void *arg);

/* ---- the same callbacks in one process, one after another ---- */

/* A worker without a process: seat `seat` of `ledger`, config set from "key=value" lines. For
 * workers/sequential and tests. Errors are said in `why`. */
int worker_create(struct worker **worker, const struct worker_table *table, struct ledger *ledger,
		  uint8_t seat, uint32_t number, const char *lines, char *why, size_t why_size);
/* One turn without sleeping: everything that can be done now. Returns how much was done (0:
 * nothing), TROUPE_E_ENDED when a source is through, or an error. *due (may be NULL): when there
 * may be more. */
int worker_turn(struct worker *w, int64_t *due);
/* Drains, closes, frees. NULL is fine. */
int worker_destroy(struct worker *w);

#endif
