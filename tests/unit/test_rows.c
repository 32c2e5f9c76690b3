/* Config rows: every type, its range and units, what a person is told, and the way to text and
 * back. */
#include "ipc/base/rows.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct config {
	bool flag;
	int64_t count, seed, wait, bytes;
	double rate;
	char text[8], mode[16], listen[32];
	struct keep_limit keep;
};

static const struct row rows[] = {
	{.name = "flag",
	 .type = ROW_BOOL,
	 ROW_AT(struct config, flag),
	 .fallback = "no",
	 .help = "On."},
	{.name = "count",
	 .type = ROW_INT,
	 ROW_AT(struct config, count),
	 .min = -5,
	 .max = 100,
	 .fallback = "3",
	 .help = "How many."},
	{.name = "seed",
	 .type = ROW_INT,
	 ROW_AT(struct config, seed),
	 .fallback = "0",
	 .help = "Any."},
	{.name = "rate",
	 .type = ROW_REAL,
	 ROW_AT(struct config, rate),
	 .min = 0.5,
	 .max = 60,
	 .fallback = "29.97",
	 .help = "Frames."},
	{.name = "wait",
	 .type = ROW_DURATION,
	 ROW_AT(struct config, wait),
	 .min = 1e6,
	 .max = 7 * 86400e9,
	 .fallback = "150ms",
	 .help = "Time."},
	{.name = "bytes",
	 .type = ROW_SIZE,
	 ROW_AT(struct config, bytes),
	 .fallback = "64MB",
	 .help = "Room."},
	{.name = "text",
	 .type = ROW_TEXT,
	 ROW_AT(struct config, text),
	 .fallback = "",
	 .help = "Words."},
	{.name = "mode",
	 .type = ROW_CHOICE,
	 ROW_AT(struct config, mode),
	 .fallback = "fast",
	 .choices = "fast|slow|off",
	 .help = "Which."},
	{.name = "listen",
	 .type = ROW_LISTEN,
	 ROW_AT(struct config, listen),
	 .fallback = "127.0.0.1:8080",
	 .help = "Where."},
	{.name = "keep",
	 .type = ROW_KEEP,
	 ROW_AT(struct config, keep),
	 .fallback = "7d",
	 .help = "How much."},
};

static const struct row_table table = {rows, sizeof(rows) / sizeof(rows[0]), sizeof(struct config)};

/* Sets one row and returns the whole config; the text must be valid, without a place to store it
 * too. */
