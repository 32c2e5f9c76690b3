/* The same players as threads on one mapping, for ThreadSanitizer: nobody dies, and everybody
 * sleeps until a bell rings and not a moment less, so that a ring that is missing stands out as a
 * run that does not drain.
 *
 *   stress_threads [--seconds N] */
#include "ipc/base/clock.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/check.h"
#include "ipc/slots/playback.h"
#include "ipc/slots/seats.h"
#include "tests/stress/players.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BELLS_AT      100
#define DRAIN_SECONDS 30

static const struct {
	enum role role;
	uint32_t number;
} cast[] = {
	{ROLE_CAPTURE, 0},   {ROLE_CAPTURE, 1}, {ROLE_PROCESSOR, 0}, {ROLE_PROCESSOR, 1},
	{ROLE_PROCESSOR, 2}, {ROLE_TAP, 0},	{ROLE_TAP, 1},	     {ROLE_PEEKER, 0},
	{ROLE_PEEKER, 1},    {ROLE_FILLER, 0},	{ROLE_ASKER, 0},     {ROLE_ASKER, 1},
};
#define N_CAST (sizeof(cast) / sizeof(cast[0]))

struct run {
	struct ledger ledger;
	struct stage stage;
	struct player players[N_CAST];
	pthread_t threads[N_CAST];
	char folder[40];
};

static void *play(void *player)
{
	player_run(player);
	return NULL;
}

static int start(struct run *run)
{
	if (stress_ledger_create(&run->ledger) < 0 || bells_create(&run->ledger, BELLS_AT) < 0 ||
	    !mkdtemp(run->folder))
		return -1;
	/* All seats first: seat_assign belongs to one thread. */
	for (size_t i = 0; i < N_CAST; i++) {
		run->players[i] = (struct player){
			.ledger = &run->ledger,
			.stage = &run->stage,
			.role = cast[i].role,
			.number = cast[i].number,
			.seat = (uint8_t)seat_assign(&run->ledger, role_name(cast[i].role), 1),
			.random = i + 1,
			.patience_ms = -1,
			.folder = run->folder,
			.plant = "",
		};
	}
	for (size_t i = 0; i < N_CAST; i++)
		if (pthread_create(&run->threads[i], NULL, play, &run->players[i]) != 0)
			return -1;
	return 0;
}

static bool captures_are_through(struct run *run)
{
	for (uint32_t i = 0; i < STRESS_STREAMS; i++)
		if (atomic_load(&run->ledger.streams[i].owner))
			return false;
	return true;
}

/* Rings nobody but the captures: whoever else is owed a bell has to get it from another player. */
static bool drain(struct run *run)
{
	int64_t deadline = clock_now() + DRAIN_SECONDS * NS_PER_S;
	atomic_store(&run->stage.drain, 1);
	bell_ring(&run->ledger, run->players[0].seat);
	bell_ring(&run->ledger, run->players[1].seat);
	while (!captures_are_through(run) || !ledger_quiet(&run->ledger)) {
		if (clock_now() > deadline)
			return false;
		nanosleep(&(struct timespec){.tv_nsec = 5 * NS_PER_MS}, NULL);
	}
	return true;
}

static void on_fault(void *arg, uint32_t slot, const char *what)
{
	stage_wrong(arg, "ledger_check: slot %d: %s", (int)slot, what);
}

static void judge(struct run *run)
{
	char path[80];
	ledger_check(&run->ledger, true, on_fault, &run->stage);
	for (size_t i = 0; i < N_CAST; i++) { /* what came when an asker had ended already */
		for (uint32_t slot;
		     (slot = playback_owed(&run->ledger, run->players[i].seat, 0)) != SLOT_NONE;)
			playback_give_back(&run->ledger, slot, run->players[i].seat);
	}
	if (!playback_quiet(&run->ledger) || run->stage.answered == 0)
		stage_wrong(&run->stage, "playback: %llu answered, and not all slots are FREE",
			    (unsigned long long)run->stage.answered);
	for (uint32_t i = 0; i < STRESS_STREAMS; i++) {
		uint32_t slot;
		uint64_t last = ledger_last_seq(&run->ledger, i, &slot);
		for (uint32_t t = 0; t < STRESS_TAPS && slot != SLOT_NONE; t++) {
			tap_log_judge(&run->stage, run->folder, i, t, last,
				      run->ledger.records[slot].ordinal[t]);
			snprintf(path, sizeof(path), "%s/tap-%u.stream-%u", run->folder, t, i);
			unlink(path);
		}
		printf("stream %u: %llu frames\n", i, (unsigned long long)last);
		if (last == 0)
			stage_wrong(&run->stage, "stream %u: no frame", i);
	}
	rmdir(run->folder);
}

int main(int argc, char **argv)
{
	static struct run run = {.folder = "/tmp/troupe-threads-XXXXXX"};
	int64_t seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? atoll(argv[2]) : 4;
	if (start(&run) < 0) {
		fprintf(stderr, "stress_threads: cannot start\n");
		return 2;
	}
	nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
	if (!drain(&run)) {
		/* Somebody sleeps for good: there is nobody to join. */
		fprintf(stderr, "stress: WRONG: does not drain, a bell was not rung\n");
		_exit(1);
	}
	atomic_store(&run.stage.stop, 1);
	bells_ring_all(&run.ledger);
	for (size_t i = 0; i < N_CAST; i++)
		pthread_join(run.threads[i], NULL);
	judge(&run);
	printf("peeks %llu, torn %llu, bypassed %llu\nstress: %s\n",
	       (unsigned long long)run.stage.peeks, (unsigned long long)run.stage.torn,
	       (unsigned long long)run.stage.bypassed, run.stage.errors ? "RED" : "all right");
	bells_destroy(&run.ledger);
	ledger_finish(&run.ledger);
	return run.stage.errors ? 1 : 0;
}
