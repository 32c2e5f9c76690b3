/* power_loss: cuts the power at random points of a recording's life, and judges what is left.
 *
 * A trial is a folder, in half of them with a recording of the previous version, and a few lives of
 * a storer in it (recorder.h, as the storer uses it); one stream comes as JPEG, one as H.264. Each
 * opens the recording, which is recovery, takes and commits frames, in some lives lets the oldest
 * go between two commits, and ends or is killed between any two changes to the disk; in some lives
 * writes and syncs fail. Then the power is cut at points of the trial's log, also within a
 * recovery, and each folder that may be left (disk.h) is the beginning of a new trial, up to three
 * cuts deep. Every recovery is judged (recordings.h). The same seed does the same, but for the
 * times that are written down. Exit 1: something was wrong, a line WRONG says what and where. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/power/disk.h"
#include "tests/power/recordings.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/recorder.h"
#include "workers/storer/retention.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUTS_DEEP     3
#define CUTS_OF_FIRST 12
#define SEGMENT_BYTES 24000
#define LOG_PAGES     20 /* of SQLite, until it is checkpointed */
#define LINE	      512
#define STEPS	      6 /* of what lets the oldest go, after a commit, at most */

struct options {
	uint64_t seed, points;
	enum disk_lie lie;
	bool early; /* plant: settle before the commit */
};

struct figures {
	uint64_t points, old, recovering, lives, killed, refused, failed_syncs, judged, frames,
		wrong;
};

struct trial {
	const struct options *options;
	struct figures *figures;
	struct chance chance;
	struct disk disk;
	char folder[RIG_PATH];
	struct promise promise;
	unsigned run;
	bool opened;	  /* a life of this trial got through recovery */
	size_t recovered; /* events by then */
	char path[LINE];  /* how to come here again */
};

static void wrong(struct trial *trial, const char *what)
{
	trial->figures->wrong++;
	printf("WRONG: %s (%s)\n", what, trial->path);
}

/* ---- one life of a storer ---- */

static void promise_now(struct trial *trial, const struct recorder *recorder,
			const uint64_t taken[STREAMS])
{
	for (unsigned i = 0; i < STREAMS; i++) {
		struct index_tally tally;

		recorder_tally(recorder, (int)i, &tally);
		trial->promise.settled[trial->run][i] =
			trial->options->early ? taken[i] : tally.last;
	}
	disk_add(&trial->disk, &(struct disk_event){.kind = DISK_NOTE}, &trial->promise,
		 sizeof(trial->promise));
}

static void take_again(const struct recorder *recorder, uint64_t taken[STREAMS])
{
	for (unsigned i = 0; i < STREAMS; i++)
		taken[i] = recorder_taken(recorder, (int)i);
}

static void take(struct trial *trial, struct recorder *recorder, uint64_t taken[STREAMS])
{
	unsigned stream = (unsigned)chance_below(&trial->chance, STREAMS);
	uint8_t coded[CODED_MAX];
	struct record record;

	make_frame(trial->run, stream, taken[stream] + 1, &record, coded);
	if (recorder_append(recorder, (int)stream, &record, coded) == 0)
		taken[stream]++;
}

static int end_segment(void *arg, uint32_t segment)
{
	return recorder_end_segment(arg, segment);
}

/* Lets all go but the newest of each stream, or nothing (NULL). */
static struct retention *begin_retention(struct trial *trial, struct recorder *recorder)
{
	struct retention *retention = NULL;
	const struct retention_options options = {.index = recorder_index(recorder),
						  .segments = recorder_segments(recorder),
						  .run = run_number(trial->run),
						  .all = {.bytes = 1},
						  .end = end_segment,
						  .arg = recorder};

	if (chance_below(&trial->chance, 2) == 0 || retention_create(&retention, &options) < 0)
		return NULL;
	for (unsigned i = 0; i < STREAMS; i++)
		(void)retention_stream(retention, stream_name(i), (struct keep_limit){0});
	return retention;
}

/* What fails is tried again. */
static void let_go(struct trial *trial, struct retention *retention)
{
	for (uint64_t n = chance_below(&trial->chance, STEPS); retention != NULL && n-- > 0;)
		if (!trial->disk.dead)
			(void)retention_step(retention);
}

static void record_frames(struct trial *trial, struct recorder *recorder)
{
	struct retention *retention = begin_retention(trial, recorder);
	uint64_t commits =
		chance_below(&trial->chance, 3) > 0 ? chance_below(&trial->chance, 10) : 0;
	uint64_t taken[STREAMS];

	take_again(recorder, taken);
	for (uint64_t i = 0; i < commits && !trial->disk.dead; i++) {
		for (uint64_t n = chance_below(&trial->chance, 6); n-- > 0;)
			take(trial, recorder, taken);
		if (trial->options->early)
			promise_now(trial, recorder, taken);
		if (recorder_commit(recorder) == 0)
			promise_now(trial, recorder, taken);
		else
			take_again(recorder, taken);
		let_go(trial, retention);
	}
	retention_destroy(retention);
}

