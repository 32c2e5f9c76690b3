/* Starting, killing and burying players. */
#include "tests/stress/crew.h"

#include "ipc/base/clock.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/seats.h"
#include "tests/stress/pattern.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Words of a player's command line, after the program's name. */
enum play_arg {
	ARG_PLAY = 1,
	ARG_ROLE,
	ARG_NUMBER,
	ARG_SEAT,
	ARG_SEED,
	ARG_LEDGER_FD,
	ARG_STAGE_FD,
	ARG_BELLS,
	ARG_PARENT,
	ARG_FOLDER,
	ARG_PLANT,
	N_PLAY_ARGS
};

static bool is_planted(const struct crew *crew, const char *name)
{
	return strcmp(crew->plant, name) == 0;
}

void crew_add(struct crew *crew, enum role role, uint32_t number)
{
	crew->posts[crew->n_posts++] = (struct post){.role = role, .number = number};
}

static struct process *free_row(struct crew *crew)
{
	for (uint32_t i = 0; i < PROCESSES_MAX; i++)
		if (crew->processes[i].pid == 0)
			return &crew->processes[i];
	return NULL;
}

static pid_t spawn_player(struct crew *crew, const struct post *post, uint8_t seat)
{
	char words[N_PLAY_ARGS][24];
	char *argv[N_PLAY_ARGS + 1] = {NULL};
	char folder[512], plant[32];
	const uint64_t values[] = {
		[ARG_ROLE] = post->role,
		[ARG_NUMBER] = post->number,
		[ARG_SEAT] = seat,
		[ARG_SEED] = pattern_random(&crew->random),
		[ARG_LEDGER_FD] = (uint64_t)crew->ledger->fd,
		[ARG_STAGE_FD] = (uint64_t)crew->stage_fd,
		[ARG_BELLS] = (uint64_t)crew->ledger->bell_base,
		[ARG_PARENT] = (uint64_t)getpid(),
	};
	for (int i = ARG_ROLE; i <= ARG_PARENT; i++) {
		snprintf(words[i], sizeof(words[i]), "%llu", (unsigned long long)values[i]);
		argv[i] = words[i];
	}
	snprintf(words[0], sizeof(words[0]), "stress-%s", role_name(post->role));
	snprintf(words[ARG_PLAY], sizeof(words[0]), "--play");
	snprintf(folder, sizeof(folder), "%s", crew->folder);
	snprintf(plant, sizeof(plant), "%s", crew->plant);
	argv[0] = words[0];
	argv[ARG_PLAY] = words[ARG_PLAY];
	argv[ARG_FOLDER] = folder;
	argv[ARG_PLANT] = plant;
	pid_t pid;
	return posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0 ? pid : 0;
}

/* Starts a process for a post, on a new seat or (a planted fault) on one that is not given back. */
static void start(struct crew *crew, uint32_t number, uint8_t planted_seat)
{
	struct post *post = &crew->posts[number];
	struct process *row = free_row(crew);
	char name[NAME_SIZE];
	snprintf(name, sizeof(name), "%s.%u", role_name(post->role), post->number);
	int seat = planted_seat ? planted_seat
				: seat_assign(crew->ledger, name, post->incarnation + 1);
	pid_t pid = row && seat > 0 ? spawn_player(crew, post, (uint8_t)seat) : 0;
	if (pid == 0) {
		stage_wrong(crew->stage, "no process or no seat for %s", name);
		return;
	}
	post->incarnation++;
	post->current = pid;
	*row = (struct process){.pid = pid,
				.pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
				.seat = (uint8_t)seat,
				.post = number};
}

void crew_fill(struct crew *crew)
{
	bool drain = atomic_load(&crew->stage->drain), stop = atomic_load(&crew->stage->stop);
	for (uint32_t i = 0; i < crew->n_posts; i++) {
		const struct post *post = &crew->posts[i];
		if (post->current == 0 && !stop && !(drain && post->role == ROLE_CAPTURE))
			start(crew, i, 0);
	}
}

void crew_kill_one(struct crew *crew)
{
	uint32_t number = (uint32_t)(pattern_random(&crew->random) % crew->n_posts);
	struct post *post = &crew->posts[number];
	bool early = pattern_random(&crew->random) % 2;
	for (uint32_t i = 0; i < PROCESSES_MAX; i++) {
		const struct process *victim = &crew->processes[i];
		if (victim->pid == 0 || victim->pid != post->current)
			continue;
		if (is_planted(crew, "early-reclaim")) {
			struct reclaimed what;
			seat_reclaim(crew->ledger, victim->seat, false, &what);
			return; /* it lives on, and thinks that it holds what it held */
		}
		kill(victim->pid, SIGKILL);
		post->current = 0;
		if (is_planted(crew, "seat-reuse"))
			start(crew, number, victim->seat);
		else if (early)
			start(crew, number, 0);
		return;
	}
}