static struct config set(const char *name, const char *text)
{
	struct config config;
	char why[256] = "";
	memset(&config, 0, sizeof(config));
	rows_defaults(&table, &config);
	const struct row *row = row_find(&table, name);
	assert_non_null(row);
	if (row_set(row, &config, text, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(row_set(row, NULL, text, why, sizeof(why)), 0);
	return config;
}

/* The text is refused, for a reason that names the row and says `word`; nothing is stored. */
static void refuse(const char *name, const char *text, const char *word)
{
	struct config config, before;
	char why[256] = "";
	memset(&config, 0x55, sizeof(config));
	before = config;
	const struct row *row = row_find(&table, name);
	assert_int_equal(row_set(row, NULL, text, why, sizeof(why)), TROUPE_E_CONFIG);
	assert_int_equal(row_set(row, &config, text, why, sizeof(why)), TROUPE_E_CONFIG);
	assert_memory_equal(&config, &before, sizeof(config));
	assert_ptr_equal(strstr(why, name), why);
	if (!strstr(why, word))
		fail_msg("\"%s\" does not say \"%s\"", why, word);
}

static void test_defaults(void **state)
{
	(void)state;
	struct config config;
	memset(&config, 0x55, sizeof(config));
	rows_defaults(&table, &config);
	assert_false(config.flag);
	assert_int_equal(config.count, 3);
	assert_true(config.rate == 29.97);
	assert_int_equal(config.wait, 150 * NS_PER_MS);
	assert_int_equal(config.bytes, 64000000);
	assert_string_equal(config.text, "");
	assert_string_equal(config.mode, "fast");
	assert_string_equal(config.listen, "127.0.0.1:8080");
	assert_null(row_find(&table, "coun"));
}

static void test_bool(void **state)
{
	(void)state;
	assert_true(set("flag", "yes").flag);
	assert_true(set("flag", "true").flag);
	assert_true(set("flag", "on").flag);
	assert_false(set("flag", "off").flag);
	assert_false(set("flag", "no").flag);
	refuse("flag", "maybe", "yes nor no");
	refuse("flag", "", "yes nor no");
	refuse("flag", "yes ", "yes nor no");
}

static void test_int(void **state)
{
	(void)state;
	assert_int_equal(set("count", "-5").count, -5);
	assert_int_equal(set("count", "100").count, 100);
	assert_int_equal(set("count", "1e2").count, 100);
	assert_true(set("seed", "9007199254740993").seed == INT64_C(9007199254740993));
	refuse("count", "101", "-5 to 100");
	refuse("count", "-6", "-5 to 100");
	refuse("count", "1.5", "whole number");
	refuse("count", "three", "whole number");
	refuse("count", "3x", "whole number");
	refuse("count", "", "whole number");
	refuse("count", "nan", "whole number");
	refuse("count", "inf", "whole number");
	refuse("seed", "-1", "0 to");
	refuse("seed", "1e19", "out of range");
	refuse("seed", "1e999", "whole number");
}

static void test_real(void **state)
{
	(void)state;
	assert_true(set("rate", "0.5").rate == 0.5);
	assert_true(set("rate", "59.94005994005994").rate == 59.94005994005994);
	refuse("rate", "0.4", "0.5 to 60");
	refuse("rate", "60.0001", "0.5 to 60");
	refuse("rate", "fast", "a number");
	refuse("rate", "nan", "a number");
}

static void test_durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{"1000000ns", NS_PER_MS},    {"1500us", 1500 * NS_PER_US},
		{"150ms", 150 * NS_PER_MS},  {"3s", 3 * NS_PER_S},
		{"10min", 600 * NS_PER_S},   {"2h", 7200 * NS_PER_S},
		{"7d", 604800 * NS_PER_S},   {"1.5s", 1500 * NS_PER_MS},
		{"3 s", 3 * NS_PER_S},	     {"0.29s", 290 * NS_PER_MS},
		{"4.35s", 4350 * NS_PER_MS}, {"33.367ms", 33367 * NS_PER_US},
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(set("wait", good[i].text).wait, good[i].ns);
	refuse("wait", "0", "1ms to 7d");
	refuse("wait", "8d", "1ms to 7d");
	refuse("wait", "-1s", "1ms to 7d");
	refuse("wait", "3", "a time like");
	refuse("wait", "3 sec", "a time like");
	refuse("wait", "s", "a time like");
	refuse("wait", "", "a time like");
	refuse("wait", "3s ", "a time like");
}

static void test_sizes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t bytes;
	} good[] = {
		{"0", 0},
		{"512", 512},
		{"512B", 512},
		{"4kB", 4000},
		{"4KB", 4000},
		{"4KiB", 4096},
		{"64MB", 64000000},
		{"64MiB", 67108864},
		{"20GB", 20000000000},
		{"1GiB", 1073741824},
		{"2TB", 2000000000000},
		{"1TiB", 1099511627776},
		{"1.5GB", 1500000000},
		{"0.1MB", 100000},
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(set("bytes", good[i].text).bytes == good[i].bytes);
	refuse("bytes", "-1", "out of range");
	refuse("bytes", "64mb", "a size like");
	refuse("bytes", "64 bytes", "a size like");
	refuse("bytes", "1e30GB", "out of range");
}

