/* Config files: what is right is taken, what is wrong is named with file and line. */
#include "supervisor/config.h"
#include "supervisor/nearest.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAKE BIN "/fake_worker"
/* Sections that keep a test's file short. */
#define REST   "storer { exec = \"" FAKE "\" }\ntrainer { enabled = no }\ndisplay { enabled = no }\n"
#define POOL   "processor { exec = \"" FAKE "\" }\n"
#define STREAM "stream \"a\" { exec = \"" FAKE "\" }\n"

struct room {
	char folder[64], file[80];
	struct config config;
	char why[WHY_SIZE];
};

static int enter(void **state)
{
	struct room *r = calloc(1, sizeof(*r));
	strcpy(r->folder, "/tmp/test_config.XXXXXX");
	if (!mkdtemp(r->folder))
		return -1;
	snprintf(r->file, sizeof(r->file), "%s/t.conf", r->folder);
	*state = r;
	return 0;
}

static int leave(void **state)
{
	struct room *r = *state;
	unlink(r->file);
	rmdir(r->folder);
	free(r);
	return 0;
}

static int load(struct room *r, const char *text, const char *set)
{
	FILE *out = fopen(r->file, "w");
	fputs(text, out);
	fclose(out);
	return config_load(&r->config, r->file, "/nowhere", &set, set ? 1 : 0, r->why,
			   sizeof(r->why));
}

static void a_full_file(void **state)
{
	struct room *r = *state;
	int rc = load(r,
		      "# comment\n"
		      "name = \"lab\" // so\n"
		      "hang_after = 2s\n"
		      "/* two\n lines */\n"
		      "stream \"a\" { exec = \"" FAKE
		      "\" source = \"x # y.avi\" view_width = 160 }\n"
		      "stream \"b\" { exec = \"" FAKE "\" record = no }\n"
		      "processor { exec = \"" FAKE "\" count = 5 number = 7 }\n" REST,
		      NULL);
	assert_string_equal(rc == 0 ? "" : r->why, "");
	assert_string_equal(r->config.top.name, "lab");
	assert_int_equal(r->config.top.hang_after, 2000000000);
	assert_int_equal(r->config.n_sections, 6);
	const struct section *pool = &r->config.sections[1], *a = &r->config.sections[4];
	assert_string_equal(pool->role->worker, "processor");
	assert_int_equal(pool->settings.count, 5);
	assert_string_equal(section_value(pool, "number"), "7");
	assert_string_equal(section_value(&r->config.sections[0], "number"), "5");
	assert_null(section_value(pool, "count"));
	assert_string_equal(a->title, "a");
	assert_int_equal(a->settings.view_width, 160);
	assert_true(a->settings.record);
	assert_false(r->config.sections[5].settings.record);
	char *lines = section_lines(a);
	assert_string_equal(lines, "source=x # y.avi\n");
	free(lines);
	config_finish(&r->config);
}

static void what_the_command_line_sets_wins(void **state)
{
	struct room *r = *state;
	const char *text = "stream \"a\" { exec = \"" FAKE "\" source = \"x\" }\n" POOL REST;
	assert_int_equal(load(r, text, "stream.a.source=y=z"), 0);
	assert_string_equal(section_value(&r->config.sections[4], "source"), "y=z");
	config_finish(&r->config);
	assert_int_equal(load(r, text, "processor.count=9"), 0);
	assert_int_equal(r->config.sections[1].settings.count, 9);
	config_finish(&r->config);
	assert_int_equal(load(r, text, "name=other"), 0);
	assert_string_equal(r->config.top.name, "other");
	config_finish(&r->config);
}

/* `tail`: how the line must end or go on behind the file's path. */
struct bad {
	const char *text, *set, *wanted;
};

