/* What an event says to people: a function each, and what it has for those that have none. */
#include "ipc/base/clock.h"
#include "ipc/base/utf8.h"
#include "tools/troupe/journal_show.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int64_t line_number(const json_t *line, const char *key)
{
	return json_integer_value(json_object_get(line, key));
}

const char *line_text(const json_t *line, const char *key)
{
	const char *found = json_string_value(json_object_get(line, key));
	return found ? found : "";
}

static bool line_is(const json_t *line, const char *key)
{
	return json_is_true(json_object_get(line, key));
}

struct saying {
	json_t *line;
	char *out;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void say(struct saying *to, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(to->out + to->used, to->size - to->used, format, args);
	va_end(args);
	to->used += n > 0 ? (size_t)n : 0;
	if (to->used >= to->size)
		to->used = to->size - 1;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static int pid_of(const json_t *line)
{
	return (int)line_number(line, "pid");
}

static void say_up(struct saying *to)
{
	say(to, "run %" PRId64 " begins: supervisor %d, %s", line_number(to->line, "run"),
	    pid_of(to->line), line_text(to->line, "config"));
}

static void say_spawn(struct saying *to)
{
	say(to, "pid %d is started%s, incarnation %" PRId64 ": %s", pid_of(to->line),
	    line_is(to->line, "standby") ? " as a standby" : "",
	    line_number(to->line, "incarnation"), file_name(line_text(to->line, "program")));
}

static void say_spawn_failed(struct saying *to)
{
	say(to, "%s cannot be started: %s", line_text(to->line, "program"),
	    line_text(to->line, "why"));
}

static void say_ready(struct saying *to)
{
	char took[32];
	say(to, "pid %d is ready after %s", pid_of(to->line),
	    human_delay(line_number(to->line, "took"), took, sizeof took));
}

static void say_dying(struct saying *to)
{
	say(to, "pid %d is dying", pid_of(to->line));
}

static void say_succeed(struct saying *to)
{
	say(to, "its spare, pid %d, takes the place of pid %" PRId64, pid_of(to->line),
	    line_number(to->line, "after"));
}

static void say_restart(struct saying *to)
{
	char wait[32];
	int64_t ns = line_number(to->line, "wait");
	say(to, "is started again %s%s", ns > 0 ? "in " : "at once",
	    ns > 0 ? human_delay(ns, wait, sizeof wait) : "");
}

static void say_exit(struct saying *to)
{
	char lived[32];
	const char *words = line_text(to->line, "words"), *kind = line_text(to->line, "kind");
	say(to, "pid %d%s ended after %s: %s", pid_of(to->line),
	    line_is(to->line, "standby") ? ", a standby," : "",
	    human_delay(line_number(to->line, "lived"), lived, sizeof lived),
	    line_text(to->line, "cause"));
	if (line_is(to->line, "core"))
		say(to, " (core dumped)");
	if (strcmp(kind, "replaced") == 0)
		say(to, " (another took its place)");
	if (*words)
		say(to, ": %s", words);
}

static void say_hung(struct saying *to)
{
	char still[32];
	const char *stack = line_text(to->line, "stack");
	say(to, "pid %d does not get on for %s%s%s", pid_of(to->line),
	    human_delay(line_number(to->line, "still"), still, sizeof still),
	    *stack ? "; in what it hangs: " : "", stack);
}

static void say_dropped(struct saying *to)
{
	int64_t n = line_number(to->line, "lines");
	say(to, "%" PRId64 " line%s of its log dropped: %s", n, n == 1 ? "" : "s",
	    line_text(to->line, "why"));
}

static void say_reclaim(struct saying *to)
{
	static const char *const what[] = {"filling",  "held",	  "bypassed", "quarantined",
					   "playback", "streams", "taps"};
	const char *comma = "";
	say(to, "what seat %" PRId64 " had is given back: ", line_number(to->line, "seat"));
	for (size_t i = 0; i < sizeof what / sizeof what[0]; i++) {
		int64_t n = line_number(to->line, what[i]);
		if (n)
			say(to, "%s%s %" PRId64, comma, what[i], n);
		comma = n ? ", " : comma;
	}
	if (!*comma)
		say(to, "nothing");
}

static void say_scale(struct saying *to)
{
	say(to, "scaled from %" PRId64 " to %" PRId64, line_number(to->line, "from"),
	    line_number(to->line, "count"));
}

static void say_quarantine(struct saying *to)
{
	const json_t *causes = json_object_get(to->line, "causes");
	say(to, "frame %" PRId64 " of %s goes on unprocessed after %zu deaths",
	    line_number(to->line, "seq"), line_text(to->line, "stream"), json_array_size(causes));
	for (size_t i = 0; i < json_array_size(causes); i++)
		say(to, "%s %s", i ? "," : ":", json_string_value(json_array_get(causes, i)));
}

static void say_control(struct saying *to)
{
	const char *text = line_text(to->line, "text");
	say(to, "%s %s%s%s", line_number(to->line, "code") ? "refused to" : "asked to",
	    line_text(to->line, "request"), *text ? ": " : "", text);
}

static void say_device(struct saying *to)
{
	const char *detail = line_text(to->line, "detail");
	say(to, "device %s is %s%s%s", line_text(to->line, "device"), line_text(to->line, "what"),
	    *detail ? " as " : "", detail);
}

static void say_source(struct saying *to)
{
	char lasted[32];
	const char *why = line_text(to->line, "why");
	human_delay(line_number(to->line, "lasted"), lasted, sizeof lasted);
	if (strcmp(line_text(to->line, "what"), "back") == 0)
		say(to, "its source is back after %s", lasted);
	else
		say(to, "its source is lost%s%s", *why ? ": " : "", why);
}

static void say_drops(struct saying *to)
{
	const char *reason, *comma = "";
	json_t *count, *reasons = json_object_get(to->line, "reasons");
	int64_t n = line_number(to->line, "count");
	say(to, "%" PRId64 " frame%s dropped (", n, n == 1 ? "" : "s");
	json_object_foreach(reasons, reason, count)
	{
		say(to, "%s%s: %" PRId64, comma, reason, (int64_t)json_integer_value(count));
		comma = ", ";
	}
	say(to, "), %" PRId64 " so far", line_number(to->line, "total"));
}

static void say_adopt(struct saying *to)
{
	say(to, "supervisor %d takes over what a killed one left", pid_of(to->line));
}

static void say_upgrade(struct saying *to)
{
	say(to, "the supervisor is replaced by %s (from %s)", line_text(to->line, "program"),
	    line_text(to->line, "from"));
}

static void say_down(struct saying *to)
{
	say(to, "is told to end: %s", line_text(to->line, "why"));
}

static void say_ended(struct saying *to)
{
	const char *why = line_text(to->line, "why");
	say(to, "has ended with exit code %" PRId64 "%s%s", line_number(to->line, "code"),
	    *why ? ": " : "", why);
}

static void say_lost(struct saying *to)
{
	int64_t n = line_number(to->line, "count");
	say(to, "%" PRId64 " line%s of the journal could not be written", n, n == 1 ? "" : "s");
}

static void say_change(struct saying *to, const json_t *change)
{
	const char *section = line_text(change, "section"), *row = line_text(change, "row");
	say(to, "%s%s%s%s %s", to->used ? ", " : "", section, *section && *row ? "." : "", row,
	    line_text(change, "kind"));
	if (*row) {
		say(to, " \"%s\" -> \"%s\"", line_text(change, "before"),
		    line_text(change, "after"));
	}
}

static void say_reload(struct saying *to)
{
	const json_t *changes = json_object_get(to->line, "changes");
	say(to, "%s: %s", file_name(line_text(to->line, "file")), line_text(to->line, "text"));
	for (size_t i = 0; i < json_array_size(changes); i++)
		say_change(to, json_array_get(changes, i));
}

static void say_rest(struct saying *to)
{
	const json_t *names = json_object_get(to->line, "restarts");
	say(to, "%s, so what comes behind it starts anew", line_text(to->line, "cause"));
	for (size_t i = 0; i < json_array_size(names); i++)
		say(to, "%s%s", i ? ", " : ": ", json_string_value(json_array_get(names, i)));
}

static void say_history(struct saying *to)
{
	say(to, "what was known by then");
}

/* Its text without the worker's name, which stands before it already; else all that it has. */
static void say_whatever(struct saying *to)
{
	static const char known[] = " t wall run event worker seat at code ";
	const char *text = line_text(to->line, "text"), *worker = line_text(to->line, "worker");
	const char *key, *comma = "";
	char word[64];
	json_t *value;
	size_t length = strlen(worker);
	if (length && strncmp(text, worker, length) == 0 && strncmp(text + length, ": ", 2) == 0)
		text += length + 2;
	say(to, "%s", text);
	json_object_foreach(to->line, key, value)
	{
		snprintf(word, sizeof word, " %s ", key);
		if (*text || strstr(known, word))
			continue;
		char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		say(to, "%s%s %s", comma, key, shown ? shown : "?");
		free(shown);
		comma = ", ";
	}
}

static const struct {
	void (*say)(struct saying *to);
	enum paint paint;
} sayings[N_JOURNAL_EVENTS + 1] = {
	[JOURNAL_UP] = {say_up, PAINT_BOLD},
	[JOURNAL_SPAWN] = {say_spawn, PAINT_NONE},
	[JOURNAL_SPAWN_FAILED] = {say_spawn_failed, PAINT_BAD},
	[JOURNAL_READY] = {say_ready, PAINT_GOOD},
	[JOURNAL_DYING] = {say_dying, PAINT_DIM},
	[JOURNAL_SUCCEED] = {say_succeed, PAINT_NONE},
	[JOURNAL_RESTART] = {say_restart, PAINT_NONE},
	[JOURNAL_EXIT] = {say_exit, PAINT_NONE},
	[JOURNAL_HUNG] = {say_hung, PAINT_BAD},
	[JOURNAL_RECLAIM] = {say_reclaim, PAINT_DIM},
	[JOURNAL_SCALE] = {say_scale, PAINT_NONE},
	[JOURNAL_GAVE_UP] = {say_whatever, PAINT_BAD},
	[JOURNAL_QUARANTINE] = {say_quarantine, PAINT_BAD},
	[JOURNAL_CONTROL] = {say_control, PAINT_NONE},
	[JOURNAL_DEVICE] = {say_device, PAINT_NONE},
	[JOURNAL_SOURCE] = {say_source, PAINT_BUSY},
	[JOURNAL_DROPPED] = {say_dropped, PAINT_BUSY},
	[JOURNAL_DROPS] = {say_drops, PAINT_BAD},
	[JOURNAL_LIMIT] = {say_whatever, PAINT_BAD},
	[JOURNAL_WRITTEN_OFF] = {say_whatever, PAINT_BAD},
	[JOURNAL_SET_ASIDE] = {say_whatever, PAINT_BAD},
	[JOURNAL_ADOPT] = {say_adopt, PAINT_BOLD},
	[JOURNAL_UPGRADE] = {say_upgrade, PAINT_BOLD},
	[JOURNAL_REST] = {say_rest, PAINT_BUSY},
	[JOURNAL_RELOAD] = {say_reload, PAINT_BOLD},
	[JOURNAL_DOWN] = {say_down, PAINT_BOLD},
	[JOURNAL_ENDED] = {say_ended, PAINT_BOLD},
	[JOURNAL_LOST] = {say_lost, PAINT_BAD},
	[JOURNAL_HISTORY] = {say_history, PAINT_DIM},
};

char *event_say(json_t *line, char *out, size_t size, enum paint *paint)
{
	enum journal_event event = journal_event_find(line_text(line, "event"));
	struct saying to = {.line = line, .out = out, .size = size};
	out[0] = '\0';
	if (event == N_JOURNAL_EVENTS) /* of a newer program */
		say(&to, "%s: ", line_text(line, "event"));
	if (sayings[event].say)
		sayings[event].say(&to);
	else
		say_whatever(&to);
	*paint = line_is(line, "fault") ? PAINT_BAD : sayings[event].paint;
	return utf8_tame(out);
}