static void test_text_and_choice(void **state)
{
	(void)state;
	assert_string_equal(set("text", "seven77").text, "seven77");
	assert_string_equal(set("text", "a=b").text, "a=b");
	refuse("text", "eight888", "longer than 7 bytes");
	refuse("text", "a\nb", "line break");
	refuse("text", "a\tb", "tab");
	assert_string_equal(set("mode", "off").mode, "off");
	assert_string_equal(set("mode", "slow").mode, "slow");
	refuse("mode", "fas", "fast|slow|off");
	refuse("mode", "fast|slow", "fast|slow|off");
	refuse("mode", "", "fast|slow|off");
}

static void test_listen(void **state)
{
	(void)state;
	assert_string_equal(set("listen", "[::1]:0").listen, "[::1]:0");
	assert_string_equal(set("listen", "0.0.0.0:65535").listen, "0.0.0.0:65535");
	assert_string_equal(set("listen", "").listen, "");
	refuse("listen", "8080", "ADDRESS:PORT");
	refuse("listen", ":8080", "ADDRESS:PORT");
	refuse("listen", "localhost:", "ADDRESS:PORT");
	refuse("listen", "localhost:http", "ADDRESS:PORT");
	refuse("listen", "localhost: 80", "ADDRESS:PORT");
	refuse("listen", "localhost:-1", "ADDRESS:PORT");
	refuse("listen", "localhost:65536", "ADDRESS:PORT");
	refuse("listen", "localhost:99999999999999999999", "ADDRESS:PORT");
	refuse("listen", "localhost:80x", "ADDRESS:PORT");
}

static void test_keep(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t bytes, age;
	} good[] = {
		{"", 0, 0},
		{"20GB", 20000000000, 0},
		{"7d", 0, 604800 * NS_PER_S},
		{"20GB 7d", 20000000000, 604800 * NS_PER_S},
		{" 90min  512MiB ", 536870912, 5400 * NS_PER_S},
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct keep_limit keep = set("keep", good[i].text).keep;
		assert_true(keep.bytes == good[i].bytes && keep.age == good[i].age);
	}
	static const char *const bad[] = {"20",	    "0",	 "20 GB",  "20GB 30GB",
					  "7d 1d",  "7d 1GB 1d", "-1GB",   "7 weeks",
					  "1e30GB", "nan",	 "20GB,7d"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse("keep", bad[i], "like 20GB");
}

/* What is shown is what a person would have written, and means the same again. */
static void test_format(void **state)
{
	(void)state;
	static const struct {
		const char *name, *written, *shown;
	} good[] = {
		{"flag", "true", "yes"},
		{"flag", "0", "no"},
		{"count", "-5", "-5"},
		{"seed", "9007199254740993", "9007199254740993"},
		{"seed", "12345678901", "12345678901"},
		{"rate", "29.97", "29.97"},
		{"rate", "59.94005994005994", "59.94005994005994"},
		{"wait", "1500ms", "1500ms"},
		{"wait", "90s", "90s"},
		{"wait", "120min", "2h"},
		{"wait", "1234567us", "1234567us"},
		{"bytes", "64MB", "64MB"},
		{"bytes", "20GB", "20GB"},
		{"bytes", "64MiB", "64MiB"},
		{"bytes", "4KB", "4kB"},
		{"bytes", "0", "0"},
		{"bytes", "1023", "1023B"},
		{"text", "a b", "a b"},
		{"mode", "slow", "slow"},
		{"listen", "[::]:80", "[::]:80"},
		{"keep", "120min 4KB", "4kB 2h"},
		{"keep", "7d", "7d"},
		{"keep", "", ""},
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct config config = set(good[i].name, good[i].written);
		char shown[64];
		const struct row *row = row_find(&table, good[i].name);
		assert_string_equal(row_format(row, &config, shown, sizeof(shown)), good[i].shown);
		struct config again = set(good[i].name, shown);
		char twice[64];
		assert_string_equal(row_format(row, &again, twice, sizeof(twice)), shown);
	}
}

