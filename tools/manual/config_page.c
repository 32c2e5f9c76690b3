/* troupe.conf.5: every row of the supervisor and of all programs, with its type, range and default.
 */
#include "ipc/base/rows.h"
#include "tools/manual/pages.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What a section is for, and who reads it. */
static const struct section_text {
	const char *section, *text;
} sections[] = {
	{"", "These stand before all sections."},
	{"stream",
	 "A source of frames and the capture that reads it; there may be several, each with "
	 "a title of its own: `stream \"door\" { source = \"/dev/video0\" }`."},
	{"processor", "The pool of processors, which all streams share."},
	{"storer", "Who records."},
	{"trainer", "Who learns from the labels."},
	{"display", "Who shows the video."},
	{"worker", "A worker of your own; there may be several, each with a title, which is its "
		   "name: `worker \"mine\" { exec = \"./my-worker\" }`."},
};

static const char *const types[] = {
	[ROW_BOOL] = "yes or no",
	[ROW_INT] = "a whole number",
	[ROW_REAL] = "a number",
	[ROW_DURATION] = "a time",
	[ROW_SIZE] = "a size",
	[ROW_TEXT] = "text",
	[ROW_CHOICE] = "one of",
	[ROW_LISTEN] = "an address and a port",
	[ROW_KEEP] = "a size, a time, or both",
};

/* The heading, "[SECTION]<tab>PROGRAM", cut in place. */
static void print_heading(FILE *page, char *line)
{
	char *section = line + 1, *program = strchr(line, '\t');
	if (!program)
		return;
	program[-1] = '\0';
	program++;
	const struct section_text *found = NULL;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && !found; i++)
		if (strcmp(sections[i].section, section) == 0)
			found = &sections[i];
	size_t own = strlen("troupe-") + strlen(section);
	bool other = *section && found && strncmp(program, "troupe-", 7) == 0 &&
		     strlen(program) > own && program[own] == '-' && strcmp(section, "stream") != 0;
	if (other) {
		fprintf(page, ".Ss %s: what %s adds\n", section, program);
		return;
	}
	fprintf(page, ".Ss %s\n", *section ? section : "The top level");
	if (found)
		page_text(page, found->text);
}

static bool has_range(const struct row *row)
{
	return row->min != 0 || row->max != 0;
}

/* A bound as a person would write it. Parsed rows have their value at the beginning. */
static char *bound(const struct row *row, double value, char *out, size_t size)
{
	int64_t whole = (int64_t)value;
	return row_format(row, row->type == ROW_REAL ? (const void *)&value : (const void *)&whole,
			  out, size);
}

static void print_row(FILE *page, const struct row *row)
{
	char text[1024], low[64], high[64];
	size_t used;
	fprintf(page, ".It Ic %s\n", row->name);
	page_text(page, row->help);
	fputs(".br\n", page);
	if (row->type == ROW_CHOICE) {
		used = (size_t)snprintf(text, sizeof(text), "One of ");
		for (const char *c = row->choices; *c && used < sizeof(text) - 3; c++) {
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 *c == '|' ? ", " : "%c", *c);
		}
	} else {
		used = (size_t)snprintf(text, sizeof(text), "%s", types[row->type]);
		text[0] = (char)(text[0] >= 'a' ? text[0] - 'a' + 'A' : text[0]);
	}
	if (has_range(row)) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, " from %s to %s",
					 bound(row, row->min, low, sizeof(low)),
					 bound(row, row->max, high, sizeof(high)));
	}
	snprintf(text + used, sizeof(text) - used,
		 *row->fallback ? "; default `%s`." : "; default none.", row->fallback);
	page_text(page, text);
}

static void print_tables(FILE *page, FILE *tables)
{
	char line[4096];
	bool list = false;
	while (fgets(line, sizeof(line), tables)) {
		struct row *row = NULL;
		if (*line == '[') {
			line[strcspn(line, "\n")] = '\0';
			fputs(list ? ".El\n" : "", page);
			print_heading(page, line);
			list = false;
		} else if (rows_parse(line, &row) == 1) {
			fputs(list ? "" : ".Bl -tag -width Ds\n", page);
			list = true;
			print_row(page, row);
		}
		free(row);
	}
	fputs(list ? ".El\n" : "", page);
}

static void print_introduction(FILE *page)
{
	fputs(".Sh DESCRIPTION\n", page);
	page_text(page,
		  "The file describes one pipeline. It has values, `key = value`, and sections, "
		  "`processor { count = 2 }`, with values of their own. A text stands in double "
		  "quotes. What is behind a # is a comment. Relative paths are relative to the "
		  "folder of the file.");
	fputs(".Pp\n", page);
	page_text(
		page,
		"Every value is checked by a row of the program that uses it, so an unknown key or "
		"a bad value is one line that names file and line: `troupe check -c FILE`. `troupe "
		"config` prints a complete file with all defaults, and -S SECTION.KEY=VALUE of "
		"`troupe up` sets a value for once.");
	fputs(".Ss Values\n.Bl -tag -width Ds\n.It a time\n", page);
	page_text(page, "A number with its unit: `150ms`, `3s`, `10min`, `2h`, `7d`.");
	fputs(".It a size\n", page);
	page_text(page, "A number of bytes with its unit, in powers of 1000 (`64MB`, `20GB`) or of "
			"1024 (`64MiB`).");
	fputs(".It yes or no\nThe word itself.\n.It an address and a port\n", page);
	page_text(page, "`127.0.0.1:8080`; port 0 takes any that is free.");
	fputs(".El\n.Sh KEYS\n", page);
}

static void print_example(FILE *page)
{
	static const char *const lines[] = {
		"name = \"yard\"",
		"stream \"door\" { source = \"/dev/video0\"  size = \"1280x720\" }",
		"stream \"gate\" { source = \"rtsp://camera/stream\"  store = \"passthrough\" }",
		"processor { count = 2 }",
		"storer { folder = \"/srv/yard\"  keep = \"200GB 30d\" }",
		"trainer { }",
		"display { listen = \"127.0.0.1:8080\" }",
	};
	fputs(".Sh EXAMPLES\nTwo cameras, recorded for a month:\n.Bd -literal -offset indent\n",
	      page);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		page_literal(page, lines[i]);
	fputs(".Ed\n", page);
}

void config_page(const struct manual *manual, const char *tables)
{
	FILE *in = fopen(tables, "r");
	if (!in) {
		perror(tables);
		exit(EXIT_FAILURE);
	}
	FILE *page = page_open(manual, "man5/troupe.conf.5");
	page_begin(page, manual, "troupe.conf", "5", "what a pipeline of troupe is made of");
	print_introduction(page);
	print_tables(page, in);
	fputs(".Sh FILES\n.Bl -tag -width Ds\n.It Pa /etc/troupe/NAME.conf\n"
	      "Of the service\n.Li troupe@NAME ,\nsee\n.Xr troupe@.service 8 .\n"
	      ".It Pa /usr/share/doc/troupe/examples/example.conf\n"
	      "All rows with their defaults.\n.El\n",
	      page);
	print_example(page);
	fputs(".Sh SEE ALSO\n.Xr troupe 1 ,\n.Xr troupe-check 1 ,\n.Xr troupe-config 1\n", page);
	page_close(page, "troupe.conf.5");
	fclose(in);
}
