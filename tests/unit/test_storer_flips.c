/* Every flipped bit is found. Bits of a small recording's files are turned around one at a time: an
 * even choice of them, another one for each part of a byte. Of segments any bit counts. Of the
 * catalogue those do that change an answer which a record can vouch for; SQLite or verify has to
 * find each. */
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SEGMENT_STEP   127
#define CATALOGUE_STEP 1021

struct place {
	char folder[RIG_PATH];
};

/* Two streams, one of JPEGs in several segments and one of H.264, and some that was forgotten. */
static int set_up(void **state)
{
	static struct place place;
	struct recorder *recorder;
	struct index *index;
	char path[RIG_PATH], why[256];

	rig_folder(place.folder);
	recorder = rig_open(place.folder, RIG_RUN, 2048);
	assert_int_equal(recorder_add_stream(recorder, "cam2", 64, 48, 25, 1), 1);
	for (uint64_t seq = 1; seq <= 16; seq++) {
		uint8_t coded[RIG_CODED_MAX];
		struct record record;

		rig_frame(seq, &record, coded);
		assert_int_equal(recorder_append(recorder, 0, &record, coded), 0);
		record.coding = seq % 4 == 1 ? CODING_H264_KEY : CODING_H264;
		record.dts = (int64_t)seq;
		while (recorder_append(recorder, 1, &record, coded) == TROUPE_E_BUSY)
			assert_int_equal(recorder_commit(recorder), 0);
		if (seq % 4 == 0)
			assert_int_equal(recorder_commit(recorder), 0);
	}
	recorder_close(recorder);
	assert_int_equal(
		index_open_writer(&index, place.folder, NULL, NULL, NULL, why, sizeof(why)), 0);
	assert_int_equal(index_begin(index), 0);
	assert_true(index_forget_segment(index, 1, "keep") > 0);
	assert_int_equal(index_commit(index), 0);
	index_close(index);
	assert_int_equal(unlink(rig_segment(place.folder, 1, path)), 0);
	*state = &place;
	return 0;
}

static int tear_down(void **state)
{
	const struct place *place = *state;

	rig_remove(place->folder);
	return 0;
}

static bool is_whole(const char *folder)
{
	struct verify_report report;
	char text[RIG_TEXT];

	return rig_verify(folder, NULL, &report, text) == 0 && report.faults == 0 &&
	       report.notes == 0 && report.uncommitted == 0;
}

static void segments(void **state)
{
	const struct place *place = *state;
	char path[RIG_PATH];
	size_t flips = 0;

	assert_true(is_whole(place->folder));
	for (uint32_t number = 2; access(rig_segment(place->folder, number, path), F_OK) == 0;
	     number++) {
		const uint64_t bits = rig_size(path) * 8;

		for (uint64_t bit = number % SEGMENT_STEP; bit < bits; bit += SEGMENT_STEP) {
			rig_flip(path, bit / 8, bit % 8);
			if (is_whole(place->folder))
				fail_msg("bit %llu of %s: not found", (unsigned long long)bit,
					 path);
			rig_flip(path, bit / 8, bit % 8);
			flips++;
		}
	}
	assert_true(is_whole(place->folder));
	assert_true(flips > 300);
	print_message("%zu bits of segments\n", flips);
}

/* What records, or the catalogue's own sums, vouch for.
 * NOLINTBEGIN(bugprone-suspicious-missing-comma): the first is one long text */
static const char *const vouched[] = {
	"SELECT run, stream, seq, ordinal, segment, offset, length, coding, coded_at, coded_bytes, "
	"width, height, pts, captured, captured_wall, published, claimed, finished, source_index, "
	"label, prediction, probability, model_version, motion, drops_no_slot, drops_device, "
	"drops_damaged, drops_size, bypassed, quarantined FROM frames ORDER BY run, stream, seq",
	"SELECT * FROM segments ORDER BY segment",
	"SELECT run, stream, frames, last_seq, last_ordinal FROM streams ORDER BY run, stream",
	"SELECT run, stream, first_seq, last_seq, first_ordinal, last_ordinal FROM forgotten",
	"SELECT run FROM runs",
	"SELECT run, stream, kind, last_seq, ended_wall - ended FROM events ORDER BY event",
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */

/* All answers as one text, to be freed; NULL: SQLite refuses. */
static char *answers(const char *folder)
{
	char path[RIG_PATH + 32], *all = NULL;
	size_t size;
	FILE *out = open_memstream(&all, &size);
	sqlite3 *db = NULL;
	int code;

	snprintf(path, sizeof(path), "%s/recording.sqlite", folder);
	code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
	for (size_t i = 0; code == SQLITE_OK && i < sizeof(vouched) / sizeof(vouched[0]); i++) {
		sqlite3_stmt *statement = NULL;

		code = sqlite3_prepare_v2(db, vouched[i], -1, &statement, NULL);
		while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
			for (int c = 0; c < sqlite3_column_count(statement); c++) {
				const unsigned char *text = sqlite3_column_text(statement, c);

				fprintf(out, "%s|", text ? (const char *)text : "NULL");
			}
			fputc('\n', out);
			code = SQLITE_OK;
		}
		code = code == SQLITE_DONE ? SQLITE_OK : code;
		sqlite3_finalize(statement);
	}
	sqlite3_close(db);
	fclose(out);
	if (code != SQLITE_OK) {
		free(all);
		return NULL;
	}
	return all;
}

static void catalogue(void **state)
{
	const struct place *place = *state;
	char path[RIG_PATH + 32], *before = answers(place->folder);
	size_t found = 0, harmless = 0;
	uint64_t bits;

	snprintf(path, sizeof(path), "%s/recording.sqlite", place->folder);
	bits = rig_size(path) * 8;
	assert_non_null(before);
	for (uint64_t bit = 5; bit < bits; bit += CATALOGUE_STEP) {
		char *after;

		rig_flip(path, bit / 8, bit % 8);
		if (!is_whole(place->folder)) {
			found++;
		} else {
			after = answers(place->folder);
			if (after == NULL || strcmp(after, before) != 0)
				fail_msg("bit %llu of the catalogue: not found\n%s",
					 (unsigned long long)bit, after ? after : "refused");
			free(after);
			harmless++;
		}
		rig_flip(path, bit / 8, bit % 8);
	}
	free(before);
	assert_true(is_whole(place->folder));
	assert_true(found > 50);
	print_message("%zu bits of the catalogue found, %zu change no answer\n", found, harmless);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {TEST(segments), TEST(catalogue)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