static void test_apply(void **state)
{
	(void)state;
	struct config config;
	char why[256] = "", huge[2000];
	memset(&config, 0, sizeof(config));
	rows_defaults(&table, &config);
	assert_int_equal(
		rows_apply(&table, &config, "count=7\n\ntext=x=y\nflag=yes", why, sizeof(why)), 0);
	assert_int_equal(config.count, 7);
	assert_string_equal(config.text, "x=y");
	assert_true(config.flag);
	assert_int_equal(config.wait, 150 * NS_PER_MS);
	assert_int_equal(rows_apply(&table, &config, "", why, sizeof(why)), 0);
	assert_int_equal(rows_apply(&table, &config, "cuont=7\n", why, sizeof(why)),
			 TROUPE_E_CONFIG);
	assert_string_equal(why, "unknown key \"cuont\"");
	assert_int_equal(rows_apply(&table, &config, "count\n", why, sizeof(why)), TROUPE_E_CONFIG);
	assert_string_equal(why, "\"count\" is not name=value");
	assert_int_equal(rows_apply(&table, &config, "count=8\ncount=900\n", why, sizeof(why)),
			 TROUPE_E_CONFIG);
	assert_non_null(strstr(why, "900"));
	memset(huge, 'x', sizeof(huge) - 1);
	memcpy(huge, "text=", 5);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(rows_apply(&table, &config, huge, why, sizeof(why)), TROUPE_E_CONFIG);
}

static char *print(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	rows_print(&table, out);
	fclose(out);
	return text;
}

static void test_print_and_parse(void **state)
{
	(void)state;
	char *text = print(), why[256];
	struct row *parsed;
	assert_int_equal(rows_parse(text, &parsed), table.count);
	for (size_t i = 0; i < table.count; i++) {
		assert_string_equal(parsed[i].name, rows[i].name);
		assert_int_equal(parsed[i].type, rows[i].type);
		assert_true(parsed[i].min == rows[i].min && parsed[i].max == rows[i].max);
		assert_string_equal(parsed[i].fallback, rows[i].fallback);
		assert_string_equal(parsed[i].choices ? parsed[i].choices : "",
				    rows[i].choices ? rows[i].choices : "");
		assert_string_equal(parsed[i].help, rows[i].help);
	}
	assert_int_equal(row_set(&parsed[1], NULL, "101", why, sizeof(why)), TROUPE_E_CONFIG);
	assert_int_equal(row_set(&parsed[7], NULL, "slow", why, sizeof(why)), 0);
	free(parsed);
	free(text);
}

/* A stranger's program may print anything, and may be killed while it prints. */
static void test_parse_refuses(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"hello world\n",
		"a\tint\t0\t1\t0\t\n",
		"a\tint\t0\t1\t0\t\thelp\tmore\n",
		"\tint\t0\t1\t0\t\thelp\n",
		"a\tcolour\t0\t1\t0\t\thelp\n",
		"a\tint\tlow\t1\t0\t\thelp\n",
		"a\tint\t0\tnan\t0\t\thelp\n",
		"a\tint\t0\t1\t2\t\tits default is out of range\n",
		"a\tchoice\t0\t0\tx\t\tno choices\n",
		"a\tchoice\t0\t0\tx\ty|z\tdefault is none of them\n",
	};
	struct row *parsed;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rows_parse(bad[i], &parsed), TROUPE_E_MALFORMED);
	char *text = print();
	size_t length = strlen(text);
	for (size_t cut = 0; cut < length; cut++) {
		char *part = strndup(text, cut);
		int rc = rows_parse(part, &parsed);
		assert_int_equal(rc<0, cut> 0 && text[cut - 1] != '\n');
		if (rc >= 0)
			free(parsed);
		free(part);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bool),
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_text_and_choice),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_print_and_parse),
		cmocka_unit_test(test_parse_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
