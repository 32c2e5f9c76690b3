/* troupe.1 and troupe-COMMAND.1: name, synopsis and options are the tables' own; what the examples
 * of a command show lies in a file of its name. */
#include "tools/manual/pages.h"
#include "tools/troupe/command.h"

#include <string.h>

/* ---- synopsis ---- */

static void print_option(FILE *page, const struct option_view *option, const char *macro)
{
	fputs(macro, page);
	if (option->letter)
		fprintf(page, "Fl %c", option->letter);
	else
		fprintf(page, "Fl -%s", option->name);
	if (option->arg)
		fprintf(page, " Ar %s", option->arg);
	fputs(option->again ? " ...\n" : "\n", page);
}

static void print_synopsis(FILE *page, const struct command *command)
{
	struct option_view options[OPTIONS_MAX];
	size_t n = command_options(command, options);
	fprintf(page, ".Sh SYNOPSIS\n.Nm troupe %s\n", command->name);
	for (size_t i = 0; i < n; i++)
		if (options[i].letter != 'h')
			print_option(page, &options[i], options[i].needed ? "." : ".Op ");
	if (*command->args) {
		fputs(".Ar ", page);
		page_argument(page, command->args);
		fputc('\n', page);
	}
}

static void print_options(FILE *page, const struct command *command)
{
	struct option_view options[OPTIONS_MAX];
	size_t n = command_options(command, options);
	fputs(".Sh OPTIONS\n.Bl -tag -width Ds\n", page);
	for (size_t i = 0; i < n; i++) {
		if (options[i].letter)
			fprintf(page, ".It Fl %c , Fl -%s", options[i].letter, options[i].name);
		else
			fprintf(page, ".It Fl -%s", options[i].name);
		if (options[i].arg)
			fprintf(page, " Ns = Ns Ar %s", options[i].arg);
		fputc('\n', page);
		page_sentence(page, options[i].help);
	}
	fputs(".El\n", page);
}

/* ---- examples ---- */

/* A file of examples has lines for people, and lines that begin with "$ ", what is typed, with what
 * lies below them up to the next empty line. */
static void print_examples(FILE *page, const struct manual *manual, const char *name)
{
	char path[1024], line[512];
	snprintf(path, sizeof(path), "%s/%s", manual->examples, name);
	FILE *file = fopen(path, "r");
	if (!file)
		return;
	fputs(".Sh EXAMPLES\n", page);
	bool typed = false, first = true;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		bool types = strncmp(line, "$ ", 2) == 0;
		if (types && !typed)
			fputs(".Bd -literal -offset indent\n", page);
		if (!*line && typed)
			fputs(".Ed\n", page);
		typed = types || (typed && *line);
		if (typed)
			page_literal(page, line);
		else if (*line && !first)
			fputs(".Pp\n", page);
		if (!typed && *line)
			page_text(page, line);
		first = false;
	}
	if (typed)
		fputs(".Ed\n", page);
	fclose(file);
}

/* ---- what all have ---- */

/* The one line of a page: without backquotes, and no "…" at its end. */
static void one_line(const char *help, char *out, size_t size)
{
	static const char more[] = ", …";
	snprintf(out, size, "%s", help);
	size_t length = strlen(out), end = sizeof(more) - 1;
	if (length > end && strcmp(out + length - end, more) == 0)
		out[length - end] = '\0';
	for (char *c = out; *c; c++)
		if (*c == '`')
			*c = '\'';
}

static void print_exit_status(FILE *page)
{
	fputs(".Sh EXIT STATUS\n.Bl -tag -width Ds\n"
	      ".It 0\nIt was done.\n"
	      ".It 1\nIt was asked properly, and did not work; one line on standard error says "
	      "why.\n"
	      ".It 2\nThe command line or the config file is wrong: asking again will not help.\n"
	      ".El\n",
	      page);
}

