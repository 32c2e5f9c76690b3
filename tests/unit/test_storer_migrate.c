/* Recordings of the previous version: brought up to date in place with all that is in them, gone on
 * with, and refused where that cannot be. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/recording.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOUR	(3600 * NS_PER_S)
#define STREAMS 2

static const char *const names[STREAMS] = {"cam1", "cam2"};

static int set_up(void **state)
{
	static char folder[RIG_PATH];

	rig_folder(folder);
	rig_version_1(folder);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	rig_remove(*state);
	return 0;
}

/* Frame `seq` of a stream as it was made then. */
static void make_frame(int stream, uint64_t seq, struct record *record, uint8_t *coded)
{
	rig_frame(seq, record, coded);
	memcpy(record->stream, names[stream], strlen(names[stream]) + 1);
	record->captured_wall += seq >= 4 ? HOUR : 0;
	if (seq != 5)
		return;
	record->marks = MARK_BYPASSED;
	record->claimed = record->finished = 0;
	memset(record->prediction, 0, NAME_SIZE);
	record->model_version = 0;
	record->probability = 0;
}

static struct recorder *open_both(const char *folder)
{
	struct recorder *recorder = rig_open(folder, RIG_RUN, 64000000);

	assert_int_equal(recorder_add_stream(recorder, names[1], 64, 48, 25, 1), 1);
	return recorder;
}

static void expect_frames(const char *folder, int stream, uint64_t last)
{
	struct recording *recording;
	struct index_row row;
	uint64_t seq = 0;
	char why[256];

	assert_int_equal(recording_open(&recording, folder, why, sizeof(why)), 0);
	while (recording_next(recording, RIG_RUN, names[stream], seq, &row) == 0) {
		uint8_t wanted_coded[RIG_CODED_MAX];
		struct record wanted, record;
		const uint8_t *coded;

		make_frame(stream, ++seq, &wanted, wanted_coded);
		assert_int_equal(row.coded_at, row.offset + 240);
		assert_int_equal(recording_read(recording, &row, &record, &coded), 0);
		rig_same(&record, coded, &wanted, wanted_coded);
		rig_same(&row.record, coded, &wanted, wanted_coded);
	}
	assert_int_equal(seq, last);
	recording_close(recording);
}

