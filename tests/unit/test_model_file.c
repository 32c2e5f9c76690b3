/* Model files: what was saved comes back, anything else is refused, and the old file outlives a
 * failure. */
#include "ipc/base/errors.h"
#include "workers/media/features.h"
#include "workers/media/model_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES_MAX 65536

struct place {
	char folder[64];
	char path[96];
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	if (!place)
		return -1;
	strcpy(place->folder, "/tmp/troupe-model-XXXXXX");
	if (!mkdtemp(place->folder))
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/model.bin", place->folder);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;
	unlink(place->path);
	int rc = rmdir(place->folder); /* fails when a temporary file was left behind */
	free(place);
	return rc;
}

static void make_file(struct model_file *file, uint32_t classes)
{
	memset(file, 0, sizeof(*file));
	file->version = 42;
	file->classes = classes;
	for (uint32_t c = 0; c < classes; c++) {
		snprintf(file->name[c], NAME_SIZE, "label %u", c);
		for (uint32_t f = 0; f < FEATURES_COUNT; f++)
			file->weight[c][f] = (float)c + (float)f / 1000 - 0.5F;
	}
}

static size_t read_bytes(const char *path, uint8_t bytes[BYTES_MAX])
{
	FILE *in = fopen(path, "rb");
	assert_non_null(in);
	size_t size = fread(bytes, 1, BYTES_MAX, in);
	fclose(in);
	return size;
}

static void write_bytes(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *out = fopen(path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

static void test_round_trip(void **state)
{
	const struct place *place = *state;
	static struct model_file saved, loaded;
	static const uint32_t sizes[] = {0, 1, 3, LABELS_MAX};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_file(&saved, sizes[i]);
		assert_int_equal(model_file_save(place->path, &saved), 0);
		assert_int_equal(model_file_load(place->path, &loaded), 0);
		assert_memory_equal(&loaded, &saved, sizeof(saved));
	}
}

static void test_every_cut_is_refused(void **state)
{
	const struct place *place = *state;
	static struct model_file file;
	static uint8_t bytes[BYTES_MAX];
	make_file(&file, 2);
	assert_int_equal(model_file_save(place->path, &file), 0);
	size_t size = read_bytes(place->path, bytes);
	for (size_t cut = 0; cut < size; cut++) {
		write_bytes(place->path, bytes, cut);
		assert_int_equal(model_file_load(place->path, &file),
				 cut < 8 ? TROUPE_E_MALFORMED : TROUPE_E_TRUNCATED);
	}
	bytes[size] = 0;
	write_bytes(place->path, bytes, size + 1);
	assert_int_equal(model_file_load(place->path, &file), TROUPE_E_OVERSIZED);
}

static void test_every_damage_is_refused(void **state)
{
	const struct place *place = *state;
	static struct model_file file;
	static uint8_t bytes[BYTES_MAX];
	make_file(&file, 2);
	assert_int_equal(model_file_save(place->path, &file), 0);
	size_t size = read_bytes(place->path, bytes);
	for (size_t at = 0; at < size; at++) {
		bytes[at] ^= (uint8_t)(1U << at % 8);
		write_bytes(place->path, bytes, size);
		assert_true(model_file_load(place->path, &file) < 0);
		bytes[at] ^= (uint8_t)(1U << at % 8);
	}
	bytes[8] = 2; /* file version */
	write_bytes(place->path, bytes, size);
	assert_int_equal(model_file_load(place->path, &file), TROUPE_E_SCHEMA);
	bytes[8] = 1;
	bytes[32] = 'X'; /* kind of features */
	write_bytes(place->path, bytes, size);
	assert_int_equal(model_file_load(place->path, &file), TROUPE_E_UNSUPPORTED);
}

/* A file whose checksum is right and whose content is not usable. */
static void test_weights_must_be_numbers(void **state)
{
	const struct place *place = *state;
	static struct model_file file;
	make_file(&file, 2);
	file.weight[1][3] = NAN;
	assert_int_equal(model_file_save(place->path, &file), 0);
	assert_int_equal(model_file_load(place->path, &file), TROUPE_E_CORRUPT);
}

static void test_missing(void **state)
{
	const struct place *place = *state;
	static struct model_file file;
	assert_int_equal(model_file_load(place->path, &file), TROUPE_E_NOT_FOUND);
}

/* Nothing can be written beside the model, for the place is taken by a folder: the old model stays.
 */
static void test_failed_save_keeps_the_old(void **state)
{
	const struct place *place = *state;
	static struct model_file old, new, loaded;
	char beside[128];
	make_file(&old, 2);
	make_file(&new, 3);
	assert_int_equal(model_file_save(place->path, &old), 0);
	snprintf(beside, sizeof(beside), "%s.new", place->path);
	assert_int_equal(mkdir(beside, 0700), 0);
	assert_true(model_file_save(place->path, &new) < 0);
	assert_int_equal(rmdir(beside), 0);
	assert_int_equal(model_file_load(place->path, &loaded), 0);
	assert_memory_equal(&loaded, &old, sizeof(old));
}

static void name_labels(struct ledger_header *header, uint32_t n, const char *const *names)
{
	memset(header, 0, sizeof(*header));
	for (uint32_t i = 0; i < n; i++)
		snprintf(header->labels[i], NAME_SIZE, "%s", names[i]);
	atomic_store(&header->n_labels, n);
}

static void test_labels_go_by_name(void **state)
{
	(void)state;
	static struct model_file file, back;
	static struct model_bank bank;
	static struct ledger_header header;
	static const char *const names[] = {"none", "label 2", "cup", "label 0"};
	name_labels(&header, 4, names);
	make_file(&file, 3);
	assert_int_equal(model_file_to_bank(&file, &header, &bank), 2);
	assert_int_equal(bank.version, 42);
	assert_int_equal(bank.features, FEATURES_COUNT);
	assert_int_equal(bank.label[0], 3);
	assert_int_equal(bank.label[1], 1);
	assert_memory_equal(bank.weight[1], file.weight[2], FEATURES_COUNT * sizeof(float));

	assert_int_equal(model_file_from_bank(&bank, &header, &back), 2);
	assert_string_equal(back.name[0], "label 0");
	assert_string_equal(back.name[1], "label 2");
	assert_memory_equal(back.weight[0], file.weight[0], sizeof(back.weight[0]));
	bank.features = 7;
	assert_int_equal(model_file_from_bank(&bank, &header, &back), TROUPE_E_UNSUPPORTED);

	char name[NAME_SIZE];
	assert_int_equal(label_find(&header, "cup"), 2);
	assert_int_equal(label_find(&header, "dog"), TROUPE_E_NOT_FOUND);
	assert_int_equal(label_name(&header, 4, name), TROUPE_E_NOT_FOUND);
	assert_int_equal(label_name(&header, -1, name), TROUPE_E_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_cut_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_damage_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_weights_must_be_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failed_save_keeps_the_old, set_up, tear_down),
		cmocka_unit_test(test_labels_go_by_name),
	};
	return cmocka_run_group_tests_name("model file", tests, NULL, NULL);
}
