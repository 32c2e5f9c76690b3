/* Measuring the machine: a burn on one core and on two, and who else is at work. */
#include "tools/bench/machine.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/bench.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* From here on a machine is busy: shares of one core. */
#define BUSY_OTHERS 0.08
#define BUSY_STEAL  0.02

#define BURN_TIME   (200 * NS_PER_MS)
#define BURN_ROUNDS 3 /* alone, both, alone, both, …: a drift hits both alike; the best counts */

/* ---- who else ---- */

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double own_seconds(void)
{
	struct rusage self, children;
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return seconds_of(self.ru_utime) + seconds_of(self.ru_stime) +
	       seconds_of(children.ru_utime) + seconds_of(children.ru_stime);
}

/* "some … total=MICROSECONDS" */
static double pressure_seconds(void)
{
	double total = 0;
	FILE *file = fopen("/proc/pressure/cpu", "re");
	if (!file)
		return 0;
	if (fscanf(file, "some %*s %*s %*s total=%lf", &total) != 1)
		total = 0;
	fclose(file);
	return total / 1e6;
}

struct machine_times machine_times(void)
{
	struct machine_times times = {.own = own_seconds(), .pressure = pressure_seconds()};
	double user = 0, nice = 0, system = 0, irq = 0, softirq = 0, steal = 0;
	double ticks = (double)sysconf(_SC_CLK_TCK);
	FILE *file = fopen("/proc/stat", "re");
	if (file && fscanf(file, "cpu %lf %lf %lf %*f %*f %lf %lf %lf", &user, &nice, &system, &irq,
			   &softirq, &steal) == 6) {
		times.busy = (user + nice + system + irq + softirq) / ticks;
		times.steal = steal / ticks;
	}
	if (file)
		fclose(file);
	times.at = clock_now();
	return times;
}

struct machine_load machine_load(const struct machine_times *from, const struct machine_times *to)
{
	double span = (double)(to->at - from->at) / (double)NS_PER_S;
	double others = (to->busy - from->busy) - (to->own - from->own);
	if (span <= 0)
		return (struct machine_load){0};
	return (struct machine_load){
		.others = fmax(others / span, 0),
		.steal = (to->steal - from->steal) / span,
		.pressure = (to->pressure - from->pressure) / span,
	};
}

/* The load while we sleep. */
static int look(struct machine_load *load, int64_t window)
{
	struct machine_times from = machine_times();
	int rc = bench_sleep_until(from.at + window);
	struct machine_times to = machine_times();
	*load = machine_load(&from, &to);
	return rc;
}

static bool is_busy(const struct machine_load *load, const char *when, char *why, size_t size)
{
	bool busy = load->others > BUSY_OTHERS || load->steal > BUSY_STEAL;
	if (busy) {
		snprintf(why, size,
			 "%s other processes used %.0f %% of a core, the hypervisor took %.0f %% "
			 "of one",
			 when, load->others * 100, load->steal * 100);
	}
	return busy;
}

/* ---- the burn ---- */

struct burn {
	_Atomic int64_t start;	    /* when all begin */
	_Atomic uint64_t rounds[2]; /* of each burner */
	_Atomic int ready;
};

static void burner(struct burn *burn, int index, int cpu)
{
	uint64_t value = 88172645463325252u, rounds = 0;
	machine_pin(0, cpu);
	atomic_fetch_add(&burn->ready, 1);
	while (clock_now() < atomic_load(&burn->start)) {
	}
	for (int64_t end = atomic_load(&burn->start) + BURN_TIME; clock_now() < end; rounds++) {
		for (int i = 0; i < 10000; i++) { /* xorshift: nothing but the core's own work */
			value ^= value << 13;
			value ^= value >> 7;
			value ^= value << 17;
		}
	}
	atomic_store(&burn->rounds[index], rounds + (value == 0));
}

