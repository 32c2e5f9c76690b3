/* `troupe bench restart`: how long a pipeline is without a worker that is killed. */
#include "tools/bench/restart.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

/* Without another number of seconds each worker is killed so often. */
#define KILLS	  50
#define KILLS_MIN 2

#define TARGET_ALONE_MS 10
#define TARGET_SPARE_MS 1

#define BALLAST (500UL * 1000 * 1000)

#define DOWN_PATIENCE (20 * NS_PER_S)

/* One worker, killed again and again in a pipeline of its own. */
static const struct series {
	const char *name;
	const char *worker, *section;
	restart_done_fn *done;
	bool waits;    /* there always is a frame that waits: the source is as fast as it can be */
	bool recorded; /* … are the frames */
	bool shown;    /* there is a display */
	bool spare;
	bool heavy; /* the worker has grown to BALLAST */
} all[] = {
	{.name = "processor",
	 .worker = "processor.1",
	 .section = "processor",
	 .done = restart_claimed,
	 .waits = true},
	{.name = "processor of 500 MB",
	 .worker = "processor.1",
	 .section = "processor",
	 .done = restart_claimed,
	 .waits = true,
	 .heavy = true},
	{.name = "processor, spare",
	 .worker = "processor.1",
	 .section = "processor",
	 .done = restart_claimed,
	 .waits = true,
	 .spare = true},
	{.name = "processor of 500 MB, spare",
	 .worker = "processor.1",
	 .section = "processor",
	 .done = restart_claimed,
	 .waits = true,
	 .spare = true,
	 .heavy = true},
	{.name = "storer",
	 .worker = "storer",
	 .section = "storer",
	 .done = restart_committed,
	 .waits = true,
	 .recorded = true},
	{.name = "storer, spare",
	 .worker = "storer",
	 .section = "storer",
	 .done = restart_committed,
	 .waits = true,
	 .recorded = true,
	 .spare = true},
	{.name = "display",
	 .worker = "display",
	 .section = "display",
	 .done = restart_answered,
	 .shown = true},
	{.name = "display, spare",
	 .worker = "display",
	 .section = "display",
	 .done = restart_answered,
	 .shown = true,
	 .spare = true},
};

#define N_SERIES (sizeof(all) / sizeof(all[0]))

static const char *spares(const struct series *series, const char *section)
{
	return series->spare && strcmp(series->section, section) == 0 ? "spares = 1" : "";
}

static const char *truth(bool value)
{
	return value ? "true" : "false";
}

/* No limit of restarts, and frames of a size that leaves the machine time. */
static void make_config(const struct bench *bench, const struct series *series, int port, char *out,
			size_t size)
{
	snprintf(out, size,
		 "hang_after = \"60s\"\nbypass_after = \"1h\"\n"
		 "stream \"cam1\" { source = \"pattern:\" pattern_size = \"640x480\" pattern_fps = "
		 "30 "
		 "pattern_frames = 0 pace = \"%s\" slots = 16 record = %s }\n"
		 "processor { count = 1 model = \"none\" max_restarts = 1000000 %s ballast = "
		 "\"%luB\" }\n"
		 "storer { folder = \"%s/recording\" commit_interval = \"1ms\" max_restarts = "
		 "1000000 "
		 "%s }\n"
		 "trainer { enabled = false }\n"
		 "display { enabled = %s listen = \"127.0.0.1:%d\" max_restarts = 1000000 %s }\n",
		 series->waits ? "max" : "real", truth(series->recorded),
		 spares(series, "processor"), series->heavy ? BALLAST : 0, bench->folder,
		 spares(series, "storer"), truth(series->shown), port, spares(series, "display"));
}

struct times {
	struct samples took, bare, dead, sync; /* ms */
};

static int add_ms(struct samples *samples, int64_t ns)
{
	return samples_add(samples, (double)ns / (double)NS_PER_MS);
}

static int measure_one(struct restart *restart, const struct series *series, struct times *times)
{
	struct restart_times once = {0};
	int rc = restart_once(restart, series->done, &once);
	if (rc == 0)
		rc = add_ms(&times->bare, once.bare);
	if (rc == 0)
		rc = add_ms(&times->took, once.took);
	if (rc == 0)
		rc = add_ms(&times->dead, once.dead);
	return rc < 0 ? rc : add_ms(&times->sync, once.sync);
}

static int measure_all(struct bench *bench, struct restart *restart, const struct series *series,
		       int kills, struct times *times)
{
	int rc = 0;
	for (int i = 0; i < kills && rc == 0; i++) {
		bench_progress(bench, "restart: %s, kill %d of %d", series->name, i + 1, kills);
		rc = measure_one(restart, series, times);
	}
	if (rc < 0 && rc != TROUPE_E_AGAIN)
		bench_error(bench, rc, "%s: %s", series->name, error_text(rc));
	return rc;
}

static int add_figure(struct bench *bench, const struct series *series, struct times *times)
{
	struct figure figure = {
		.unit = "ms",
		.kind = FIGURE_TIME,
		.baseline = "vfork+exec",
		.baseline_n = times->bare.n,
		.baseline_median = samples_quantile(&times->bare, 0.5),
		.target = TARGET_MEDIAN_AT_MOST,
		.limit = series->spare ? TARGET_SPARE_MS : TARGET_ALONE_MS,
		.extra = {{"memory gone after", samples_quantile(&times->dead, 0.5), "ms"}},
	};
	if (series->done == restart_committed)
		figure.extra[1] = (struct figure_extra){"one sync",
							samples_quantile(&times->sync, 0.5), "ms"};
	snprintf(figure.name, sizeof(figure.name), "%s", series->name);
	figure_take(&figure, &times->took);
	return figure_add(bench, &figure);
}

static int run_series(struct bench *bench, const struct series *series, int kills)
{
	char config[2048];
	struct times times = {0};
	struct restart restart = {.folder = bench->folder,
				  .worker = series->worker,
				  .spare = series->spare,
				  .queued = series->done == restart_claimed,
				  .memory = series->heavy ? BALLAST : 0};
	int port = restart_free_port();
	if (port < 0)
		return bench_error(bench, port, "no free port: %s", error_text(port));
	make_config(bench, series, port, config, sizeof(config));
	restart.address = (struct sockaddr_in){.sin_family = AF_INET,
					       .sin_port = htons((uint16_t)port),
					       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int rc = rig_up(bench, &restart.rig, config);
	if (rc == 0) {
		rc = series->done == restart_answered ? restart_greet(&restart) : 0;
		if (rc == 0)
			rc = measure_all(bench, &restart, series, kills, &times);
		int down = rig_down(bench, &restart.rig, DOWN_PATIENCE);
		rc = rc < 0 ? rc : down;
	}
	if (rc == 0)
		rc = add_figure(bench, series, &times);
	samples_finish(&times.took);
	samples_finish(&times.bare);
	samples_finish(&times.dead);
	samples_finish(&times.sync);
	return rc;
}

int restart_run(struct bench *bench)
{
	int kills = (int)(KILLS * bench->seconds / bench->row->seconds), rc = 0;
	if (kills < KILLS_MIN)
		kills = KILLS_MIN;
	prctl(PR_SET_TIMERSLACK, 1UL); /* we look often */
	for (size_t i = 0; i < N_SERIES && rc == 0; i++)
		rc = run_series(bench, &all[i], kills);
	return rc;
}
