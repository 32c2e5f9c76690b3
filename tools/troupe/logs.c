/* `troupe logs`: what the workers and the supervisor said, from the files in the state folder;
 * several logs in the order of time, by the time that begins every line. */
#include "ipc/base/clock.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/journal_show.h"
#include "tools/troupe/log_reader.h"
#include "tools/troupe/output.h"
#include "tools/troupe/when.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LOGS_MAX      512 /* those of workers that are gone as well */
#define LOOK_EVERY_MS 1000

struct logs {
	const char *folder;
	struct log_reader log[LOGS_MAX];
	size_t n;
	int name_width;
	bool only_one, json;
	/* What is shown. */
	enum log_weight weight;	   /* lines of this weight and above */
	char since[LOG_TIME_SIZE]; /* "" all */
	int64_t since_wall;
	size_t most; /* the last so many of what there is at first; SIZE_MAX: all */
};

/* The last lines, as they are to be printed. */
struct last {
	char **line; /* `most` of them, NULL: not yet */
	size_t most, n;
};

static void begin_reading(const struct logs *logs, struct log_reader *reader)
{
	bool all_count = logs->weight == WEIGHT_DEBUG && !*logs->since;
	if (all_count && logs->most < SIZE_MAX)
		log_reader_begin_at_end(reader, logs->most);
	else
		log_reader_begin(reader, logs->since_wall);
}

static void add_log(struct logs *logs, const char *worker)
{
	if (logs->n == LOGS_MAX)
		return;
	struct log_reader *reader = &logs->log[logs->n++];
	log_reader_init(reader, logs->folder, worker);
	begin_reading(logs, reader);
	int width = (int)strlen(worker);
	logs->name_width = width > logs->name_width ? width : logs->name_width;
}

static bool has_log(const struct logs *logs, const char *worker)
{
	for (size_t i = 0; i < logs->n; i++) {
		if (strcmp(logs->log[i].worker, worker) == 0)
			return true;
	}
	return false;
}

/* Adds the logs in the folder that are not known yet, of one worker, of a pool or (NULL) of all. */
static void find_logs(struct logs *logs, const char *only)
{
	DIR *folder = opendir(logs->folder);
	for (struct dirent *entry = folder ? readdir(folder) : NULL; entry;
	     entry = readdir(folder)) {
		char worker[64];
		size_t length = strlen(entry->d_name);
		if (length < 5 || length - 4 >= sizeof worker ||
		    strcmp(entry->d_name + length - 4, ".log") != 0)
			continue;
		snprintf(worker, sizeof worker, "%.*s", (int)length - 4, entry->d_name);
		if ((!only || worker_matches(only, worker)) && !has_log(logs, worker))
			add_log(logs, worker);
	}
	if (folder)
		closedir(folder);
}

/* ---- one line ---- */

static char *json_line(const struct log_reader *line)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "worker", line->worker, "time", line->time,
				 "level", log_weight_text(line->weight), "text", line->text);
	char *out = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return out;
}

/* As it is printed, a heap text; NULL: out of memory. */
static char *format(const struct logs *logs, const struct log_reader *line)
{
	char *out = NULL;
	if (logs->json)
		return json_line(line);
	if (logs->only_one)
		return strdup(line->line);
	int n = asprintf(&out, "%s%-*s |%s %s", paint_begin(stdout, PAINT_DIM), logs->name_width,
			 line->worker, paint_end(stdout, PAINT_DIM), line->line);
	return n < 0 ? NULL : out;
}

static bool is_wanted(const struct logs *logs, const struct log_reader *line)
{
	return line->weight <= logs->weight && strcmp(line->time, logs->since) >= 0;
}

/* ---- all of them, in the order of time ---- */

/* The log whose line comes first; NULL: none has one. */
static struct log_reader *first_of(struct logs *logs)
{
	struct log_reader *first = NULL;
	for (size_t i = 0; i < logs->n; i++) {
		struct log_reader *log = &logs->log[i];
		if (log->has && (!first || strcmp(log->time, first->time) < 0))
			first = log;
	}
	return first;
}

static void keep(struct last *last, char *line)
{
	char **place = &last->line[last->n++ % last->most];
	free(*place);
	*place = line;
}

/* Prints up to `most` of them, and forgets all. */
static void print_last(struct last *last, size_t most)
{
	size_t n = last->n < last->most ? last->n : last->most;
	for (size_t i = last->n - n; i < last->n; i++) {
		if (i + most >= last->n)
			puts(last->line[i % last->most]);
		free(last->line[i % last->most]);
	}
	free(last->line);
	fflush(stdout);
}

