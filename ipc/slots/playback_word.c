/* The law of a playback slot's word: one function a cause, each a pure step from word to word. */
#include "ipc/base/errors.h"
#include "ipc/slots/playback.h"

#include <stdio.h>

static const char *const phase_names[] = {
	[PLAYBACK_FREE] = "FREE",
	[PLAYBACK_FILLING] = "FILLING",
	[PLAYBACK_OWED] = "OWED",
};

static const char *const cause_names[] = {
#define PLAYBACK_CAUSE_NAME(name, who, from, to, text) [PLAYBACK_##name] = #name,
	PLAYBACK_CAUSES(PLAYBACK_CAUSE_NAME)
#undef PLAYBACK_CAUSE_NAME
};

const char *playback_phase_name(enum playback_phase phase)
{
	return phase < N_PLAYBACK_PHASES ? phase_names[phase] : "BROKEN";
}

const char *playback_cause_name(enum playback_cause cause)
{
	return cause < N_PLAYBACK_CAUSES ? cause_names[cause] : "UNKNOWN";
}

struct playback_word playback_unpack(uint64_t word)
{
	return (struct playback_word){
		.uses = word >> 24,
		.asker = word >> 16 & 0xff,
		.filler = word >> 8 & 0xff,
		.phase = word & 0xf,
	};
}

uint64_t playback_pack(struct playback_word parts)
{
	return parts.uses << 24 | (uint64_t)parts.asker << 16 | (uint64_t)parts.filler << 8 |
	       (uint64_t)(parts.phase & 0xf);
}

bool playback_legal(uint64_t word)
{
	struct playback_word w = playback_unpack(word);
	if ((word >> 4 & 0xf) || w.asker >= SEATS_MAX || w.filler >= SEATS_MAX)
		return false;
	switch (w.phase) {
	case PLAYBACK_FREE:
		return !w.asker && !w.filler;
	case PLAYBACK_FILLING:
		return w.uses && w.filler;
	case PLAYBACK_OWED:
		return w.uses && w.asker && !w.filler;
	default:
		return false;
	}
}

static void set_free(struct playback_word *w)
{
	*w = (struct playback_word){.uses = w->uses};
}

static int step_take(struct playback_word *w, uint8_t seat, uint8_t asker)
{
	if (w->phase != PLAYBACK_FREE)
		return TROUPE_E_STATE;
	if (!seat || !asker)
		return TROUPE_E_ARGUMENT;
	*w = (struct playback_word){
		.uses = w->uses + 1,
		.asker = asker,
		.filler = seat,
		.phase = PLAYBACK_FILLING,
	};
	return 0;
}

/* The step that makes it whole also frees it when nobody is owed it any more. */
static int step_owe(struct playback_word *w, uint8_t seat, uint8_t asker)
{
	(void)asker;
	if (w->phase != PLAYBACK_FILLING || w->filler != seat)
		return TROUPE_E_STATE;
	w->filler = 0;
	w->phase = PLAYBACK_OWED;
	if (!w->asker)
		set_free(w);
	return 0;
}

static int step_abandon(struct playback_word *w, uint8_t seat, uint8_t asker)
{
	(void)asker;
	if (w->phase != PLAYBACK_FILLING || w->filler != seat)
		return TROUPE_E_STATE;
	set_free(w);
	return 0;
}

static int step_give_back(struct playback_word *w, uint8_t seat, uint8_t asker)
{
	(void)asker;
	if (w->phase != PLAYBACK_OWED || w->asker != seat)
		return TROUPE_E_STATE;
	set_free(w);
	return 0;
}

/* A dead asker only leaves the word while a filler lives: that one is writing there. */
static int step_reclaim(struct playback_word *w, uint8_t seat, uint8_t asker)
{
	(void)asker;
	if (w->phase == PLAYBACK_FREE || !seat || (w->filler != seat && w->asker != seat))
		return TROUPE_E_STATE;
	if (w->filler && w->filler != seat)
		w->asker = 0;
	else
		set_free(w);
	return 0;
}

typedef int step_fn(struct playback_word *w, uint8_t seat, uint8_t asker);

static step_fn *const steps[N_PLAYBACK_CAUSES] = {
	[PLAYBACK_TAKE] = step_take,	   [PLAYBACK_OWE] = step_owe,
	[PLAYBACK_ABANDON] = step_abandon, [PLAYBACK_GIVE_BACK] = step_give_back,
	[PLAYBACK_RECLAIM] = step_reclaim,
};

int playback_step(uint64_t from, enum playback_cause cause, uint8_t seat, uint8_t asker,
		  uint64_t *to)
{
	if ((unsigned)cause >= N_PLAYBACK_CAUSES || seat >= SEATS_MAX || asker >= SEATS_MAX)
		return TROUPE_E_ARGUMENT;
	if (!playback_legal(from))
		return TROUPE_E_CORRUPT;
	struct playback_word w = playback_unpack(from);
	int rc = steps[cause](&w, seat, asker);
	if (rc == 0)
		*to = playback_pack(w);
	return rc;
}

char *playback_format(uint64_t word, char *out, size_t size)
{
	struct playback_word w = playback_unpack(word);
	char by[24] = "", whose[24] = "";
	if (w.filler)
		snprintf(by, sizeof(by), " by seat %u", w.filler);
	if (w.asker)
		snprintf(whose, sizeof(whose), " %s seat %u", w.filler ? "for" : "to", w.asker);
	snprintf(out, size, "use %llu %s%s%s", (unsigned long long)w.uses,
		 playback_phase_name(w.phase), by, whose);
	return out;
}

uint32_t playback_quota(uint32_t others)
{
	uint32_t share = PLAYBACK_SLOTS / (others + 1), most = PLAYBACK_SLOTS / 2;
	if (share < 1)
		return 1;
	return share < most ? share : most;
}
