/* The command line: glibc argp, one parser a sub-command, all made from one table of options.
 * argp's own complaints take two lines and name nothing that is valid, so they are off and ours
 * said instead. */
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys above the characters are options without a short form; their letter in command.options is in
 * `letter`. */
enum long_key {
	KEY_JSON = 256,
	KEY_SET,
	KEY_EXEC,
	KEY_STREAM,
	KEY_NONE,
	KEY_SECONDS,
	KEY_FORCE,
	KEY_FOLDER,
	KEY_ONCE,
	KEY_AGAINST,
	KEY_SEQUENTIAL,
	KEY_LEVEL,
	KEY_PROBATION,
	KEY_WIDE,
	KEY_FROM,
	KEY_TO,
	KEY_RUN,
	KEY_SEQ,
	KEY_FORMAT,
	KEY_ANNOTATE,
	KEY_CUT_GAPS,
	KEY_QUALITY,
	KEY_SPEED,
	KEY_DECODE,
	KEY_DRY_RUN,
	KEY_LABEL,
	KEY_PREDICTION,
	KEY_MOTION,
	KEY_MIN_PROB,
	KEY_KIND,
	KEY_LIMIT,
	KEY_EXPLAIN,
	KEY_FRAMES,
	KEY_SINCE,
	KEY_WORKER,
	KEY_ADOPT,
};

struct option_row {
	char letter;
	int key;
	const char *name, *arg, *help;
	size_t at; /* where its value, or that it was given, is put in struct call */
};

#define AT(member) offsetof(struct call, member)

#define COMMON_LETTERS "njh"

