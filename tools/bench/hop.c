/* `troupe bench hop`: how long a 1080p frame takes from PUBLISH to CLAIMED. */
#include "tools/bench/hop.h"

#include "ipc/base/errors.h"

#include <stdio.h>
#include <stdlib.h>

#define TARGET 1.2

/* Each round measures every mechanism in every setting once, so that a drift of the machine hits
 * all alike. */
#define ROUNDS		3
#define ROUNDS_IN_HASTE 1
#define HASTE		10.0 /* seconds: with less than this there is one round */
#define SPAN_MIN	(100 * NS_PER_MS)

/* Part of the time that goes into work conservation. */
#define IDLE_SHARE 0.2

int hop_samples_add(struct hop_samples *samples, const struct hop_sample *sample)
{
	if (samples->n == samples->room) {
		size_t room = samples->room ? samples->room * 2 : 256;
		struct hop_sample *list = reallocarray(samples->list, room, sizeof(*list));
		if (!list)
			return TROUPE_E_MEMORY;
		samples->list = list;
		samples->room = room;
	}
	samples->list[samples->n++] = *sample;
	return 0;
}

void hop_samples_finish(struct hop_samples *samples)
{
	free(samples->list);
	*samples = (struct hop_samples){0};
}

/* ---- what is measured ---- */

enum { FUTEX, PIPELINE, PUSH, N_MECHANISMS };

static const struct {
	const char *name;
	hop_measure_fn *measure;
} mechanisms[N_MECHANISMS] = {
	[FUTEX] = {"futex", hop_futex},
	[PIPELINE] = {"troupe", hop_pipeline},
	[PUSH] = {"PUSH/PULL", hop_push},
};

static const int rates[] = {30, 200};

/* Which of the machine's two CPUs each side is bound to; -1: to none. */
static const struct {
	const char *name;
	int sender, receiver;
} places[] = {
	{"unpinned", -1, -1},
	{"on one CPU", 0, 0},
	{"pinned apart", 0, 1},
};

#define N_RATES	   (sizeof(rates) / sizeof(rates[0]))
#define N_PLACES   (sizeof(places) / sizeof(places[0]))
#define N_SETTINGS (N_RATES * N_PLACES)

static int cpu_of(const struct machine *machine, int which)
{
	return which < 0 ? -1 : which == 0 ? machine->first : machine->second;
}

static struct hop_setting setting_of(const struct bench *bench, size_t index, int64_t span)
{
	size_t place = index % N_PLACES;
	return (struct hop_setting){
		.fps = rates[index / N_PLACES],
		.sender_cpu = cpu_of(&bench->machine, places[place].sender),
		.receiver_cpu = cpu_of(&bench->machine, places[place].receiver),
		.receivers = 1,
		.span = span,
	};
}

/* ---- figures ---- */

static int hop_times(const struct hop_samples *samples, struct samples *times)
{
	int rc = 0;
	for (size_t i = 0; i < samples->n && rc == 0; i++) {
		const struct hop_sample *sample = &samples->list[i];
		rc = samples_add(times,
				 (double)(sample->claimed - sample->published) / (double)NS_PER_US);
	}
	return rc;
}

static double same_cpu(const struct hop_samples *samples)
{
	size_t same = 0;
	for (size_t i = 0; i < samples->n; i++)
		same += samples->list[i].cpu == samples->list[i].sender_cpu;
	return samples->n ? (double)same * 100 / (double)samples->n : 0;
}

static int add_figure(struct bench *bench, size_t index, int mechanism,
		      const struct hop_samples *measured, const struct hop_samples *futex)
{
	struct samples times = {0}, futex_times = {0};
	struct figure figure = {.unit = "µs",
				.kind = FIGURE_TIME,
				.two_processes = true,
				.baseline = "futex",
				.baseline_two_processes = true,
				.target =
					mechanism == PIPELINE ? TARGET_RATIO_AT_MOST : TARGET_NONE,
				.limit = TARGET};
	int rc = hop_times(measured, &times);
	if (rc == 0)
		rc = hop_times(futex, &futex_times);
	snprintf(figure.name, sizeof(figure.name), "%s hop, %d/s, %s", mechanisms[mechanism].name,
		 rates[index / N_PLACES], places[index % N_PLACES].name);
	figure_take(&figure, &times);
	figure.baseline_n = futex_times.n;
	figure.baseline_median = samples_quantile(&futex_times, 0.5);
	figure.extra[0] = (struct figure_extra){"same CPU", same_cpu(measured), "%"};
	figure.extra[1] =
		(struct figure_extra){"futex p99", samples_quantile(&futex_times, 0.99), "µs"};
	figure.extra[2] = (struct figure_extra){"futex same CPU", same_cpu(futex), "%"};
	samples_finish(&times);
	samples_finish(&futex_times);
	return rc < 0 ? rc : figure_add(bench, &figure);
}

typedef struct hop_samples hop_table[N_SETTINGS][N_MECHANISMS];

static int add_figures(struct bench *bench, hop_table measured)
{
	int rc = 0;
	for (size_t index = 0; index < N_SETTINGS && rc == 0; index++) {
		rc = add_figure(bench, index, PIPELINE, &measured[index][PIPELINE],
				&measured[index][FUTEX]);
		if (rc == 0)
			rc = add_figure(bench, index, PUSH, &measured[index][PUSH],
					&measured[index][FUTEX]);
	}
	return rc;
}

/* ---- the run ---- */

static int measure_round(struct bench *bench, int64_t span, hop_table measured)
{
	int rc = 0;
	for (size_t index = 0; index < N_SETTINGS && rc == 0; index++) {
		struct hop_setting setting = setting_of(bench, index, span);
		for (int m = 0; m < N_MECHANISMS && rc == 0; m++) {
			bench_progress(bench, "hop: %s, %d frames/s, %s", mechanisms[m].name,
				       setting.fps, places[index % N_PLACES].name);
			rc = mechanisms[m].measure(bench, &setting, &measured[index][m]);
		}
	}
	return rc;
}

/* How long each of `parts` equal parts of the bench's time measures; never less than a few frames
 * of the slow rate need, however little time there is. */
static int64_t span_of(const struct bench *bench, double share, double parts)
{
	int64_t span = (int64_t)(bench->seconds * share / parts * (double)NS_PER_S);
	return span < SPAN_MIN ? SPAN_MIN : span;
}

int hop_run(struct bench *bench)
{
	hop_table measured = {0};
	int rounds = bench->seconds < HASTE ? ROUNDS_IN_HASTE : ROUNDS, rc = 0;
	const size_t parts = (size_t)rounds * N_SETTINGS * N_MECHANISMS;
	int64_t span = span_of(bench, 1 - IDLE_SHARE, (double)parts);
	for (int round = 0; round < rounds && rc == 0; round++)
		rc = measure_round(bench, span, measured);
	if (rc == 0)
		rc = add_figures(bench, measured);
	for (size_t index = 0; index < N_SETTINGS; index++)
		for (int m = 0; m < N_MECHANISMS; m++)
			hop_samples_finish(&measured[index][m]);
	return rc < 0 ? rc : hop_idle(bench, span_of(bench, IDLE_SHARE, 2.0 * rounds), rounds);
}
