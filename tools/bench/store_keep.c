/* The oldest going from a large recording while others come: what a commit has to wait for. */
#include "tools/bench/catalogue.h"
#include "tools/bench/store.h"
#include "workers/storer/retention.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/rig.h"

#include <stdio.h>

#define STREAMS 4  /* of both, the old and the new ones */
#define SOLID	40 /* segments, the oldest, with all their bytes on the disk */

struct keeping {
	struct load load;
	struct retention *retention;
	struct samples plain; /* ms: commits while nothing goes */
	struct samples ticks; /* ms: what they wait for when something does */
	double opening;	      /* ms */
};

static int end_segment(void *arg, uint32_t segment)
{
	return recorder_end_segment(arg, segment);
}

/* Half of what there is may stay. */
static int begin_retention(struct keeping *keeping)
{
	struct recorder *recorder = keeping->load.recorder;
	struct retention_options options = {.index = recorder_index(recorder),
					    .segments = recorder_segments(recorder),
					    .run = (uint64_t)(clock_wall() / NS_PER_MS),
					    .all = {.bytes = 1},
					    .end = end_segment,
					    .arg = recorder};
	return retention_create(&keeping->retention, &options);
}

static int tick(struct keeping *keeping, bool grown)
{
	struct retention_state before, after;
	int64_t begun = clock_now();
	retention_state(keeping->retention, &before);
	retention_tick(keeping->retention, grown);
	retention_state(keeping->retention, &after);
	if (after.error < 0)
		return after.error;
	if (after.gone == before.gone && after.going == before.going)
		return 0;
	return samples_add(&keeping->ticks, (double)(clock_now() - begun) / (double)NS_PER_MS);
}

/* First commits alone, then with something going between them, as often as a storer looks. */
static int work(struct bench *bench, struct keeping *keeping, double seconds)
{
	struct load *load = &keeping->load;
	int64_t begun = clock_now(), half = begun + (int64_t)(seconds / 2 * (double)NS_PER_S);
	int64_t end = begun + (int64_t)(seconds * (double)NS_PER_S);
	int rc = 0;
	while (rc >= 0 && (clock_now() < half || load->commits.n == 0))
		rc = load_round(bench, load);
	keeping->plain = load->commits;
	load->commits = (struct samples){0};
	while (rc >= 0 && (clock_now() < end || load->commits.n == 0 || keeping->ticks.n == 0)) {
		rc = load_round(bench, load);
		if (rc >= 0)
			rc = tick(keeping, rc > 0);
	}
	return rc < 0 ? rc : 0;
}

static int add_figure(struct bench *bench, struct keeping *keeping, double seconds)
{
	struct retention_state state;
	struct samples *commits = &keeping->load.commits;
	struct figure figure = {.unit = "ms",
				.kind = FIGURE_TIME,
				.baseline = "a commit then",
				.baseline_n = commits->n,
				.target = TARGET_RATIO_AT_MOST,
				.limit = 1};
	retention_state(keeping->retention, &state);
	snprintf(figure.name, sizeof(figure.name), "pause for what goes, %.1f million frames",
		 (double)bench->frames / 1e6);
	figure_take(&figure, &keeping->ticks);
	figure.baseline_median = samples_quantile(commits, 0.5);
	figure.extra[0] =
		(struct figure_extra){"longest", samples_quantile(&keeping->ticks, 1), "ms"};
	figure.extra[1] =
		(struct figure_extra){"longest commit", samples_quantile(commits, 1), "ms"};
	figure.extra[2] = (struct figure_extra){"a commit alone",
						samples_quantile(&keeping->plain, 0.5), "ms"};
	figure.extra[3] =
		(struct figure_extra){"gone", (double)state.gone * 2 / seconds, "segments/s"};
	figure.extra[4] = (struct figure_extra){"opened in", keeping->opening, "ms"};
	return figure_add(bench, &figure);
}

static int make(struct bench *bench, const char *folder)
{
	int64_t now = clock_now();
	const struct catalogue_plan plan = {.frames = bench->frames,
					    .streams = STREAMS,
					    .run = 1000,
					    .boot = "",
					    .last_wall = clock_wall(),
					    .last_clock = now + INT64_C(30) * 86400 * NS_PER_S,
					    .solid = SOLID};
	return catalogue_make(bench, folder, &plan);
}

int store_keep(struct bench *bench, double seconds)
{
	struct keeping keeping = {0};
	char folder[128];
	int rc = make(bench, rig_path(bench, "old", folder, sizeof(folder)));
	int64_t begun = clock_now();
	bench_progress(bench, "store: the oldest goes");
	if (rc == 0)
		rc = load_begin(bench, &keeping.load, folder, STREAMS);
	keeping.opening = (double)(clock_now() - begun) / (double)NS_PER_MS;
	if (rc == 0)
		rc = begin_retention(&keeping);
	if (rc == 0)
		rc = work(bench, &keeping, seconds);
	if (rc == 0)
		rc = add_figure(bench, &keeping, seconds);
	retention_destroy(keeping.retention);
	load_finish(&keeping.load);
	samples_finish(&keeping.plain);
	samples_finish(&keeping.ticks);
	bench_remove(folder);
	return rc;
}