static const struct option_row rows[] = {
	{'c', 'c', "config", "FILE", "the pipeline's config", AT(config)},
	{'d', 'd', "detach", NULL, "in the background: return when all workers are ready",
	 AT(detach)},
	{'S', KEY_SET, "set", "SECTION.KEY=VALUE", "set a row of the config (again for more)",
	 AT(set)},
	{'s', 's', "signal", "SIG", "the signal, by name or number", AT(signal)},
	{'x', KEY_EXEC, "exec", "PATH", "the other program", AT(exec)},
	{'p', KEY_PROBATION, "probation", "TIME",
	 "how long a newcomer has to prove itself (5s, reload 500ms)", AT(probation)},
	{'w', KEY_WIDE, "wide", NULL, "all there is to say, in lines as long as it takes",
	 AT(wide)},
	{'m', KEY_STREAM, "stream", "S", "of this stream only", AT(stream)},
	{'0', KEY_NONE, "none", NULL, "no label", AT(none)},
	{'f', 'f', "follow", NULL, "go on as lines are written", AT(follow)},
	{'l', 'l', "lines", "N", "only the last N", AT(lines)},
	{'v', KEY_LEVEL, "level", "L", "only what matters so much: error, warn, info, debug",
	 AT(level)},
	{'1', KEY_ONCE, "once", NULL, "print once, also on a terminal", AT(once)},
	{'q', KEY_SEQUENTIAL, "sequential", NULL, "in one process", AT(sequential)},
	{'t', KEY_SECONDS, "seconds", "S", "measure for so long altogether", AT(seconds)},
	{'G', KEY_FRAMES, "frames", "N", "of the catalogue that is searched (10000000)",
	 AT(frames)},
	{'F', KEY_FORCE, "force", NULL, "measure on a busy machine too", AT(force)},
	{'o', KEY_FOLDER, "folder", "DIR", "make the temporary folder there", AT(folder)},
	{'<', KEY_FROM, "from", "TIME", "captured at that time or later", AT(from)},
	{'>', KEY_TO, "to", "TIME", "captured at that time or before", AT(to)},
	{'r', KEY_RUN, "run", "RUN", "of this run only", AT(run)},
	{'#', KEY_SEQ, "seq", "A-B", "frames by their numbers in a run (the newest)", AT(seq)},
	{'k', KEY_SEQ, "seq", "N", "begin at this frame", AT(seq)},
	{'y', KEY_FORMAT, "format", "F", "mp4, mjpeg, frames or csv; else as OUT ends", AT(format)},
	{'A', KEY_ANNOTATE, "annotate", NULL, "draw what is known of each frame on it",
	 AT(annotate)},
	{'g', KEY_CUT_GAPS, "cut-gaps", "TIME", "let no pause between frames be longer",
	 AT(cut_gaps)},
	{'Q', KEY_QUALITY, "quality", "N", "of H.264: 0 best, 51 smallest (20)", AT(quality)},
	{'W', KEY_FORCE, "force", NULL, "write over what is there", AT(force)},
	{'X', KEY_SPEED, "speed", "X", "how fast: 0.25 to 16 times (1)", AT(speed)},
	{'B', KEY_FROM, "from", "RECORDING", "the folder of the recording, whoever writes it",
	 AT(from)},
	{'D', KEY_DECODE, "decode", NULL, "decode every frame, too", AT(decode)},
	{'Z', KEY_DRY_RUN, "dry-run", NULL, "only say what would be done", AT(dry_run)},
	{'L', KEY_LABEL, "label", "L", "where this label stood or was predicted", AT(label)},
	{'P', KEY_PREDICTION, "prediction", "L", "where this label was predicted", AT(prediction)},
	{'M', KEY_MOTION, "motion", NULL, "where something moved", AT(motion)},
	{'U', KEY_MIN_PROB, "min-prob", "P", "where a prediction was at least so sure, 0 to 1",
	 AT(min_prob)},
	{'K', KEY_KIND, "kind", "K",
	 "all of a kind: recorded, motion, label, prediction, lost, died", AT(kind)},
	{'J', KEY_KIND, "kind", "KIND", "events of that kind only, or of several: exit,ready",
	 AT(kind)},
	{'e', KEY_SINCE, "since", "TIME", "of that time or later", AT(since)},
	{'O', KEY_WORKER, "worker", "W", "of this worker only, or of all of a pool", AT(worker)},
	{'R', KEY_RUN, "run", "RUN", "of that run, or all (the last one)", AT(run)},
	{'I', KEY_LIMIT, "limit", "N", "only the last N", AT(limit)},
	{'i', 'l', "limit", "N", "only the last N", AT(limit)},
	{'E', KEY_EXPLAIN, "explain", NULL,
	 "show what the catalogue is asked, and how long it takes", AT(explain)},
	{'T', KEY_ADOPT, "adopt", NULL,
	 "take over the workers of a killed supervisor, if there are any", AT(adopt)},
	{'a', KEY_AGAINST, "against", "DIR2", "another recording that must hold the same",
	 AT(against)},
	{'n', 'n', "name", "NAME", "the pipeline", AT(name)},
	{'j', KEY_JSON, "json", NULL, "print JSON", AT(json)},
	{'V', 'V', "version", NULL, "print the version", AT(version)},
	{'h', 'h', "help", NULL, "print this", AT(help)},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static bool takes(const struct command *command, char letter)
{
	return strchr(COMMON_LETTERS, letter) ||
	       (command->options && strchr(command->options, letter));
}

/* The options of one command in argp's form. `options` has room for N_ROWS + 1. */
static void options_of(const struct command *command, struct argp_option *options)
{
	size_t n = 0;
	for (size_t i = 0; i < N_ROWS; i++) {
		if (takes(command, rows[i].letter)) {
			options[n++] = (struct argp_option){.name = rows[i].name,
							    .key = rows[i].key,
							    .arg = rows[i].arg,
							    .doc = rows[i].help};
		}
	}
	options[n] = (struct argp_option){0};
}

size_t command_options(const struct command *command, struct option_view views[OPTIONS_MAX])
{
	static_assert(N_ROWS <= OPTIONS_MAX, "an option more than there is room for");
	size_t n = 0;
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct option_row *row = &rows[i];
		if (!takes(command, row->letter))
			continue;
		views[n++] = (struct option_view){
			/* A key below 256 is the row's letter. */
			.letter = (char)(row->key < KEY_JSON ? row->letter : '\0'),
			.name = row->name,
			.arg = row->arg,
			.help = row->help,
			.needed = command->needs && strchr(command->needs, row->letter),
			.again = row->key == KEY_SET};
	}
	return n;
}

/* "-n NAME, --json, …": what is valid, for complaints. */
static void say_valid(const struct command *command, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < N_ROWS && used < size; i++) {
		if (!takes(command, rows[i].letter))
			continue;
		char form[64];
		if (rows[i].key < 256)
			snprintf(form, sizeof form, "-%c", rows[i].key);
		else
			snprintf(form, sizeof form, "--%s", rows[i].name);
		used += (size_t)snprintf(out + used, size - used, "%s%s%s%s", used ? ", " : "",
					 form, rows[i].arg ? " " : "",
					 rows[i].arg ? rows[i].arg : "");
	}
}

/* Commands may mean different things by one key. */
static const struct option_row *row_of(const struct command *command, int key)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		if (rows[i].key == key && takes(command, rows[i].letter))
			return &rows[i];
	}
	return NULL;
}

