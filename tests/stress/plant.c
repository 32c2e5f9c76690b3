/* Faults in the laws of the words, committed on purpose (`-Wl,--wrap=word_step` and
 * `--wrap=playback_step`): each must turn the stress red. Which one, the environment says; without
 * one the law is the real one. */
#include "ipc/base/errors.h"
#include "ipc/slots/playback.h"
#include "ipc/slots/word.h"

#include <stdlib.h>
#include <string.h>

/* The linker gives these names. NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_word_step(uint64_t from, enum word_cause cause, const struct word_args *args,
		     uint64_t *to);
int __wrap_word_step(uint64_t from, enum word_cause cause, const struct word_args *args,
		     uint64_t *to);
int __real_playback_step(uint64_t from, enum playback_cause cause, uint8_t seat, uint8_t asker,
			 uint64_t *to);
int __wrap_playback_step(uint64_t from, enum playback_cause cause, uint8_t seat, uint8_t asker,
			 uint64_t *to);

/* NOLINTEND(bugprone-reserved-identifier) */

typedef void plant_fn(enum word_cause cause, const struct slot_word *was, struct slot_word *is);

/* A frame that is finished is free at once, whoever is owed it. */
static void free_unsettled(enum word_cause cause, const struct slot_word *was, struct slot_word *is)
{
	(void)was;
	if (cause == CAUSE_FINISH && is->seq % 64 == 0)
		*is = (struct slot_word){.seq = is->seq};
}

/* One tap's settling settles for all. */
static void settle_for_all(enum word_cause cause, const struct slot_word *was, struct slot_word *is)
{
	(void)was;
	if (cause == CAUSE_SETTLE && !is->seat)
		*is = (struct slot_word){.seq = is->seq, .marks = is->marks};
}

/* A filling that came to nothing leaves no trace, so that the old number seems to be shown. */
static void unspoiled(enum word_cause cause, const struct slot_word *was, struct slot_word *is)
{
	(void)cause;
	if (was->phase == PHASE_FILLING && is->phase == PHASE_FREE && is->seq)
		is->marks = 0;
}

/* A bypassed frame forgets who may still be writing into it. */
static void forget_holder(enum word_cause cause, const struct slot_word *was, struct slot_word *is)
{
	(void)was;
	if (cause != CAUSE_BYPASS)
		return;
	is->seat = 0;
	is->phase = is->owed ? PHASE_DONE : PHASE_FREE;
}

/* What the dead held stays theirs. */
static void never_give_back(enum word_cause cause, const struct slot_word *was,
			    struct slot_word *is)
{
	if (cause == CAUSE_RECLAIM || cause == CAUSE_BLAME)
		*is = *was;
}

static const struct {
	const char *name;
	plant_fn *fn;
} plants[] = {
	{"free-unsettled", free_unsettled},
	{"settle-for-all", settle_for_all},
	{"unspoiled", unspoiled},
	{"forget-holder", forget_holder},
	{"never-give-back", never_give_back},
};

int __wrap_word_step(uint64_t from, enum word_cause cause, const struct word_args *args,
		     uint64_t *to)
{
	int rc = __real_word_step(from, cause, args, to);
	const char *plant = getenv("STRESS_PLANT");
	if (rc != 0 || !plant)
		return rc;
	struct slot_word was = word_unpack(from), is = word_unpack(*to);
	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++)
		if (strcmp(plants[i].name, plant) == 0)
			plants[i].fn(cause, &was, &is);
	*to = word_pack(is);
	return 0;
}

/* A dead asker's slot is free at once, though the filler still writes there; or nothing of a dead
 * one's is given back. */
int __wrap_playback_step(uint64_t from, enum playback_cause cause, uint8_t seat, uint8_t asker,
			 uint64_t *to)
{
	int rc = __real_playback_step(from, cause, seat, asker, to);
	const char *plant = getenv("STRESS_PLANT");
	if (rc != 0 || !plant || cause != PLAYBACK_RECLAIM)
		return rc;
	if (strcmp(plant, "free-under-filler") == 0)
		*to = playback_pack((struct playback_word){.uses = playback_unpack(from).uses});
	else if (strcmp(plant, "never-played-back") == 0)
		*to = from;
	return 0;
}
