/* One run of a pipeline, or of the sequential reference, on frames that keep the cores busy. What
 * was done is read from the recording: the frames whose processing ended within the span. What is
 * stored goes to memory, so that no disk is what is measured. */
#include "tools/bench/pipeline.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/rig.h"
#include "workers/storer/recording.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Until every slot has been used once, and its pages are there. */
#define WARM_UP (1200 * NS_PER_MS)

/* Frames of the span are in the recording by then. */
#define COMMITTED_AFTER (500 * NS_PER_MS)

#define PATIENCE (20 * NS_PER_S)

#define STREAM "cam1"

/* The pipeline's processes, or the reference's one. */
struct crew {
	pid_t pid[SEATS_MAX + 1];
	bool processor[SEATS_MAX + 1];
	size_t n;
};

/* CPU time used until now, ns. */
struct used {
	int64_t at, all, processors;
};

static int write_config(const struct bench *bench, const struct pipeline_setting *setting,
			char *out, size_t size)
{
	int n = snprintf(out, size,
			 "hang_after = \"60s\"\nbypass_after = \"1h\"\n"
			 "stream \"" STREAM
			 "\" { source = \"pattern:\" pattern_size = \"1920x1080\" "
			 "pattern_fps = 30 pattern_frames = 0 pace = \"max\" slots = 32 }\n"
			 "processor { count = %d model = \"none\" }\n"
			 "storer { folder = \"%s/recording\" }\n"
			 "trainer { enabled = false }\ndisplay { enabled = false }\n",
			 setting->processors > 0 ? setting->processors : 1, bench->memory);
	return n < (int)size ? 0 : TROUPE_E_OVERSIZED;
}

/* ---- CPU time ---- */

static int64_t cpu_of(pid_t pid)
{
	clockid_t clock;
	struct timespec used;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
		return 0;
	return (int64_t)used.tv_sec * NS_PER_S + used.tv_nsec;
}

static struct used used_by(const struct crew *crew)
{
	struct used used = {.at = clock_now()};
	for (size_t i = 0; i < crew->n; i++) {
		int64_t cpu = cpu_of(crew->pid[i]);
		used.all += cpu;
		used.processors += crew->processor[i] ? cpu : 0;
	}
	return used;
}

static void find_crew(const struct rig *rig, struct crew *crew)
{
	*crew = (struct crew){.pid = {rig->supervisor}, .n = 1};
	for (int i = 1; i < SEATS_MAX; i++) {
		const struct seat_row *row = &rig->ledger.seats[i];
		pid_t pid = atomic_load(&row->pid);
		if (atomic_load(&row->state) != SEAT_LIVE || pid <= 0)
			continue;
		crew->processor[crew->n] = strncmp(row->worker, "processor.", 10) == 0;
		crew->pid[crew->n++] = pid;
	}
}

/* ---- frames ---- */

static char *recording_path(const struct bench *bench, char *out, size_t size)
{
	snprintf(out, size, "%s/recording", bench->memory);
	return out;
}

static int open_recording(struct bench *bench, struct recording **recording)
{
	char path[128], why[256] = "";
	int rc = recording_open(recording, recording_path(bench, path, sizeof(path)), why,
				sizeof(why));
	return rc < 0 ? bench_error(bench, rc, "%s: %s", path, *why ? why : error_text(rc)) : 0;
}

