/* `troupe logs`: what the workers and the supervisor said, from the files in the state folder;
 * several logs in the order of time, by the time that begins every line. */
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LOGS_MAX      128
#define TIME_WIDTH    24 /* 2026-01-31T10:20:30.123Z */
#define LOOK_EVERY_MS 1000

struct log {
	char worker[64];
	char path[512];
	off_t read; /* bytes shown so far */
};

struct line {
	char *text;
	char time[TIME_WIDTH + 1]; /* of the line, or of the one before it when it has none */
	size_t order;
	const struct log *log;
};

struct lines {
	struct line *line;
	size_t n, room;
};

struct logs {
	const char *folder;
	struct log log[LOGS_MAX];
	size_t n;
	int name_width;
	bool only_one;
};

static void add_log(struct logs *logs, const char *worker)
{
	if (logs->n == LOGS_MAX)
		return;
	struct log *log = &logs->log[logs->n++];
	*log = (struct log){0};
	snprintf(log->worker, sizeof log->worker, "%s", worker);
	snprintf(log->path, sizeof log->path, "%s/%s.log", logs->folder, worker);
	int width = (int)strlen(log->worker);
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

/* Adds the logs in the folder that are not known yet, of one worker or (NULL) of all. */
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
		if ((!only || strcmp(worker, only) == 0) && !has_log(logs, worker))
			add_log(logs, worker);
	}
	if (folder)
		closedir(folder);
}

static bool starts_with_time(const char *text)
{
	return strlen(text) > TIME_WIDTH && text[4] == '-' && text[10] == 'T' &&
	       text[TIME_WIDTH - 1] == 'Z';
}

static bool keep_line(struct lines *lines, const struct log *log, char *text, const char *time)
{
	if (lines->n == lines->room) {
		size_t room = lines->room ? lines->room * 2 : 256;
		struct line *line = realloc(lines->line, room * sizeof *line);
		if (!line)
			return false;
		lines->line = line;
		lines->room = room;
	}
	struct line *line = &lines->line[lines->n];
	*line = (struct line){.text = text, .order = lines->n, .log = log};
	snprintf(line->time, sizeof line->time, "%s", time);
	lines->n++;
	return true;
}

/* Reads what is new in one log. A line that is not whole yet is left for the next time. */
static void read_log(struct lines *lines, struct log *log)
{
	char time[TIME_WIDTH + 1] = "", *text = NULL;
	size_t size = 0;
	FILE *file = fopen(log->path, "re");
	if (!file)
		return;
	fseeko(file, 0, SEEK_END);
	if (ftello(file) < log->read)
		log->read = 0; /* a new file in its place */
	fseeko(file, log->read, SEEK_SET);
	ssize_t n;
	while ((n = getline(&text, &size, file)) > 0 && text[n - 1] == '\n') {
		log->read += n;
		text[n - 1] = '\0';
		if (starts_with_time(text))
			memcpy(time, text, TIME_WIDTH);
		if (!keep_line(lines, log, text, time))
			break;
		text = NULL;
		size = 0;
	}
	free(text);
	fclose(file);
}

static int by_time(const void *a, const void *b)
{
	const struct line *left = a, *right = b;
	int order = strcmp(left->time, right->time);
	return order ? order : (left->order > right->order) - (left->order < right->order);
}

static void print_line(const struct logs *logs, const struct call *call, const struct line *line)
{
	if (call->json) {
		json_t *json = json_pack(
			"{s:s, s:s, s:s}", "worker", line->log->worker, "time", line->time, "text",
			starts_with_time(line->text) ? line->text + TIME_WIDTH + 1 : line->text);
		if (json)
			json_dumpf(json, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(json);
	} else if (logs->only_one) {
		puts(line->text);
	} else {
		printf("%s%-*s |%s %s\n", paint_begin(stdout, PAINT_DIM), logs->name_width,
		       line->log->worker, paint_end(stdout, PAINT_DIM), line->text);
	}
}

/* Shows what is new in all logs, at most the last `most` lines. */
static void show_new(struct logs *logs, const struct call *call, size_t most)
{
	struct lines lines = {0};
	for (size_t i = 0; i < logs->n; i++)
		read_log(&lines, &logs->log[i]);
	if (lines.n)
		qsort(lines.line, lines.n, sizeof *lines.line, by_time);
	for (size_t i = lines.n > most ? lines.n - most : 0; i < lines.n; i++)
		print_line(logs, call, &lines.line[i]);
	for (size_t i = 0; i < lines.n; i++)
		free(lines.line[i].text);
	free(lines.line);
	fflush(stdout);
}

/* Goes on until it is interrupted or its reader is gone. */
static int follow(struct logs *logs, const struct call *call, const char *only)
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
		show_new(logs, call, SIZE_MAX);
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

int logs_run(const struct call *call)
{
	size_t most = SIZE_MAX;
	if (call->lines) {
		char *end = NULL;
		most = strtoul(call->lines, &end, 10);
		if (*end || end == call->lines || call->lines[0] == '-') {
			out_error("logs: '%s' is no number of lines", call->lines);
			return EXIT_USAGE;
		}
	}
	struct logs *logs = calloc(1, sizeof *logs);
	if (!logs)
		return EXIT_FAILED;
	const char *only = call->n_args ? call->arg[0] : NULL;
	logs->only_one = only != NULL;
	char folder[256];
	int rc = state_pick(call, folder, sizeof folder);
	logs->folder = folder;
	if (rc == EXIT_DONE) {
		find_logs(logs, only);
		rc = logs->n ? EXIT_DONE : no_log(logs, only);
	}
	if (rc == EXIT_DONE)
		show_new(logs, call, most);
	if (rc == EXIT_DONE && call->follow)
		rc = follow(logs, call, only);
	free(logs);
	return rc;
}
