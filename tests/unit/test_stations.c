/* Histograms of a frame's way: buckets, what counts, and what comes out of two copies. */
#include "ipc/base/clock.h"
#include "ipc/slots/stations.h"
#include "tests/unit/small_ledger.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define US NS_PER_US
#define MS NS_PER_MS

static void every_duration_has_its_bucket(void **state)
{
	(void)state;
	assert_int_equal(station_bucket(INT64_MIN), 0);
	assert_int_equal(station_bucket(-1), 0);
	assert_int_equal(station_bucket(0), 0);
	assert_int_equal(station_bucket(1023), 0);
	assert_int_equal(station_bucket(1024), 1);
	assert_int_equal(station_bucket(INT64_MAX), STATION_BUCKETS - 1);
	assert_int_equal(station_bucket_begin(0), 0);
	for (unsigned b = 1; b < STATION_BUCKETS; b++) {
		int64_t begin = station_bucket_begin(b), end = station_bucket_begin(b + 1);
		assert_int_equal(station_bucket(begin), b);
		assert_int_equal(station_bucket(begin - 1), b - 1);
		/* A quarter of an octave: no wider than a quarter of where it begins. */
		assert_true(end > begin && end - begin <= begin / 4);
	}
	assert_true(station_bucket_begin(STATION_BUCKETS - 1) > 180 * NS_PER_S);
}

/* What a bucket's width allows: a quarter. */
static void assert_about(int64_t value, int64_t wanted)
{
	assert_in_range(value, wanted - wanted / 4, wanted + wanted / 4);
}

static void percentiles_are_those_between_two_copies(void **state)
{
	struct ledger *l = *state;
	struct stations before, now;
	for (int i = 0; i < 1000; i++)
		stations_note(l, LIVE_STREAM, STATION_FINISHED, 500 * MS);
	stations_copy(l, LIVE_STREAM, &before);
	for (int i = 1; i <= 100; i++)
		stations_note(l, LIVE_STREAM, STATION_FINISHED, i <= 98 ? 2 * MS : 80 * MS);
	stations_copy(l, LIVE_STREAM, &now);
	assert_int_equal(stations_count(&now, &before, STATION_FINISHED), 100);
	assert_about(stations_percentile(&now, &before, STATION_FINISHED, 0.5), 2 * MS);
	assert_about(stations_percentile(&now, &before, STATION_FINISHED, 0.99), 80 * MS);
	assert_about(stations_percentile(&now, &before, STATION_FINISHED, 1), 80 * MS);
	assert_int_equal(stations_count(&now, NULL, STATION_FINISHED), 1100);
	assert_about(stations_percentile(&now, NULL, STATION_FINISHED, 0.5), 500 * MS);
}

static void nothing_between_them_has_no_percentile(void **state)
{
	struct ledger *l = *state;
	struct stations before, now;
	stations_note(l, LIVE_STREAM, STATION_STORED, MS);
	stations_copy(l, LIVE_STREAM, &before);
	stations_copy(l, LIVE_STREAM, &now);
	assert_int_equal(stations_percentile(&now, &before, STATION_STORED, 0.5), -1);
	stations_note(l, OTHER_STREAM, STATION_STORED, MS); /* which is another's */
	stations_note(l, LIVE_STREAM, STATION_CLAIMED, MS);
	stations_copy(l, LIVE_STREAM, &now);
	assert_int_equal(stations_count(&now, &before, STATION_STORED), 0);
	/* The copies of another run: nothing is made up. */
	assert_int_equal(stations_count(&(struct stations){0}, &now, STATION_STORED), 0);
}

static void a_frame_is_counted_at_each_station(void **state)
{
	struct ledger *l = *state;
	struct stations now;
	uint32_t slot = small_publish(l, LIVE_STREAM, 1, 0), claimed;
	struct slot_record *record = &l->records[slot];
	record->captured = record->published - 3 * MS;
	assert_int_equal(ledger_claim(l, 2, &claimed), 0);
	record->claimed = record->published + 40 * US;
	record->finished = record->claimed + 7 * MS;
	stations_note_finished(l, LIVE_STREAM, record);
	assert_int_equal(ledger_finish_frame(l, slot, 2), 0);
	/* Only the recording's settling makes it stored. */
	assert_int_equal(ledger_settle(l, LIVE_STREAM, 1, 1), 1);
	stations_copy(l, LIVE_STREAM, &now);
	assert_int_equal(stations_count(&now, NULL, STATION_STORED), 0);
	record->captured = clock_now() - 90 * NS_PER_S;
	assert_int_equal(ledger_settle(l, LIVE_STREAM, TAP_RECORDING, 1), 1);
	assert_int_equal(ledger_settle(l, LIVE_STREAM, TAP_RECORDING, 1), 0);
	stations_copy(l, LIVE_STREAM, &now);
	assert_about(stations_percentile(&now, NULL, STATION_PUBLISHED, 0.5), 3 * MS);
	assert_about(stations_percentile(&now, NULL, STATION_CLAIMED, 0.5), 40 * US);
	assert_about(stations_percentile(&now, NULL, STATION_FINISHED, 0.5), 7 * MS);
	assert_about(stations_percentile(&now, NULL, STATION_STORED, 0.5), 90 * NS_PER_S);
	assert_int_equal(stations_count(&now, NULL, STATION_STORED), 1);
	assert_string_equal(station_text(STATION_STORED), "stored");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_duration_has_its_bucket),
		cmocka_unit_test_setup_teardown(percentiles_are_those_between_two_copies,
						small_setup, small_teardown),
		cmocka_unit_test_setup_teardown(nothing_between_them_has_no_percentile, small_setup,
						small_teardown),
		cmocka_unit_test_setup_teardown(a_frame_is_counted_at_each_station, small_setup,
						small_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