static void expect_clean(const char *folder)
{
	struct verify_report report;
	char text[RIG_TEXT];

	assert_int_equal(rig_verify(folder, NULL, &report, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(report.uncommitted, 0);
}

/* The one value that `sql` selects from the catalogue, as text; to be freed. */
static char *select_text(const char *folder, const char *sql)
{
	char path[RIG_PATH + 32], *text;
	sqlite3_stmt *row = NULL;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/recording.sqlite", folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	text = strdup((const char *)sqlite3_column_text(row, 0));
	assert_non_null(text);
	sqlite3_finalize(row);
	sqlite3_close(db);
	return text;
}

static int64_t number(const char *folder, const char *sql)
{
	char *text = select_text(folder, sql);
	int64_t found = strtoll(text, NULL, 10);

	free(text);
	return found;
}

/* ---- what becomes of it ---- */

static void keeps_all_that_is_in_it(void **state)
{
	struct recorder *recorder = open_both(*state);

	for (int stream = 0; stream < STREAMS; stream++) {
		struct index_tally tally;

		recorder_tally(recorder, stream, &tally);
		assert_int_equal(tally.frames, 7); /* the last one only the segment knew */
		assert_int_equal(tally.last, 7);
		assert_int_equal(tally.last_ordinal, 7);
		assert_int_equal(tally.bypassed, 1);
		assert_int_equal(tally.quarantined, 0);
	}
	recorder_close(recorder);
	expect_frames(*state, 0, 7);
	expect_frames(*state, 1, 7);
	expect_clean(*state);
	assert_int_equal(number(*state, "SELECT version FROM schema_version"), 2);
	assert_int_equal(number(*state, "SELECT count(*) FROM segments WHERE state = 'closed' AND "
					"stream = '' AND coding = 0 AND replaces = 0"),
			 2);
	assert_int_equal(number(*state, "SELECT frames FROM segments WHERE segment = 1"), 12);
	assert_int_equal(number(*state, "SELECT last_wall - first_wall FROM segments WHERE "
					"segment = 1"),
			 HOUR + 5000);
}

static void knows_when_the_clock_was_set(void **state)
{
	recorder_close(open_both(*state));
	assert_int_equal(number(*state, "SELECT count(*) FROM clock"), 2);
	assert_int_equal(number(*state, "SELECT wall_offset FROM clock WHERE since = 1001"), 1);
	assert_int_equal(number(*state, "SELECT wall_offset FROM clock WHERE since = 4001"),
			 HOUR + 1);
}

static void goes_on_in_segments_of_their_own(void **state)
{
	struct recorder *recorder = open_both(*state);

	for (uint64_t seq = 8; seq <= 12; seq++) {
		for (int stream = 0; stream < STREAMS; stream++) {
			uint8_t coded[RIG_CODED_MAX];
			struct record record;

			make_frame(stream, seq, &record, coded);
			assert_int_equal(recorder_append(recorder, stream, &record, coded), 0);
		}
	}
	assert_int_equal(recorder_commit(recorder), 0);
	recorder_close(recorder);
	recorder_close(open_both(*state));
	expect_frames(*state, 0, 12);
	expect_frames(*state, 1, 12);
	expect_clean(*state);
	assert_int_equal(number(*state, "SELECT count(*) FROM segments WHERE stream IN "
					"('cam1', 'cam2') AND frames = 5 AND state = 'open'"),
			 2);
	assert_int_equal(number(*state, "SELECT count(*) FROM segments"), 4);
}

/* Old and new segments side by side, without a catalogue. */
static void is_made_again_from_its_segments(void **state)
{
	char path[RIG_PATH + 32];

	goes_on_in_segments_of_their_own(state);
	snprintf(path, sizeof(path), "%s/recording.sqlite", (const char *)*state);
	assert_int_equal(unlink(path), 0);
	recorder_close(open_both(*state));
	expect_frames(*state, 0, 12);
	expect_frames(*state, 1, 12);
	expect_clean(*state);
}

/* Whoever opens an old one finds the same tables and indexes as in a new one. */
static void becomes_what_a_new_one_is(void **state)
{
	static const char layout[] =
		"SELECT group_concat(line, char(10)) FROM (SELECT m.type || ' ' || m.name || ' of "
		"' "
		"|| m.tbl_name || ': ' || coalesce((SELECT group_concat(name || ' ' || type || "
		"\"notnull\" || pk || coalesce(dflt_value, '-')) FROM pragma_table_xinfo(m.name)), "
		"'') || coalesce((SELECT group_concat(coalesce(name, '-')) FROM "
		"pragma_index_xinfo(m.name)), '') AS line FROM sqlite_schema AS m ORDER BY m.name)";
	char fresh[RIG_PATH], *wanted, *found;

	rig_folder(fresh);
	recorder_close(open_both(fresh));
	recorder_close(open_both(*state));
	wanted = select_text(fresh, layout);
	found = select_text(*state, layout);
	assert_string_equal(found, wanted);
	free(wanted);
	free(found);
	rig_remove(fresh);
}

/* ---- where it cannot be ---- */

static int open_writer(const char *folder, char *why, size_t why_size)
{
	const struct recorder_options options = {
		.folder = folder, .pipeline = "test", .run = RIG_RUN, .segment_bytes = 64000000};
	struct recorder *recorder;
	int rc = recorder_open(&recorder, &options, why, why_size);

	recorder_close(recorder);
	return rc;
}

/* A step happens as a whole or not at all. */
static void stays_as_it_was_when_a_step_fails(void **state)
{
	char why[256] = "";

	rig_sql(*state,
		"CREATE TABLE forgotten (it INTEGER)"); /* is in the way of the last table */
	assert_true(open_writer(*state, why, sizeof(why)) < 0);
	assert_non_null(strstr(why, "forgotten"));
	assert_int_equal(number(*state, "SELECT version FROM schema_version"), 1);
	assert_int_equal(number(*state, "SELECT count(*) FROM frames"), 12);
	assert_int_equal(number(*state, "SELECT count(*) FROM pragma_table_info('segments')"), 3);
	rig_sql(*state, "DROP TABLE forgotten");
	keeps_all_that_is_in_it(state);
}

static void readers_say_how_it_is_brought_up_to_date(void **state)
{
	struct recording *recording;
	char why[256] = "";

	assert_int_equal(recording_open(&recording, *state, why, sizeof(why)), TROUPE_E_SCHEMA);
	assert_non_null(strstr(why, "version 1"));
	assert_non_null(strstr(why, "troupe repair"));
	assert_int_equal(number(*state, "SELECT version FROM schema_version"), 1);
}

static void newer_ones_are_refused(void **state)
{
	struct recording *recording;
	char why[256] = "";

	recorder_close(open_both(*state));
	rig_sql(*state, "UPDATE schema_version SET version = 3");
	assert_int_equal(open_writer(*state, why, sizeof(why)), TROUPE_E_SCHEMA);
	assert_non_null(strstr(why, "version 3"));
	assert_non_null(strstr(why, "newer troupe"));
	assert_int_equal(recording_open(&recording, *state, why, sizeof(why)), TROUPE_E_SCHEMA);
	assert_non_null(strstr(why, "newer troupe"));
	assert_int_equal(number(*state, "SELECT count(*) FROM frames"), 14);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(keeps_all_that_is_in_it),
		TEST(knows_when_the_clock_was_set),
		TEST(goes_on_in_segments_of_their_own),
		TEST(is_made_again_from_its_segments),
		TEST(becomes_what_a_new_one_is),
		TEST(stays_as_it_was_when_a_step_fails),
		TEST(readers_say_how_it_is_brought_up_to_date),
		TEST(newer_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
