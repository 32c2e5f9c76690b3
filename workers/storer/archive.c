/* Which segment is coded anew, and what comes next. */
#include "workers/storer/archive.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "workers/storer/archive_child.h"
#include "workers/storer/archive_swap.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define TRIES	       3
#define LEFT_MAX       256 /* segments that are left as they are, before it is all given up */
#define LOOK_EACH      (NS_PER_S)
#define LOOK_SELDOM    (60 * NS_PER_S)
#define DISK_WAIT      (60 * NS_PER_S)
#define HANG_AFTER     (600 * NS_PER_S)
#define HANG_LOOK_EACH (5 * NS_PER_S)
#define NOTABLE	       (5 * NS_PER_MS)

enum stage {
	STAGE_RESTING, /* there is nothing to do, or not yet */
	STAGE_CODING,  /* the child is at work */
	STAGE_LOOKING, /* at what it has done */
	STAGE_NAMING,  /* the steps of archive_swap.h */
	STAGE_ENTERING,
	STAGE_REMOVING,
	STAGE_FORGETTING,
	STAGE_OFF, /* there is no H.264 here, or too much went wrong */
};

static const char *const stage_names[] = {
	[STAGE_RESTING] = "rests",	[STAGE_CODING] = "codes",    [STAGE_LOOKING] = "looks at",
	[STAGE_NAMING] = "names",	[STAGE_ENTERING] = "enters", [STAGE_REMOVING] = "removes",
	[STAGE_FORGETTING] = "forgets", [STAGE_OFF] = "is given up",
};

struct archive {
	struct archive_options options;
	char segments[600]; /* path of the folder */
	enum stage stage;
	int64_t due; /* of the next look, or try */
	struct archive_child child;
	struct archive_swap swap;
	struct recorder *recorder;
	struct index_segment old; /* what is on its way */
	uint32_t number;
	uint32_t tried; /* a segment that failed, … */
	unsigned tries; /* … so often */
	uint32_t left[LEFT_MAX];
	uint32_t n_left;
	uint64_t done, frames, bytes_before, bytes_after;
	int64_t longest; /* ns: of one turn, in which no frame was taken */
};

struct archive *archive_create(const struct archive_options *options)
{
	struct archive *archive = calloc(1, sizeof(*archive));

	if (archive == NULL)
		return NULL;
	archive->options = *options;
	if (archive->options.hang_after == 0)
		archive->options.hang_after = HANG_AFTER;
	snprintf(archive->segments, sizeof(archive->segments), "%s/%s", options->folder,
		 FOLDER_SEGMENTS);
	archive->child.fd = -1;
	return archive;
}

void archive_destroy(struct archive *archive)
{
	if (archive == NULL)
		return;
	archive_stop(archive);
	free(archive);
}

int archive_fd(const struct archive *archive)
{
	return archive->child.fd;
}

