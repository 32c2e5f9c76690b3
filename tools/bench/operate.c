/* `troupe bench operate`: what the supervisor of a pipeline takes: wake-ups and memory. */
#include "tools/bench/operate.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/look.h"

#include <stdio.h>

#define STARTS 20
#define KILLS  50
#define SPANS  10
#define SPAN   NS_PER_S

/* Until nothing that was going on before is seen any more. */
#define SETTLE	      NS_PER_S
#define DOWN_PATIENCE (20 * NS_PER_S)

#define TARGET_PRIVATE_MB  1
#define TARGET_RESIDENT_MB 8

int operate_times(const struct operate *operate, int times, int least)
{
	int scaled = (int)(times * operate->share);
	return scaled < least ? least : scaled;
}

/* ---- wake-ups ---- */

static uint64_t frames_of(const struct operate *operate)
{
	return atomic_load(&operate->rig.ledger.streams[0].stored);
}

static int count_wakes(struct operate *operate, struct samples *wakes, double *fps)
{
	int spans = operate_times(operate, SPANS, 1), rc = 0;
	uint64_t frames = frames_of(operate);
	int64_t from = clock_now();
	for (int i = 0; i < spans && rc == 0; i++) {
		int64_t begun = clock_now(), before = look_wakes(operate->rig.supervisor);
		rc = bench_sleep_until(begun + SPAN);
		int64_t woken = look_wakes(operate->rig.supervisor) - before;
		double seconds = (double)(clock_now() - begun) / (double)NS_PER_S;
		if (rc == 0)
			rc = samples_add(wakes, (double)woken / seconds);
	}
	*fps = (double)(frames_of(operate) - frames) * (double)NS_PER_S /
	       (double)(clock_now() - from);
	return rc;
}

static int measure_wakes(struct operate *operate, const char *name, bool idle)
{
	struct samples wakes = {0};
	struct figure figure = {.unit = "/s", .kind = FIGURE_COUNT};
	double fps = 0;
	bench_progress(operate->bench, "operate: %s", name);
	int rc = bench_sleep_until(clock_now() + SETTLE);
	if (rc == 0)
		rc = count_wakes(operate, &wakes, &fps);
	if (rc == 0) {
		snprintf(figure.name, sizeof(figure.name), "%s", name);
		figure_take(&figure, &wakes);
		figure.target = idle ? TARGET_P99_AT_MOST : TARGET_NONE;
		figure.extra[0] = (struct figure_extra){"frames", fps, "/s"};
		rc = figure_add(operate->bench, &figure);
	}
	samples_finish(&wakes);
	return rc;
}

static int make_idle(struct operate *operate)
{
	double ms;
	const char *const stop[] = {"troupe",	       "stop", "capture.cam1", "-n",
				    operate->rig.name, NULL};
	return operate_command(operate->bench, stop, &ms);
}

/* ---- memory ---- */

static int look_at_memory(struct operate *operate)
{
	struct memory memory;
	int rc = look_memory(operate->rig.supervisor, &memory);
	if (rc == 0)
		rc = samples_add(&operate->resident, (double)memory.resident / 1e6);
	if (rc == 0)
		rc = samples_add(&operate->private, (double)memory.anonymous / 1e6);
	return rc;
}

static int add_memory(struct operate *operate, const char *name, struct samples *memory,
		      double limit, double first)
{
	struct figure figure = {.unit = "MB",
				.kind = FIGURE_COUNT,
				.target = TARGET_P99_AT_MOST,
				.limit = limit,
				.extra = {{"at first", first, "MB"},
					  {"at last", memory->values[memory->n - 1], "MB"}}};
	snprintf(figure.name, sizeof(figure.name), "%s", name);
	figure_take(&figure, memory);
	return figure_add(operate->bench, &figure);
}

static int measure_memory(struct operate *operate)
{
	int rc = look_at_memory(operate);
	if (rc < 0)
		return rc;
	double resident = operate->resident.values[0], private = operate->private.values[0];
	rc = operate_asks(operate, look_at_memory);
	if (rc == 0)
		rc = operate_kills(operate, operate_times(operate, KILLS, 2), look_at_memory);
	if (rc == 0)
		rc = add_memory(operate, "supervisor's RssAnon", &operate->private,
				TARGET_PRIVATE_MB, private);
	if (rc == 0)
		rc = add_memory(operate, "supervisor's RSS", &operate->resident, TARGET_RESIDENT_MB,
				resident);
	return rc;
}

/* ---- all of it ---- */

static int measure_running(struct operate *operate)
{
	int rc = measure_wakes(operate, "supervisor's wake-ups, frames flow", false);
	if (rc == 0)
		rc = operate_top(operate);
	if (rc == 0)
		rc = measure_memory(operate);
	if (rc == 0)
		rc = make_idle(operate);
	if (rc == 0)
		rc = measure_wakes(operate, "supervisor's wake-ups, idle", true);
	return rc;
}

int operate_run(struct bench *bench)
{
	char config[1024];
	struct operate operate = {.bench = bench, .share = bench->seconds / bench->row->seconds};
	snprintf(config, sizeof(config),
		 "stream \"cam1\" { source = \"pattern:\" pattern_size = \"640x480\" pattern_fps = "
		 "30 pattern_frames = 0 slots = 16 }\n"
		 "processor { count = 2 model = \"none\" max_restarts = 1000000 }\n"
		 "storer { folder = \"%s/recording\" }\n"
		 "display { listen = \"127.0.0.1:0\" }\n",
		 bench->folder);
	int rc = operate_starts(&operate, config, operate_times(&operate, STARTS, 2));
	if (rc == 0) {
		rc = rig_up(bench, &operate.rig, config);
		rc = rc < 0 ? rc : measure_running(&operate);
		int down = rig_down(bench, &operate.rig, DOWN_PATIENCE);
		rc = rc < 0 ? rc : down;
	}
	samples_finish(&operate.resident);
	samples_finish(&operate.private);
	return rc;
}
