/* Streams into a recording at their own pace. */
#include "tools/bench/store.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <stdio.h>
#include <stdlib.h>

#define FPS	 30
#define PICTURES 16 /* different ones, like the slots they would lie in */

int load_begin(struct bench *bench, struct load *load, const char *folder, int streams)
{
	char why[512] = "";
	struct recorder_options options = {.folder = folder,
					   .pipeline = "bench",
					   .run = (uint64_t)(clock_wall() / NS_PER_MS),
					   .segment_bytes = SEGMENT_BYTES,
					   .segment_ns = 60 * NS_PER_S};
	uint64_t value = 88172645463325252u;
	load->pictures = malloc((size_t)PICTURES * FRAME_BYTES);
	if (!load->pictures)
		return TROUPE_E_MEMORY;
	for (size_t i = 0; i < (size_t)PICTURES * FRAME_BYTES; i++) {
		value = value * 6364136223846793005u + 1442695040888963407u;
		load->pictures[i] = (uint8_t)(value >> 56);
	}
	int rc = recorder_open(&load->recorder, &options, why, sizeof(why));
	if (rc < 0)
		return bench_error(bench, rc, "store: %s", why);
	for (int i = 0; i < streams && rc >= 0; i++) {
		char name[16];
		snprintf(name, sizeof(name), "new%02d", i + 1);
		rc = recorder_add_stream(load->recorder, name, 1920, 1080, FPS, 1);
	}
	load->streams = streams;
	load->begun = clock_now();
	return rc < 0 ? bench_error(bench, rc, "store: %s", recorder_error(load->recorder)) : 0;
}

static int take(struct load *load, int stream)
{
	int64_t now = clock_now();
	struct record record = {.seq = load->rounds,
				.ordinal = load->rounds,
				.source_index = load->rounds - 1,
				.pts = (int64_t)load->rounds * NS_PER_S / FPS,
				.captured = now,
				.captured_wall = clock_wall(),
				.published = now,
				.claimed = now,
				.finished = now,
				.width = 1920,
				.height = 1080,
				.coded_bytes = FRAME_BYTES};
	size_t which = (size_t)(load->rounds + (uint64_t)stream) % PICTURES;
	return recorder_append(load->recorder, stream, &record,
			       load->pictures + which * FRAME_BYTES);
}

static int commit(struct load *load)
{
	int64_t begun = clock_now();
	int rc = recorder_commit(load->recorder);
	if (rc == 0)
		rc = samples_add(&load->commits, (double)(clock_now() - begun) / (double)NS_PER_MS);
	return rc;
}

int load_round(struct bench *bench, struct load *load)
{
	uint64_t bytes;
	int rc = bench_sleep_until(load->begun + (int64_t)load->rounds * NS_PER_S / FPS);
	int64_t begun = clock_now();
	if (rc < 0)
		return rc;
	load->rounds++;
	if (recorder_pending(load->recorder, NULL) == 0)
		load->first_pending = begun;
	for (int i = 0; i < load->streams && rc == 0; i++)
		rc = take(load, i);
	recorder_pending(load->recorder, &bytes);
	bool due = bytes >= COMMIT_BYTES || clock_now() - load->first_pending >= COMMIT_EVERY;
	if (rc == 0 && due)
		rc = commit(load);
	load->working += clock_now() - begun;
	return rc < 0 ? bench_error(bench, rc, "store: %s", recorder_error(load->recorder)) : due;
}

void load_finish(struct load *load)
{
	recorder_close(load->recorder);
	samples_finish(&load->commits);
	free(load->pictures);
}
