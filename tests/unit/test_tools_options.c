/* The command line of `troupe`: every command takes what it says and refuses the rest with exit
 * code 2. */
#include "tools/troupe/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 16

struct parsed {
	struct call call;
	int code, rest;
	char words[512]; /* what the call's strings point into */
	char said[1024]; /* on stderr */
};

/* Splits `line` at blanks, parses it as the arguments of `command`, catches what is said on stderr.
 */
static void parse_line(struct parsed *parsed, const struct command *command, const char *line)
{
	char *argv[WORDS_MAX + 1] = {NULL}, *rest = NULL;
	int argc = 0;
	*parsed = (struct parsed){0};
	snprintf(parsed->words, sizeof(parsed->words), "%s", line);
	for (char *word = strtok_r(parsed->words, " ", &rest); word && argc < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest)) {
		argv[argc++] = word;
	}
	FILE *caught = tmpfile();
	assert_non_null(caught);
	fflush(stderr);
	int console = dup(STDERR_FILENO);
	dup2(fileno(caught), STDERR_FILENO);
	parsed->code = call_parse(&parsed->call, command, argc, argv, &parsed->rest);
	fflush(stderr);
	dup2(console, STDERR_FILENO);
	close(console);
	rewind(caught);
	parsed->said[fread(parsed->said, 1, sizeof(parsed->said) - 1, caught)] = '\0';
	fclose(caught);
}

static void takes_what_it_says(void **state)
{
	(void)state;
	struct parsed p;
	parse_line(&p, command_find("kill"), "kill -n demo --signal=TERM processor.1 --json");
	assert_int_equal(p.code, EXIT_DONE);
	assert_string_equal(p.call.name, "demo");
	assert_string_equal(p.call.signal, "TERM");
	assert_int_equal(p.call.n_args, 1);
	assert_string_equal(p.call.arg[0], "processor.1");
	assert_true(p.call.json);
	assert_string_equal(p.said, "");
	parse_line(&p, command_find("logs"), "logs -l 3");
	assert_string_equal(p.call.lines, "3");
	assert_null(p.call.limit);
	parse_line(&p, command_find("events"), "events -l 3");
	assert_string_equal(p.call.limit, "3");
	assert_null(p.call.lines);
}

static void keeps_every_set(void **state)
{
	(void)state;
	struct parsed p;
	parse_line(&p, command_find("up"), "up -d -c x.conf --set a.b=1 --set c=2");
	assert_int_equal(p.code, EXIT_DONE);
	assert_true(p.call.detach);
	assert_string_equal(p.call.config, "x.conf");
	assert_int_equal(p.call.n_sets, 2);
	assert_string_equal(p.call.set[1], "c=2");
}

static void refuses_in_one_line(void **state)
{
	(void)state;
	static const struct {
		const char *command, *line, *says;
	} rows[] = {
		{"ps", "ps --frob", "unknown option --frob (valid: --wide, -n NAME, --json"},
		{"ps", "ps -x", "unknown option -x (valid: "},
		{"ps", "ps -xz", "unknown option -xz"},
		{"ps", "ps -n", "--name takes NAME"},
		{"ps", "ps --json=1", "--json takes no value"},
		{"ps", "ps more", "'more' is one argument too many"},
		{"kill", "kill", "kill: wants WORKER"},
		{"up", "up", "--config FILE is missing"},
		{"run", "run -c x", "--sequential is missing"},
		{"up", "up -c x --sequential", "unknown option --sequential"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parsed p;
		parse_line(&p, command_find(rows[i].command), rows[i].line);
		if (p.code != EXIT_USAGE || !strstr(p.said, rows[i].says))
			fail_msg("`%s` ended with %d and said: %s", rows[i].line, p.code, p.said);
		assert_ptr_equal(strchr(p.said, '\n'), p.said + strlen(p.said) - 1);
	}
}

static void stops_in_front_of_the_command(void **state)
{
	(void)state;
	static const struct command front = {.name = "troupe", .args = "COMMAND", .help = ""};
	struct parsed p;
	parse_line(&p, &front, "troupe -n demo ps --once");
	assert_int_equal(p.code, EXIT_DONE);
	assert_string_equal(p.call.name, "demo");
	assert_int_equal(p.rest, 3);
}

/* Every letter in a row is an option: --help with it must parse, and help wins over what is
 * missing. */
static void every_command_has_help(void **state)
{
	(void)state;
	for (const struct command *command = commands; command->name; command++) {
		char line[64];
		struct parsed p;
		snprintf(line, sizeof(line), "%s --help", command->name);
		parse_line(&p, command, line);
		assert_int_equal(p.code, EXIT_DONE);
		assert_true(p.call.help);
		assert_non_null(command->run);
		assert_true(strlen(command->help) > 0 && command->max_args <= CALL_ARGS_MAX);
	}
	assert_null(command_find("frob"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_it_says),
		cmocka_unit_test(keeps_every_set),
		cmocka_unit_test(refuses_in_one_line),
		cmocka_unit_test(stops_in_front_of_the_command),
		cmocka_unit_test(every_command_has_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
