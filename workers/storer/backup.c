/* Backing a recording up: a snapshot of its catalogue first, then the segments that the snapshot
 * names, and the catalogue takes its place last. */
#include "workers/storer/backup.h"

#include "ipc/base/errors.h"
#include "workers/storer/backup_folder.h"
#include "workers/storer/backup_segment.h"
#include "workers/storer/index_copy.h"
#include "workers/storer/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* One backup. */
struct backup {
	const struct backup_options *options;
	struct backup_report *report;
	char *why;
	size_t why_size;
	struct backup_folder target;
	int segments;	      /* descriptor of the recording's */
	struct index *from;   /* its catalogue */
	struct index *old;    /* of the backup that is there; NULL: none that can be read */
	struct index *fresh;  /* the snapshot */
	uint32_t vanished;    /* the segment that was not there, though the snapshot has it; 0: none
			       */
	uint64_t done, total; /* bytes */
};

static int explain(struct backup *backup, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int explain(struct backup *backup, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(backup->why, backup->why_size, format, args);
	va_end(args);
	return rc;
}

static void note(const struct backup *backup, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void note(const struct backup *backup, const char *format, ...)
{
	char text[512];
	va_list args;

	if (backup->options->note == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	backup->options->note(backup->options->arg, text);
}

static bool go_on(struct backup *backup)
{
	return backup->options->going == NULL ||
	       backup->options->going(backup->options->arg, backup->done, backup->total);
}

/* Why a file could not be copied, in words that name the way out. */
static int explain_copy(struct backup *backup, int rc, const char *what)
{
	if (rc == TROUPE_E_CLOSED)
		return explain(backup, rc, "interrupted; the backup that was there is as it was");
	if (rc == TROUPE_E_NO_SPACE) {
		return explain(backup, rc,
			       "no space left in '%s' for %s; the backup that was there is as it "
			       "was, and the next one goes on from here",
			       backup->options->to, what);
	}
	return explain(backup, rc, "cannot copy %s to '%s': %s", what, backup->options->to,
		       error_text(rc));
}

/* ---- the snapshot ---- */

static bool copying_catalogue(void *arg, uint64_t done, uint64_t total)
{
	struct backup *backup = arg;

	backup->done = done;
	backup->total = total;
	return go_on(backup);
}

static int refuse_strangers(struct backup *backup)
{
	int64_t runs =
		backup->old != NULL ? index_strangers(backup->fresh, backup->options->to) : 0;

	if (runs < 0) {
		return explain(
			backup, (int)runs, "cannot compare the catalogues of '%s' and '%s': %s",
			backup->options->from, backup->options->to, index_error(backup->fresh));
	}
	if (runs == 0)
		return 0;
	return explain(backup, TROUPE_E_EXISTS,
		       "'%s' holds %" PRId64
		       " runs that '%s' has not: it is the backup of another recording, or was "
		       "recorded into; choose another folder",
		       backup->options->to, runs, backup->options->from);
}

/* Takes a snapshot of the catalogue as it is now and opens it. */
static int take_snapshot(struct backup *backup)
{
	char path[BACKUP_PATH + 32], words[256] = "";
	struct stat st;
	int rc;

	index_close(backup->fresh);
	backup->fresh = NULL;
	backup->report->snapshots++;
	unlinkat(backup->target.unfinished, INDEX_FILE, 0);
	snprintf(path, sizeof(path), "%s/" INDEX_FILE, backup->target.unfinished_path);
	rc = index_copy(backup->from, path, copying_catalogue, backup, words, sizeof(words));
	if (rc == TROUPE_E_CLOSED || rc == TROUPE_E_NO_SPACE)
		return explain_copy(backup, rc, "the catalogue");
	if (rc < 0)
		return explain(backup, rc, "cannot copy the catalogue of '%s': %s",
			       backup->options->from, words);
	if (stat(path, &st) == 0)
		backup->report->catalogue_bytes = (uint64_t)st.st_size;
	rc = index_open(&backup->fresh, backup->target.unfinished_path, backup->why,
			backup->why_size);
	return rc < 0 ? rc : refuse_strangers(backup);
}

/* ---- segments ---- */

static bool copying_segment(void *arg, uint64_t bytes)
{
	struct backup *backup = arg;

	backup->done += bytes;
	return go_on(backup);
}

/* What the backup that is there vouches for of this very segment. */
static uint64_t vouched_of(const struct backup *backup, const struct index_segment *segment)
{
	struct index_segment known;

	if (backup->old == NULL || index_segment(backup->old, segment->number, &known) < 0 ||
	    known.created_wall != segment->created_wall)
		return 0;
	return known.bytes < segment->bytes ? known.bytes : segment->bytes;
}

static struct segment_copy plan(struct backup *backup, const struct index_segment *segment)
{
	return (struct segment_copy){
		.from = backup->segments,
		.to = backup->target.folder.segments,
		.unfinished = backup->target.unfinished,
		.number = segment->number,
		.created_wall = segment->created_wall,
		.bytes = segment->bytes,
		.vouched = vouched_of(backup, segment),
		.going = copying_segment,
		.arg = backup,
	};
}

static bool room_for(const struct backup *backup, uint64_t bytes)
{
	struct statvfs space;

	return fstatvfs(backup->target.folder.folder, &space) < 0 ||
	       (uint64_t)space.f_bavail * space.f_frsize >= bytes;
}

/* What has to be copied, and whether there is room for it. */
static int measure(struct backup *backup)
{
	struct index_segment segment = {0};
	int rc;

	backup->done = backup->total = 0;
	backup->report->segments = backup->report->bytes = 0;
	while ((rc = index_next_segment(backup->fresh, segment.number, &segment)) == 0) {
		struct segment_copy copy = plan(backup, &segment);

		if (segment.state == SEGMENT_DOOMED)
			continue;
		backup->total += segment_copy_missing(&copy);
		backup->report->segments++;
		backup->report->bytes += segment.bytes;
	}
	if (rc != TROUPE_E_ENDED)
		return explain(backup, rc, "cannot read the copy of the catalogue: %s",
			       index_error(backup->fresh));
	if (room_for(backup, backup->total))
		return 0;
	return explain(backup, TROUPE_E_NO_SPACE,
		       "no space in '%s' for %" PRIu64
		       " MB; the backup that was there is as it was",
		       backup->options->to, backup->total / 1000000 + 1);
}

/* A segment that was there when the snapshot was taken: retention and archive take segments away
 * once the catalogue says so. A newer snapshot knows; when that still has it, it is lost. */
static int missing(struct backup *backup, uint32_t number)
{
	if (backup->vanished != number) {
		backup->vanished = number;
		return TROUPE_E_AGAIN;
	}
	backup->report->missing++;
	note(backup, "segment %06" PRIu32 " is not in the recording, though its catalogue has it",
	     number);
	return 0;
}

static int copy_one(struct backup *backup, const struct index_segment *segment)
{
	struct segment_copy copy = plan(backup, segment);
	char what[32];
	int rc = segment_copy_run(&copy);

	backup->report->copied += copy.copied > 0;
	backup->report->copied_bytes += copy.copied;
	if (rc == TROUPE_E_NOT_FOUND)
		return missing(backup, segment->number);
	if (rc < 0 && rc != TROUPE_E_TRUNCATED) {
		snprintf(what, sizeof(what), "segment %06" PRIu32, segment->number);
		return explain_copy(backup, rc, what);
	}
	if (rc == TROUPE_E_TRUNCATED || copy.damaged) {
		backup->report->damaged++;
		note(backup, "segment %06" PRIu32 " is damaged in the recording", segment->number);
	}
	return 0;
}

/* TROUPE_E_AGAIN: one of them vanished, a newer snapshot is needed. */
static int copy_segments(struct backup *backup)
{
	struct index_segment segment = {0};
	int rc = measure(backup);

	while (rc == 0 && (rc = index_next_segment(backup->fresh, segment.number, &segment)) == 0) {
		if (segment.state != SEGMENT_DOOMED)
			rc = copy_one(backup, &segment);
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* ---- the end ---- */

/* From here on the new backup is valid. The catalogue has no log beside it, neither old nor new, so
 * one rename is the whole step. */
static int put_in_place(struct backup *backup)
{
	index_close(backup->fresh);
	backup->fresh = NULL;
	if (fsync(backup->target.folder.segments) < 0 ||
	    renameat(backup->target.unfinished, INDEX_FILE, backup->target.folder.folder,
		     INDEX_FILE) < 0 ||
	    fsync(backup->target.folder.folder) < 0)
		return explain(backup, error_from_errno(errno), "cannot finish '%s': %s",
			       backup->options->to, strerror(errno));
	return 0;
}

/* Something that the recording has not any more. What it lost to damage may be whole here. */
static void remove_one(struct backup *backup, uint32_t number, bool lost)
{
	char name[SEGMENT_NAME_SIZE], place[64];

	segment_name(number, name);
	if (!lost) {
		backup->report->removed += unlinkat(backup->target.folder.segments, name, 0) == 0;
		return;
	}
	mkdirat(backup->target.folder.folder, BACKUP_KEPT, 0755);
	snprintf(place, sizeof(place), BACKUP_KEPT "/%s", name);
	backup->report->kept += renameat(backup->target.folder.segments, name,
					 backup->target.folder.folder, place) == 0;
}

/* Which segments of the folder the snapshot has not, and whether they were lost to damage, has to
 * be asked while the old catalogue is there. */
struct removal {
	uint32_t number;
	bool lost;
};

static int list_removals(struct backup *backup, struct removal **removals)
{
	uint32_t *numbers;
	int count = segment_list(backup->target.folder.segments, &numbers), n = 0;

	*removals = count > 0 ? calloc((size_t)count, sizeof(**removals)) : NULL;
	for (int i = 0; *removals != NULL && i < count; i++) {
		struct index_segment segment;
		int rc = index_segment(backup->fresh, numbers[i], &segment);

		if (rc == 0 && segment.state != SEGMENT_DOOMED)
			continue;
		(*removals)[n++] = (struct removal){
			.number = numbers[i],
			.lost = backup->old != NULL &&
				index_lost_of(backup->fresh, backup->options->to, numbers[i]) != 0,
		};
	}
	free(numbers);
	return n;
}

static int finish(struct backup *backup)
{
	struct removal *removals;
	int count = list_removals(backup, &removals);
	int rc;

	index_close(backup->old);
	backup->old = NULL;
	rc = put_in_place(backup);
	for (int i = 0; rc == 0 && i < count; i++)
		remove_one(backup, removals[i].number, removals[i].lost);
	free(removals);
	return rc;
}

/* ---- all of it ---- */

static int open_source(struct backup *backup)
{
	char path[BACKUP_PATH + 16];
	char words[256] = "";
	int rc = index_open(&backup->from, backup->options->from, words, sizeof(words));

	if (rc < 0)
		return explain(backup, rc, "no recording in '%s': %s", backup->options->from,
			       words);
	snprintf(path, sizeof(path), "%.*s/" FOLDER_SEGMENTS, BACKUP_PATH, backup->options->from);
	backup->segments = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (backup->segments < 0)
		return explain(backup, error_from_errno(errno), "cannot open '%s': %s", path,
			       strerror(errno));
	return 0;
}

/* The catalogue of the backup that is there. One that cannot be read vouches for nothing. One with
 * a log beside it is written by somebody, and a rename would put the log beside another file. */
static int open_old(struct backup *backup)
{
	char words[256];

	if (faccessat(backup->target.folder.folder, INDEX_FILE "-wal", F_OK, 0) == 0) {
		return explain(backup, TROUPE_E_EXISTS,
			       "'%s' has been recorded into, or is open; choose another folder",
			       backup->options->to);
	}
	if (index_open(&backup->old, backup->options->to, words, sizeof(words)) < 0)
		backup->old = NULL;
	return 0;
}

static int run(struct backup *backup)
{
	int rc = open_old(backup);

	while (rc == 0) {
		rc = take_snapshot(backup);
		if (rc == 0)
			rc = copy_segments(backup);
		if (rc != TROUPE_E_AGAIN)
			break;
		rc = 0;
	}
	return rc < 0 ? rc : finish(backup);
}

int backup_make(const struct backup_options *options, struct backup_report *report, char *why,
		size_t why_size)
{
	struct backup backup = {.options = options,
				.report = report,
				.why = why,
				.why_size = why_size,
				.segments = -1};
	int rc;

	*report = (struct backup_report){0};
	rc = open_source(&backup);
	if (rc == 0)
		rc = backup_folder_open(&backup.target, options->to, options->from, why, why_size);
	if (rc == 0) {
		rc = run(&backup);
		index_close(backup.fresh);
		index_close(backup.old);
		backup_folder_close(&backup.target);
	}
	index_close(backup.from);
	if (backup.segments >= 0)
		close(backup.segments);
	return rc;
}