/* Opens and adds the streams; NULL: `why` says why not. */
static struct recorder *begin(const struct trial *trial, char *why, size_t why_size)
{
	const struct recorder_options options = {.folder = trial->folder,
						 .pipeline = "power",
						 .run = run_number(trial->run),
						 .segment_bytes = SEGMENT_BYTES,
						 .segment_ns = 3600 * NS_PER_S};
	struct recorder *recorder;

	if (recorder_open(&recorder, &options, why, why_size) < 0)
		return NULL;
	for (unsigned i = 0; i < STREAMS; i++) {
		if (recorder_add_stream(recorder, stream_name(i), 64, 48, 25, 1) >= 0)
			continue;
		snprintf(why, why_size, "%s", recorder_error(recorder));
		recorder_close(recorder);
		return NULL;
	}
	return recorder;
}

/* Recovery has said what there is: is it so? */
static void judge_now(struct trial *trial)
{
	char why[LINE];
	int64_t frames = judge(trial->folder, &trial->promise, why, sizeof(why));

	trial->figures->judged++;
	if (frames < 0)
		wrong(trial, why);
	else
		trial->figures->frames += (uint64_t)frames;
}

static void set_faults(struct trial *trial, bool faults, bool deadly)
{
	struct disk *disk = &trial->disk;
	bool log = disk->lie == LIE_NO_LOG_REWRITE; /* which needs just that failure */

	disk->dead = false;
	disk->log_pages = log || chance_below(&trial->chance, 4) > 0 ? LOG_PAGES : 0;
	disk->die_in = deadly ? 1 + chance_below(&trial->chance, 150) : 0;
	disk->fail_syncs =
		faults ? (unsigned)chance_below(&trial->chance, 400) + (log ? 100 : 0) : 0;
	disk->fail_only_log = log || chance_below(&trial->chance, 2) == 0;
	disk->fail_writes = faults ? (unsigned)chance_below(&trial->chance, 20) : 0;
	disk->die_after_failure = log	   ? 1000
				  : faults ? (unsigned)chance_below(&trial->chance, 1001)
					   : 0;
}

static void live(struct trial *trial, bool faults, bool deadly)
{
	char why[LINE] = "";
	struct recorder *recorder;

	set_faults(trial, faults, deadly);
	recorder = begin(trial, why, sizeof(why));
	trial->figures->lives++;
	if (recorder == NULL) {
		trial->figures->refused++;
		if (!faults && !trial->disk.dead)
			wrong(trial, why);
		return;
	}
	if (!trial->opened)
		trial->recovered = trial->disk.n_events;
	trial->opened = true;
	if (!trial->disk.dead) /* it would not have come so far */
		judge_now(trial);
	record_frames(trial, recorder);
	trial->figures->killed += trial->disk.dead;
	recorder_close(recorder);
}

/* ---- trials ---- */

static void play(struct trial *trial, unsigned deep);

/* The new trial in what the power cut at event `at` may leave. */
static void cut(const struct trial *from, size_t at, unsigned deep)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	const void *noted = disk_noted(&from->disk, at);
	uint64_t seed = from->chance.state ^ at;

	if (trial == NULL)
		abort();
	trial->options = from->options;
	trial->figures = from->figures;
	trial->chance.state = seed;
	trial->promise = from->promise;
	trial->run = from->run + 1;
	if (noted != NULL)
		memcpy(&trial->promise, noted, sizeof(trial->promise));
	snprintf(trial->path, sizeof(trial->path), "%.400s, cut at %zu of %zu", from->path, at,
		 from->disk.n_events);
	rig_folder(trial->folder);
	disk_unwatch();
	disk_cut(&from->disk, at, seed, trial->folder);
	trial->figures->points++;
	trial->figures->recovering += !from->opened || at < from->recovered;
	play(trial, deep);
}

/* Often while SQLite copies its log into the file, which is but a small part of the time. */
static size_t choose_moment(struct trial *trial)
{
	bool copying =
		trial->disk.lie == LIE_NO_LOG_REWRITE || chance_below(&trial->chance, 4) == 0;
	size_t from = trial->disk.n_given + 1,
	       to = trial->disk.n_events, /* behind the first note */
		at = 0;

	if (trial->opened && chance_below(&trial->chance, 3) == 0)
		to = trial->recovered;
	for (unsigned tries = copying ? 50 : 1; tries-- > 0;) {
		at = from + (size_t)chance_below(&trial->chance, to - from + 1);
		if (disk_writes_index(&trial->disk, at))
			break;
	}
	return at;
}

