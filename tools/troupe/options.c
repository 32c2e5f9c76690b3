/* The command line: glibc argp, one parser a sub-command, all made from one table of options.
 * argp's own complaints take two lines and name nothing that is valid, so they are off and ours
 * said instead. */
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <argp.h>
#include <errno.h>
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
	KEY_LINES,
	KEY_PROBATION,
	KEY_WIDE,
};

struct option_row {
	char letter;
	int key;
	const char *name, *arg, *help;
};

#define COMMON_LETTERS "njh"

static const struct option_row rows[] = {
	{'c', 'c', "config", "FILE", "the pipeline's config"},
	{'d', 'd', "detach", NULL, "in the background: return when all workers are ready"},
	{'S', KEY_SET, "set", "SECTION.KEY=VALUE", "set a row of the config (again for more)"},
	{'s', 's', "signal", "SIG", "the signal, by name or number"},
	{'x', KEY_EXEC, "exec", "PATH", "the other program"},
	{'p', KEY_PROBATION, "probation", "TIME", "how long the newcomer has to prove itself (5s)"},
	{'w', KEY_WIDE, "wide", NULL, "all there is to say, in lines as long as it takes"},
	{'m', KEY_STREAM, "stream", "S", "of this stream only"},
	{'0', KEY_NONE, "none", NULL, "no label"},
	{'f', 'f', "follow", NULL, "go on as lines are written"},
	{'l', KEY_LINES, "lines", "N", "only the last N"},
	{'1', KEY_ONCE, "once", NULL, "print once, also on a terminal"},
	{'q', KEY_SEQUENTIAL, "sequential", NULL, "in one process"},
	{'t', KEY_SECONDS, "seconds", "S", "measure for so long altogether"},
	{'F', KEY_FORCE, "force", NULL, "measure on a busy machine too"},
	{'o', KEY_FOLDER, "folder", "DIR", "make the temporary folder there"},
	{'a', KEY_AGAINST, "against", "DIR2", "another recording that must hold the same"},
	{'n', 'n', "name", "NAME", "the pipeline"},
	{'j', KEY_JSON, "json", NULL, "print JSON"},
	{'V', 'V', "version", NULL, "print the version"},
	{'h', 'h', "help", NULL, "print this"},
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

/* Where each option that takes a value puts it; NULL: not such an option. */
static const char **value_of(struct call *call, int key)
{
	switch (key) {
	case 'c':
		return &call->config;
	case 'n':
		return &call->name;
	case 's':
		return &call->signal;
	case KEY_EXEC:
		return &call->exec;
	case KEY_STREAM:
		return &call->stream;
	case KEY_AGAINST:
		return &call->against;
	case KEY_LINES:
		return &call->lines;
	case KEY_SECONDS:
		return &call->seconds;
	case KEY_FOLDER:
		return &call->folder;
	case KEY_PROBATION:
		return &call->probation;
	default:
		return NULL;
	}
}

static bool *flag_of(struct call *call, int key)
{
	switch (key) {
	case 'd':
		return &call->detach;
	case 'f':
		return &call->follow;
	case 'h':
		return &call->help;
	case 'V':
		return &call->version;
	case KEY_JSON:
		return &call->json;
	case KEY_NONE:
		return &call->none;
	case KEY_FORCE:
		return &call->force;
	case KEY_ONCE:
		return &call->once;
	case KEY_WIDE:
		return &call->wide;
	case KEY_SEQUENTIAL:
		return &call->sequential;
	default:
		return NULL;
	}
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
	const char **value = value_of(call, key);
	bool *flag = flag_of(call, key);
	if (key == ARGP_KEY_ARG)
		return take_argument(call, text);
	if (key == ARGP_KEY_ERROR)
		call->stopped_at = state->next;
	if (value)
		*value = text;
	else if (flag)
		*flag = true;
	else if (key == KEY_SET && call->n_sets < CALL_SETS_MAX)
		call->set[call->n_sets++] = text;
	else
		return ARGP_ERR_UNKNOWN;
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
static bool complete(struct call *call)
{
	const struct command *command = call->command;
	for (size_t i = 0; i < N_ROWS; i++) {
		if (!command->needs || !strchr(command->needs, rows[i].letter))
			continue;
		const char **value = value_of(call, rows[i].key);
		bool *flag = flag_of(call, rows[i].key);
		if ((value && !*value) || (flag && !*flag)) {
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
