/* One line, one write(2) to a descriptor in append mode. */
#include "supervisor/journal.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/journal/reader.h"
#include "ipc/links/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the file ---- */

static bool ends_within_line(int fd, off_t size)
{
	char last = '\n';
	return size > 0 && (pread(fd, &last, 1, size - 1) != 1 || last != '\n');
}

static int open_file(struct journal *journal)
{
	char path[JOURNAL_PATH_SIZE];
	struct stat about;
	journal_path(journal->folder, 0, path, sizeof(path));
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fstat(fd, &about) < 0)
		return error_from_errno(errno);
	journal->fd = fd;
	journal->torn = ends_within_line(fd, about.st_size);
	journal->room = journal->limit - about.st_size;
	return 0;
}

int journal_open(struct journal *journal, const char *state_folder, uint64_t run, int64_t limit)
{
	*journal = (struct journal){.fd = -1, .run = run, .limit = limit};
	history_init(&journal->history, HISTORY_RUN, run);
	snprintf(journal->folder, sizeof(journal->folder), "%s", state_folder);
	return open_file(journal);
}

void journal_close(struct journal *journal)
{
	history_finish(&journal->history);
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = -1;
}

/* The fold passes over other runs' lines by itself. */
static int take(struct journal *journal, const json_t *line)
{
	json_int_t run = json_integer_value(json_object_get(line, "run"));
	if (journal->hear && (uint64_t)run == journal->run)
		journal->hear(journal->hearer, line);
	return history_fold(&journal->history, line);
}

int journal_resume(struct journal *journal)
{
	struct journal_reader reader;
	json_t *line;
	history_finish(&journal->history);
	history_init(&journal->history, HISTORY_RUN, journal->run);
	int rc = journal_reader_open(&reader, journal->folder);
	while (rc == 0 && journal_read(&reader, &line)) {
		rc = take(journal, line);
		json_decref(line);
	}
	journal_reader_close(&reader);
	return rc == TROUPE_E_NOT_FOUND ? 0 : rc;
}

/* ---- one line ---- */

/* What is there of a line that did not fit is ended by the next one: a reader skips it. */
static bool append(struct journal *journal, const json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER), *whole = NULL;
	int length = text ? asprintf(&whole, "%s%s\n", journal->torn ? "\n" : "", text) : -1;
	ssize_t written = length > 0 ? write(journal->fd, whole, (size_t)length) : -1;
	if (written > 0) {
		journal->torn = whole[written - 1] != '\n';
		journal->room -= written;
	}
	if (length > 0)
		free(whole);
	free(text);
	return length > 0 && written == length;
}

static json_t *make_line(const struct journal *journal, enum journal_event event,
			 const char *worker)
{
	char when[32];
	clock_format_wall(clock_wall(), when, sizeof(when));
	json_t *line =
		json_pack("{s:I, s:s, s:I, s:s}", "t", (json_int_t)clock_now(), "wall", when, "run",
			  (json_int_t)journal->run, "event", journal_event_text(event));
	if (line && worker)
		json_object_set_new(line, "worker", json_text(worker));
	return line;
}

/* ---- the fold as it stands ---- */

static bool append_fold(struct journal *journal, const char *worker, json_t *fold)
{
	json_t *line = make_line(journal, JOURNAL_HISTORY, worker);
	bool done = line && fold && json_object_set_new(line, "fold", fold) == 0 &&
		    append(journal, line);
	json_decref(line);
	return done;
}

static bool append_history(struct journal *journal)
{
	const struct history *history = &journal->history;
	bool done = append_fold(journal, NULL, history_pipeline_json(history));
	for (size_t i = 0; i < history->n_workers && done; i++) {
		const struct worker_history *worker = history->workers[i];
		done = append_fold(journal, worker->name, history_worker_json(worker));
	}
	return done;
}

/* ---- rotation ---- */

static bool rename_files(const struct journal *journal)
{
	char from[JOURNAL_PATH_SIZE], to[JOURNAL_PATH_SIZE];
	for (unsigned age = JOURNAL_OLD_FILES; age > 0; age--) {
		journal_path(journal->folder, age - 1, from, sizeof(from));
		journal_path(journal->folder, age, to, sizeof(to));
		if (rename(from, to) < 0 && errno != ENOENT) {
			log_warn("%s: the journal is not rotated: %s", from, strerror(errno));
			return false;
		}
	}
	return true;
}

/* Where no new file can be made, the old one is gone on with for as long again, whatever it is
 * called by then. */
static void rotate(struct journal *journal)
{
	int old = journal->fd;
	int rc = rename_files(journal) ? open_file(journal) : TROUPE_E_AGAIN;
	if (rc == 0) {
		close(old);
		journal->behind = !append_history(journal);
	} else if (rc != TROUPE_E_AGAIN) {
		log_warn("%s: no new journal: %s", journal->folder, error_text(rc));
	}
	/* However large the fold is, it has room beside the events. */
	journal->room = journal->limit;
}

/* ---- writing ---- */

/* Folded like any other line, so that all who fold know the same number. */
static bool say_lost(struct journal *journal)
{
	json_t *line = make_line(journal, JOURNAL_LOST, NULL);
	bool said =
		line &&
		json_object_set_new(line, "count", json_integer((json_int_t)journal->lost)) == 0 &&
		append(journal, line);
	if (said) {
		history_fold(&journal->history, line);
		journal->lost = 0;
		journal->behind = true;
	}
	json_decref(line);
	return said;
}

static void put(struct journal *journal, const json_t *line)
{
	if ((journal->lost && !say_lost(journal)) || !append(journal, line)) {
		journal->lost++;
		return;
	}
	if (journal->behind)
		journal->behind = !append_history(journal);
	if (journal->limit && journal->room <= 0)
		rotate(journal);
}

void journal_write(struct journal *journal, enum journal_event event, const char *worker,
		   json_t *details)
{
	json_t *line = make_line(journal, event, worker);
	if (line && details)
		json_object_update(line, details);
	if (line) {
		take(journal, line);
		if (journal->fd >= 0)
			put(journal, line);
	}
	json_decref(line);
	json_decref(details);
}
