/* `troupe events`: what happened to a pipeline, from its journal; as it happens with -f. Works
 * whether or not a supervisor runs. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/utf8.h"
#include "tools/troupe/client.h"
#include "tools/troupe/journal_show.h"
#include "tools/troupe/when.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WORKER_WIDTH 12

/* ---- which ---- */

bool worker_matches(const char *wanted, const char *name)
{
	size_t length = strlen(wanted);
	return strncmp(wanted, name, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

bool run_read(const struct call *call, uint64_t *run)
{
	char *end;
	*run = 0;
	if (!call->run || strcmp(call->run, "all") == 0)
		return true;
	*run = strtoull(call->run, &end, 10);
	if (*run && !*end)
		return true;
	out_error("%s: --run: '%s' is no number of a run (valid: a number, all)",
		  call->command->name, call->run);
	return false;
}

static bool read_since(const char *text, int64_t *since)
{
	struct when when;
	char why[256];
	if (!text)
		return true;
	if (when_parse(text, clock_wall(), &when, why, sizeof why) < 0) {
		out_error("events: --since: %s", why);
		return false;
	}
	*since = when.first;
	return true;
}

static void say_no_kind(const char *kind, size_t length)
{
	char valid[512];
	size_t used = 0;
	for (int i = 0; i < N_JOURNAL_EVENTS && used < sizeof valid; i++)
		used += (size_t)snprintf(valid + used, sizeof valid - used, "%s%s", i ? ", " : "",
					 journal_event_text(i));
	out_error("events: --kind: there is no '%.*s' (valid: %s)", (int)length, kind, valid);
}

/* "exit,ready". Without: all but what is only for those who fold. */
static bool read_kinds(const char *text, struct event_choice *choice)
{
	for (int i = 0; i <= N_JOURNAL_EVENTS; i++)
		choice->kinds[i] = !text && i != JOURNAL_HISTORY;
	for (const char *at = text; at && *at;) {
		char kind[64];
		size_t length = strcspn(at, ",");
		snprintf(kind, sizeof kind, "%.*s", (int)length, at);
		enum journal_event event = journal_event_find(kind);
		if (event == N_JOURNAL_EVENTS) {
			say_no_kind(at, length);
			return false;
		}
		choice->kinds[event] = true;
		at += length + (at[length] == ',');
	}
	return true;
}

int event_choose(const struct call *call, struct event_choice *choice)
{
	*choice = (struct event_choice){.worker = call->worker};
	bool valid = read_since(call->since, &choice->since) && run_read(call, &choice->run) &&
		     call_limit(call, &choice->limit) && read_kinds(call->kind, choice);
	return valid ? EXIT_DONE : EXIT_USAGE;
}

bool event_wanted(const struct event_choice *choice, const json_t *line)
{
	return choice->kinds[journal_event_find(line_text(line, "event"))] &&
	       (!choice->worker || worker_matches(choice->worker, line_text(line, "worker"))) &&
	       (!choice->run || (uint64_t)line_number(line, "run") == choice->run) &&
	       (!choice->since || journal_wall(line) >= choice->since);
}

/* ---- from where ---- */

int journal_pick(const struct call *call, struct journal_reader *reader, char *folder, size_t size)
{
	int rc = state_pick(call, folder, size);
	if (rc != EXIT_DONE)
		return rc;
	int error = journal_reader_open(reader, folder);
	if (error == 0 || (error == TROUPE_E_NOT_FOUND && call->follow))
		return EXIT_DONE;
	out_error("%s: no journal in %s: %s", call->command->name, folder, error_text(error));
	return EXIT_FAILED;
}

pid_t journal_writer(const char *folder)
{
	struct pipeline found[PIPELINES_MAX];
	size_t n = pipelines_find(found, PIPELINES_MAX);
	const char *slash = strrchr(folder, '/');
	for (size_t i = 0; i < n && slash; i++)
		if (strcmp(found[i].name, slash + 1) == 0)
			return found[i].pid;
	return 0;
}

void journal_say_damage(const struct journal_reader *reader, bool half)
{
	uint64_t damaged = reader->damaged + half;
	if (damaged)
		out_error("%" PRIu64 " damaged line%s of the journal in %s skipped", damaged,
			  damaged == 1 ? " was" : "s were", reader->folder);
	if (reader->gaps)
		out_error("files of the journal in %s were gone before they were read",
			  reader->folder);
}

/* ---- showing ---- */

static void show(const struct call *call, const struct journal_reader *reader, json_t *line)
{
	char when[32], worker[64], text[2048];
	enum paint paint;
	if (call->json) {
		puts(utf8_tame(reader->text)); /* what JSON has to escape, it has */
		return;
	}
	when_format(journal_wall(line), when, sizeof when);
	out_tamed(line_text(line, "worker"), worker, sizeof worker);
	event_say(line, text, sizeof text, &paint);
	printf("%s%s%s  %-*s  %s%s%s\n", paint_begin(stdout, PAINT_DIM), when,
	       paint_end(stdout, PAINT_DIM), WORKER_WIDTH, worker, paint_begin(stdout, paint), text,
	       paint_end(stdout, paint));
}

/* Shows what there is by now but the first `skip`; returns how many there were. */
static uint64_t show_new(const struct call *call, const struct event_choice *choice,
			 struct journal_reader *reader, uint64_t skip)
{
	json_t *line;
	uint64_t seen = 0;
	while (!ferror(stdout) && journal_read(reader, &line)) {
		if (event_wanted(choice, line) && seen++ >= skip)
			show(call, reader, line);
		json_decref(line);
	}
	fflush(stdout);
	return seen;
}

/* The last N are known when all were counted. */
static uint64_t count_all(const struct event_choice *choice, const char *folder)
{
	struct journal_reader reader;
	json_t *line;
	uint64_t n = 0;
	if (journal_reader_open(&reader, folder) < 0)
		return 0;
	while (journal_read(&reader, &line)) {
		n += event_wanted(choice, line);
		json_decref(line);
	}
	journal_reader_close(&reader);
	return n;
}

/* Goes on until it is interrupted or its reader is gone. */
static int follow(const struct call *call, const struct event_choice *choice,
		  struct journal_reader *reader, int changes)
{
	struct pollfd items[2] = {{.fd = changes, .events = POLLIN}, {.fd = STDOUT_FILENO}};
	while (!ferror(stdout) && !(items[1].revents & (POLLERR | POLLHUP))) {
		char events[4096];
		poll(items, 2, -1);
		while (read(changes, events, sizeof events) > 0)
			;
		show_new(call, choice, reader, 0);
	}
	return EXIT_DONE;
}

/* Watched before it is read, so that nothing comes in between. */
static int watch(const char *folder)
{
	int changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (changes >= 0 &&
	    inotify_add_watch(changes, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0)
		return changes;
	out_error("events: cannot watch %s: %s", folder, strerror(errno));
	if (changes >= 0)
		close(changes);
	return -1;
}

int events_run(const struct call *call)
{
	struct event_choice choice;
	struct journal_reader reader;
	char folder[256];
	int changes = -1, rc = event_choose(call, &choice);
	if (rc == EXIT_DONE)
		rc = journal_pick(call, &reader, folder, sizeof folder);
	if (rc != EXIT_DONE)
		return rc;
	if (call->follow && (changes = watch(folder)) < 0) {
		journal_reader_close(&reader);
		return EXIT_FAILED;
	}
	uint64_t n = choice.limit ? count_all(&choice, folder) : 0;
	show_new(call, &choice, &reader, n > choice.limit ? n - choice.limit : 0);
	if (call->follow)
		rc = follow(call, &choice, &reader, changes);
	journal_say_damage(&reader,
			   !call->follow && journal_half_line(&reader) && !journal_writer(folder));
	journal_reader_close(&reader);
	if (changes >= 0)
		close(changes);
	return rc;
}
