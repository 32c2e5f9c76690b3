/* The order of a repair: look at everything, salvage, set the old catalogue aside, move what is
 * damaged, make the new catalogue, and put it into its place. */
#include "workers/storer/repair_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/storer/event_book.h"
#include "workers/storer/index_adopt.h"
#include "workers/storer/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0755
#define UNFINISHED  "unfinished"
#define OLD	    INDEX_FILE ".before-repair-"
#define OLD_MAX	    10000

int repair_explain(struct repair *repair, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(repair->why, repair->why_size, format, args);
	va_end(args);
	return rc;
}

void repair_tell(const struct repair *repair, const char *format, ...)
{
	char text[512];
	va_list args;

	if (repair->options->told == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	repair->options->told(repair->options->arg, text);
}

bool repair_went(struct repair *repair, uint64_t bytes)
{
	repair->done += bytes;
	return repair->options->going == NULL ||
	       repair->options->going(repair->options->arg, repair->done, repair->total);
}

static int explain(struct repair *repair, const char *what, const char *name)
{
	int errnum = errno;

	return repair_explain(repair, error_from_errno(errnum), "cannot %s '%s' in '%s': %s", what,
			      name, repair->options->folder, strerror(errnum));
}

/* ---- the folder ---- */

/* Only what is a recording already: a folder of segments, or a catalogue. */
static int open_folder(struct repair *repair)
{
	const char *path = repair->options->folder;
	char inner[REPAIR_PATH];
	struct stat st;
	int rc;

	snprintf(inner, sizeof(inner), "%s/" FOLDER_SEGMENTS, path);
	if (stat(inner, &st) < 0) {
		snprintf(inner, sizeof(inner), "%s/" INDEX_FILE, path);
		if (stat(inner, &st) < 0) {
			return repair_explain(repair, TROUPE_E_NOT_FOUND,
					      "no recording in '%s': neither segments nor a "
					      "catalogue",
					      path);
		}
	}
	rc = folder_open(&repair->folder, path, !repair->options->dry_run, repair->why,
			 repair->why_size);
	return rc < 0 ? rc
		      : folder_lock(&repair->folder, path, 0, NULL, NULL, repair->why,
				    repair->why_size);
}

/* ---- the old catalogue ---- */

static const char *const tails[] = {"", "-wal", "-shm"};

/* The number under which the old catalogue is kept; 0: there is none. */
static int old_number(struct repair *repair)
{
	char name[64];

	if (faccessat(repair->folder.folder, INDEX_FILE, F_OK, 0) < 0)
		return 0;
	for (int n = 1; n < OLD_MAX; n++) {
		snprintf(name, sizeof(name), OLD "%d", n);
		if (faccessat(repair->folder.folder, name, F_OK, 0) < 0)
			return n;
	}
	return OLD_MAX;
}

/* With its log, or what was committed last would be lost from it. */
static int set_catalogue_aside(struct repair *repair, int number)
{
	char from[64], to[64];

	if (number == 0)
		return 0;
	for (size_t i = sizeof(tails) / sizeof(tails[0]); i-- > 0;) {
		snprintf(from, sizeof(from), INDEX_FILE "%s", tails[i]);
		snprintf(to, sizeof(to), OLD "%d%s", number, tails[i]);
		if (renameat2(repair->folder.folder, from, repair->folder.folder, to,
			      RENAME_NOREPLACE) < 0 &&
		    (errno != ENOENT || i == 0))
			return explain(repair, "rename", from);
	}
	if (fsync(repair->folder.folder) < 0)
		return explain(repair, "sync", ".");
	snprintf(repair->report->catalogue, sizeof(repair->report->catalogue), OLD "%d", number);
	return 0;
}

/* ---- the new one ---- */

static void remove_unfinished(struct repair *repair)
{
	char name[64];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(name, sizeof(name), UNFINISHED "/" INDEX_FILE "%s", tails[i]);
		unlinkat(repair->folder.folder, name, 0);
	}
	unlinkat(repair->folder.folder, UNFINISHED, AT_REMOVEDIR);
}

/* All rows that segments tell. */
static int enter_segments(struct repair *repair, struct index *index)
{
	struct event_book events;
	struct recovery done;
	uint32_t numbers;
	int rc;

	event_book_init(&events, &EVENT_RULES_USUAL);
	rc = recovery_run(index, &events, true, repair->folder.segments, &numbers, &done, NULL,
			  NULL);
	event_book_finish(&events);
	repair->report->frames = done.rows_added;
	return rc < 0 ? repair_explain(repair, rc, "cannot make the new catalogue: %s",
				       *index_error(index) ? index_error(index) : error_text(rc))
		      : 0;
}