static void count_death(struct deaths *d, bool fault, bool asked, const struct reclaimed *what)
{
	d->by_itself += fault;
	d->killed += !fault && !asked;
	d->filling += what->filling;
	d->held += what->held;
	d->bypassed += what->bypassed;
	d->quarantined += what->quarantined;
	d->playback += what->playback;
	bool charge = what->streams || what->taps;
	bool slot = what->filling || what->held || what->bypassed || what->playback;
	d->charge += charge && !slot;
	d->nothing += !charge && !slot && !asked;
}

/* The kernel says that it is dead: gives back what it held. */
static void bury(struct crew *crew, struct process *dead)
{
	siginfo_t info = {0};
	struct post *post = &crew->posts[dead->post];
	struct reclaimed what;
	if (waitid(P_PIDFD, (id_t)dead->pidfd, &info, WEXITED) < 0)
		return;
	bool killed = info.si_code == CLD_KILLED && info.si_status == SIGKILL;
	bool asked = info.si_code == CLD_EXITED && info.si_status == 0;
	bool aborted = info.si_code == CLD_KILLED && info.si_status == SIGABRT;
	if (!killed && !asked && !(aborted && post->role == ROLE_PROCESSOR))
		stage_wrong(crew->stage, "%s %u ended by code %d, status %d", role_name(post->role),
			    post->number, info.si_code, info.si_status);
	seat_reclaim(crew->ledger, dead->seat, !killed && !asked, &what);
	bells_ring_all(crew->ledger);
	count_death(&crew->deaths[post->role], !killed && !asked, asked, &what);
	if (post->current == dead->pid)
		post->current = 0;
	close(dead->pidfd);
	*dead = (struct process){0};
}

uint32_t crew_bury(struct crew *crew, int ms)
{
	struct pollfd fds[PROCESSES_MAX];
	uint32_t lives = 0;
	for (uint32_t i = 0; i < PROCESSES_MAX; i++) {
		fds[i] = (struct pollfd){.fd = crew->processes[i].pid ? crew->processes[i].pidfd
								      : -1,
					 .events = POLLIN};
	}
	poll(fds, PROCESSES_MAX, ms);
	for (uint32_t i = 0; i < PROCESSES_MAX; i++) {
		/* Some dead are buried late: their successors may already be there, and wait. */
		bool late =
			!atomic_load(&crew->stage->stop) && pattern_random(&crew->random) % 8 == 0;
		if (fds[i].fd >= 0 && fds[i].revents && !late)
			bury(crew, &crew->processes[i]);
		lives += crew->processes[i].pid != 0;
	}
	return lives;
}

void crew_end(struct crew *crew)
{
	atomic_store(&crew->stage->stop, 1);
	for (uint32_t i = 0; i < PROCESSES_MAX; i++)
		if (crew->processes[i].pid)
			kill(crew->processes[i].pid, SIGKILL);
	while (crew_bury(crew, 100))
		;
}

void crew_print_deaths(const struct crew *crew)
{
	printf("%-10s %7s %7s | %7s %7s %8s %8s %7s %7s | %s\n", "died", "killed", "aborted",
	       "FILLING", "HELD", "bypassed", "playback", "charge", "nothing", "quarantined");
	for (int i = 0; i < N_ROLES; i++) {
		const struct deaths *d = &crew->deaths[i];
		printf("%-10s %7llu %7llu | %7llu %7llu %8llu %8llu %7llu %7llu | %llu\n",
		       role_name((enum role)i), (unsigned long long)d->killed,
		       (unsigned long long)d->by_itself, (unsigned long long)d->filling,
		       (unsigned long long)d->held, (unsigned long long)d->bypassed,
		       (unsigned long long)d->playback, (unsigned long long)d->charge,
		       (unsigned long long)d->nothing, (unsigned long long)d->quarantined);
	}
}

/* ---- in the player's process ---- */

static uint64_t number_of(char **argv, enum play_arg arg)
{
	return strtoull(argv[arg], NULL, 10);
}

void crew_play_if_asked(int argc, char **argv)
{
	struct ledger ledger;
	if (argc != N_PLAY_ARGS || strcmp(argv[ARG_PLAY], "--play") != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != (pid_t)number_of(argv, ARG_PARENT))
		_exit(3);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* who aborts here does so on purpose */
	struct stage *stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED,
				   (int)number_of(argv, ARG_STAGE_FD), 0);
	if (stage == MAP_FAILED ||
	    ledger_attach(&ledger, (int)number_of(argv, ARG_LEDGER_FD), true) != 0)
		_exit(4);
	ledger.bell_base = (int)number_of(argv, ARG_BELLS);
	struct player player = {
		.ledger = &ledger,
		.stage = stage,
		.role = (enum role)number_of(argv, ARG_ROLE),
		.number = (uint32_t)number_of(argv, ARG_NUMBER),
		.seat = (uint8_t)number_of(argv, ARG_SEAT),
		.random = number_of(argv, ARG_SEED),
		.patience_ms = 100,
		.folder = argv[ARG_FOLDER],
		.plant = argv[ARG_PLANT],
	};
	player_run(&player);
	ledger_finish(&ledger);
	exit(0);
}