static void tell(const struct archive *archive, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(const struct archive *archive, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	archive->options.tell(archive->options.arg, text);
}

static void rest(struct archive *archive, int64_t until)
{
	archive_swap_finish(&archive->swap);
	archive->stage = STAGE_RESTING;
	archive->due = until;
}

/* ---- what cannot be archived ---- */

static bool is_left(const struct archive *archive, uint32_t segment)
{
	for (uint32_t i = 0; i < archive->n_left; i++)
		if (archive->left[i] == segment)
			return true;
	return false;
}

static void leave(struct archive *archive)
{
	archive->left[archive->n_left++] = archive->old.number;
	tell(archive,
	     "archive: segment %06" PRIu32 " of %s cannot be coded anew and stays as it is",
	     archive->old.number, archive->old.stream);
	if (archive->n_left < LEFT_MAX)
		return;
	archive->stage = STAGE_OFF;
	tell(archive, "archive: too many segments cannot be coded anew; it rests");
}

/* This segment once more, or never again. */
static void fail(struct archive *archive, int64_t now, const char *why)
{
	log_warn("archive: segment %06" PRIu32 ": %s", archive->old.number, why);
	archive_swap_discard(&archive->swap);
	rest(archive, now);
	if (archive->tried != archive->old.number)
		archive->tries = 0;
	archive->tried = archive->old.number;
	if (++archive->tries >= TRIES)
		leave(archive);
}

static void disk_refuses(struct archive *archive, int64_t now, const char *why)
{
	log_warn("archive: %s; trying again later", why);
	archive_swap_discard(&archive->swap);
	rest(archive, now + DISK_WAIT);
}

/* ---- choosing ---- */

/* The oldest one that has only old frames; TROUPE_E_ENDED. */
static int choose(struct archive *archive, struct index *index)
{
	int64_t before = clock_wall() - archive->options.after;
	int rc;

	archive->old.number = 0;
	do {
		rc = index_next_jpeg(index, archive->old.number, before, &archive->old);
	} while (rc == 0 && is_left(archive, archive->old.number));
	return rc;
}

static void begin(struct archive *archive, int64_t now)
{
	struct recorder *recorder = archive->recorder;
	const struct archive_order order = {
		.pipeline = archive->options.pipeline,
		.segments = archive->segments,
		.from = archive->old.number,
		.to = recorder_new_number(recorder),
		.quality = archive->options.quality,
		.eager = archive->options.eager,
		.bytes = archive->old.bytes,
	};
	int rc = archive_child_start(&archive->child, &order);

	archive->number = order.to;
	archive->swap = (struct archive_swap){
		.folder = recorder_segments(recorder), .number = order.to, .reader.fd = -1};
	if (rc < 0) {
		archive->stage = STAGE_OFF;
		tell(archive, "archive: " ARCHIVE_PROGRAM " cannot be started: %s; it rests",
		     error_text(rc));
		return;
	}
	archive->stage = STAGE_CODING;
	archive->due = now + HANG_LOOK_EACH;
	FAIL_POINT(ARCHIVE_BEGUN);
}

static void choose_and_begin(struct archive *archive, int64_t now)
{
	int64_t wait = archive->options.after / 8;
	int rc = choose(archive, recorder_index(archive->recorder));

	if (rc == 0) {
		begin(archive, now);
		return;
	}
	if (rc != TROUPE_E_ENDED)
		log_warn("archive: %s", index_error(recorder_index(archive->recorder)));
	wait = wait < LOOK_EACH ? LOOK_EACH : wait > LOOK_SELDOM ? LOOK_SELDOM : wait;
	rest(archive, now + wait);
}

/* ---- the child ---- */

static void begin_to_look(struct archive *archive, int64_t now)
{
	struct recorder *recorder = archive->recorder;
	int rc = archive_swap_init(&archive->swap, recorder_index(recorder),
				   recorder_segments(recorder), &archive->old, archive->number);

	FAIL_POINT(ARCHIVE_CODED);
	archive->stage = STAGE_LOOKING;
	archive->due = now;
	if (rc < 0)
		fail(archive, now, error_text(rc));
}

static void judge(struct archive *archive, int64_t now, int code, int status)
{
	char why[64];

	snprintf(why, sizeof(why), ARCHIVE_PROGRAM " ended with %s %d",
		 code == CLD_EXITED ? "exit code" : "signal", status);
	if (code == CLD_EXITED && status == ARCHIVE_EXIT_WHOLE) {
		begin_to_look(archive, now);
	} else if (code == CLD_EXITED && status == ARCHIVE_EXIT_NO_CODEC) {
		archive_swap_discard(&archive->swap);
		archive->stage = STAGE_OFF;
		tell(archive, "archive: there is no H.264 encoder here; it rests");
	} else if (code == CLD_EXITED && status == ARCHIVE_EXIT_DISK) {
		disk_refuses(archive, now, why);
	} else {
		fail(archive, now, why);
	}
}

static void watch(struct archive *archive, int64_t now)
{
	int code, status;

	if (archive_child_ended(&archive->child, &code, &status)) {
		judge(archive, now, code, status);
		return;
	}
	if (archive_child_hangs(&archive->child, now, archive->options.hang_after))
		archive_child_kill(&archive->child);
	archive->due = now + HANG_LOOK_EACH;
}

/* ---- the swap ---- */

static void look(struct archive *archive, int64_t now)
{
	int rc = archive_swap_look(&archive->swap);

	if (rc == TROUPE_E_CORRUPT)
		fail(archive, now, "what came out is not what went in");
	else if (rc < 0)
		fail(archive, now, error_text(rc));
	else if (rc == 0)
		archive->stage = STAGE_NAMING;
}

static void name(struct archive *archive, int64_t now)
{
	int rc = archive_swap_name(&archive->swap);

	if (rc < 0)
		disk_refuses(archive, now, error_text(rc));
	else
		archive->stage = STAGE_ENTERING;
}

/* After an error nobody knows how far a commit got, so neither segment may go. */
static void enter(struct archive *archive, int64_t now)
{
	int rc = archive_swap_enter(&archive->swap);

	if (rc == TROUPE_E_STATE) {
		archive_swap_discard(&archive->swap);
		rest(archive, now);
	} else if (rc < 0) {
		archive->due = now + LOOK_EACH;
	} else {
		archive->stage = STAGE_REMOVING;
		archive->done++;
		archive->frames += archive->swap.n_rows;
		archive->bytes_before += archive->old.bytes;
		archive->bytes_after += archive->swap.new_at;
	}
}

static void remove_old(struct archive *archive, int64_t now)
{
	if (archive_swap_remove(&archive->swap) < 0)
		archive->due = now + LOOK_EACH;
	else
		archive->stage = STAGE_FORGETTING;
}

static void forget_old(struct archive *archive, int64_t now)
{
	if (archive_swap_forget(&archive->swap) < 0)
		archive->due = now + LOOK_EACH;
	else
		rest(archive, now);
}

/* ---- turns ---- */

/* How long commits may have had to wait for it. */
static void note_time(struct archive *archive, enum stage stage, int64_t lasted)
{
	if (lasted > NOTABLE)
		log_debug("archive: %s segment %06" PRIu32 " took %.1f ms", stage_names[stage],
			  archive->old.number, (double)lasted / NS_PER_MS);
	if (lasted > archive->longest)
		archive->longest = lasted;
}

typedef void stage_fn(struct archive *archive, int64_t now);

static stage_fn *const stages[] = {
	[STAGE_RESTING] = choose_and_begin,
	[STAGE_CODING] = watch,
	[STAGE_LOOKING] = look,
	[STAGE_NAMING] = name,
	[STAGE_ENTERING] = enter,
	[STAGE_REMOVING] = remove_old,
	[STAGE_FORGETTING] = forget_old,
};

int64_t archive_turn(struct archive *archive, struct recorder *recorder, int64_t now)
{

	if (archive->stage == STAGE_OFF)
		return CLOCK_NEVER;
	archive->recorder = recorder;
	if (archive->stage == STAGE_CODING || now >= archive->due) {
		enum stage stage = archive->stage;
		int64_t begun = clock_now();

		stages[stage](archive, now);
		note_time(archive, stage, clock_now() - begun);
	}
	return archive->stage == STAGE_OFF ? CLOCK_NEVER : archive->due;
}

/* What has its name goes the rest of the way; an error leaves it to the next start. */
static void finish_swap(struct archive *archive)
{
	enum stage before = STAGE_RESTING;

	while (archive->stage >= STAGE_ENTERING && archive->stage <= STAGE_FORGETTING &&
	       archive->stage != before) {
		before = archive->stage;
		stages[before](archive, clock_now());
	}
}

void archive_stop(struct archive *archive)
{
	finish_swap(archive);
	if (archive->stage == STAGE_OFF || archive->stage == STAGE_RESTING)
		return;
	if (archive->stage == STAGE_CODING)
		archive_child_drop(&archive->child);
	if (archive->stage <= STAGE_NAMING) /* nobody knows of it yet */
		archive_swap_discard(&archive->swap);
	rest(archive, 0);
}

void archive_dump(const struct archive *archive, FILE *out)
{
	fprintf(out, "archive: %s", stage_names[archive->stage]);
	if (archive->stage != STAGE_RESTING && archive->stage != STAGE_OFF)
		fprintf(out, " segment %06" PRIu32, archive->old.number);
	fprintf(out,
		"; %" PRIu64 " segments, %" PRIu64 " frames, %.1f MB became %.1f MB; %" PRIu32
		" segments left as they are; longest step %.1f ms\n",
		archive->done, archive->frames, (double)archive->bytes_before / 1e6,
		(double)archive->bytes_after / 1e6, archive->n_left,
		(double)archive->longest / NS_PER_MS);
}
