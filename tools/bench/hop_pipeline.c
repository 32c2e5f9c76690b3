/* The hop in a real pipeline: troupe-capture, the supervisor, and a processor whose work is left
 * out. Nothing of the pipeline knows that it is measured: the times are those of each frame's
 * record. */
#include "tools/bench/hop.h"

#include "ipc/base/errors.h"
#include "tools/bench/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE (10 * NS_PER_S)

static void make_config(const struct bench *bench, const struct hop_setting *setting, char *out,
			size_t size)
{
	char programs[512] = "";
	ssize_t n = readlink("/proc/self/exe", programs, sizeof(programs) - 1);
	char *slash = n > 0 ? strrchr(programs, '/') : NULL;
	if (slash)
		*slash = '\0';
	snprintf(
		out, size,
		"hang_after = \"10s\"\nbypass_after = \"1h\"\n"
		"stream \"cam1\" { source = \"pattern:\" pattern_size = \"%dx%d\" pattern_fps = %d "
		"pattern_frames = 0 pace = \"real\" slots = %d record = false }\n"
		"processor { count = %d exec = \"%s/troupe-hop-processor\" "
		"samples = \"%s/samples\" busy = \"%s\" hold = \"%.3fms\" }\n"
		"storer { folder = \"%s/recording\" }\n"
		"trainer { enabled = false }\ndisplay { enabled = false }\n",
		HOP_WIDTH, HOP_HEIGHT, setting->fps, HOP_SLOTS, setting->receivers, programs,
		bench->folder, setting->hold > 0 ? "processor.1" : "",
		(double)setting->hold / (double)NS_PER_MS, bench->folder);
}

/* A worker may write the file that is there; what is not would be made as a folder. */
static int make_samples(struct bench *bench)
{
	char path[128];
	FILE *file = fopen(rig_path(bench, "samples", path, sizeof(path)), "we");
	if (file && fclose(file) == 0)
		return 0;
	return bench_error(bench, TROUPE_E_IO, "%s: %s", path, strerror(errno));
}

/* Everybody to their places. */
static int pin(struct bench *bench, const struct rig *rig, const struct hop_setting *setting)
{
	int rc = machine_pin(rig_pid(rig, "capture.cam1", NULL), setting->sender_cpu);
	for (int i = 1; i <= setting->receivers && rc == 0; i++) {
		char worker[NAME_SIZE];
		snprintf(worker, sizeof(worker), "processor.%d", i);
		rc = machine_pin(rig_pid(rig, worker, NULL), setting->receiver_cpu);
	}
	return rc < 0 ? bench_error(bench, rc, "cannot pin the workers: %s", error_text(rc)) : 0;
}

/* What was published from `from` on. */
static int read_samples(struct bench *bench, int64_t from, struct hop_samples *out)
{
	char path[128];
	struct hop_sample sample;
	int rc = 0;
	FILE *file = fopen(rig_path(bench, "samples", path, sizeof(path)), "re");
	if (!file)
		return error_from_errno(errno);
	while (rc == 0 && fread(&sample, sizeof(sample), 1, file) == 1)
		if (sample.published >= from)
			rc = hop_samples_add(out, &sample);
	fclose(file);
	unlink(path);
	return rc;
}

int hop_pipeline(struct bench *bench, const struct hop_setting *setting, struct hop_samples *out)
{
	char config[2048];
	struct rig rig;
	make_config(bench, setting, config, sizeof(config));
	int rc = make_samples(bench);
	if (rc == 0)
		rc = rig_up(bench, &rig, config);
	if (rc < 0)
		return rc;
	rc = pin(bench, &rig, setting);
	int64_t from = clock_now() + hop_warm_up(setting);
	if (rc == 0)
		rc = bench_sleep_until(from + setting->span);
	int down = rig_down(bench, &rig, PATIENCE);
	rc = rc < 0 ? rc : down;
	return rc < 0 ? rc : read_samples(bench, from, out);
}
