/* Several processes on one ledger, killed at any instruction, any number of times. The parent plays
 * the supervisor and kills by chance; in the end every frame must have reached every tap it was
 * owed to, once, in order and whole, and nothing may be left in the ledger.
 *
 *   stress_ledger [--seconds N] [--kills N] [--seed N] [--drain N]
 *                 [--plant FAULT]
 *
 * The exit code is 0 when all was right. --plant commits a fault on purpose, to see the checks turn
 * red: see CMakeLists.txt for the faults, plant.c for those in the law of the word. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/check.h"
#include "ipc/slots/playback.h"
#include "tests/stress/crew.h"
#include "tests/stress/pattern.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BELLS_AT 100 /* descriptors of the bells */

struct options {
	int64_t seconds, drain; /* how long to kill; how long the rest may take to arrive */
	uint64_t kills, seed;
	const char *plant;
};

static int parse_options(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (!value)
			return TROUPE_E_ARGUMENT;
		if (strcmp(argv[i], "--seconds") == 0)
			o->seconds = strtoll(value, NULL, 10);
		else if (strcmp(argv[i], "--kills") == 0)
			o->kills = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			o->seed = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--drain") == 0)
			o->drain = strtoll(value, NULL, 10);
		else if (strcmp(argv[i], "--plant") == 0)
			o->plant = value;
		else
			return TROUPE_E_ARGUMENT;
	}
	return 0;
}

static int set_stage(struct crew *crew, struct ledger *ledger)
{
	int rc = stress_ledger_create(ledger);
	if (rc == 0)
		rc = bells_create(ledger, BELLS_AT);
	if (rc < 0)
		return rc;
	fcntl(ledger->fd, F_SETFD, 0); /* inherited */
	crew->stage_fd = memfd_create("stage", 0);
	if (crew->stage_fd < 0 || ftruncate(crew->stage_fd, sizeof(struct stage)) < 0)
		return TROUPE_E_SYSTEM;
	crew->stage = mmap(NULL, sizeof(struct stage), PROT_READ | PROT_WRITE, MAP_SHARED,
			   crew->stage_fd, 0);
	if (crew->stage == MAP_FAILED)
		return TROUPE_E_SYSTEM;
	crew->stage->mortal = 1;
	crew->ledger = ledger;
	return 0;
}

static void hire(struct crew *crew)
{
	for (uint32_t i = 0; i < STRESS_STREAMS; i++)
		crew_add(crew, ROLE_CAPTURE, i);
	for (uint32_t i = 0; i < 3; i++)
		crew_add(crew, ROLE_PROCESSOR, i);
	for (uint32_t i = 0; i < STRESS_TAPS; i++)
		crew_add(crew, ROLE_TAP, i);
	for (uint32_t i = 0; i < 2; i++)
		crew_add(crew, ROLE_PEEKER, i);
	crew_add(crew, ROLE_FILLER, 0);
	for (uint32_t i = 0; i < STRESS_ASKERS; i++)
		crew_add(crew, ROLE_ASKER, i);
	crew_fill(crew);
}

/* Recording on and off: what it changes is who is owed the frames published from then on. */
static void switch_tap(struct crew *crew)
{
	uint32_t stream = (uint32_t)(pattern_random(&crew->random) % STRESS_STREAMS);
	atomic_fetch_xor(&crew->ledger->streams[stream].taps_on, 2);
}

/* Whether anybody has died with a slot. */
static bool is_tried(const struct crew *crew)
{
	uint64_t slots = 0;
	for (int i = 0; i < N_ROLES; i++)
		slots += crew->deaths[i].filling + crew->deaths[i].held;
	return slots > 0;
}

/* Whether it is time to end: not before there was something to give back, however slow all is. */
static bool is_over(const struct crew *crew, const struct options *o, int64_t now, int64_t end)
{
	if (atomic_load(&crew->stage->errors))
		return true;
	return now >= end && (!o->kills || is_tried(crew) || now >= end + 30 * NS_PER_S);
}

static void kill_for_a_while(struct crew *crew, const struct options *o)
{
	int64_t end = clock_now() + o->seconds * NS_PER_S;
	uint64_t between = (uint64_t)(o->seconds * NS_PER_S) / (o->kills ? o->kills : 1);
	int64_t next = clock_now() + (int64_t)between;
	for (int64_t now = clock_now(); !is_over(crew, o, now, end); now = clock_now()) {
		if (o->kills && now >= next) {
			crew_kill_one(crew);
			if (pattern_random(&crew->random) % 4 == 0)
				crew_kill_one(crew); /* two at once */
			if (pattern_random(&crew->random) % 4 == 0)
				switch_tap(crew);
			next = now + (int64_t)(pattern_random(&crew->random) % (2 * between));
		}
		int64_t until = o->kills ? next : end;
		crew_bury(crew, until <= now ? 0 : clock_poll_ms(now, until) % 20);
		crew_fill(crew);
	}
}

static void print_words(const struct ledger *ledger)
{
	char text[128];
	for (uint32_t i = 0; i < ledger->header->n_slots; i++)
		dprintf(2, "  slot %u: %s\n", i,
			word_format(ledger_word(ledger, i), text, sizeof(text)));
}

