/* Log files: rotated by size and age at the end of a line, so many kept; what the disk does not
 * take is counted and told. */
#include "ipc/base/clock.h"
#include "supervisor/log_file.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_SIZE 8192

struct place {
	char folder[64];
	struct log_file log;
	struct log_limits limits;
	struct log_loss loss; /* of the last call */
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	*state = place;
	if (!place)
		return -1;
	place->limits = (struct log_limits){.size = 100, .files = 2};
	snprintf(place->folder, sizeof(place->folder), "/tmp/troupe-test-log-XXXXXX");
	return mkdtemp(place->folder) ? 0 : -1;
}

static char *path_of(const struct place *place, const char *end)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/w.log%s", place->folder, end);
	return path;
}

static int teardown(void **state)
{
	static const char *const ends[] = {"", ".1", ".2", ".3", ".4", ".5"};
	struct place *place = *state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		unlink(path_of(place, ends[i]));
	int rc = rmdir(place->folder);
	free(place);
	return rc;
}

static void say(struct place *place, const char *text)
{
	log_file_append(&place->log, place->folder, "w", &place->limits, text, strlen(text),
			&place->loss);
}

/* "" also for a file that is not there. */
static char *text_of(const struct place *place, const char *end, char *out)
{
	FILE *in = fopen(path_of(place, end), "re");
	size_t n = in ? fread(out, 1, TEXT_SIZE - 1, in) : 0;
	out[n] = '\0';
	if (in)
		fclose(in);
	return out;
}

static bool is_there(const struct place *place, const char *end)
{
	return access(path_of(place, end), F_OK) == 0;
}

static void a_full_one_is_followed_by_a_new_one(void **state)
{
	struct place *place = *state;
	char text[TEXT_SIZE], line[64];
	for (int i = 0; i < 40; i++) { /* ten a file */
		snprintf(line, sizeof(line), "line %04d\n", i);
		say(place, line);
		assert_int_equal(place->loss.lines, 0);
	}
	assert_string_equal(strtok(text_of(place, "", text), "\n"), "line 0030");
	assert_string_equal(strtok(text_of(place, ".1", text), "\n"), "line 0020");
	assert_string_equal(strtok(text_of(place, ".2", text), "\n"), "line 0010");
	assert_false(is_there(place, ".3"));
}

static void a_line_stays_in_one_piece(void **state)
{
	struct place *place = *state;
	char text[TEXT_SIZE], much[101];
	memset(much, 'x', 100);
	much[100] = '\0';
	say(place, much);
	say(place, "and");
	say(place, " so on\nnext\n");
	text_of(place, ".1", text);
	assert_string_equal(text + strlen(text) - 10, "and so on\n");
	assert_string_equal(text_of(place, "", text), "next\n");
}

static void fewer_kept_removes_the_others(void **state)
{
	struct place *place = *state;
	place->limits.files = 4;
	for (int i = 0; i < 60; i++)
		say(place, "line 0000\n");
	assert_true(is_there(place, ".4"));
	place->limits.files = 1;
	for (int i = 0; i < 10; i++)
		say(place, "line 0000\n");
	assert_true(is_there(place, ".1"));
	for (int i = 2; i < 6; i++) {
		char end[16];
		snprintf(end, sizeof(end), ".%d", i);
		assert_false(is_there(place, end));
	}
	place->limits.files = 0;
	for (int i = 0; i < 10; i++)
		say(place, "line 0000\n");
	assert_true(is_there(place, ""));
	assert_false(is_there(place, ".1"));
}

static void age_counts_as_well(void **state)
{
	struct place *place = *state;
	char text[TEXT_SIZE];
	struct log_limits limits = {.size = 0, .age = 10, .files = 1};
	assert_false(log_file_is_full(&limits, 0, 0, 100)); /* nothing is in it */
	assert_false(log_file_is_full(&limits, 1, 91, 100));
	assert_true(log_file_is_full(&limits, 1, 90, 100));
	limits.age = 0;
	assert_false(log_file_is_full(&limits, INT64_MAX, 0, INT64_MAX));
	place->limits = (struct log_limits){.age = 3600 * NS_PER_S, .files = 1};
	say(place, "old\n");
	say(place, "old, too\n");
	place->log.begun -= 3600 * NS_PER_S;
	say(place, "new\n");
	assert_string_equal(text_of(place, "", text), "new\n");
	assert_string_equal(text_of(place, ".1", text), "old\nold, too\n");
}

/* Files of this process can be no larger from here on; 0: any size. */
static void limit_files(rlim_t size)
{
	struct rlimit limit;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size ? size : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_does_not_fit_is_counted_and_told(void **state)
{
	struct place *place = *state;
	char text[TEXT_SIZE];
	place->limits.size = 0;
	say(place, "one\n");
	limit_files(10);
	say(place, "two\nthree\nfour\n"); /* "two\nth" fits */
	say(place, "five\n");
	uint64_t told = place->loss.lines;
	limit_files(0);
	text_of(place, "", text);
	assert_string_equal(text, "one\ntwo\nth");
	assert_int_equal(told, 0);
	say(place, "six\n");
	assert_int_equal(place->loss.lines, 3); /* three, four, five */
	assert_true(*place->loss.why);
	text_of(place, "", text);
	assert_int_equal(strncmp(text, "one\ntwo\nth\n20", 13), 0); /* and the year goes on */
	assert_non_null(strstr(text, " warn  3 lines dropped: "));
	assert_string_equal(text + strlen(text) - 5, "\nsix\n");
	say(place, "seven\n");
	assert_int_equal(place->loss.lines, 0);
}

static void a_folder_that_is_gone_costs_lines_only(void **state)
{
	struct place *place = *state;
	char text[TEXT_SIZE];
	assert_int_equal(rmdir(place->folder), 0);
	say(place, "one\ntwo\n");
	assert_int_equal(mkdir(place->folder, 0700), 0);
	say(place, "three\n");
	assert_int_equal(place->loss.lines, 2);
	assert_string_equal(place->loss.why, strerror(ENOENT));
	assert_non_null(strstr(text_of(place, "", text), "2 lines dropped: No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_full_one_is_followed_by_a_new_one, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_line_stays_in_one_piece, setup, teardown),
		cmocka_unit_test_setup_teardown(fewer_kept_removes_the_others, setup, teardown),
		cmocka_unit_test_setup_teardown(age_counts_as_well, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_counted_and_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_folder_that_is_gone_costs_lines_only, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
