/* 16 streams of 30 frames/s and 100 KB: how long commits take, and how much of the time there is
 * left. */
#include "tools/bench/store.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/rig.h"

#define STREAMS	   16
#define TARGET_P99 250 /* ms */

/* How late the last round was is what a storer's slots would have to bear. */
static double late_ms(const struct load *load)
{
	int64_t due = load->begun + (int64_t)load->rounds * NS_PER_S / 30;
	return clock_now() > due ? (double)(clock_now() - due) / (double)NS_PER_MS : 0;
}

static int add_figure(struct bench *bench, struct load *load, double seconds)
{
	double busy = (double)load->working / (double)NS_PER_S / seconds * 100;
	struct figure figure = {
		.name = "commit, 16 streams × 30 frames/s × 100 KB",
		.unit = "ms",
		.kind = FIGURE_TIME,
		.target = TARGET_P99_AT_MOST,
		.limit = TARGET_P99,
		.extra = {{"stored", (double)(load->rounds * STREAMS) / seconds, "frames/s"},
			  {"busy", busy, "%"},
			  {"longest", samples_quantile(&load->commits, 1), "ms"},
			  {"late at the end", late_ms(load), "ms"}}};
	figure_take(&figure, &load->commits);
	return figure_add(bench, &figure);
}

int store_streams(struct bench *bench, double seconds)
{
	char folder[128];
	struct load load = {0};
	int rc = load_begin(bench, &load, rig_path(bench, "streams", folder, sizeof(folder)),
			    STREAMS);
	int64_t end = clock_now() + (int64_t)(seconds * (double)NS_PER_S);
	bench_progress(bench, "store: 16 streams");
	while (rc >= 0 && (clock_now() < end || load.commits.n == 0))
		rc = load_round(bench, &load);
	if (rc >= 0)
		rc = add_figure(bench, &load,
				(double)(clock_now() - load.begun) / (double)NS_PER_S);
	load_finish(&load);
	bench_remove(folder);
	return rc;
}
