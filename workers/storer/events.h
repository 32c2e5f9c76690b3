/* What happened in a recording, as spans: when a stream was recorded, when something moved, when a
 * label stood or was predicted surely enough; and, told by others, when a camera was lost and who
 * died. The spans of frames are a pure function of the records of a stream, in their order, and of
 * three rules, so they can be made again from the segments at any time.
 *
 * A span goes from its first matching frame to its last one and ends once `gap` has gone by without
 * another. It is cut into pieces of at most EVENT_PIECE, and where the wall clock was stepped: each
 * piece begins where the one before it ended, and within a piece the wall clock and the monotonic
 * one go together. So whoever looks for a time needs to look no further back than one piece, and
 * finds both hours of a clock that was set back. Whoever lists spans joins pieces that touch.
 *
 * One thread. */
#ifndef TROUPE_WORKERS_STORER_EVENTS_H
#define TROUPE_WORKERS_STORER_EVENTS_H

#include "ipc/base/clock.h"
#include "workers/storer/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_WHAT_SIZE 160
#define EVENT_PIECE	(3600 * NS_PER_S)
/* How far the two clocks may drift apart between two frames that match before it counts as a step.
 */
#define EVENT_STEP NS_PER_S

/* X(NAME, text in the catalogue) */
#define EVENT_KINDS(X)                                                                             \
	X(RECORDED, "recorded")                                                                    \
	X(MOTION, "motion")                                                                        \
	X(LABEL, "label")                                                                          \
	X(PREDICTION, "prediction")                                                                \
	X(LOST, "lost")                                                                            \
	X(DIED, "died")

enum event_kind {
#define EVENT_KIND_ENUM(name, text) EVENT_##name,
	EVENT_KINDS(EVENT_KIND_ENUM)
#undef EVENT_KIND_ENUM
		N_EVENT_KINDS
};

struct event {
	int64_t number; /* in the catalogue; 0: not entered yet */
	uint64_t run;
	char stream[NAME_SIZE]; /* "": of none */
	enum event_kind kind;
	char what[EVENT_WHAT_SIZE]; /* label, predicted label, why it was lost, who died of what */
	uint64_t first_seq, last_seq; /* 0: without frames */
	int64_t begun, ended;	      /* capture times of those frames, monotonic ns */
	int64_t begun_wall, ended_wall;
	uint64_t frames; /* that match; of a piece that goes on from another, without its first */
	double best;	 /* highest motion or probability; 1 for a label */
	bool open;	 /* the next frame may still belong to it */
};

/* When a frame counts. */
struct event_rules {
	double motion;	    /* at least so much of it, 0..1 */
	double probability; /* a prediction at least so sure, 0..1 */
	int64_t gap;	    /* ns without a matching frame that end a span */
};

/* What the storer's rows say unless they are set. */
#define EVENT_RULES_USUAL                                                                          \
	((struct event_rules){.motion = 0.002, .probability = 0.5, .gap = 2 * NS_PER_S})

struct tracked_event;

/* The spans that are open, of any streams and runs. */
struct events {
	struct event_rules rules;
	struct tracked_event *all;
	size_t n, room;
};

void events_init(struct events *events, const struct event_rules *rules);
void events_finish(struct events *events);

/* Goes on with a span that was open when somebody else stopped. TROUPE_E_MEMORY. */
int events_adopt(struct events *events, const struct event *event);

/* Takes the next record of its stream. One that was taken before changes nothing of the spans that
 * have it. TROUPE_E_MEMORY: some spans may have it and others not; begin anew from what was written
 * last. */
int events_take(struct events *events, const struct record *record);

/* Hands out each span that has changed since the last call, and lets go of those that are closed.
 * `put` writes it and sets its number; its error ends the call, and what is open has to be adopted
 * anew from what was written. */
typedef int event_put_fn(void *arg, struct event *event);
int events_flush(struct events *events, event_put_fn *put, void *arg);

/* The name of a kind, and the kind of a name (N_EVENT_KINDS: none). */
const char *event_kind_text(enum event_kind kind);
enum event_kind event_kind_of(const char *text);
/* Whether spans of this kind are made from frames; the others are told. */
bool event_of_frames(enum event_kind kind);

#endif
