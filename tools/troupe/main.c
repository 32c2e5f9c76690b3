/* troupe: the command that people use to start, look at and change pipelines. */
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What stands in front of the command's name. */
static const struct command program = {
	.name = "troupe",
	.args = "COMMAND [ARGUMENT…]",
	.help = "A live-video pipeline whose every process can be inspected, killed, restarted, "
		"scaled or swapped "
		"while the video runs.",
	.options = "V",
};

static void print_help(void)
{
	call_help(&program);
	puts("\nCommands:");
	for (const struct command *command = commands; command->name; command++)
		if (!command->hidden)
			printf("  %-10s %-15s %s\n", command->name, command->args, command->help);
	puts("\n`troupe COMMAND --help` tells more.");
}

static void say_commands(void)
{
	char valid[512];
	size_t used = 0;
	for (const struct command *command = commands; command->name && used < sizeof valid;
	     command++) {
		if (!command->hidden)
			used += (size_t)snprintf(valid + used, sizeof valid - used, "%s%s",
						 used ? ", " : "", command->name);
	}
	fprintf(stderr, "%s)\n", valid);
}

int main(int argc, char **argv)
{
	struct call call = {0};
	int at = 0, rest = 0;
	signal(SIGPIPE, SIG_DFL);
	int rc = call_parse(&call, &program, argc, argv, &at);
	if (rc != EXIT_DONE)
		return rc;
	if (call.version) {
		puts("troupe " TROUPE_VERSION);
		return EXIT_DONE;
	}
	if (call.help || (at < argc && strcmp(argv[at], "help") == 0)) {
		print_help();
		return EXIT_DONE;
	}
	const struct command *command = at < argc ? command_find(argv[at]) : NULL;
	if (!command) {
		fprintf(stderr,
			at < argc ? "troupe: unknown command '%s' (valid: "
				  : "troupe: which command? (valid: ",
			at < argc ? argv[at] : "");
		say_commands();
		return EXIT_USAGE;
	}
	rc = call_parse(&call, command, argc - at, argv + at, &rest);
	if (rc != EXIT_DONE)
		return rc;
	if (call.help) {
		call_help(command);
		return EXIT_DONE;
	}
	return command->run(&call);
}
