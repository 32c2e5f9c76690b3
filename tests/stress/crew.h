/* The supervisor of the stress: a post a player, processes that hold it one after another, their
 * deaths, and what is given back after each. */
#ifndef TROUPE_TESTS_STRESS_CREW_H
#define TROUPE_TESTS_STRESS_CREW_H

#include "tests/stress/players.h"

#include <sys/types.h>

#define POSTS_MAX     16
#define PROCESSES_MAX 48

struct process {
	pid_t pid; /* 0: this row is not in use */
	int pidfd;
	uint8_t seat;
	uint32_t post;
};

struct post {
	enum role role;
	uint32_t number;
	uint32_t incarnation;
	pid_t current; /* who plays it; 0: nobody */
};

/* What the dead held when they died, by role. */
struct deaths {
	uint64_t killed, by_itself, filling, held, bypassed, playback, charge, quarantined, nothing;
};

struct crew {
	struct ledger *ledger;
	struct stage *stage;
	int stage_fd;
	const char *folder, *plant;
	uint64_t random;
	struct post posts[POSTS_MAX];
	uint32_t n_posts;
	struct process processes[PROCESSES_MAX];
	struct deaths deaths[N_ROLES];
};

void crew_add(struct crew *crew, enum role role, uint32_t number);

/* Starts a process for every post that has none and should have one. */
void crew_fill(struct crew *crew);

/* kill -9 for one player chosen by chance; half the time its successor starts before it is dead. */
void crew_kill_one(struct crew *crew);

/* Waits up to `ms` for deaths, and gives back what the dead held. Returns how many processes live.
 */
uint32_t crew_bury(struct crew *crew, int ms);

/* Kills whoever is left. */
void crew_end(struct crew *crew);

void crew_print_deaths(const struct crew *crew);

/* The other end of a spawn: plays if argv says so and does not return then. */
void crew_play_if_asked(int argc, char **argv);

#endif
