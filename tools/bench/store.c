/* `troupe bench store`: frames a second into a recording, through the recorder that the storer
 * uses, against appending the same bytes to a file and fdatasync, by turns on the same file system.
 */
#include "tools/bench/store.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TARGET 0.8
#define PARTS  3 /* this one, 16 streams, and the oldest going */

#define FRAMES	 32  /* different pictures, like the slots they would lie in */
#define PER_TURN 240 /* frames; one rate is that of one turn */

/* How many frames a commit has. */
static const struct {
	const char *name;
	int frames;
} patterns[] = {
	{"30 a commit", 30},
	{"8 MB a commit", 80}, /* the storer's default when frames come as fast as can be */
};

#define N_PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

struct store {
	uint8_t *pictures; /* FRAMES of FRAME_BYTES */
	struct recorder *recorder;
	int stream;
	uint64_t seq;
	int raw; /* the file that is appended to */
	uint32_t raw_number;
	int64_t raw_bytes;
	struct samples recorded[N_PATTERNS], appended[N_PATTERNS]; /* frames/s, a value a turn */
};

static const uint8_t *picture(const struct store *store, uint64_t index)
{
	return store->pictures + (index % FRAMES) * (size_t)FRAME_BYTES;
}

/* ---- into the recording ---- */

static int record_frame(struct store *store)
{
	int64_t now = clock_now();
	struct record record = {.seq = ++store->seq,
				.ordinal = store->seq,
				.source_index = store->seq - 1,
				.pts = (int64_t)store->seq * NS_PER_S / 30,
				.captured = now,
				.captured_wall = clock_wall(),
				.published = now,
				.claimed = now,
				.finished = now,
				.width = 1920,
				.height = 1080,
				.coded_bytes = FRAME_BYTES};
	return recorder_append(store->recorder, store->stream, &record, picture(store, store->seq));
}

static int record_turn(struct store *store, int per_commit)
{
	int rc = 0;
	for (int i = 1; i <= PER_TURN && rc == 0; i++) {
		rc = record_frame(store);
		if (rc == 0 && i % per_commit == 0)
			rc = recorder_commit(store->recorder);
	}
	return rc;
}

/* ---- into a file ---- */

static char *raw_path(const struct bench *bench, uint32_t number, char *out, size_t size)
{
	char name[32];
	snprintf(name, sizeof(name), "raw.%06u", number);
	return rig_path(bench, name, out, size);
}

/* A new file after as many bytes as a segment has. */
static int next_raw(struct bench *bench, struct store *store)
{
	char path[128];
	if (store->raw >= 0 && store->raw_bytes < SEGMENT_BYTES)
		return 0;
	if (store->raw >= 0)
		close(store->raw);
	raw_path(bench, ++store->raw_number, path, sizeof(path));
	store->raw = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	store->raw_bytes = 0;
	return store->raw < 0 ? error_from_errno(errno) : 0;
}

