/* Which pipeline a call means, by real runtime folders. None of them has a living supervisor: that
 * is for the system tests. */
#include "tools/troupe/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char root[64];
};

static void add_pipeline(const struct place *place, const char *name, int pid)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", place->root, name);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/supervisor.pid", place->root, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%d\n", pid);
	fclose(file);
}

static void remove_pipeline(const struct place *place, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s/supervisor.pid", place->root, name);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s", place->root, name);
	rmdir(path);
}

static int set_up(void **state)
{
	static struct place place;
	snprintf(place.root, sizeof(place.root), "/tmp/troupe-client-XXXXXX");
	if (!mkdtemp(place.root))
		return -1;
	setenv("TROUPE_RUNTIME_DIR", place.root, 1);
	unsetenv("TROUPE_NAME");
	*state = &place;
	return 0;
}

static int tear_down(void **state)
{
	const struct place *place = *state;
	remove_pipeline(place, "one");
	remove_pipeline(place, "two");
	return rmdir(place->root);
}

static void none_there(void **state)
{
	(void)state;
	struct call call = {0};
	struct pipeline pipeline, found[PIPELINES_MAX];
	assert_int_equal(pipelines_find(found, PIPELINES_MAX), 0);
	assert_int_equal(pipeline_pick(&call, true, &pipeline), EXIT_FAILED);
	call.name = "one";
	assert_int_equal(pipeline_pick(&call, true, &pipeline), EXIT_USAGE);
	call.name = "no/name";
	assert_int_equal(pipeline_pick(&call, true, &pipeline), EXIT_USAGE);
}

/* A number in supervisor.pid proves nothing: this very process is alive and no supervisor. */
static void a_reused_pid_is_no_supervisor(void **state)
{
	struct call call = {0};
	struct pipeline pipeline;
	add_pipeline(*state, "one", (int)getpid());
	assert_int_equal(pipeline_pick(&call, false, &pipeline), EXIT_FAILED);
	assert_int_equal(pipeline_pick(&call, true, &pipeline), EXIT_DONE);
	assert_string_equal(pipeline.name, "one");
	assert_int_equal(pipeline.pid, 0);
}

static void two_must_be_told_apart(void **state)
{
	struct call call = {0};
	struct pipeline pipeline, found[PIPELINES_MAX];
	add_pipeline(*state, "two", 0);
	add_pipeline(*state, "one", 0);
	assert_int_equal(pipelines_find(found, PIPELINES_MAX), 2);
	assert_string_equal(found[0].name, "one");
	assert_int_equal(pipeline_pick(&call, true, &pipeline), EXIT_USAGE);
	call.name = "two";
	assert_int_equal(pipeline_pick(&call, true, &pipeline), EXIT_DONE);
	assert_string_equal(pipeline.name, "two");
	call.name = NULL;
	setenv("TROUPE_NAME", "one", 1);
	assert_int_equal(pipeline_pick(&call, true, &pipeline), EXIT_DONE);
	assert_string_equal(pipeline.name, "one");
}

/* What one that has ended has left can be read without its name, if it is the only one. */
static void ended_ones_are_found(void **state)
{
	const struct place *place = *state;
	struct call call = {0};
	char path[128], found[256];
	setenv("TROUPE_STATE_DIR", place->root, 1);
	setenv("TROUPE_RUNTIME_DIR", "/nonexistent", 1);
	assert_int_equal(state_pick(&call, found, sizeof(found)), EXIT_FAILED);
	snprintf(path, sizeof(path), "%s/one", place->root);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(state_pick(&call, found, sizeof(found)), EXIT_DONE);
	assert_string_equal(found, path);
	snprintf(path, sizeof(path), "%s/two", place->root);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(state_pick(&call, found, sizeof(found)), EXIT_USAGE);
	call.name = "two";
	assert_int_equal(state_pick(&call, found, sizeof(found)), EXIT_DONE);
	assert_string_equal(found, path);
	unsetenv("TROUPE_STATE_DIR");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(none_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reused_pid_is_no_supervisor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_must_be_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ended_ones_are_found, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
