/* The law of the slot word: one function a cause, each a pure step from word to word. */
#include "ipc/slots/word.h"

#include "ipc/base/errors.h"

#include <stdio.h>

static const char *const phase_names[] = {
	[PHASE_FREE] = "FREE", [PHASE_FILLING] = "FILLING", [PHASE_QUEUED] = "QUEUED",
	[PHASE_HELD] = "HELD", [PHASE_DONE] = "DONE",	    [PHASE_ASIDE] = "ASIDE",
};

static const char *const cause_names[] = {
#define WORD_CAUSE_NAME(name, who, from, to, text) [CAUSE_##name] = #name,
	WORD_CAUSES(WORD_CAUSE_NAME)
#undef WORD_CAUSE_NAME
};

const char *phase_name(enum phase phase)
{
	return phase < N_PHASES ? phase_names[phase] : "BROKEN";
}

const char *cause_name(enum word_cause cause)
{
	return cause < N_CAUSES ? cause_names[cause] : "UNKNOWN";
}

struct slot_word word_unpack(uint64_t word)
{
	return (struct slot_word){
		.seq = word >> 24,
		.owed = word >> 20 & 0xf,
		.attempts = word >> 16 & 0xf,
		.seat = word >> 8 & 0xff,
		.marks = word >> 4 & 0xf,
		.phase = word & 0xf,
	};
}

uint64_t word_pack(struct slot_word parts)
{
	return parts.seq << 24 | (uint64_t)(parts.owed & 0xf) << 20 |
	       (uint64_t)(parts.attempts & 0xf) << 16 | (uint64_t)parts.seat << 8 |
	       (uint64_t)(parts.marks & 0xf) << 4 | (uint64_t)(parts.phase & 0xf);
}

/* The one way into DONE, which is the way into FREE when nobody is owed anything and nobody holds
 * on: the step that clears the last reason to keep a slot also frees it. */
static void enter_done(struct slot_word *w)
{
	w->phase = w->owed || w->seat ? PHASE_DONE : PHASE_FREE;
	w->attempts = 0;
}

static int step_take(struct slot_word *w, const struct word_args *args)
{
	if (w->phase != PHASE_FREE)
		return TROUPE_E_STATE;
	w->phase = PHASE_FILLING;
	w->seat = args->seat;
	w->marks = MARK_SPOILED;
	return 0;
}

static int step_publish(struct slot_word *w, const struct word_args *args)
{
	if (w->phase != PHASE_FILLING || w->seat != args->seat || args->seq <= w->seq ||
	    args->seq > SEQ_MAX)
		return TROUPE_E_STATE;
	*w = (struct slot_word){.seq = args->seq, .owed = args->owed, .phase = PHASE_QUEUED};
	return 0;
}

static int step_abandon(struct slot_word *w, const struct word_args *args)
{
	if (w->phase != PHASE_FILLING || w->seat != args->seat)
		return TROUPE_E_STATE;
	w->phase = PHASE_FREE;
	w->seat = 0;
	return 0;
}

static int step_claim(struct slot_word *w, const struct word_args *args)
{
	if (w->phase != PHASE_QUEUED)
		return TROUPE_E_STATE;
	w->phase = PHASE_HELD;
	w->seat = args->seat;
	return 0;
}

static int step_finish(struct slot_word *w, const struct word_args *args)
{
	if (w->phase != PHASE_HELD || w->seat != args->seat)
		return TROUPE_E_STATE;
	w->seat = 0;
	enter_done(w);
	return 0;
}

static int step_hand_back(struct slot_word *w, const struct word_args *args)
{
	if (w->phase != PHASE_HELD || w->seat != args->seat)
		return TROUPE_E_STATE;
	w->phase = PHASE_QUEUED;
	w->seat = 0;
	return 0;
}

static int step_bypass(struct slot_word *w, const struct word_args *args)
{
	(void)args;
	if (w->phase != PHASE_QUEUED && w->phase != PHASE_HELD)
		return TROUPE_E_STATE;
	w->marks |= MARK_BYPASSED;
	enter_done(w);
	return 0;
}

static int step_let_go(struct slot_word *w, const struct word_args *args)
{
	if (w->phase != PHASE_DONE || !w->seat || w->seat != args->seat)
		return TROUPE_E_STATE;
	w->seat = 0;
	enter_done(w);
	return 0;
}

static int step_settle(struct slot_word *w, const struct word_args *args)
{
	uint8_t bit = (uint8_t)(1U << args->tap);
	if (w->phase != PHASE_DONE || !(w->owed & bit))
		return TROUPE_E_STATE;
	w->owed &= (uint8_t)~bit;
	enter_done(w);
	return 0;
}

/* The recording's tap is owed what it is owed for ever. */
static int step_write_off(struct slot_word *w, const struct word_args *args)
{
	uint8_t bit = (uint8_t)(1U << args->tap);
	bool owes = w->phase == PHASE_QUEUED || w->phase == PHASE_HELD || w->phase == PHASE_DONE;
	if (!owes || !(w->owed & bit) || args->tap == RECORDING_TAP)
		return TROUPE_E_STATE;
	w->owed &= (uint8_t)~bit;
	if (w->phase == PHASE_DONE)
		enter_done(w);
	return 0;
}

