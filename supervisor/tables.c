/* The rows of the supervisor and of all programs beside it. */
#include "supervisor/tables.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/worker/contract.h"
#include "supervisor/config.h"
#include "supervisor/query.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_WAIT (10 * NS_PER_S)

struct listing {
	const char *programs;
	FILE *out;
	char *why;
	size_t why_size;
};

/* The rows of a table, but for those that another one has. */
static void print_rows(FILE *out, const struct row_table *table, const struct row_table *but)
{
	for (size_t i = 0; i < table->count; i++)
		if (!but || !row_find(but, table->rows[i].name))
			rows_print(&(struct row_table){.rows = &table->rows[i], .count = 1}, out);
}

static void print_table(FILE *out, const char *section, const char *program, const struct row *rows,
			size_t count, const struct row_table *but)
{
	fprintf(out, "[%s]\t%s\n", section, program);
	print_rows(out, &(struct row_table){.rows = rows, .count = count}, but);
}

/* The count, or a negative error that is said. */
static int ask(const struct listing *l, const char *program, struct row **rows)
{
	char path[PROGRAM_SIZE], words[256], *answer;
	*rows = NULL;
	snprintf(path, sizeof(path), "%s/%s", l->programs, program);
	int rc = query(path, CONTRACT_ARG_ROWS, NULL, ANSWER_WAIT, &answer, words, sizeof(words));
	if (rc == 0)
		rc = rows_parse(answer, rows);
	else if (rc > 0)
		rc = TROUPE_E_STATE;
	free(answer);
	if (rc < 0)
		snprintf(l->why, l->why_size, "%s: %s", path, error_text(rc));
	return rc;
}

/* NAME-OTHER beside the program NAME plays in its place; a module (.so) does not. */
static bool is_alternative(const char *name, const char *of)
{
	size_t length = strlen(of);
	return strncmp(name, of, length) == 0 && name[length] == '-' && !strchr(name, '.');
}

static int print_alternatives(const struct listing *l, const struct role *role,
			      const struct row_table *known)
{
	struct dirent **found;
	int n = scandir(l->programs, &found, NULL, alphasort), rc = 0;
	for (int i = 0; i < n; i++) {
		if (rc >= 0 && is_alternative(found[i]->d_name, role->program)) {
			struct row *rows;
			rc = ask(l, found[i]->d_name, &rows);
			if (rc >= 0)
				print_table(l->out, role->section, found[i]->d_name, rows,
					    (size_t)rc, known);
			free(rows);
		}
		free(found[i]);
	}
	if (n >= 0)
		free(found);
	return rc < 0 ? rc : 0;
}

static int print_role(const struct listing *l, const struct role *role)
{
	const struct row_table *parts[SETTINGS_PARTS];
	size_t n = settings_for(role, parts);
	bool own = *role->program != '\0';
	struct row *rows = NULL;
	int count = own ? ask(l, role->program, &rows) : 0;
	if (count < 0)
		return count;
	const struct row_table its = {.rows = rows, .count = (size_t)count};
	print_table(l->out, role->section, own ? role->program : "", its.rows, its.count, NULL);
	for (size_t i = n; i-- > 0;)
		print_rows(l->out, parts[i], &its);
	int rc = own ? print_alternatives(l, role, &its) : 0;
	free(rows);
	return rc;
}

int tables_print(const char *programs, FILE *out, char *why, size_t why_size)
{
	struct listing l = {programs, out, why, why_size};
	size_t n_roles;
	const struct role *roles = roster(&n_roles);
	int rc = 0;
	print_table(out, "", "troupe-supervisor", settings_top.rows, settings_top.count, NULL);
	for (size_t i = n_roles; i-- > 0 && rc == 0;)
		rc = print_role(&l, &roles[i]);
	return rc;
}
