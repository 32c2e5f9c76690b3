/* What the machine can do just now, and whether somebody else uses it. */
#ifndef TROUPE_TOOLS_BENCH_MACHINE_H
#define TROUPE_TOOLS_BENCH_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct children;

/* CPU time since some moment, in seconds, of all cores together. */
struct machine_times {
	double busy, steal; /* of everybody; of the hypervisor's other guests */
	double own;	    /* of this process and the children it has waited for */
	double pressure;    /* somebody had to wait for a core (PSI); 0 without PSI */
	int64_t at;	    /* monotonic ns */
};

/* What two moments differ by, as shares of one core (pressure: of the time). */
struct machine_load {
	double others, steal, pressure;
};

struct machine {
	int cores;
	int first, second; /* two CPUs that we may use; the same when there is only one */
	double one, two;   /* burner's rounds per second: alone, and each of two at once */
	double slowdown;   /* one / two, never below 1: how much slower two run beside each other */
	double ratio;	   /* 2 two / one: what two cores are worth; ideally 2 */
	double loadavg;	   /* of the last minute, for the record */
	struct machine_load load;   /* before */
	struct machine_load during; /* while the bench ran */
	struct machine_load after;
	bool busy_before, busy_after; /* the latter: during or after */
	char why[160];		      /* "machine busy" by what; "" when it is not */
};

struct machine_times machine_times(void);
struct machine_load machine_load(const struct machine_times *from, const struct machine_times *to);

/* Looks for `window` ns at a machine on which this program sleeps, then burns one and two cores.
 * 0 or an error; TROUPE_E_AGAIN: interrupted. */
int machine_measure(struct machine *machine, struct children *children, int64_t window);

/* After the run that began at `begun`: whether it had the machine for itself, and has it still. All
 * its children must have ended. */
int machine_look_again(struct machine *machine, const struct machine_times *begun, int64_t window);

/* Lets a process with all its threads run on one CPU only, -1: on any. 0 or an error. */
int machine_pin(int pid, int cpu);

#endif
