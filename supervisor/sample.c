/* `troupe config`: the complete commented default, made from the very rows that check a file. */
#include "supervisor/config.h"

#include "ipc/base/errors.h"

#include <stdlib.h>
#include <string.h>

static void print_valid(const struct row *row, FILE *out)
{
	if (row->type == ROW_CHOICE)
		fprintf(out, " One of %s.", row->choices);
	else if (row->type == ROW_BOOL)
		fprintf(out, " yes or no.");
}

static bool is_number(const struct row *row)
{
	return row->type == ROW_INT || row->type == ROW_REAL || row->type == ROW_BOOL;
}

/* `value` is what the sample itself says; NULL: the default, commented out, so that a copy of this
 * file keeps following it. */
static void print_row(const struct row *row, const char *indent, const char *value, FILE *out)
{
	fprintf(out, "%s# %s", indent, row->help ? row->help : "");
	print_valid(row, out);
	const char *quote = is_number(row) ? "" : "\"";
	fprintf(out, "\n%s%s%s = %s%s%s\n", indent, value ? "" : "# ", row->name, quote,
		value ? value : row->fallback, quote);
}

static void print_rows(const struct row *rows, size_t count, const char *indent, FILE *out)
{
	for (size_t i = 0; i < count; i++)
		print_row(&rows[i], indent, NULL, out);
}

static int print_section(const struct config *config, const struct role *role, FILE *out, char *why,
			 size_t why_size)
{
	char program[PROGRAM_SIZE];
	struct row *rows;
	const struct row_table *parts[SETTINGS_PARTS];
	size_t n_parts = settings_for(role, parts);
	config_program(config, role, "", program, sizeof(program));
	struct needs needs;
	int count = config_rows(program, false, &rows, &needs, why, why_size);
	if (count < 0)
		return count;
	fprintf(out, "\n%s%s {\n", role->section, role->shape == ROLE_STREAM ? " \"cam1\"" : "");
	for (int i = 0; i < count; i++) {
		/* The one row that no default fits. */
		bool source = role->shape == ROLE_STREAM && strcmp(rows[i].name, "source") == 0;
		if (!settings_find(role, rows[i].name))
			print_row(&rows[i], "\t", source ? "pattern:" : NULL, out);
	}
	for (size_t i = n_parts; i-- > 0;)
		print_rows(parts[i]->rows, parts[i]->count, "\t", out);
	fprintf(out, "}\n");
	free(rows);
	return 0;
}

/* A stranger's section, all of it commented out: nobody has one by default. */
static void print_stranger(const struct role *role, FILE *out)
{
	const struct row_table *parts[SETTINGS_PARTS];
	size_t n_parts = settings_for(role, parts);
	fprintf(out,
		"\n# A program of your own, as often as you like: docs/writing-a-worker.md.\n"
		"# %s \"mine\" {\n",
		role->section);
	for (size_t i = n_parts; i-- > 0;)
		print_rows(parts[i]->rows, parts[i]->count, "#\t", out);
	fprintf(out, "# }\n");
}

int config_print_default(const char *programs, FILE *out, char *why, size_t why_size)
{
	struct config config = {0};
	size_t n_roles;
	const struct role *roles = roster(&n_roles);
	snprintf(config.programs, sizeof(config.programs), "%s", programs);
	fprintf(out,
		"# A pipeline of troupe. Every line that begins with '#' shows a default.\n\n");
	print_rows(settings_top.rows, settings_top.count, "", out);
	int rc = 0;
	for (size_t i = n_roles; i-- > 0 && rc == 0;) {
		if (roles[i].shape == ROLE_NAMED)
			print_stranger(&roles[i], out);
		else
			rc = print_section(&config, &roles[i], out, why, why_size);
	}
	return rc;
}
