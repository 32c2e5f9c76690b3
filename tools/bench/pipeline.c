/* `troupe bench pipeline`: what more processors bring, and what concurrency costs. */
#include "tools/bench/pipeline.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <math.h>
#include <stdio.h>

/* Two processors on two CPUs against one on one, where two CPUs are worth so much of one. */
#define TARGET_SPEED 1.8
#define TARGET_BURN  1.9

/* CPU a frame, of the reference's. */
#define TARGET_CPU 1.15

/* More CPUs than this are not asked for. */
#define PROCESSORS_MAX 16

/* Each round measures every setting once, so that a drift of the machine hits all alike. */
#define ROUNDS		5
#define ROUNDS_IN_HASTE 1
#define HASTE		30.0 /* seconds: with less than this there is one round */

/* What a run takes beside its span, seconds; and its shortest span. */
#define OVERHEAD 2.5
#define SPAN_MIN (500 * NS_PER_MS)

/* What all rounds came to, in one setting. */
struct tally {
	struct pipeline_setting setting;
	char name[48];
	struct samples rate, cpu, parallel;
};

enum { REFERENCE, ONE, SETTINGS_MAX = ONE + PROCESSORS_MAX + 1 };

struct pipeline {
	/* The reference; from ONE on k = 1, 2, … processors on k CPUs; one processor on all. */
	struct tally tally[SETTINGS_MAX];
	size_t end; /* behind the last k */
	size_t n;
};

static void set_up(struct pipeline *pipeline, int cores)
{
	int most = cores < PROCESSORS_MAX ? cores : PROCESSORS_MAX;
	struct tally *tally = pipeline->tally;
	tally[REFERENCE] = (struct tally){.name = "sequential"};
	for (int k = 1; k <= most; k++) {
		tally[k] = (struct tally){.setting = {.processors = k, .cpus = k}};
		snprintf(tally[k].name, sizeof(tally[k].name), "%d processor%s on %d CPU%s", k,
			 k > 1 ? "s" : "", k, k > 1 ? "s" : "");
	}
	pipeline->n = pipeline->end = (size_t)most + 1;
	if (most > 1) {
		tally[pipeline->n] = (struct tally){.setting = {.processors = 1, .cpus = most}};
		snprintf(tally[pipeline->n].name, sizeof(tally[0].name), "1 processor on %d CPUs",
			 most);
		pipeline->n++;
	}
}

/* Work was done on more than one CPU. */
static bool shares(const struct tally *tally)
{
	return tally->setting.cpus > 1;
}

/* ---- Amdahl: time a frame with k processors on k CPUs = serial + parallel / k ---- */

struct amdahl {
	double serial, parallel; /* ms a frame */
};

/* Frames a second, had the CPUs not slowed each other down. */
static double rate_of(const struct bench *bench, struct tally *tally)
{
	return samples_quantile(&tally->rate, 0.5) * (shares(tally) ? bench->machine.slowdown : 1);
}

/* Least squares over all k; with two of them it goes through both. */
static struct amdahl fit(const struct bench *bench, struct pipeline *pipeline)
{
	double n = 0, x = 0, y = 0, xx = 0, xy = 0;
	for (size_t k = ONE; k < pipeline->end; k++) {
		double share = 1.0 / (double)k, time = 1000 / rate_of(bench, &pipeline->tally[k]);
		n++;
		x += share;
		y += time;
		xx += share * share;
		xy += share * time;
	}
	double slope = (n * xy - x * y) / (n * xx - x * x);
	return (struct amdahl){.serial = (y - slope * x) / n, .parallel = slope};
}

static void add_amdahl(const struct bench *bench, struct pipeline *pipeline, size_t k,
		       struct figure *figure)
{
	struct amdahl fitted = fit(bench, pipeline);
	double whole = fitted.serial + fitted.parallel;
	figure->extra[0] = (struct figure_extra){"serial", fitted.serial * 100 / whole, "%"};
	figure->extra[1] = (struct figure_extra){
		"Amdahl predicts", 1000 / (fitted.serial + fitted.parallel / (double)k),
		"frames/s"};
}

/* ---- figures ---- */

