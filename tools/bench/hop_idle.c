/* Work conservation: whether a frame waits for a busy receiver while another one idles. One of two
 * receivers keeps its frames for a while, asleep, so that it takes no CPU time away from the other.
 */
#include "tools/bench/hop.h"

#include "ipc/base/errors.h"

#include <stdio.h>

#define FPS	 30
#define HOLD	 (120 * NS_PER_MS)
#define LONG	 NS_PER_MS /* a wait over this counts */
#define SPAN_MIN (500 * NS_PER_MS)

static bool works_at(const struct hop_samples *samples, uint32_t receiver, int64_t time)
{
	for (size_t i = 0; i < samples->n; i++) {
		const struct hop_sample *sample = &samples->list[i];
		if (sample->receiver == receiver && sample->claimed <= time && time < sample->ended)
			return true;
	}
	return false;
}

/* Whether one of the receivers that took a frame in this run had none at that time. */
static bool somebody_idles(const struct hop_samples *samples, int64_t time)
{
	for (size_t i = 0; i < samples->n; i++)
		if (!works_at(samples, samples->list[i].receiver, time))
			return true;
	return false;
}

struct waits {
	size_t published_to_idle, waited;
	struct samples times; /* µs, of those published while somebody idled */
};

static int count_waits(const struct hop_samples *samples, struct waits *waits)
{
	int rc = 0;
	for (size_t i = 0; i < samples->n && rc == 0; i++) {
		const struct hop_sample *sample = &samples->list[i];
		int64_t wait = sample->claimed - sample->published;
		if (!somebody_idles(samples, sample->published))
			continue;
		waits->published_to_idle++;
		waits->waited += wait > LONG;
		rc = samples_add(&waits->times, (double)wait / (double)NS_PER_US);
	}
	return rc;
}

static int measure(struct bench *bench, hop_measure_fn *mechanism, int64_t span,
		   struct waits *waits)
{
	struct hop_samples samples = {0};
	struct hop_setting setting = {.fps = FPS,
				      .sender_cpu = -1,
				      .receiver_cpu = -1,
				      .receivers = 2,
				      .hold = HOLD,
				      .span = span};
	int rc = mechanism(bench, &setting, &samples);
	if (rc == 0)
		rc = count_waits(&samples, waits);
	hop_samples_finish(&samples);
	return rc;
}

/* The figure is a count: how many of n waited. */
static int add_figure(struct bench *bench, struct waits *ours, struct waits *push)
{
	struct figure figure = {
		.name = "waited over 1 ms beside an idle processor",
		.unit = "frames",
		.kind = FIGURE_COUNT,
		.n = ours->published_to_idle,
		.median = (double)ours->waited,
		.p99 = (double)ours->waited,
		.baseline = "PUSH/PULL",
		.baseline_n = push->published_to_idle,
		.baseline_median = (double)push->waited,
		.target = TARGET_MEDIAN_AT_MOST,
		.limit = 0,
		.extra = {{"of PUSH/PULL", (double)push->published_to_idle, "frames"},
			  {"longest", samples_quantile(&ours->times, 1), "µs"},
			  {"PUSH/PULL longest", samples_quantile(&push->times, 1), "µs"}}};
	return figure_add(bench, &figure);
}

int hop_idle(struct bench *bench, int64_t span, int rounds)
{
	struct waits ours = {0}, push = {0};
	int rc = 0;
	if (span < SPAN_MIN)
		span = SPAN_MIN;
	for (int round = 0; round < rounds && rc == 0; round++) {
		bench_progress(bench, "hop: one busy of two receivers");
		rc = measure(bench, hop_pipeline, span, &ours);
		if (rc == 0)
			rc = measure(bench, hop_push, span, &push);
	}
	if (rc == 0)
		rc = add_figure(bench, &ours, &push);
	samples_finish(&ours.times);
	samples_finish(&push.times);
	return rc;
}