/* No more kills and no more frames: all that is on its way must arrive, and everybody end. */
static void drain(struct crew *crew, int64_t seconds)
{
	int64_t deadline = clock_now() + seconds * NS_PER_S;
	atomic_store(&crew->stage->drain, 1);
	bells_ring_all(crew->ledger);
	while (clock_now() < deadline && !atomic_load(&crew->stage->errors)) {
		crew_bury(crew, 5);
		crew_fill(crew);
		if (ledger_quiet(crew->ledger) && !crew->posts[0].current &&
		    !crew->posts[1].current)
			break;
	}
	if (!ledger_quiet(crew->ledger) && !atomic_load(&crew->stage->errors)) {
		stage_wrong(crew->stage, "does not drain");
		print_words(crew->ledger);
	}
	atomic_store(&crew->stage->stop, 1);
	bells_ring_all(crew->ledger);
	deadline = clock_now() + seconds * NS_PER_S;
	while (clock_now() < deadline && crew_bury(crew, 50))
		;
	crew_end(crew);
}

static void judge_fault(void *arg, uint32_t slot, const char *what)
{
	stage_wrong(arg, "ledger_check: slot %d: %s", (int)slot, what);
}

static void judge(struct crew *crew)
{
	struct ledger *ledger = crew->ledger;
	const struct ledger_header *h = ledger->header;
	ledger_check(ledger, true, judge_fault, crew->stage);
	if (h->idle || h->asked || h->waiting || h->bells_all) {
		stage_wrong(crew->stage,
			    "the dead have left bits: idle %llx asked %llx waiting %llx",
			    (unsigned long long)h->idle, (unsigned long long)h->asked,
			    (unsigned long long)h->waiting);
	}
	for (uint32_t i = 0; i < PLAYBACK_SLOTS; i++) {
		char text[96];
		uint64_t word = playback_word(ledger, i);
		if (playback_unpack(word).phase != PLAYBACK_FREE)
			stage_wrong(crew->stage, "playback slot %u is not FREE: %s", i,
				    playback_format(word, text, sizeof(text)));
	}
	for (uint32_t i = 0; i < STRESS_STREAMS; i++) {
		uint32_t slot;
		uint64_t last = ledger_last_seq(ledger, i, &slot);
		if (ledger->streams[i].owner)
			stage_wrong(crew->stage, "stream %u still has an owner", i);
		for (uint32_t t = 0; t < STRESS_TAPS; t++) {
			uint64_t owed = slot == SLOT_NONE ? 0 : ledger->records[slot].ordinal[t];
			uint64_t n = tap_log_judge(crew->stage, crew->folder, i, t, last, owed);
			printf("stream %u: %llu frames, tap %u has %llu\n", i,
			       (unsigned long long)last, t, (unsigned long long)n);
		}
	}
}

static void report(const struct crew *crew)
{
	const struct stage *s = crew->stage;
	printf("published %llu, abandoned %llu, processed %llu, handed back %llu, bypassed %llu "
	       "(let go %llu), peeks %llu, torn %llu\n",
	       (unsigned long long)s->published, (unsigned long long)s->abandoned,
	       (unsigned long long)s->processed, (unsigned long long)s->handed_back,
	       (unsigned long long)s->bypassed, (unsigned long long)s->let_go,
	       (unsigned long long)s->peeks, (unsigned long long)s->torn);
	printf("played: answered %llu, unexpected %llu\n", (unsigned long long)s->answered,
	       (unsigned long long)s->unexpected);
	crew_print_deaths(crew);
}

static void remove_logs(const char *folder)
{
	char path[600];
	for (uint32_t i = 0; i < STRESS_STREAMS * STRESS_TAPS; i++) {
		snprintf(path, sizeof(path), "%s/tap-%u.stream-%u", folder, i / STRESS_STREAMS,
			 i % STRESS_STREAMS);
		unlink(path);
	}
	rmdir(folder);
}

int main(int argc, char **argv)
{
	crew_play_if_asked(argc, argv);
	struct options o = {.seconds = 8, .drain = 20, .kills = 400, .seed = 1, .plant = ""};
	char folder[] = "/tmp/troupe-stress-XXXXXX";
	struct ledger ledger;
	if (parse_options(argc, argv, &o) < 0) {
		fprintf(stderr, "usage: stress_ledger [--seconds N] [--kills N] [--seed N] "
				"[--drain N] [--plant FAULT]\n");
		return 2;
	}
	struct crew crew = {.folder = mkdtemp(folder), .plant = o.plant, .random = o.seed};
	setenv("STRESS_PLANT", o.plant, 1); /* for plant.c, in every process */
	int rc = set_stage(&crew, &ledger);
	if (!crew.folder || rc < 0) {
		fprintf(stderr, "stress_ledger: cannot set the stage: %s\n", error_text(rc));
		return 2;
	}
	hire(&crew);
	kill_for_a_while(&crew, &o);
	drain(&crew, o.drain);
	judge(&crew);
	report(&crew);
	remove_logs(folder);
	uint32_t errors = atomic_load(&crew.stage->errors);
	printf("stress: seed %llu: %s\n", (unsigned long long)o.seed, errors ? "RED" : "all right");
	bells_destroy(&ledger);
	ledger_finish(&ledger);
	munmap(crew.stage, sizeof(*crew.stage));
	close(crew.stage_fd);
	return errors ? 1 : 0;
}