static const struct bad bad_files[] = {
	{"nam = \"x\"\n" STREAM POOL REST, NULL,
	 "t.conf:1: unknown key or section \"nam\" (\"name\"?), valid: name, "},
	{"\n\nmixer { }\n", NULL, "t.conf:3: unknown key or section \"mixer\", valid: "},
	{STREAM REST "# c\n\nprocessor {\n exec = \"" FAKE "\"\n cuont = 3\n}\n", NULL,
	 "t.conf:9: processor: unknown key \"cuont\" (\"count\"?), valid: exec, "},
	{STREAM REST "processor { exec = \"" FAKE "\"\n count = many\n}\n", NULL,
	 "t.conf:6: processor: count = \"many\" is not a whole number"},
	{STREAM REST "processor { exec = \"" FAKE "\"\n number = 12\n}\n", NULL,
	 "t.conf:6: processor: number = \"12\" is out of range, valid: 1 to 9"},
	{"hang_after = 5parsec\n" STREAM POOL REST, NULL,
	 "t.conf:1: hang_after = \"5parsec\" is not a time"},
	{"name = \"a/b\"\n" STREAM POOL REST, NULL, "t.conf:1: name = \"a/b\": letters"},
	{"name = \"a\"\nname = \"b\"\n" STREAM, NULL,
	 "t.conf:2: name is set twice, first in line 1"},
	{"name = \n", NULL, "t.conf:"},
	{"name \"x\"\n", NULL, "t.conf:1: missing equal sign after option 'name'"},
	{"}\n", NULL, "t.conf:1: "},
	{"stream \"a\" { source = \"x\n", NULL, "t.conf:"},
	{"stream \"a\" { source { x = 1 } }\n", NULL, "t.conf:1: stream: "},
	{STREAM STREAM, NULL, "t.conf:2: found duplicate title 'a'"},
	{"stream \"\" { exec = \"" FAKE "\" }\n", NULL, "t.conf:1: stream \"\": a name has"},
	{"stream \"a.b\" { exec = \"" FAKE "\" }\n", NULL, "t.conf:1: stream \"a.b\": a name has"},
	{"stream \"abcdefghijklmnopqrstuvwxyz\" { exec = \"" FAKE "\" }\n", NULL,
	 "t.conf:1: stream"},
	{POOL REST, NULL, "t.conf: has 0 streams"},
	{"", NULL, ": /nowhere/troupe-"},
	{"stream \"a\" { exec = \"/bin/false\" }\n" POOL REST, NULL,
	 "t.conf:1: stream: /bin/false --rows ended with code 1"},
	{"stream \"a\" { exec = \"/nowhere/x\" }\n" POOL REST, NULL,
	 "t.conf:1: stream: /nowhere/x: not found"},
	{"stream \"a\" { exec = \"/bin/echo\" }\n" POOL REST, NULL,
	 "t.conf:1: stream: /bin/echo --rows: what it prints is no table of rows"},
	{STREAM POOL REST, "processor.cuont=3", "--set processor.cuont=3: unknown key \"cuont\""},
	{STREAM POOL REST, "processor.count=x", "--set processor.count=x: count = \"x\" is not"},
	{STREAM POOL REST, "stream.b.source=x", "--set stream.b.source=x: no such section; wanted"},
	{STREAM POOL REST, "nonsense", "--set nonsense: wanted SECTION.KEY=VALUE"},
};

static void bad_files_are_named_by_line(void **state)
{
	struct room *r = *state;
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
		int rc = load(r, bad_files[i].text, bad_files[i].set);
		print_message("%s\n", rc < 0 ? r->why : bad_files[i].text);
		assert_true(rc < 0);
		assert_non_null(strstr(r->why, bad_files[i].wanted));
		assert_null(strchr(r->why, '\n'));
		config_finish(&r->config);
	}
}

static void no_file(void **state)
{
	struct room *r = *state;
	assert_true(config_load(&r->config, "/nowhere/t.conf", "/nowhere", NULL, 0, r->why,
				sizeof(r->why)) < 0);
	assert_string_equal(r->why, "/nowhere/t.conf: cannot be read: No such file or directory");
	config_finish(&r->config);
}

/* Any bytes at all end in a line, not in a crash. */
static void random_files(void **state)
{
	struct room *r = *state;
	static const char *const pieces[] = {
		"stream", "\"a\"", "{",	 "}",	"=",  "processor", "\n", "#",
		"'",	  "\"",	   "/*", "*/",	"\\", "count",	   "3",	 ",",
		"${HOME", "+=",	   "(",	 "\t ", "é",  "storer"};
	srand(7);
	for (int i = 0; i < 300; i++) {
		char text[512] = "";
		size_t used = 0;
		for (int k = rand() % 24; k > 0; k--) {
			const char *piece =
				pieces[(size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]))];
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s ", piece);
		}
		assert_true(load(r, text, NULL) < 0);
		assert_true(strlen(r->why) > 0);
		config_finish(&r->config);
	}
}

static void misspelt_words(void **state)
{
	(void)state;
	assert_int_equal(nearest_changes("", ""), 0);
	assert_int_equal(nearest_changes("count", "count"), 0);
	assert_int_equal(nearest_changes("", "count"), 5);
	assert_int_equal(nearest_changes("count", ""), 5);
	assert_int_equal(nearest_changes("qualty", "quality"), 1);
	assert_int_equal(nearest_changes("quallity", "quality"), 1);
	assert_int_equal(nearest_changes("cuont", "count"), 2);
	assert_int_equal(nearest_changes("limit_file", "hang_after"), 9);
	assert_int_equal(nearest_changes("a123456789b123456789c123456789d123456789e", "a"),
			 UINT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misspelt_words),
		cmocka_unit_test_setup_teardown(a_full_file, enter, leave),
		cmocka_unit_test_setup_teardown(what_the_command_line_sets_wins, enter, leave),
		cmocka_unit_test_setup_teardown(bad_files_are_named_by_line, enter, leave),
		cmocka_unit_test_setup_teardown(no_file, enter, leave),
		cmocka_unit_test_setup_teardown(random_files, enter, leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