/* What segments do not tell. */
static int complete(struct repair *repair, struct index *index)
{
	const char *why = repair->report->damaged + repair->report->tails > 0 ? "damaged" : "gone";
	char old[REPAIR_PATH];
	int64_t gone;

	snprintf(old, sizeof(old), "%s/%s", repair->options->folder, repair->report->catalogue);
	if (*repair->report->catalogue) {
		int rc = index_adopt(index, old);

		repair->report->adopted = rc == 0;
		if (rc < 0)
			repair_tell(repair, "the old catalogue: %s (%s); nothing is taken from it",
				    error_text(rc), index_error(index));
	}
	gone = index_explain_holes(index, why, clock_wall());
	if (gone < 0)
		return repair_explain(repair, (int)gone, "cannot complete the new catalogue: %s",
				      index_error(index));
	repair->report->forgotten = (uint64_t)gone;
	return 0;
}

static int make_catalogue(struct repair *repair)
{
	char path[REPAIR_PATH];
	struct index *index;
	bool made;
	int rc;

	remove_unfinished(repair);
	if (mkdirat(repair->folder.folder, UNFINISHED, FOLDER_MODE) < 0 && errno != EEXIST)
		return explain(repair, "make", UNFINISHED);
	snprintf(path, sizeof(path), "%s/" UNFINISHED, repair->options->folder);
	rc = index_open_writer(&index, path, &made, NULL, NULL, repair->why, repair->why_size);
	if (rc < 0)
		return rc;
	rc = enter_segments(repair, index);
	if (rc == 0)
		rc = complete(repair, index);
	index_close(index); /* its log goes into it */
	return rc;
}

/* Durable as a whole before it has its name. */
static int put_in_place(struct repair *repair)
{
	int fd = openat(repair->folder.folder, UNFINISHED "/" INDEX_FILE, O_RDONLY | O_CLOEXEC);
	int rc = fd >= 0 && fsync(fd) == 0 ? 0 : explain(repair, "sync", INDEX_FILE);

	if (fd >= 0)
		close(fd);
	if (rc == 0 && (renameat(repair->folder.folder, UNFINISHED "/" INDEX_FILE,
				 repair->folder.folder, INDEX_FILE) < 0 ||
			fsync(repair->folder.folder) < 0))
		rc = explain(repair, "rename", INDEX_FILE);
	return rc;
}

/* ---- all of it ---- */

static int tell_catalogue(struct repair *repair, int number)
{
	if (number > 0)
		repair_tell(repair, "the catalogue that is there: set aside as " OLD "%d", number);
	return 0;
}

/* Until the old catalogue is set aside everything is as it was; from then on there is none until
 * the new one is in its place, and a start would make one. */
static int carry_out(struct repair *repair, int number)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < repair->n_found; i++)
		if (repair->found[i].salvage != 0)
			rc = repair_salvage(repair, &repair->found[i]);
	if (rc == 0)
		rc = set_catalogue_aside(repair, number);
	for (size_t i = 0; rc == 0 && i < repair->n_found; i++)
		rc = repair_move(repair, &repair->found[i]);
	if (rc == 0)
		rc = make_catalogue(repair);
	if (rc == 0)
		rc = put_in_place(repair);
	remove_unfinished(repair);
	return rc;
}

static int run(struct repair *repair)
{
	int number = old_number(repair);
	int rc = repair_survey(repair);

	if (rc == 0)
		rc = repair_others(repair);
	if (rc == 0)
		rc = tell_catalogue(repair, number);
	return rc < 0 || repair->options->dry_run ? rc : carry_out(repair, number);
}

int repair_recording(const struct repair_options *options, struct repair_report *report, char *why,
		     size_t why_size)
{
	struct repair repair = {
		.options = options,
		.report = report,
		.why = why,
		.why_size = why_size,
		.folder = {.folder = -1, .segments = -1, .lock = -1},
		.damaged = -1,
	};
	int rc;

	*report = (struct repair_report){0};
	if (strlen(options->folder) >= REPAIR_PATH - 64)
		return repair_explain(&repair, TROUPE_E_OVERSIZED, "'%s' is too long a path",
				      options->folder);
	rc = open_folder(&repair);
	if (rc == 0)
		rc = run(&repair);
	free(repair.found);
	if (repair.damaged >= 0)
		close(repair.damaged);
	folder_close(&repair.folder);
	return rc;
}