static int count_frames(struct recording *recording, int64_t from, int64_t to, double *frames)
{
	uint64_t run;
	struct index_row row = {.record = {.seq = 0}};
	int rc = recording_newest_run(recording, &run);
	while (rc == 0 && (rc = recording_next(recording, run, STREAM, row.record.seq, &row)) == 0)
		*frames += row.record.finished >= from && row.record.finished < to;
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

static int take_result(struct bench *bench, const struct used *from, const struct used *to,
		       struct pipeline_result *result)
{
	struct recording *recording = NULL;
	double frames = 0;
	int rc = open_recording(bench, &recording);
	if (rc < 0)
		return rc;
	rc = count_frames(recording, from->at, to->at, &frames);
	recording_close(recording);
	if (rc < 0 || frames < 1)
		return bench_error(bench, rc < 0 ? rc : TROUPE_E_STATE, "nothing was recorded: %s",
				   error_text(rc));
	result->rate = frames * (double)NS_PER_S / (double)(to->at - from->at);
	result->cpu = (double)(to->all - from->all) / frames / (double)NS_PER_MS;
	result->parallel = (double)(to->processors - from->processors) / frames / (double)NS_PER_MS;
	return 0;
}

/* ---- the run ---- */

/* Keeps us, and so all that we start, to the first `cpus` of those we may use (0: to all of them).
 * *before is what we had. */
static void confine(int cpus, cpu_set_t *before)
{
	cpu_set_t few;
	sched_getaffinity(0, sizeof(*before), before);
	CPU_ZERO(&few);
	for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&few) < cpus; cpu++)
		if (CPU_ISSET(cpu, before))
			CPU_SET(cpu, &few);
	if (cpus > 0)
		sched_setaffinity(0, sizeof(few), &few);
}

/* Lets it run; the CPU time at the beginning and the end of the span. */
static int let_run(const struct crew *crew, int64_t span, struct used *from, struct used *to)
{
	int rc = bench_sleep_until(clock_now() + WARM_UP);
	*from = used_by(crew);
	if (rc == 0)
		rc = bench_sleep_until(from->at + span);
	*to = used_by(crew);
	return rc < 0 ? rc : bench_sleep_until(to->at + COMMITTED_AFTER);
}

static int run_pipeline(struct bench *bench, const char *config, int64_t span, struct used *from,
			struct used *to)
{
	struct rig rig;
	struct crew crew;
	int rc = rig_up(bench, &rig, config);
	if (rc < 0)
		return rc;
	find_crew(&rig, &crew);
	rc = let_run(&crew, span, from, to);
	int down = rig_down(bench, &rig, PATIENCE);
	return rc < 0 ? rc : down;
}

/* The reference has no end to wait for: it is killed, and what it has committed counts. */
static int run_reference(struct bench *bench, const char *config, int64_t span, struct used *from,
			 struct used *to)
{
	char path[128];
	FILE *file = fopen(rig_path(bench, "reference.conf", path, sizeof(path)), "we");
	if (!file)
		return bench_error(bench, TROUPE_E_IO, "%s cannot be written", path);
	fputs(config, file);
	if (fclose(file) != 0)
		return bench_error(bench, TROUPE_E_IO, "%s cannot be written", path);
	const char *const words[] = {"troupe-sequential", "-c", path, NULL};
	pid_t pid = children_start(&bench->children, words[0], words, NULL, -1);
	if (pid < 0)
		return bench_error(bench, pid, "cannot start the reference: %s", error_text(pid));
	struct crew crew = {.pid = {pid}, .n = 1};
	int rc = let_run(&crew, span, from, to);
	children_kill(&bench->children, pid);
	return rc;
}

int pipeline_measure(struct bench *bench, const struct pipeline_setting *setting, int64_t span,
		     struct pipeline_result *result)
{
	char config[1024], path[128];
	struct used from = {0}, to = {0};
	cpu_set_t before;
	int rc = write_config(bench, setting, config, sizeof(config));
	if (rc < 0)
		return bench_error(bench, rc, "a path is too long");
	confine(setting->cpus, &before);
	rc = setting->processors > 0 ? run_pipeline(bench, config, span, &from, &to)
				     : run_reference(bench, config, span, &from, &to);
	sched_setaffinity(0, sizeof(before), &before);
	if (rc == 0)
		rc = take_result(bench, &from, &to, result);
	bench_remove(recording_path(bench, path, sizeof(path)));
	return rc;
}