/* From whatever it says. The number that it gets is one that the stream has reached, so that the
 * next one does not come twice. */
static int step_set_aside(struct slot_word *w, const struct word_args *args)
{
	if (w->phase == PHASE_ASIDE && word_legal(word_pack(*w)))
		return TROUPE_E_STATE;
	if (args->seq > SEQ_MAX)
		return TROUPE_E_ARGUMENT;
	*w = (struct slot_word){.seq = args->seq, .phase = PHASE_ASIDE};
	return 0;
}

/* A frame that has just caused its last permitted death goes on unprocessed, marked. */
static void blame(struct slot_word *w)
{
	w->attempts++;
	if (w->attempts < QUARANTINE_ATTEMPTS)
		return;
	w->marks |= MARK_BYPASSED | MARK_QUARANTINED;
	enter_done(w);
}

static int give_back(struct slot_word *w, const struct word_args *args, bool fault)
{
	if (!args->seat || w->seat != args->seat)
		return TROUPE_E_STATE;
	w->seat = 0;
	switch (w->phase) {
	case PHASE_FILLING:
		w->phase = PHASE_FREE;
		return 0;
	case PHASE_HELD:
		w->phase = PHASE_QUEUED;
		if (fault)
			blame(w);
		return 0;
	case PHASE_DONE:
		enter_done(w);
		return 0;
	default:
		return TROUPE_E_STATE;
	}
}

static int step_reclaim(struct slot_word *w, const struct word_args *args)
{
	return give_back(w, args, false);
}

static int step_blame(struct slot_word *w, const struct word_args *args)
{
	return give_back(w, args, true);
}

typedef int step_fn(struct slot_word *w, const struct word_args *args);

static step_fn *const steps[N_CAUSES] = {
	[CAUSE_TAKE] = step_take,	    [CAUSE_PUBLISH] = step_publish,
	[CAUSE_ABANDON] = step_abandon,	    [CAUSE_CLAIM] = step_claim,
	[CAUSE_FINISH] = step_finish,	    [CAUSE_HAND_BACK] = step_hand_back,
	[CAUSE_BYPASS] = step_bypass,	    [CAUSE_LET_GO] = step_let_go,
	[CAUSE_SETTLE] = step_settle,	    [CAUSE_RECLAIM] = step_reclaim,
	[CAUSE_BLAME] = step_blame,	    [CAUSE_WRITE_OFF] = step_write_off,
	[CAUSE_SET_ASIDE] = step_set_aside,
};

int word_step(uint64_t from, enum word_cause cause, const struct word_args *args, uint64_t *to)
{
	if ((unsigned)cause >= N_CAUSES || args->seat >= SEATS_MAX || args->tap >= TAPS_MAX ||
	    args->owed >> TAPS_MAX)
		return TROUPE_E_ARGUMENT;
	if (cause != CAUSE_SET_ASIDE && !word_legal(from))
		return TROUPE_E_CORRUPT;
	struct slot_word w = word_unpack(from);
	int rc = steps[cause](&w, args);
	if (rc < 0)
		return rc;
	/* From a legal word nonsense comes only of nonsense: a holder that is nobody. */
	if (!word_legal(word_pack(w)))
		return TROUPE_E_ARGUMENT;
	*to = word_pack(w);
	return 0;
}

bool word_legal(uint64_t word)
{
	struct slot_word w = word_unpack(word);
	bool bypassed = w.marks & MARK_BYPASSED, spoiled = w.marks & MARK_SPOILED;
	if (w.marks > 7 || w.seat >= SEATS_MAX || w.attempts >= QUARANTINE_ATTEMPTS ||
	    ((w.marks & MARK_QUARANTINED) && !bypassed))
		return false;
	switch (w.phase) {
	case PHASE_FREE:
		return !w.seat && !w.owed && !w.attempts && !(spoiled && bypassed);
	case PHASE_FILLING:
		return w.seat && !w.owed && !w.attempts && w.marks == MARK_SPOILED;
	case PHASE_QUEUED:
		return !w.seat && w.seq && !w.marks;
	case PHASE_HELD:
		return w.seat && w.seq && !w.marks;
	case PHASE_DONE:
		return w.seq && !w.attempts && !spoiled && (w.owed || w.seat) &&
		       (!w.seat || bypassed);
	case PHASE_ASIDE:
		return !w.seat && !w.owed && !w.attempts && !w.marks;
	default:
		return false;
	}
}

bool word_shows(uint64_t word, uint64_t seq)
{
	struct slot_word w = word_unpack(word);
	return w.seq == seq && !(w.marks & MARK_SPOILED) &&
	       (w.phase == PHASE_FREE || w.phase == PHASE_DONE);
}

char *word_format(uint64_t word, char *out, size_t size)
{
	struct slot_word w = word_unpack(word);
	snprintf(out, size, "seq %llu %s seat %u attempts %u owed 0x%x%s%s%s",
		 (unsigned long long)w.seq, phase_name(w.phase), w.seat, w.attempts, w.owed,
		 w.marks & MARK_BYPASSED ? " bypassed" : "",
		 w.marks & MARK_QUARANTINED ? " quarantined" : "",
		 w.marks & MARK_SPOILED ? " spoiled" : "");
	return out;
}
