/* The completion for bash: three tables, and a function that is the same whatever they say. It
 * needs nothing of the package bash-completion but to be loaded by it. */
#include "tools/manual/pages.h"
#include "tools/manual/words.h"

static const char function[] =
	"# Names of a kind, of the pipeline that the line names.\n"
	"_troupe_names() {\n"
	"    troupe ${_troupe_name:+-n \"$_troupe_name\"} complete \"$1\" 2>/dev/null\n"
	"}\n"
	"\n"
	"# What a word may be: see the tables.\n"
	"_troupe_offer() {\n"
	"    local kind=$1 cur=$2 candidates=''\n"
	"    case $kind in\n"
	"    '') ;;\n"
	"    words*) candidates=${kind#words} ;;\n"
	"    files | programs)\n"
	"        compopt -o filenames 2>/dev/null\n"
	"        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"        return ;;\n"
	"    folders)\n"
	"        compopt -o filenames 2>/dev/null\n"
	"        mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
	"        return ;;\n"
	"    *) candidates=$(_troupe_names \"$kind\") ;;\n"
	"    esac\n"
	"    mapfile -t COMPREPLY < <(compgen -W \"$candidates\" -- \"$cur\")\n"
	"}\n"
	"\n"
	"_troupe() {\n"
	"    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"    local command='' _troupe_name='' i word\n"
	"    COMPREPLY=()\n"
	"    # \"--name=demo\" comes as three words.\n"
	"    if [[ $cur == '=' ]]; then\n"
	"        cur=''\n"
	"    elif [[ $prev == '=' ]]; then\n"
	"        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"    fi\n"
	"    for ((i = 1; i < COMP_CWORD; i++)); do\n"
	"        word=${COMP_WORDS[i]}\n"
	"        case $word in\n"
	"        -n | --name)\n"
	"            ((i++))\n"
	"            [[ ${COMP_WORDS[i]} == '=' ]] && ((i++))\n"
	"            ((i < COMP_CWORD)) && _troupe_name=${COMP_WORDS[i]} ;;\n"
	"        -* | '=') ;;\n"
	"        *) [[ -n $command ]] || command=$word ;;\n"
	"        esac\n"
	"    done\n"
	"    if [[ $prev == -n || $prev == --name ]]; then\n"
	"        _troupe_offer pipelines \"$cur\"\n"
	"    elif [[ -n ${_troupe_values[$command:$prev]+there} ]]; then\n"
	"        _troupe_offer \"${_troupe_values[$command:$prev]}\" \"$cur\"\n"
	"    elif [[ $cur == -* ]]; then\n"
	"        _troupe_offer \"words ${_troupe_options[${command:-troupe}]}\" \"$cur\"\n"
	"    elif [[ -z $command ]]; then\n"
	"        _troupe_offer \"words ${!_troupe_options[*]}\" \"$cur\"\n"
	"    else\n"
	"        _troupe_offer \"${_troupe_arguments[$command]-}\" \"$cur\"\n"
	"    fi\n"
	"}\n"
	"\n"
	"complete -F _troupe troupe\n";

static void print_options(FILE *out, const struct command *command)
{
	struct option_view options[OPTIONS_MAX];
	size_t n = command_options(command, options);
	fprintf(out, "    [%s]='", command->name);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s--%s", i ? " " : "", options[i].name);
	fputs("'\n", out);
}

static void print_values(FILE *out, const struct command *command)
{
	struct option_view options[OPTIONS_MAX];
	size_t n = command_options(command, options);
	for (size_t i = 0; i < n; i++) {
		if (!options[i].arg)
			continue;
		const char *words = words_of_option(&options[i]);
		fprintf(out, "    [%s:--%s]='%s'\n", command->name, options[i].name, words);
		if (options[i].letter)
			fprintf(out, "    [%s:-%c]='%s'\n", command->name, options[i].letter,
				words);
	}
}

static void print_argument(FILE *out, const struct command *command)
{
	char words[256];
	fprintf(out, "    [%s]='%s'\n", command->name,
		words_of_argument(command, words, sizeof(words)));
}

static void print_table(FILE *out, const char *name,
			void (*print)(FILE *out, const struct command *command))
{
	fprintf(out, "declare -gA %s=(\n", name);
	for (const struct command *command = commands; command->name; command++)
		if (!command->hidden)
			print(out, command);
	fputs(")\n", out);
}

void bash_completion(const struct manual *manual)
{
	FILE *out = page_open(manual, "troupe.bash");
	fputs("# Completion of troupe(1) for bash, made from the tables of its options.\n"
	      "# shellcheck shell=bash\n\n# The options of each command.\n",
	      out);
	print_table(out, "_troupe_options", print_options);
	fputs("# What the value of an option may be.\n", out);
	print_table(out, "_troupe_values", print_values);
	fputs("# What the argument of a command may be.\n", out);
	print_table(out, "_troupe_arguments", print_argument);
	fputs("\n", out);
	fputs(function, out);
	page_close(out, "troupe.bash");
}
