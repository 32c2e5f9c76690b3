/* What is kept of a process that hangs: its threads by /proc, in a bounded number of files. */
#include "ipc/base/clock.h"
#include "supervisor/member.h"
#include "supervisor/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEPT 20

struct place {
	struct supervisor s;
	struct member m;
};

/* Without a PATH there is no eu-stack, and nothing to wait for. */
static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	*state = place;
	if (!place || unsetenv("PATH") < 0)
		return -1;
	snprintf(place->s.runtime.state, sizeof(place->s.runtime.state),
		 "/tmp/troupe-test-stack-XXXXXX");
	place->m.supervisor = &place->s;
	snprintf(place->m.name, sizeof(place->m.name), "processor.1");
	place->m.parts[0] = (struct part){.member = &place->m,
					  .program = "/a/program",
					  .process = {.pid = getpid(), .pidfd = -1, .log_fd = -1}};
	place->m.lead = &place->m.parts[0];
	return mkdtemp(place->s.runtime.state) ? 0 : -1;
}

static int teardown(void **state)
{
	struct place *place = *state;
	char path[600];
	for (uint32_t i = 1; i < 100; i++)
		unlink(stack_path(&place->s, place->m.name, i, path, sizeof(path)));
	snprintf(path, sizeof(path), "%s/stacks", place->s.runtime.state);
	rmdir(path);
	int rc = rmdir(place->s.runtime.state);
	free(place);
	return rc;
}

static void keep(struct place *place, uint32_t incarnation)
{
	int64_t now = clock_now();
	place->m.lead->process.incarnation = incarnation;
	place->m.lead->process.still_since = now - 3 * NS_PER_S;
	assert_false(stack_keep(place->m.lead, 'S', now));
	assert_false(stack_is_taken(&place->m.lead->process));
}

static bool is_kept(const struct place *place, uint32_t incarnation)
{
	char path[600];
	return access(stack_path(&place->s, place->m.name, incarnation, path, sizeof(path)),
		      F_OK) == 0;
}

static void threads_are_written_down(void **state)
{
	struct place *place = *state;
	char path[600], text[8192], wanted[64];
	keep(place, 7);
	FILE *in = fopen(stack_path(&place->s, "processor.1", 7, path, sizeof(path)), "re");
	assert_non_null(in);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	snprintf(wanted, sizeof(wanted), "processor.1: pid %d, incarnation 7, /a/program\n",
		 (int)getpid());
	assert_int_equal(strncmp(text, wanted, strlen(wanted)), 0);
	assert_non_null(strstr(text, "it has not got on for 3.0 s\n"));
	snprintf(wanted, sizeof(wanted), "thread %d (test_stack): state R\n", (int)getpid());
	assert_non_null(strstr(text, wanted));
	assert_null(strstr(text, "eu-stack"));
}

static void only_the_newest_are_kept(void **state)
{
	struct place *place = *state;
	for (uint32_t i = 1; i <= KEPT + 5; i++) {
		keep(place, i);
		usleep(1000); /* as coarse as a file's time may be, a later one is later */
	}
	keep(place, KEPT + 5); /* the same again takes nobody's place */
	int n = 0;
	for (uint32_t i = 1; i <= KEPT + 5; i++)
		n += is_kept(place, i);
	assert_int_equal(n, KEPT);
	assert_true(is_kept(place, KEPT + 5));
}

static void a_folder_that_cannot_be_made_costs_nothing_else(void **state)
{
	struct place *place = *state;
	char state_folder[sizeof(place->s.runtime.state)];
	memcpy(state_folder, place->s.runtime.state, sizeof(state_folder));
	snprintf(place->s.runtime.state, sizeof(place->s.runtime.state), "/nowhere/at/all");
	keep(place, 1);
	memcpy(place->s.runtime.state, state_folder, sizeof(state_folder));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(threads_are_written_down, setup, teardown),
		cmocka_unit_test_setup_teardown(only_the_newest_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made_costs_nothing_else,
						setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
