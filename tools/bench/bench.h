/* What every bench of `troupe bench` shares. A bench is a row: a name and a function that measures
 * and says what it found, figure by figure. The program around it measures the machine before and
 * after, prints, and clears up.
 *
 * One bench at a time, one thread, unless a bench says otherwise. */
#ifndef TROUPE_TOOLS_BENCH_BENCH_H
#define TROUPE_TOOLS_BENCH_BENCH_H

#include "tools/bench/children.h"
#include "tools/bench/machine.h"
#include "tools/bench/samples.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIGURES_MAX	 128
#define FIGURE_EXTRAS	 6
#define FIGURE_NAME_SIZE 64

/* What is measured, which says how a busy neighbour core distorts it. */
enum figure_kind {
	FIGURE_TIME,  /* a span; two processes at once take longer: divided by the slow-down */
	FIGURE_RATE,  /* per second; two processes at once do less: multiplied by it */
	FIGURE_COUNT, /* neither */
};

/* What has to be reached, and by which number. */
enum figure_target {
	TARGET_NONE,
	TARGET_RATIO_AT_MOST,
	TARGET_RATIO_AT_LEAST,
	TARGET_MEDIAN_AT_MOST,
	TARGET_MEDIAN_AT_LEAST,
	TARGET_P99_AT_MOST,
};

/* A number beside the figure: "same CPU" 43 "%". In JSON its name with '_' for ' ' is a key. */
struct figure_extra {
	const char *name; /* a literal; NULL: unused */
	double value;
	const char *unit; /* a literal, "" for none */
};

/* One line of the table. The bench fills what it measured, figure_add() the rest. */
struct figure {
	char name[FIGURE_NAME_SIZE]; /* "hop 30/s, unpinned" */
	const char *unit;	     /* "µs"; a literal */
	enum figure_kind kind;
	bool two_processes;		 /* two processes worked at once for it */
	size_t n;			 /* how many values */
	double median, p99;		 /* as measured */
	char baseline[FIGURE_NAME_SIZE]; /* what it is compared with; "": nothing */
	bool baseline_two_processes;
	size_t baseline_n;
	double baseline_median; /* in the same unit; of the same run */
	enum figure_target target;
	double limit;
	struct figure_extra extra[FIGURE_EXTRAS];

	/* by figure_add */
	const char *bench;			  /* the name of its row */
	double raw_median, raw_p99, raw_baseline; /* as measured; the ones above are corrected */
	double ratio;				  /* median / baseline_median; NAN without one */
	bool reached;				  /* its target; true without one */
};

struct bench_row;

struct bench {
	const struct bench_row *row;
	bool json, force;
	const char *where; /* the folder in which `folder` is made */
	double seconds;	   /* to spend on measuring, altogether */
	uint64_t frames;   /* of a catalogue that is made, see catalogue.h */
	char folder[64]; /* of this run alone, removed with everything in it at the end; its path is
			    short enough for sockets below it */
	char memory[64]; /* a folder like it on a file system in memory; where there is none,
			    `folder` */
	struct children children;
	struct machine machine;
	struct figure figures[FIGURES_MAX];
	size_t n_figures;
	bool progress_shown;
};

struct bench_row {
	const char *name;
	const char *summary; /* one line for --help */
	const char *details; /* what exactly is measured, for --help; may be NULL */
	double seconds;	     /* for which it measures unless --seconds says another */
	double frames;	     /* of a catalogue that it makes, unless --frames says another */
	/* Measures. 0, or an error that it has explained with bench_error(); TROUPE_E_AGAIN when
	 * it was interrupted. Need not clear up processes and files of bench->folder. */
	int (*run)(struct bench *bench);
};

/* The rows end with one whose name is NULL (rows.c). */
extern const struct bench_row bench_rows[];

int hop_run(struct bench *bench);
int store_run(struct bench *bench);
int restart_run(struct bench *bench);
int pipeline_run(struct bench *bench);
int search_run(struct bench *bench);
int operate_run(struct bench *bench);

/* Adds a figure: corrects it (see figure_kind), compares it. TROUPE_E_FULL. */
int figure_add(struct bench *bench, const struct figure *measured);
/* Fills n, median and p99, which is the bad end: the value that 99 % are no worse than. */
void figure_take(struct figure *figure, struct samples *samples);

/* Whether somebody pressed Ctrl-C or asked the program to end: a bench returns TROUPE_E_AGAIN then.
 * Sleeping calls return EINTR. */
bool bench_interrupted(void);

/* Sleeps until then (monotonic ns). 0 or TROUPE_E_AGAIN. */
int bench_sleep_until(int64_t time);

/* What is being done, on a terminal; one line that the next one overwrites. NULL: nothing any more.
 */
void bench_progress(struct bench *bench, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Removes a folder and everything in it; "" and what is not there are fine. */
void bench_remove(const char *folder);

/* "troupe bench: text" on stderr; returns `rc`. */
int bench_error(struct bench *bench, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