/* Shows what is new in all logs; with `last` not NULL, only keeps it. */
static void show_new(struct logs *logs, struct last *last)
{
	struct log_reader *log;
	for (size_t i = 0; i < logs->n; i++)
		log_reader_next(&logs->log[i]);
	while ((log = first_of(logs)) && !ferror(stdout)) {
		char *line = is_wanted(logs, log) ? format(logs, log) : NULL;
		if (line && last) {
			keep(last, line);
		} else if (line) {
			puts(line);
			free(line);
		}
		log_reader_next(log);
	}
	fflush(stdout);
}

/* What there is now. */
static int show(struct logs *logs)
{
	if (logs->most == SIZE_MAX) {
		show_new(logs, NULL);
		return EXIT_DONE;
	}
	struct last last = {.most = logs->most ? logs->most : 1};
	last.line = calloc(last.most, sizeof *last.line);
	if (!last.line) {
		out_error("logs: out of memory for %zu lines", last.most);
		return EXIT_FAILED;
	}
	show_new(logs, &last);
	print_last(&last, logs->most);
	return EXIT_DONE;
}

/* Goes on until it is interrupted or its reader is gone. */
static int follow(struct logs *logs, const char *only)
{
	int changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (changes < 0 ||
	    inotify_add_watch(changes, logs->folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
		out_error("cannot watch %s: %s", logs->folder, strerror(errno));
		return EXIT_FAILED;
	}
	struct pollfd change = {.fd = changes, .events = POLLIN};
	while (!ferror(stdout)) {
		char events[4096];
		poll(&change, 1, LOOK_EVERY_MS);
		while (read(changes, events, sizeof events) > 0)
			;
		find_logs(logs, only);
		show_new(logs, NULL);
	}
	close(changes);
	return EXIT_DONE;
}

static int no_log(struct logs *logs, const char *only)
{
	char valid[1024] = "none yet";
	size_t used = 0;
	find_logs(logs, NULL);
	for (size_t i = 0; i < logs->n && used < sizeof valid; i++)
		used += (size_t)snprintf(valid + used, sizeof valid - used, "%s%s",
					 used ? ", " : "", logs->log[i].worker);
	out_error("no log of '%s' in %s (valid: %s)", only ? only : "any worker", logs->folder,
		  valid);
	return EXIT_USAGE;
}

/* ---- what was asked for ---- */

static bool read_lines(const struct call *call, struct logs *logs)
{
	char *end = NULL;
	logs->most = SIZE_MAX;
	if (!call->lines)
		return true;
	logs->most = strtoul(call->lines, &end, 10);
	if (!*end && end != call->lines && call->lines[0] != '-')
		return true;
	out_error("logs: '%s' is no number of lines", call->lines);
	return false;
}

static bool read_level(const struct call *call, struct logs *logs)
{
	logs->weight = WEIGHT_DEBUG;
	if (!call->level)
		return true;
	for (unsigned w = 0; w < N_WEIGHTS; w++) {
		if (strcmp(call->level, log_weight_text(w)) == 0) {
			logs->weight = w;
			return true;
		}
	}
	out_error("logs: there is no level '%s' (valid: error, warn, info, debug)", call->level);
	return false;
}

static bool read_since(const struct call *call, struct logs *logs)
{
	struct when when;
	char why[256];
	if (!call->since)
		return true;
	if (when_parse(call->since, clock_wall(), &when, why, sizeof why) < 0) {
		out_error("logs: --since: %s", why);
		return false;
	}
	logs->since_wall = when.first;
	clock_format_wall(when.first, logs->since, sizeof logs->since);
	return true;
}

static void finish(struct logs *logs)
{
	for (size_t i = 0; i < logs->n; i++)
		log_reader_finish(&logs->log[i]);
	free(logs);
}

int logs_run(const struct call *call)
{
	struct logs *logs = calloc(1, sizeof *logs);
	const char *only = call->n_args ? call->arg[0] : NULL;
	char folder[256];
	if (!logs)
		return EXIT_FAILED;
	logs->json = call->json;
	logs->folder = folder;
	bool valid = read_lines(call, logs) && read_level(call, logs) && read_since(call, logs);
	int rc = valid ? state_pick(call, folder, sizeof folder) : EXIT_USAGE;
	if (rc == EXIT_DONE) {
		find_logs(logs, only);
		logs->only_one = only && has_log(logs, only);
		rc = logs->n ? EXIT_DONE : no_log(logs, only);
	}
	if (rc == EXIT_DONE)
		rc = show(logs);
	if (rc == EXIT_DONE && call->follow)
		rc = follow(logs, only);
	finish(logs);
	return rc;
}
