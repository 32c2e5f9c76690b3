/* The trainer's checkpoint: comes back, and a damaged one is put aside, not overwritten. */
#include "ipc/base/errors.h"
#include "workers/media/features.h"
#include "workers/trainer/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char folder[64];
	struct checkpoint checkpoint;
	struct model_file model, loaded;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	if (!place)
		return -1;
	strcpy(place->folder, "/tmp/troupe-trainer-XXXXXX");
	if (!mkdtemp(place->folder))
		return -1;
	place->model.version = 9;
	place->model.classes = 2;
	strcpy(place->model.name[0], "cup");
	strcpy(place->model.name[1], "plate");
	place->model.weight[1][FEATURE_BIAS_AT] = 0.25F;
	*state = place;
	return checkpoint_init(&place->checkpoint, place->folder, "model.bin");
}

static int tear_down(void **state)
{
	struct place *place = *state;
	char path[PATH_MAX + 16];
	unlink(place->checkpoint.path);
	snprintf(path, sizeof(path), "%s.refused", place->checkpoint.path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/trainer", place->folder);
	int rc = rmdir(path);
	rc |= rmdir(place->folder);
	free(place);
	return rc;
}

static void test_comes_back(void **state)
{
	struct place *place = *state;
	struct checkpoint again;
	assert_int_equal(checkpoint_load(&place->checkpoint, &place->loaded), TROUPE_E_NOT_FOUND);
	assert_int_equal(checkpoint_save(&place->checkpoint, &place->model), 0);
	assert_int_equal(checkpoint_init(&again, place->folder, "model.bin"), 0);
	assert_int_equal(checkpoint_load(&again, &place->loaded), 0);
	assert_memory_equal(&place->loaded, &place->model, sizeof(place->model));
}

static void test_damaged_is_put_aside(void **state)
{
	struct place *place = *state;
	char aside[PATH_MAX + 16];
	assert_int_equal(checkpoint_save(&place->checkpoint, &place->model), 0);
	assert_int_equal(truncate(place->checkpoint.path, 100), 0);
	assert_int_equal(checkpoint_load(&place->checkpoint, &place->loaded), TROUPE_E_NOT_FOUND);
	snprintf(aside, sizeof(aside), "%s.refused", place->checkpoint.path);
	assert_int_equal(access(aside, F_OK), 0);
	assert_int_not_equal(access(place->checkpoint.path, F_OK), 0);
}

static void test_no_state_folder(void **state)
{
	struct place *place = *state;
	struct checkpoint none;
	assert_int_equal(checkpoint_init(&none, "", "model.bin"), 0);
	assert_int_equal(checkpoint_save(&none, &place->model), 0);
	assert_int_equal(checkpoint_load(&none, &place->loaded), TROUPE_E_NOT_FOUND);
	assert_int_equal(checkpoint_init(&none, "/proc/none", "model.bin"), TROUPE_E_NOT_FOUND);
}

static void test_failure_is_no_end(void **state)
{
	struct place *place = *state;
	char folder[96];
	snprintf(folder, sizeof(folder), "%s/trainer", place->folder);
	assert_int_equal(rmdir(folder), 0);
	assert_true(checkpoint_save(&place->checkpoint, &place->model) < 0);
	assert_true(place->checkpoint.failing);
	struct checkpoint again;
	assert_int_equal(checkpoint_init(&again, place->folder, "model.bin"), 0);
	assert_int_equal(checkpoint_save(&place->checkpoint, &place->model), 0);
	assert_false(place->checkpoint.failing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_is_put_aside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_state_folder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failure_is_no_end, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
