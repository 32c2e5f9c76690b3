/* Times on the command line, in zones whose summer time is known. */
#include "tools/troupe/when.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* 2026-11-21 10:30:00 UTC, a Saturday. */
#define NOW (INT64_C(1795257000) * NS_PER_S)

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3" /* needs no table of zones */

static void zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static void expect(const char *text, int64_t first, int64_t last)
{
	struct when when = {0};
	char why[256] = "";
	if (when_parse(text, NOW, &when, why, sizeof(why)) < 0)
		fail_msg("%s: %s", text, why);
	if (when.first != first || when.last != last)
		fail_msg("%s: %lld … %lld, not %lld … %lld", text, (long long)when.first,
			 (long long)when.last, (long long)first, (long long)last);
}

static void at(const char *text, int64_t ns)
{
	expect(text, ns, ns);
}

static void every_form(void **state)
{
	const int64_t ten = NOW - 1800 * NS_PER_S, day = 86400 * NS_PER_S;
	(void)state;
	zone("UTC0");
	at("now", NOW);
	at("10:00", ten);
	at("10:00:05.5", ten + 5500 * NS_PER_MS);
	at("10:00:05.123456789123", ten + 5 * NS_PER_S + 123456789);
	at("yesterday 10:00", ten - day);
	at("today 10:00", ten);
	at("2026-11-21 10:00", ten);
	at("2026-11-21T10:00:00", ten);
	at("2026-11-21T10:00:00Z", ten);
	at("2026-11-21T11:00:00.25+01:00", ten + NS_PER_S / 4);
	at("2026-11-21T05:00-0500", ten);
	at("10:00Z", ten);
	at("-5min", NOW - 300 * NS_PER_S);
	at("-1.5s", NOW - 1500 * NS_PER_MS);
	at("@1795257000", NOW);
	at("@1795257000.25", NOW + NS_PER_S / 4);
	at("2028-02-29 00:00", INT64_C(1835395200) * NS_PER_S);
}

static void a_day_is_all_of_it(void **state)
{
	const int64_t midnight = INT64_C(1795219200) * NS_PER_S, day = 86400 * NS_PER_S;
	(void)state;
	zone("UTC0");
	expect("2026-11-21", midnight, midnight + day);
	expect("today", midnight, midnight + day);
	expect("yesterday", midnight - day, midnight);
	zone(BERLIN); /* the day on which summer time ends has 25 hours */
	expect("2026-10-25", INT64_C(1792879200) * NS_PER_S,
	       (INT64_C(1792879200) + INT64_C(25) * 3600) * NS_PER_S);
}

/* 02:30 is shown twice when summer time ends and never when it begins. */
static void summer_time(void **state)
{
	const int64_t second = INT64_C(1792891800) * NS_PER_S; /* 2026-10-25 01:30 UTC */
	(void)state;
	zone(BERLIN);
	at("2026-07-01 12:00", INT64_C(1782900000) * NS_PER_S);
	at("2026-11-21 11:30", NOW);
	expect("2026-10-25 02:30", second - 3600 * NS_PER_S, second);
	at("2026-10-25 02:30+01:00", second);
	at("2026-10-25 02:30+02:00", second - 3600 * NS_PER_S);
	at("2026-10-25 03:30", second + 3600 * NS_PER_S);
	at("2026-10-25 01:30", second - 7200 * NS_PER_S);
	struct when never;
	char why[256];
	assert_int_equal(when_parse("2026-03-29 02:30", NOW, &never, why, sizeof(why)), 0);
	assert_true(never.last - never.first <= 3600 * NS_PER_S);
}

static void what_is_no_time_is_said(void **state)
{
	static const char *const bad[] = {"",
					  "10",
					  "24:00",
					  "10:60",
					  "10:00:61",
					  "10:00.5",
					  "10:00:05.",
					  "2026-13-01",
					  "2026-02-30",
					  "2026-04-31 10:00",
					  "2026-11-21 10",
					  "2026-11-21x",
					  "10:00 tomorrow",
					  "-5",
					  "-5parsecs",
					  "--5min",
					  "@",
					  "@x",
					  "@1x",
					  "@99999999999999999999",
					  "10:00+25",
					  "noon",
					  "now ",
					  "yesterday10:00"};
	(void)state;
	zone("UTC0");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct when when;
		char why[256] = "";
		if (when_parse(bad[i], NOW, &when, why, sizeof(why)) != TROUPE_E_ARGUMENT)
			fail_msg("'%s' is taken for a time", bad[i]);
		assert_non_null(strstr(why, "valid"));
		assert_non_null(strstr(why, bad[i]));
	}
}

static void is_shown_in_local_time(void **state)
{
	char out[32];
	(void)state;
	zone(BERLIN);
	assert_string_equal(when_format(NOW + 7 * NS_PER_MS, out, sizeof(out)),
			    "2026-11-21 11:30:00.007");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form),
		cmocka_unit_test(a_day_is_all_of_it),
		cmocka_unit_test(summer_time),
		cmocka_unit_test(what_is_no_time_is_said),
		cmocka_unit_test(is_shown_in_local_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
