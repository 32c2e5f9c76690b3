/* `troupe bench pipeline`: what more processors bring, and what concurrency costs. */
#include "tools/bench/pipeline.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <math.h>
#include <stdio.h>

/* Two processors of one, where two cores are worth so much of one. */
#define TARGET_SPEED 1.8
#define TARGET_BURN  1.9

/* CPU a frame, of the reference's. */
#define TARGET_CPU 1.15

/* More cores than this are not asked for. */
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
	char name[FIGURE_NAME_SIZE / 2];
	struct samples rate, cpu, parallel;
};

enum { REFERENCE, ON_ONE_CPU, ONE, SETTINGS_MAX = ONE + PROCESSORS_MAX };

struct pipeline {
	struct tally tally[SETTINGS_MAX]; /* from ONE on with 1, 2, … processors */
	size_t n;
};

static void set_up(struct pipeline *pipeline, int cores)
{
	int most = cores < PROCESSORS_MAX ? cores : PROCESSORS_MAX;
	struct tally *tally = pipeline->tally;
	tally[REFERENCE] = (struct tally){.name = "sequential"};
	tally[ON_ONE_CPU] = (struct tally){.name = "1 processor, all on one CPU",
					   .setting = {.processors = 1, .one_cpu = true}};
	for (int i = 0; i < most; i++) {
		tally[ONE + i] = (struct tally){.setting = {.processors = i + 1}};
		snprintf(tally[ONE + i].name, sizeof(tally[0].name), "%d processor%s", i + 1,
			 i > 0 ? "s" : "");
	}
	pipeline->n = ONE + (size_t)most;
}

/* ---- Amdahl: time a frame with k processors = serial + parallel / k ---- */

struct amdahl {
	double serial, parallel; /* ms a frame */
};

/* Least squares over all numbers of processors; with two of them it goes through both. */
static struct amdahl fit(struct pipeline *pipeline)
{
	double n = 0, x = 0, y = 0, xx = 0, xy = 0;
	for (size_t i = ONE; i < pipeline->n; i++) {
		double share = 1.0 / pipeline->tally[i].setting.processors;
		double time = 1000 / samples_quantile(&pipeline->tally[i].rate, 0.5);
		n++;
		x += share;
		y += time;
		xx += share * share;
		xy += share * time;
	}
	double slope = (n * xy - x * y) / (n * xx - x * x);
	return (struct amdahl){.serial = (y - slope * x) / n, .parallel = slope};
}

/* What the CPU time of one processor's run foretells: its own part is what more of them share, the
 * rest is done by one process each. */
static struct amdahl foretell(struct tally *one)
{
	double time = 1000 / samples_quantile(&one->rate, 0.5);
	double share = samples_quantile(&one->parallel, 0.5) / samples_quantile(&one->cpu, 0.5);
	return (struct amdahl){.serial = time * (1 - share), .parallel = time * share};
}

static double rate_of(const struct amdahl *amdahl, int processors)
{
	return 1000 / (amdahl->serial + amdahl->parallel / processors);
}

static double serial_percent(const struct amdahl *amdahl)
{
	return amdahl->serial * 100 / (amdahl->serial + amdahl->parallel);
}

/* ---- figures ---- */

static void compare(struct figure *figure, struct tally *with, struct samples *values)
{
	snprintf(figure->baseline, sizeof(figure->baseline), "%s", with->name);
	figure->baseline_n = values->n;
	figure->baseline_median = samples_quantile(values, 0.5);
	figure->baseline_two_processes = with->setting.processors > 1;
}

static int add_rate(struct bench *bench, struct pipeline *pipeline, size_t i)
{
	struct tally *tally = &pipeline->tally[i];
	struct figure figure = {.unit = "frames/s",
				.kind = FIGURE_RATE,
				.two_processes = tally->setting.processors > 1};
	int processors = tally->setting.processors;
	snprintf(figure.name, sizeof(figure.name), "%s", tally->name);
	figure_take(&figure, &tally->rate);
	if (i > REFERENCE)
		compare(&figure, &pipeline->tally[processors > 1 ? ONE : REFERENCE],
			&pipeline->tally[processors > 1 ? ONE : REFERENCE].rate);
	if (processors > 1) {
		struct amdahl fitted = fit(pipeline), foretold = foretell(&pipeline->tally[ONE]);
		figure.extra[0] =
			(struct figure_extra){"serial, fitted", serial_percent(&fitted), "%"};
		figure.extra[1] =
			(struct figure_extra){"gives", rate_of(&fitted, processors), "frames/s"};
		figure.extra[2] = (struct figure_extra){"serial, by CPU time",
							serial_percent(&foretold), "%"};
		figure.extra[3] = (struct figure_extra){"foretells", rate_of(&foretold, processors),
							"frames/s"};
	}
	if (processors == 2 && bench->machine.ratio >= TARGET_BURN) {
		figure.target = TARGET_RATIO_AT_LEAST;
		figure.limit = TARGET_SPEED;
	}
	return figure_add(bench, &figure);
}

static int add_cpu(struct bench *bench, struct pipeline *pipeline, size_t i)
{
	struct tally *tally = &pipeline->tally[i];
	struct figure figure = {.unit = "ms",
				.kind = FIGURE_TIME,
				.two_processes = i >= ONE,
				.target = i >= ONE ? TARGET_RATIO_AT_MOST : TARGET_NONE,
				.limit = TARGET_CPU};
	snprintf(figure.name, sizeof(figure.name), "CPU a frame, %s", tally->name);
	figure_take(&figure, &tally->cpu);
	if (i > REFERENCE) {
		compare(&figure, &pipeline->tally[REFERENCE], &pipeline->tally[REFERENCE].cpu);
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