static void compare(struct figure *figure, const struct tally *with, struct samples *values)
{
	snprintf(figure->baseline, sizeof(figure->baseline), "%s", with->name);
	figure->baseline_n = values->n;
	figure->baseline_median = samples_quantile(values, 0.5);
	figure->baseline_two_processes = shares(with);
}

static int add_rate(struct bench *bench, struct pipeline *pipeline, size_t i)
{
	struct tally *tally = &pipeline->tally[i],
		     *with = &pipeline->tally[i > ONE ? ONE : REFERENCE];
	struct figure figure = {
		.unit = "frames/s", .kind = FIGURE_RATE, .two_processes = shares(tally)};
	snprintf(figure.name, sizeof(figure.name), "%s", tally->name);
	figure_take(&figure, &tally->rate);
	if (i > REFERENCE)
		compare(&figure, with, &with->rate);
	if (i > ONE && i < pipeline->end)
		add_amdahl(bench, pipeline, i, &figure);
	if (i == 2 && i < pipeline->end && bench->machine.ratio >= TARGET_BURN) {
		figure.target = TARGET_RATIO_AT_LEAST;
		figure.limit = TARGET_SPEED;
	}
	return figure_add(bench, &figure);
}

static int add_cpu(struct bench *bench, struct pipeline *pipeline, size_t i)
{
	struct tally *tally = &pipeline->tally[i], *with = &pipeline->tally[REFERENCE];
	struct figure figure = {.unit = "ms",
				.kind = FIGURE_TIME,
				.two_processes = shares(tally),
				.target = i > REFERENCE ? TARGET_RATIO_AT_MOST : TARGET_NONE,
				.limit = TARGET_CPU};
	snprintf(figure.name, sizeof(figure.name), "CPU a frame, %s", tally->name);
	figure_take(&figure, &tally->cpu);
	if (i > REFERENCE) {
		compare(&figure, with, &with->cpu);
		figure.extra[0] = (struct figure_extra){
			"of it processors", samples_quantile(&tally->parallel, 0.5), "ms"};
	}
	return figure_add(bench, &figure);
}

static int add_figures(struct bench *bench, struct pipeline *pipeline)
{
	int rc = 0;
	for (size_t i = 0; i < pipeline->n && rc == 0; i++)
		rc = add_rate(bench, pipeline, i);
	for (size_t i = 0; i < pipeline->n && rc == 0; i++)
		rc = add_cpu(bench, pipeline, i);
	return rc;
}

/* ---- the run ---- */

static int measure_one(struct bench *bench, struct tally *tally, int64_t span)
{
	struct pipeline_result result;
	bench_progress(bench, "pipeline: %s", tally->name);
	int rc = pipeline_measure(bench, &tally->setting, span, &result);
	if (rc == 0)
		rc = samples_add(&tally->rate, result.rate);
	if (rc == 0)
		rc = samples_add(&tally->cpu, result.cpu);
	return rc < 0 ? rc : samples_add(&tally->parallel, result.parallel);
}

static int measure_all(struct bench *bench, struct pipeline *pipeline)
{
	int rounds = bench->seconds < HASTE ? ROUNDS_IN_HASTE : ROUNDS, rc = 0;
	double each = bench->seconds / (double)(rounds * (int)pipeline->n) - OVERHEAD;
	int64_t span = (int64_t)(fmax(each, 0) * (double)NS_PER_S);
	if (span < SPAN_MIN)
		span = SPAN_MIN;
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < pipeline->n && rc == 0; i++)
			rc = measure_one(bench, &pipeline->tally[i], span);
	return rc;
}

int pipeline_run(struct bench *bench)
{
	struct pipeline pipeline = {.n = 0};
	set_up(&pipeline, bench->machine.cores);
	int rc = measure_all(bench, &pipeline);
	if (rc == 0)
		rc = add_figures(bench, &pipeline);
	for (size_t i = 0; i < pipeline.n; i++) {
		samples_finish(&pipeline.tally[i].rate);
		samples_finish(&pipeline.tally[i].cpu);
		samples_finish(&pipeline.tally[i].parallel);
	}
	return rc;
}
