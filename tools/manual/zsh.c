/* The completion for zsh: _arguments(1) of each command. */
#include "tools/manual/pages.h"
#include "tools/manual/words.h"

#include <string.h>

/* Text within single quotes of the shell, and within brackets of _arguments. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else if (strchr("[]:\\", *text))
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

/* What completes a word. */
static void put_action(FILE *out, const char *words)
{
	if (strncmp(words, "words ", 6) == 0)
		fprintf(out, "(%s)", words + 6);
	else if (strcmp(words, "files") == 0 || strcmp(words, "programs") == 0)
		fputs("_files", out);
	else if (strcmp(words, "folders") == 0)
		fputs("_files -/", out);
	else if (*words)
		fprintf(out, " _troupe_names %s", words); /* a blank: with no other arguments */
	else
		fputc(' ', out);
}

static void print_option(FILE *out, const struct option_view *option)
{
	fputs("        ", out);
	if (option->again)
		fputs("'*'", out);
	else if (option->letter)
		fprintf(out, "'(-%c --%s)'", option->letter, option->name);
	const char *value = option->arg ? "=" : "";
	if (option->letter)
		fprintf(out, "{-%c,--%s%s}'[", option->letter, option->name, value);
	else
		fprintf(out, "'--%s%s[", option->name, value);
	put_text(out, option->help);
	fputc(']', out);
	if (option->arg) {
		fputc(':', out);
		put_text(out, option->arg);
		fputc(':', out);
		put_action(out, words_of_option(option));
	}
	fputs("' \\\n", out);
}

static void print_command(FILE *out, const struct command *command)
{
	struct option_view options[OPTIONS_MAX];
	char words[256];
	size_t n = command_options(command, options);
	fprintf(out, "    %s)\n      _arguments -S \\\n", command->name);
	for (size_t i = 0; i < n; i++)
		print_option(out, &options[i]);
	fprintf(out, "        '%s:", command->max_args > 1 ? "*" : "1");
	put_text(out, *command->args ? command->args : "nothing");
	fputc(':', out);
	put_action(out, words_of_argument(command, words, sizeof(words)));
	fputs("'\n      ;;\n", out);
}

static const char beginning[] =
	"#compdef troupe\n"
	"# Completion of troupe(1) for zsh, made from the tables of its options.\n\n"
	"# Names of a kind, of the pipeline that the line names.\n"
	"_troupe_names() {\n"
	"  local -a names\n"
	"  local i name=$_troupe_name\n"
	"  for ((i = 1; i < CURRENT; i++)); do\n"
	"    case $words[i] in\n"
	"      -n|--name) name=$words[i+1] ;;\n"
	"      --name=*) name=${words[i]#*=} ;;\n"
	"    esac\n"
	"  done\n"
	"  names=(${(f)\"$(_call_program names troupe ${name:+-n ${(q)name}} complete $1 "
	"2>/dev/null)\"})\n"
	"  compadd -a names\n"
	"}\n\n";

static const char dispatch[] =
	"_troupe() {\n"
	"  local curcontext=\"$curcontext\" state line _troupe_name\n"
	"  typeset -A opt_args\n"
	"  _arguments -C -S \\\n"
	"    '(-n --name)'{-n,--name=}'[the pipeline]:NAME: _troupe_names pipelines' \\\n"
	"    '--json[print JSON]' '(-h --help)'{-h,--help}'[print help]' \\\n"
	"    '(-V --version)'{-V,--version}'[print the version]' \\\n"
	"    '(-): :_troupe_commands' '(-)*:: :->argument'\n"
	"  [[ $state == argument ]] || return\n"
	"  _troupe_name=${opt_args[-n]:-${opt_args[--name]}}\n"
	"  curcontext=\"${curcontext%:*}-$words[1]:\"\n"
	"  case $words[1] in\n";

void zsh_completion(const struct manual *manual)
{
	FILE *out = page_open(manual, "_troupe");
	fputs(beginning, out);
	fputs("_troupe_commands() {\n  local -a all=(\n", out);
	for (const struct command *command = commands; command->name; command++) {
		if (command->hidden)
			continue;
		fprintf(out, "    '%s:", command->name);
		put_text(out, command->help);
		fputs("'\n", out);
	}
	fputs("  )\n  _describe -t commands command all\n}\n\n", out);
	fputs(dispatch, out);
	for (const struct command *command = commands; command->name; command++)
		if (!command->hidden)
			print_command(out, command);
	fputs("  esac\n}\n\n_troupe \"$@\"\n", out);
	page_close(out, "_troupe");
}
