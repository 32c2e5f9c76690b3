/* Which limit is named, and with what figure. */
#include "supervisor/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const struct load calm = {.cores = 2,
				 .cores_busy = 0.41,
				 .ours = 0.42,
				 .processors = 2,
				 .processors_busy = 0.1,
				 .stream = "cam1",
				 .slots = 102};

static char *text_of(const struct load *load)
{
	static char text[LIMIT_SIZE];
	return limit_text(load, text, sizeof(text));
}

/* However busy all is: what loses nothing has reached no limit. */
static void nothing_lost_is_no_limit(void **state)
{
	(void)state;
	struct load load = calm;
	assert_string_equal(text_of(&load), "");
	load.cores_busy = load.processors_busy = 1;
	load.waiting = load.owed = 51;
	assert_string_equal(text_of(&load), "");
}

static void cores_come_first(void **state)
{
	(void)state;
	struct load load = calm;
	load.cores_busy = 0.994;
	load.processors_busy = 0.97;
	load.device = 7;
	assert_string_equal(text_of(&load),
			    "the cores are the limit: 2 of 2 busy 99 %, 0.4 of them with this "
			    "pipeline; processors busy 97 %");
}

static void busy_processors_beside_idle_cores(void **state)
{
	(void)state;
	struct load load = calm;
	load.processors_busy = 0.98;
	load.bypassed = 3;
	assert_string_equal(text_of(&load),
			    "processors are the limit: 2 of 2 busy 98 %, the 2 cores 41 %: `troupe "
			    "scale processor 3`");
	load.bypassed = 0;
	load.device = 3; /* that is not theirs */
	assert_non_null(strstr(text_of(&load), "the source of cam1 is the limit: 3 frames"));
	load.processors = 0;
	load.processors_busy = 0;
	load.no_slot = 1;
	assert_non_null(strstr(text_of(&load), "slots are the limit"));
}

static void slots_full_of_what_is_owed(void **state)
{
	(void)state;
	struct load load = calm;
	load.no_slot = 9;
	load.owed = 98;
	load.waiting = 4;
	assert_string_equal(text_of(&load),
			    "the recording is the limit: 98 of 102 slots of cam1 are owed to it");
	load.owed = 4;
	load.waiting = 5;
	assert_string_equal(text_of(&load), "slots are the limit: cam1 has 102, and 9 frames found "
					    "none free; 5 wait, 4 are owed");
}

/* A frame that went on unprocessed because its processor was killed tells of no limit. */
static void what_has_another_reason_is_not_explained(void **state)
{
	(void)state;
	struct load load = calm;
	load.bypassed = 1;
	assert_string_equal(text_of(&load), "");
}

static void the_longest_line_fits(void **state)
{
	(void)state;
	struct load load = calm;
	load.stream = "a-stream-of-the-longest-name-31";
	load.no_slot = load.device = UINT64_MAX / 4;
	load.slots = load.waiting = load.owed = UINT32_MAX;
	load.owed--;
	assert_true(strlen(text_of(&load)) < LIMIT_SIZE - 1);
	load.no_slot = 0;
	assert_true(strlen(text_of(&load)) < LIMIT_SIZE - 1);
	load.cores_busy = load.processors_busy = 100;
	load.ours = 1e6;
	load.cores = UINT32_MAX;
	assert_non_null(strstr(text_of(&load), "busy 100 %"));
	assert_true(strlen(text_of(&load)) < LIMIT_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_lost_is_no_limit),
		cmocka_unit_test(cores_come_first),
		cmocka_unit_test(busy_processors_beside_idle_cores),
		cmocka_unit_test(slots_full_of_what_is_owed),
		cmocka_unit_test(what_has_another_reason_is_not_explained),
		cmocka_unit_test(the_longest_line_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
