/* Figures, and what the benches share: progress, errors, sleeping until somebody interrupts. */
#include "tools/bench/bench.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* A sleep is cut into pieces: a signal that comes just before one is seen after it. */
#define SLEEP_PIECE (100 * NS_PER_MS)

/* ---- figures ---- */

static double corrected(const struct bench *bench, enum figure_kind kind, bool two, double value)
{
	if (!two || kind == FIGURE_COUNT)
		return value;
	return kind == FIGURE_TIME ? value / bench->machine.slowdown
				   : value * bench->machine.slowdown;
}

static bool is_reached(const struct figure *figure)
{
	switch (figure->target) {
	case TARGET_RATIO_AT_MOST:
		return figure->ratio <= figure->limit;
	case TARGET_RATIO_AT_LEAST:
		return figure->ratio >= figure->limit;
	case TARGET_MEDIAN_AT_MOST:
		return figure->median <= figure->limit;
	case TARGET_MEDIAN_AT_LEAST:
		return figure->median >= figure->limit;
	case TARGET_P99_AT_MOST:
		return figure->p99 <= figure->limit;
	default:
		return true;
	}
}

int figure_add(struct bench *bench, const struct figure *measured)
{
	if (bench->n_figures == FIGURES_MAX)
		return TROUPE_E_FULL;
	struct figure *figure = &bench->figures[bench->n_figures++];
	*figure = *measured;
	figure->bench = bench->row->name;
	figure->raw_median = figure->median;
	figure->raw_p99 = figure->p99;
	figure->raw_baseline = figure->baseline_median;
	figure->median = corrected(bench, figure->kind, figure->two_processes, figure->median);
	figure->p99 = corrected(bench, figure->kind, figure->two_processes, figure->p99);
	figure->baseline_median = corrected(bench, figure->kind, figure->baseline_two_processes,
					    figure->baseline_median);
	figure->ratio = figure->baseline[0] ? figure->median / figure->baseline_median : NAN;
	figure->reached = is_reached(figure);
	return 0;
}

void figure_take(struct figure *figure, struct samples *samples)
{
	figure->n = samples->n;
	figure->median = samples_quantile(samples, 0.5);
	figure->p99 = samples_quantile(samples, figure->kind == FIGURE_RATE ? 0.01 : 0.99);
}

/* ---- time ---- */

int bench_sleep_until(int64_t time)
{
	while (!bench_interrupted()) {
		int64_t left = time - clock_now();
		if (left <= 0)
			return 0;
		if (left > SLEEP_PIECE)
			left = SLEEP_PIECE;
		struct timespec span = {.tv_nsec = left};
		nanosleep(&span, NULL);
	}
	return TROUPE_E_AGAIN;
}

/* ---- words ---- */

static void clear_progress(struct bench *bench)
{
	if (bench->progress_shown)
		fputs("\r\033[K", stderr);
	bench->progress_shown = false;
}

void bench_progress(struct bench *bench, const char *format, ...)
{
	va_list args;
	if (!isatty(STDERR_FILENO))
		return;
	clear_progress(bench);
	if (!format)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	bench->progress_shown = true;
}

int bench_error(struct bench *bench, int rc, const char *format, ...)
{
	va_list args;
	clear_progress(bench);
	fputs("troupe bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return rc;
}