/* Burns on n cores at once; *each: rounds per second of the slowest of them. */
static int burn_cores(struct burn *burn, struct children *children, const int *cpus, int n,
		      double *each)
{
	pid_t pids[2];
	int rc = 0;
	atomic_store(&burn->ready, 0);
	atomic_store(&burn->start, CLOCK_NEVER / 2);
	for (int i = 0; i < n; i++) {
		pids[i] = children_fork(children);
		if (pids[i] == 0) {
			burner(burn, i, cpus[i]);
			_exit(0);
		}
		if (pids[i] < 0)
			return error_from_errno(errno);
	}
	while (atomic_load(&burn->ready) < n && rc == 0)
		rc = bench_sleep_until(clock_now() + NS_PER_MS);
	atomic_store(&burn->start, clock_now() + NS_PER_MS);
	for (int i = 0; i < n && rc == 0; i++)
		rc = children_wait(children, pids[i], clock_now() + 60 * NS_PER_S, NULL);
	uint64_t least = atomic_load(&burn->rounds[0]);
	if (n == 2 && atomic_load(&burn->rounds[1]) < least)
		least = atomic_load(&burn->rounds[1]);
	*each = fmax(*each, (double)least / ((double)BURN_TIME / (double)NS_PER_S));
	return rc;
}

static int burn_all(struct machine *machine, struct children *children)
{
	const int cpus[] = {machine->first, machine->second};
	int rc = 0;
	struct burn *burn = mmap(NULL, sizeof(*burn), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (burn == MAP_FAILED)
		return TROUPE_E_MEMORY;
	for (int round = 0; round < BURN_ROUNDS && rc == 0; round++) {
		rc = burn_cores(burn, children, cpus, 1, &machine->one);
		if (rc == 0)
			rc = burn_cores(burn, children, cpus, 2, &machine->two);
	}
	munmap(burn, sizeof(*burn));
	machine->slowdown = machine->two > 0 ? fmax(machine->one / machine->two, 1) : 1;
	machine->ratio = 2 / machine->slowdown;
	return rc;
}

/* ---- all of it ---- */

static void find_cpus(struct machine *machine)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	machine->cores = CPU_COUNT(&set);
	machine->first = machine->second = -1;
	for (int cpu = 0; cpu < CPU_SETSIZE && machine->second < 0; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (machine->first < 0)
			machine->first = cpu;
		else
			machine->second = cpu;
	}
	if (machine->second < 0)
		machine->second = machine->first;
}

int machine_measure(struct machine *machine, struct children *children, int64_t window)
{
	*machine = (struct machine){0};
	find_cpus(machine);
	if (getloadavg(&machine->loadavg, 1) < 1)
		machine->loadavg = 0;
	int rc = look(&machine->load, window);
	machine->busy_before =
		is_busy(&machine->load, "before it began,", machine->why, sizeof(machine->why));
	return rc < 0 ? rc : burn_all(machine, children);
}

int machine_look_again(struct machine *machine, const struct machine_times *begun, int64_t window)
{
	struct machine_times now = machine_times();
	machine->during = machine_load(begun, &now);
	int rc = look(&machine->after, window);
	machine->busy_after =
		is_busy(&machine->during, "while it ran,", machine->why, sizeof(machine->why)) ||
		is_busy(&machine->after, "when it had ended,", machine->why, sizeof(machine->why));
	return rc;
}

static int pin_thread(int tid, int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (cpu < 0 || i == cpu)
			CPU_SET(i, &set);
	return sched_setaffinity(tid, sizeof(set), &set) < 0 ? error_from_errno(errno) : 0;
}

int machine_pin(int pid, int cpu)
{
	char path[64];
	int rc = 0;
	if (pid == 0)
		return pin_thread(0, cpu);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *folder = opendir(path);
	if (!folder)
		return error_from_errno(errno);
	for (struct dirent *entry = readdir(folder); entry && rc == 0; entry = readdir(folder))
		if (entry->d_name[0] != '.')
			rc = pin_thread((int)strtol(entry->d_name, NULL, 10), cpu);
	closedir(folder);
	return rc;
}