static int append_turn(struct bench *bench, struct store *store, int per_commit)
{
	for (int i = 1; i <= PER_TURN; i++) {
		if (write(store->raw, picture(store, (uint64_t)i), FRAME_BYTES) != FRAME_BYTES)
			return error_from_errno(errno);
		store->raw_bytes += FRAME_BYTES;
		if (i % per_commit != 0)
			continue;
		if (fdatasync(store->raw) < 0)
			return error_from_errno(errno);
		int rc = next_raw(bench, store);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- by turns ---- */

/* What is full is of no use to anybody: between the turns the disk gets its space back. */
static void clear_up(struct bench *bench, struct store *store)
{
	struct recorder_state state;
	char path[160], name[64];
	recorder_state(store->recorder, &state);
	for (uint32_t n = state.segment > 4 ? state.segment - 4 : 1; n < state.segment; n++) {
		snprintf(name, sizeof(name), "recording/segments/%06u.seg", n);
		unlink(rig_path(bench, name, path, sizeof(path)));
	}
	for (uint32_t n = store->raw_number > 4 ? store->raw_number - 4 : 1; n < store->raw_number;
	     n++)
		unlink(raw_path(bench, n, path, sizeof(path)));
}

static int add_rate(struct samples *rates, int64_t begun)
{
	return samples_add(rates, PER_TURN / ((double)(clock_now() - begun) / (double)NS_PER_S));
}

static int both_turns(struct bench *bench, struct store *store, size_t pattern)
{
	int64_t begun = clock_now();
	int rc = append_turn(bench, store, patterns[pattern].frames);
	if (rc < 0)
		return bench_error(bench, rc, "store: appending to a file: %s", error_text(rc));
	rc = add_rate(&store->appended[pattern], begun);
	begun = clock_now();
	if (rc == 0)
		rc = record_turn(store, patterns[pattern].frames);
	if (rc < 0)
		return bench_error(bench, rc, "store: %s", recorder_error(store->recorder));
	return add_rate(&store->recorded[pattern], begun);
}

static int turns(struct bench *bench, struct store *store)
{
	int64_t end = clock_now() + (int64_t)(bench->seconds / PARTS * (double)NS_PER_S);
	int rc = 0, turn = 0;
	do {
		bench_progress(bench, "store: turn %d", ++turn);
		for (size_t pattern = 0; pattern < N_PATTERNS && rc == 0; pattern++)
			rc = both_turns(bench, store, pattern);
		clear_up(bench, store);
		rc = rc == 0 && bench_interrupted() ? TROUPE_E_AGAIN : rc;
	} while (rc == 0 && clock_now() < end);
	return rc;
}

static int add_figures(struct bench *bench, struct store *store)
{
	int rc = 0;
	for (size_t i = 0; i < N_PATTERNS && rc == 0; i++) {
		struct figure figure = {.unit = "frames/s",
					.kind = FIGURE_RATE,
					.baseline = "append+fdatasync",
					.baseline_n = store->appended[i].n,
					.target = TARGET_RATIO_AT_LEAST,
					.limit = TARGET};
		snprintf(figure.name, sizeof(figure.name), "stored, 100 KB frames, %s",
			 patterns[i].name);
		figure_take(&figure, &store->recorded[i]);
		figure.baseline_median = samples_quantile(&store->appended[i], 0.5);
		rc = figure_add(bench, &figure);
	}
	return rc;
}

/* ---- begin and end ---- */

static int make_pictures(struct store *store)
{
	uint64_t value = 88172645463325252u;
	store->pictures = malloc((size_t)FRAMES * FRAME_BYTES);
	if (!store->pictures)
		return TROUPE_E_MEMORY;
	for (size_t i = 0; i < (size_t)FRAMES * FRAME_BYTES; i++) {
		value ^= value << 13; /* xorshift: like a JPEG, it cannot be compressed */
		value ^= value >> 7;
		value ^= value << 17;
		store->pictures[i] = (uint8_t)value;
	}
	return 0;
}

static int open_recording(struct bench *bench, struct store *store)
{
	char folder[128], why[512] = "";
	struct recorder_options options = {
		.folder = rig_path(bench, "recording", folder, sizeof(folder)),
		.pipeline = "bench",
		.run = (uint64_t)(clock_wall() / NS_PER_MS),
		.segment_bytes = SEGMENT_BYTES,
		.segment_ns = 60 * NS_PER_S};
	int rc = recorder_open(&store->recorder, &options, why, sizeof(why));
	if (rc < 0)
		return bench_error(bench, rc, "store: %s", why);
	store->stream = recorder_add_stream(store->recorder, "cam1", 1920, 1080, 30, 1);
	return store->stream < 0 ? bench_error(bench, store->stream, "store: %s",
					       recorder_error(store->recorder))
				 : 0;
}

static int begin(struct bench *bench, struct store *store)
{
	struct statfs system;
	if (statfs(bench->folder, &system) == 0 && system.f_type == TMPFS_MAGIC) {
		return bench_error(bench, TROUPE_E_UNSUPPORTED,
				   "store: %s is in memory; --folder names one on a disk",
				   bench->folder);
	}
	int rc = make_pictures(store);
	if (rc == 0)
		rc = open_recording(bench, store);
	return rc < 0 ? rc : next_raw(bench, store);
}

static int as_fast_as_can_be(struct bench *bench)
{
	struct store store = {.raw = -1};
	int rc = begin(bench, &store);
	if (rc == 0)
		rc = turns(bench, &store);
	if (rc == 0)
		rc = add_figures(bench, &store);
	recorder_close(store.recorder);
	if (store.raw >= 0)
		close(store.raw);
	for (size_t i = 0; i < N_PATTERNS; i++) {
		samples_finish(&store.recorded[i]);
		samples_finish(&store.appended[i]);
	}
	free(store.pictures);
	return rc;
}

int store_run(struct bench *bench)
{
	int rc = as_fast_as_can_be(bench);
	if (rc == 0)
		rc = store_streams(bench, bench->seconds / PARTS);
	return rc == 0 ? store_keep(bench, bench->seconds / PARTS) : rc;
}
