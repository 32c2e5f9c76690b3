/* Log lines: whole, one each, cut when too long, and never in the way. */
#include "ipc/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* stderr becomes a pipe that does not block, as a worker's is. */
struct capture {
	int read_end, saved;
};

static struct capture capture_start(void)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	struct capture capture = {.read_end = ends[0], .saved = dup(STDERR_FILENO)};
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	close(ends[1]);
	return capture;
}

static void capture_end(struct capture *capture)
{
	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	close(capture->read_end);
}

/* One read gets everything that was written; "" when nothing was. */
static char *capture_read(struct capture *capture, char *out, size_t size)
{
	ssize_t n = read(capture->read_end, out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
	return out;
}

static void test_time_level_text(void **state)
{
	(void)state;
	char text[4096];
	struct capture capture = capture_start();
	log_warn("slot %d is %s", 7, "late");
	capture_read(&capture, text, sizeof(text));
	capture_end(&capture);
	/* 2026-01-31T10:20:30.123Z warn  slot 7 is late */
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[23], 'Z');
	assert_string_equal(text + 24, " warn  slot 7 is late\n");
}

static void test_errno_is_kept_and_can_be_shown(void **state)
{
	(void)state;
	char text[4096];
	struct capture capture = capture_start();
	errno = ENOSPC;
	log_error("write: %m");
	int after = errno;
	capture_read(&capture, text, sizeof(text));
	capture_end(&capture);
	assert_int_equal(after, ENOSPC);
	assert_non_null(strstr(text, "write: No space left on device\n"));
}

static void test_debug_only_when_wanted(void **state)
{
	(void)state;
	char before[4096], with[4096];
	struct capture capture = capture_start();
	unsetenv("TROUPE_LOG");
	log_debug("not now");
	capture_read(&capture, before, sizeof(before));
	setenv("TROUPE_LOG", "debug", 1);
	log_debug("now");
	capture_read(&capture, with, sizeof(with));
	unsetenv("TROUPE_LOG");
	capture_end(&capture);
	assert_string_equal(before, "");
	assert_non_null(strstr(with, " debug now\n"));
}

static void test_a_long_line_is_cut_and_still_a_line(void **state)
{
	(void)state;
	char text[8192], word[5000];
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	struct capture capture = capture_start();
	log_info("%s", word);
	capture_read(&capture, text, sizeof(text));
	capture_end(&capture);
	size_t length = strlen(text);
	assert_true(length > 500 && length < sizeof(word));
	assert_int_equal(text[length - 1], '\n');
	assert_ptr_equal(strchr(text, '\n'), text + length - 1);
	assert_int_equal(text[length - 2], 'x');
}

static void test_a_full_pipe_costs_lines_only(void **state)
{
	(void)state;
	struct capture capture = capture_start();
	errno = 0;
	for (int i = 0; i < 5000; i++) /* far more than a pipe holds */
		log_error("%0200d", i);
	int after = errno;
	capture_end(&capture);
	assert_int_equal(after, 0);
}

/* Everything that is in the pipe; the caller has room for it. */
static size_t capture_drain(struct capture *capture, char *out, size_t size)
{
	size_t used = 0;
	ssize_t n;
	while ((n = read(capture->read_end, out + used, size - used - 1)) > 0)
		used += (size_t)n;
	out[used] = '\0';
	return used;
}

static void test_lost_lines_are_counted_and_told(void **state)
{
	(void)state;
	enum { LINES = 5000, SIZE = 1 << 20 };
	char *text = malloc(SIZE);
	unsigned told = 0, kept = 0, lost = 0;
	struct capture capture = capture_start();
	log_catch_up();
	while (capture_drain(&capture, text, SIZE)) /* what an earlier test has lost */
		continue;
	for (int i = 0; i < LINES; i++)
		log_error("line %0200d", i);
	log_catch_up(); /* there is still no room */
	capture_drain(&capture, text, SIZE);
	for (const char *at = text; (at = strstr(at, " line 0")); at++)
		kept++;
	assert_null(strstr(text, "dropped"));
	log_catch_up();
	told = capture_drain(&capture, text, SIZE) > 0;
	const char *number = strstr(text, " warn  ");
	lost = number ? (unsigned)strtoul(number + 7, NULL, 10) : 0;
	bool whole = strstr(text, " lines dropped: ") && text[strlen(text) - 1] == '\n';
	/* Once. */
	log_catch_up();
	size_t again = capture_drain(&capture, text, SIZE);
	for (int i = 0; i < LINES; i++)
		log_error("line %0200d", i);
	capture_drain(&capture, text, SIZE);
	log_info("there is room");
	capture_drain(&capture, text, SIZE);
	capture_end(&capture);
	assert_true(told && whole);
	assert_true(kept > 0 && kept < LINES);
	assert_int_equal(kept + lost, LINES);
	assert_int_equal(again, 0);
	/* With the next line, and in front of it. */
	const char *dropped = strstr(text, " lines dropped: "),
		   *next = strstr(text, "there is room");
	assert_true(dropped && next && dropped < next);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_level_text),
		cmocka_unit_test(test_errno_is_kept_and_can_be_shown),
		cmocka_unit_test(test_debug_only_when_wanted),
		cmocka_unit_test(test_a_long_line_is_cut_and_still_a_line),
		cmocka_unit_test(test_a_full_pipe_costs_lines_only),
		cmocka_unit_test(test_lost_lines_are_counted_and_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