static bool enough(const struct trial *trial)
{
	bool planted = trial->options->lie != LIE_NONE || trial->options->early;

	return trial->figures->points >= trial->options->points ||
	       (planted && trial->figures->wrong > 0);
}

static void play(struct trial *trial, unsigned deep)
{
	uint64_t lives = 1 + chance_below(&trial->chance, 4);
	uint64_t cuts = deep == CUTS_DEEP ? CUTS_OF_FIRST : chance_below(&trial->chance, 3);

	trial->disk.chance.state = chance_next(&trial->chance);
	trial->disk.lie = trial->options->lie;
	disk_watch(&trial->disk, trial->folder);
	disk_add(&trial->disk, &(struct disk_event){.kind = DISK_NOTE}, &trial->promise,
		 sizeof(trial->promise));
	for (uint64_t i = 0; i < lives; i++)
		live(trial, i > 0 && chance_below(&trial->chance, 2) == 0,
		     chance_below(&trial->chance, 2) == 0);
	if (lives > 1)
		live(trial, false, false);
	disk_unwatch();
	for (uint64_t i = 0; deep > 0 && i < cuts && !enough(trial); i++)
		cut(trial, choose_moment(trial), deep - 1);
	disk_finish(&trial->disk);
	rig_remove(trial->folder);
	free(trial);
}

static void begin_trial(const struct options *options, struct figures *figures, uint64_t seed)
{
	struct trial *trial = calloc(1, sizeof(*trial));

	if (trial == NULL)
		abort();
	trial->options = options;
	trial->figures = figures;
	trial->chance.state = seed;
	rig_folder(trial->folder);
	if (chance_below(&trial->chance, 2) == 0) {
		rig_version_1(trial->folder);
		trial->promise.old = RIG_VERSION_1_FRAMES;
		figures->old++;
	}
	snprintf(trial->path, sizeof(trial->path), "seed %" PRIu64, seed);
	play(trial, CUTS_DEEP);
}

/* ---- the program ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier): the names are the linker's */
int __real_sqlite3_wal_autocheckpoint(sqlite3 *db, int pages);
int __wrap_sqlite3_wal_autocheckpoint(sqlite3 *db, int pages);

/* A recording as small as these would seldom fill the log so far that it is checkpointed. */
int __wrap_sqlite3_wal_autocheckpoint(sqlite3 *db, int pages)
{
	const struct disk *disk = disk_watched();

	return __real_sqlite3_wal_autocheckpoint(
		db, disk != NULL && disk->log_pages > 0 ? disk->log_pages : pages);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static int usage(void)
{
	fprintf(stderr,
		"usage: power_loss [--points N] [--seed S] [--plant segment-sync | name-sync |"
		" folder-sync | retried-sync | no-rewrite | no-log-rewrite | early]\n");
	return 2;
}

static bool set_plant(struct options *options, const char *name)
{
	static const char *const lies[] = {
		[LIE_SEGMENT_SYNC] = "segment-sync", [LIE_NAME_SYNC] = "name-sync",
		[LIE_FOLDER_SYNC] = "folder-sync",   [LIE_RETRIED_SYNC] = "retried-sync",
		[LIE_NO_REWRITE] = "no-rewrite",     [LIE_NO_LOG_REWRITE] = "no-log-rewrite",
	};

	options->early = strcmp(name, "early") == 0;
	for (size_t i = 1; i < sizeof(lies) / sizeof(lies[0]); i++)
		if (strcmp(name, lies[i]) == 0)
			options->lie = (enum disk_lie)i;
	return options->early || options->lie != LIE_NONE;
}

static void tell(const struct figures *f, uint64_t seed)
{
	printf("power_loss: seed %" PRIu64 ": %" PRIu64 " power cuts (%" PRIu64
	       " during a recovery), %" PRIu64 " lives of a storer (%" PRIu64 " killed, %" PRIu64
	       " could not begin, %" PRIu64 " began with a recording of version 1), %" PRIu64
	       " recordings judged with %" PRIu64 " frames: %" PRIu64 " wrong\n",
	       seed, f->points, f->recovering, f->lives, f->killed, f->refused, f->old, f->judged,
	       f->frames, f->wrong);
}

int main(int argc, char **argv)
{
	struct options options = {.seed = 1, .points = 300};
	struct figures figures = {0};

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return usage();
		if (strcmp(argv[i], "--points") == 0)
			options.points = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			options.seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--plant") != 0 || !set_plant(&options, argv[i + 1]))
			return usage();
	}
	for (uint64_t seed = options.seed; figures.points < options.points; seed++) {
		begin_trial(&options, &figures, seed);
		if (figures.wrong > 0 && (options.lie != LIE_NONE || options.early))
			break;
	}
	tell(&figures, options.seed);
	return figures.wrong > 0;
}