/* Puts what was given where the option's row says: a flag, a value, or one value more. */
static void put(struct call *call, const struct option_row *row, const char *text)
{
	void *place = (char *)call + row->at;
	if (!row->arg)
		*(bool *)place = true;
	else if (row->key != KEY_SET)
		*(const char **)place = text;
	else if (call->n_sets < CALL_SETS_MAX)
		call->set[call->n_sets++] = text;
}

static bool given(const struct call *call, const struct option_row *row)
{
	const void *place = (const char *)call + row->at;
	return row->arg ? *(const char *const *)place != NULL : *(const bool *)place;
}

static error_t take_argument(struct call *call, char *text)
{
	if (!call->command->run)
		return ARGP_ERR_UNKNOWN; /* the command's name: it ends the options in front of it
					  */
	if (call->n_args == call->command->max_args) {
		out_error("%s: '%s' is one argument too many", call->command->name, text);
		return ERANGE;
	}
	call->arg[call->n_args++] = text;
	return 0;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct call *call = state->input;
	const struct option_row *row = row_of(call->command, key);
	if (key == ARGP_KEY_ARG)
		return take_argument(call, text);
	if (key == ARGP_KEY_ERROR)
		call->stopped_at = state->next;
	if (!row)
		return ARGP_ERR_UNKNOWN;
	put(call, row, text);
	return 0;
}

/* Says what is wrong with the word at which the parser stopped. */
static void complain(const struct command *command, const char *word)
{
	char valid[512];
	say_valid(command, valid, sizeof(valid));
	bool is_long = strncmp(word, "--", 2) == 0;
	size_t length = is_long ? strcspn(word + 2, "=") : 1;
	for (size_t i = 0; i < N_ROWS; i++) {
		bool same = is_long ? strncmp(rows[i].name, word + 2, length) == 0
				    : rows[i].key == word[1];
		if (same && takes(command, rows[i].letter)) {
			out_error("%s: --%s takes %s", command->name, rows[i].name,
				  rows[i].arg ? rows[i].arg : "no value");
			return;
		}
	}
	out_error("%s: unknown option %s (valid: %s)", command->name, word, valid);
}

/* Whether everything the command needs was given; says what is not. */
static bool complete(const struct call *call)
{
	const struct command *command = call->command;
	for (size_t i = 0; i < N_ROWS; i++) {
		if (!command->needs || !strchr(command->needs, rows[i].letter) ||
		    (rows[i].letter == 'c' && call->adopt)) /* what runs has one already */
			continue;
		if (!given(call, &rows[i])) {
			out_error("%s: --%s%s%s is missing", command->name, rows[i].name,
				  rows[i].arg ? " " : "", rows[i].arg ? rows[i].arg : "");
			return false;
		}
	}
	if (call->n_args < command->min_args) {
		out_error("%s: wants %s", command->name, command->args);
		return false;
	}
	return true;
}

int call_parse(struct call *call, const struct command *command, int argc, char **argv, int *rest)
{
	struct argp_option options[N_ROWS + 1];
	options_of(command, options);
	struct argp argp = {.options = options, .parser = parse};
	call->command = command;
	*rest = argc;
	error_t error = argp_parse(&argp, argc, argv, ARGP_SILENT | ARGP_IN_ORDER, rest, call);
	if (error == EINVAL) {
		/* The word itself is behind the parser, unless it is a cluster with letters left.
		 */
		int at = call->stopped_at - 1;
		complain(command, argv[at < 1 || argv[at][0] != '-' ? at + 1 : at]);
	}
	if (error)
		return EXIT_USAGE;
	return call->help || call->version || complete(call) ? EXIT_DONE : EXIT_USAGE;
}

void call_help(const struct command *command)
{
	struct argp_option options[N_ROWS + 1];
	char doc[1024], program[64];
	options_of(command, options);
	setenv("ARGP_HELP_FMT", "no-dup-args-note", 0);
	snprintf(doc, sizeof doc, "%s%s%s", command->help, command->more ? "\n\n" : "",
		 command->more ? command->more : "");
	snprintf(program, sizeof program, "troupe%s%s", command->run ? " " : "",
		 command->run ? command->name : "");
	struct argp argp = {.options = options, .args_doc = command->args, .doc = doc};
	argp_help(&argp, stdout, ARGP_HELP_USAGE | ARGP_HELP_DOC | ARGP_HELP_LONG, program);
}

bool call_limit(const struct call *call, uint64_t *limit)
{
	const char *text = call->limit;
	char *end;
	if (!text)
		return true;
	errno = 0;
	*limit = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *limit)
		return true;
	out_error("%s: --limit: '%s' is no number from 1", call->command->name, text);
	return false;
}