static void command_page(const struct manual *manual, const struct command *command)
{
	char title[64], name[80], what[256];
	snprintf(title, sizeof(title), "troupe-%s", command->name);
	snprintf(name, sizeof(name), "man1/%s.1", title);
	one_line(command->help, what, sizeof(what));
	FILE *page = page_open(manual, name);
	page_begin(page, manual, title, "1", what);
	print_synopsis(page, command);
	fputs(".Sh DESCRIPTION\n", page);
	page_sentence(page, command->help);
	if (command->more) {
		fputs(".Pp\n", page);
		page_text(page, command->more);
	}
	print_options(page, command);
	print_exit_status(page);
	print_examples(page, manual, command->name);
	fputs(".Sh SEE ALSO\n.Xr troupe 1 ,\n.Xr troupe.conf 5\n", page);
	page_close(page, name);
}

static void print_commands(FILE *page)
{
	fputs(".Sh COMMANDS\nEach has a page of its own, and\n.Fl -help .\n"
	      ".Bl -tag -width quarantine\n",
	      page);
	for (const struct command *command = commands; command->name; command++) {
		if (command->hidden)
			continue;
		fprintf(page, ".It Xr troupe-%s 1\n", command->name);
		page_sentence(page, command->help);
	}
	fputs(".El\n", page);
}

static void print_environment(FILE *page)
{
	static const struct {
		const char *name, *text;
	} all[] = {
		{"TROUPE_NAME", "The pipeline that is meant where -n does not say it."},
		{"TROUPE_RUNTIME_DIR", "The folder of the runtime folders of pipelines, at most 59 "
				       "bytes long. Else $XDG_RUNTIME_DIR/troupe, else "
				       "/tmp/troupe-UID; /run/troupe for the user that owns it."},
		{"TROUPE_STATE_DIR",
		 "The folder of the state folders: logs, journal, checkpoints. Else "
		 "$XDG_STATE_HOME/troupe, else ~/.local/state/troupe; /var/lib/troupe for the user "
		 "that owns it."},
		{"TROUPE_LOG", "Set to `debug`, programs log more."},
		{"NO_COLOR", "Set to anything, nothing is coloured."},
	};
	fputs(".Sh ENVIRONMENT\n.Bl -tag -width Ds\n", page);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		fprintf(page, ".It Ev %s\n", all[i].name);
		page_text(page, all[i].text);
	}
	fputs(".El\n", page);
}

static void main_page(const struct manual *manual)
{
	FILE *page = page_open(manual, "man1/troupe.1");
	page_begin(page, manual, "troupe", "1", "keep a live-video pipeline on stage");
	fputs(".Sh SYNOPSIS\n.Nm troupe\n.Op Fl n Ar NAME\n.Ar COMMAND\n.Op Ar ARGUMENT ...\n"
	      ".Nm troupe\n.Fl -version\n.Sh DESCRIPTION\n",
	      page);
	page_text(page,
		  "A supervisor runs separate capture, processor, storer, trainer and display "
		  "processes. Any of them can be inspected, killed, restarted, scaled or swapped "
		  "for another program while the video runs, and no recorded frame is lost.");
	fputs(".Pp\n", page);
	page_text(page,
		  "A pipeline is described by a file, see troupe.conf(5), started by `troupe "
		  "up`, and named by -n, else by $TROUPE_NAME; the only one that runs needs no "
		  "name. Workers are called as `troupe ps` shows them. Options stand before or "
		  "behind the command; with --json a program can read what is printed.");
	print_commands(page);
	print_environment(page);
	print_exit_status(page);
	print_examples(page, manual, "troupe");
	fputs(".Sh SEE ALSO\n.Xr troupe.conf 5 ,\n.Xr troupe@.service 8\n", page);
	page_close(page, "troupe.1");
}

void command_pages(const struct manual *manual)
{
	main_page(manual);
	for (const struct command *command = commands; command->name; command++)
		if (!command->hidden)
			command_page(manual, command);
}
