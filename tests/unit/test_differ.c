/* What differs between two configs: a table of pairs of texts and what must come out. */
#include "supervisor/allot.h"
#include "supervisor/differ.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Programs that nobody asks. */
static const struct known_rows known[] = {
	{"/p/troupe-storer", "folder\ttext\t0\t0\t/tmp/x\t\tWhere.\n"
			     "commit\tduration\t0\t0\t100ms\t\tHow often.\n"},
	{"/p/troupe-processor", "model\ttext\t0\t0\tauto\t\tWhich.\n"},
	{"/p/other", "level\tint\t0\t9\t3\t\tHow much.\n"},
	{"/p/troupe-trainer", "rate\treal\t0\t1\t0.5\t\tHow fast.\n"},
	{"/p/troupe-display", "listen\tlisten\t0\t0\t127.0.0.1:0\t\tWhere.\n"},
	{"/p/troupe-capture", "source\ttext\t0\t0\tpattern:\t\tWhat.\n"},
};

static void load(struct config *config, const char *text)
{
	char why[WHY_SIZE];
	if (config_load_known(config, "demo.conf", "/c", text, "/p", NULL, 0, known,
			      sizeof(known) / sizeof(known[0]), why, sizeof(why)) < 0)
		fail_msg("%s", why);
}

/* "kind section row before after line" for each, a line each. */
static char *differences(const char *before, const char *after)
{
	struct config was, now;
	struct changes changes;
	char *text = NULL;
	size_t size = 0;
	load(&was, before);
	load(&now, after);
	assert_int_equal(differ(&was, &now, &changes), 0);
	FILE *out = open_memstream(&text, &size);
	for (size_t i = 0; i < changes.count; i++) {
		const struct change *c = &changes.all[i];
		fprintf(out, "%s %s %s %s %s %d\n", change_text(c->kind), c->section, c->row,
			c->before ? c->before : "-", c->after ? c->after : "-", c->line);
		assert_int_equal(c->kind == CHANGE_NEVER, c->why != NULL);
	}
	fclose(out);
	changes_finish(&changes);
	config_finish(&was);
	config_finish(&now);
	return text;
}

#define CAM "stream \"cam1\" { }\n"

static void test_table(void **state)
{
	static const struct {
		const char *before, *after, *wanted;
	} rows[] = {
		{CAM, CAM, ""},
		{CAM, "# a comment\n\n" CAM "storer { commit = \"0.1s\" }\n", ""},
		{CAM, CAM "hang_after = \"4s\"\n", "live  hang_after 3s 4s 2\n"},
		{CAM, CAM "name = \"other\"\n", "never  name troupe other 2\n"},
		{CAM, CAM "storer { commit = \"2s\" }\n", "restart storer commit 100ms 2s 2\n"},
		{CAM "storer { commit = \"2s\" }\n", CAM, "restart storer commit 2s 100ms 0\n"},
		{CAM, CAM "storer {\n  folder = \"/y\"\n}\n", "never storer folder /tmp/x /y 3\n"},
		{CAM, CAM "processor { count = 4\n max_restarts = 3 }\n",
		 "live processor max_restarts 10 3 3\nlive processor count 2 4 2\n"},
		{CAM, CAM "processor { exec = \"other\" }\n",
		 "restart processor exec  other 2\nrestart processor level - 3 2\n"
		 "restart processor model auto - 2\n"},
		{CAM, CAM "trainer { enabled = no\n rate = 0.1 }\n",
		 "remove trainer enabled yes no 2\nlive trainer rate 0.5 0.1 3\n"},
		{CAM "display { enabled = no }\n", CAM, "add display enabled no yes 0\n"},
		{CAM, CAM "storer { enabled = no }\n", "never storer enabled yes no 2\n"},
		{CAM, CAM "stream \"b\" { }\n", "never stream.b  - there 2\n"},
		{CAM "stream \"b\" { }\n", CAM, "never stream.b  there - 0\n"},
		{CAM, "stream \"cam1\" { slots = 9\n quality = 80 }\n",
		 "live stream.cam1 quality 85 80 2\nnever stream.cam1 slots 0 9 1\n"},
		{CAM, "stream \"cam1\" { source = \"v4l2:/dev/video0\" }\n",
		 "restart stream.cam1 source pattern: v4l2:/dev/video0 1\n"},
		{CAM, "stream \"cam1\" { keep = \"7d\" }\n",
		 "live stream.cam1 keep  7d 1\nrestart storer  - - 0\n"},
		{CAM, CAM "worker \"w\" { exec = \"other\" }\n", "add worker.w  - there 2\n"},
		{CAM "worker \"w\" { exec = \"other\" }\n", CAM, "remove worker.w  there - 0\n"},
		{CAM "worker \"w\" { exec = \"other\" }\n",
		 CAM "worker \"w\" { exec = \"other\"\n takes = \"queue\" }\n",
		 "never worker.w takes view queue 3\n"},
		{CAM, CAM "worker \"w\" { exec = \"other\" tap = \"lossless\" }\n",
		 "never worker.w  - there 2\n"},
		{CAM, CAM "processor { environment = \"A=1\"\n nice = 5 }\n",
		 "live processor nice 0 5 3\nrestart processor environment  A=1 2\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *got = differences(rows[i].before, rows[i].after);
		if (strcmp(got, rows[i].wanted) != 0)
			fail_msg("row %zu:\nfrom %sto %sgot\n%swanted\n%s", i, rows[i].before,
				 rows[i].after, got, rows[i].wanted);
		free(got);
	}
}

/* Every row of the supervisor's that is said to restart its worker is one that only a new process
 * can have. */
static void test_rows_that_restart(void **state)
{
	static const char *const wanted[] = {"exec", "user", "environment"};
	size_t n_roles, found = 0;
	const struct role *roles = roster(&n_roles);
	const struct row_table *parts[SETTINGS_PARTS] = {NULL};
	size_t n = settings_for(&roles[0], parts), n_wanted = sizeof(wanted) / sizeof(wanted[0]);
	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < parts[i]->count; k++) {
			const struct row *row = &parts[i]->rows[k];
			if (row->change != ROW_RESTARTS)
				continue;
			if (found == n_wanted)
				fail_msg("%s would restart its worker", row->name);
			else
				assert_string_equal(row->name, wanted[found++]);
		}
	}
	assert_int_equal(found, n_wanted);
}

/* What `troupe check` says of a row of an allotment, "" where it is right. */
static const char *complaint(const char *name, const char *value)
{
	static char why[WHY_SIZE];
	const struct row *row = row_find(&allot_rows, name);
	static struct section_settings set;
	why[0] = '\0';
	assert_non_null(row);
	row_set(row, &set, value, why, sizeof(why));
	return why;
}

static void test_allotments(void **state)
{
	static const struct {
		const char *row, *value;
		bool right;
	} values[] = {
		{"nice", "0", true},
		{"nice", "19", true},
		{"nice", "20", false},
		{"cpus", "", true},
		{"cpus", "0", true},
		{"cpus", "0,0-0", true},
		{"cpus", "0,", false},
		{"cpus", "1-0", false},
		{"cpus", "1023", false},
		{"cpus", "all", false},
		{"limit_memory", "0", true},
		{"limit_memory", "1MB", false},
		{"limit_memory", "much", false},
		{"limit_files", "10", false},
		{"limit_files", "256", true},
		{"limit_core", "0", true},
		{"limit_core", "none", false},
		{"user", "", true},
		{"user", "nobody-of-that-name", false},
		{"user", "root:no-such-group", false},
		{"environment", "A=1 B=2", true},
		{"environment", "A=1 B", false},
		{"environment", "1A=1", false},
		{"environment", "TROUPE_SEAT=1", false},
		{"oom_score_adj", "", true},
		{"oom_score_adj", "1000", true},
		{"oom_score_adj", "1001", false},
		{"oom_score_adj", "x", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const char *why = complaint(values[i].row, values[i].value);
		if ((*why == '\0') != values[i].right)
			fail_msg("%s = \"%s\": %s", values[i].row, values[i].value, why);
		if (*why && !strstr(why, values[i].row))
			fail_msg("it does not name %s: %s", values[i].row, why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_table),
					   cmocka_unit_test(test_rows_that_restart),
					   cmocka_unit_test(test_allotments)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
