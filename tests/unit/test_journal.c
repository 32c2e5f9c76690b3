/* The journal's files: lines, rotation, full disks, damage, and a reader that stays. What is folded
 * from the files is always what the writer knows. */
#include "ipc/base/errors.h"
#include "ipc/journal/reader.h"
#include "ipc/links/json.h"
#include "supervisor/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct rig {
	char folder[64];
	struct journal journal;
	int n; /* events of lives so far */
};

static int enter(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	if (!r)
		return -1;
	snprintf(r->folder, sizeof(r->folder), "/tmp/test_journal.XXXXXX");
	signal(SIGXFSZ, SIG_IGN);
	r->journal.fd = -1;
	*state = r;
	return mkdtemp(r->folder) ? 0 : -1;
}

static int leave(void **state)
{
	struct rig *r = *state;
	char command[128];
	journal_close(&r->journal);
	snprintf(command, sizeof(command), "rm -rf '%s'", r->folder);
	int rc = system(command);
	free(r);
	return rc;
}

static void begin(struct rig *r, int64_t limit)
{
	assert_int_equal(journal_open(&r->journal, r->folder, 1, limit), 0);
	journal_write(&r->journal, JOURNAL_UP, NULL, json_pack("{s:i}", "pid", 1));
}

/* One of two workers is started, gets ready, and dies. */
static void live(struct rig *r)
{
	const char *name = ++r->n % 2 ? "a" : "b";
	struct exit_note note = {.pid = r->n,
				 .incarnation = (uint32_t)r->n,
				 .turn = (uint32_t)r->n,
				 .kind = EXIT_SIGNAL,
				 .fault = true,
				 .ready = true,
				 .cause = "died of SIGSEGV",
				 .words = "not UTF-8: \xff"};
	journal_write(&r->journal, JOURNAL_SPAWN, name,
		      json_pack("{s:i, s:i}", "pid", r->n, "incarnation", r->n));
	journal_write(&r->journal, JOURNAL_READY, name, json_pack("{s:i}", "pid", r->n));
	journal_write(&r->journal, JOURNAL_EXIT, name, exit_json(&note));
}

static void assert_same(const struct history *a, const struct history *b)
{
	assert_int_equal(a->n_workers, b->n_workers);
	assert_int_equal(a->lost, b->lost);
	for (size_t i = 0; i < a->n_workers; i++) {
		const struct worker_history *other = history_worker(b, a->workers[i]->name);
		assert_non_null(other);
		json_t *left = history_worker_json(a->workers[i]);
		json_t *right = history_worker_json(other);
		char *texts[2] = {json_dumps(left, JSON_SORT_KEYS),
				  json_dumps(right, JSON_SORT_KEYS)};
		assert_string_equal(texts[0], texts[1]);
		free(texts[0]);
		free(texts[1]);
		json_decref(left);
		json_decref(right);
	}
}

/* Returns how many lines were damaged. */
static uint64_t check_files(struct rig *r)
{
	struct history history;
	uint64_t damaged;
	history_init(&history, HISTORY_LATEST, 0);
	assert_int_equal(history_fold_folder(&history, r->folder, &damaged), 0);
	assert_same(&r->journal.history, &history);
	history_finish(&history);
	return damaged;
}

static void lines_are_folded_as_written(void **state)
{
	struct rig *r = *state;
	begin(r, 0);
	for (int i = 0; i < 20; i++)
		live(r);
	assert_int_equal(check_files(r), 0);
	const struct worker_history *a = history_worker(&r->journal.history, "a");
	assert_int_equal(a->now.lives, 10);
	assert_int_equal(a->now.repairs, 9);
	assert_string_equal(a->last_played.words, "not UTF-8: ?");
}

static void a_second_supervisor_goes_on(void **state)
{
	struct rig *r = *state;
	struct history before;
	begin(r, 0);
	live(r);
	history_init(&before, HISTORY_LATEST, 0);
	assert_int_equal(history_fold_folder(&before, r->folder, NULL), 0);
	journal_close(&r->journal);
	/* The same run: it knows what was known. */
	assert_int_equal(journal_open(&r->journal, r->folder, 1, 0), 0);
	assert_int_equal(journal_resume(&r->journal), 0);
	assert_same(&r->journal.history, &before);
	live(r);
	assert_int_equal(check_files(r), 0);
	assert_int_equal(history_worker(&r->journal.history, "a")->now.lives, 1);
	journal_close(&r->journal);
	/* Another run: it begins with nothing. */
	assert_int_equal(journal_open(&r->journal, r->folder, 2, 0), 0);
	assert_int_equal(journal_resume(&r->journal), 0);
	assert_int_equal(r->journal.history.n_workers, 0);
	history_finish(&before);
}

static off_t file_size(const struct rig *r, unsigned age)
{
	char path[JOURNAL_PATH_SIZE];
	struct stat about;
	journal_path(r->folder, age, path, sizeof(path));
	return stat(path, &about) == 0 ? about.st_size : -1;
}

static void files_are_rotated(void **state)
{
	struct rig *r = *state;
	const int64_t limit = 20000;
	begin(r, limit);
	for (int i = 0; i < 300; i++) {
		live(r);
		if (i % 50 == 0)
			assert_int_equal(check_files(r), 0);
	}
	assert_int_equal(check_files(r), 0);
	for (unsigned age = 0; age <= JOURNAL_OLD_FILES; age++)
		assert_in_range(file_size(r, age), 1, limit + 16000);
	assert_int_equal(file_size(r, JOURNAL_OLD_FILES + 1), -1);
	assert_int_equal(history_worker(&r->journal.history, "a")->now.lives, 150);
}

/* Each file is enough for who wants to know of the run. */
static void the_newest_file_is_enough(void **state)
{
	struct rig *r = *state;
	char path[JOURNAL_PATH_SIZE];
	begin(r, 20000);
	for (int i = 0; i < 100; i++)
		live(r);
	assert_true(file_size(r, 1) > 0);
	for (unsigned age = 1; age <= JOURNAL_OLD_FILES; age++) {
		journal_path(r->folder, age, path, sizeof(path));
		unlink(path);
	}
	assert_int_equal(check_files(r), 0);
}

static void a_full_disk_loses_lines_and_says_so(void **state)
{
	struct rig *r = *state;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(full >= 0);
	begin(r, 0);
	for (int round = 1; round <= 2; round++) {
		live(r);
		int kept = dup(r->journal.fd);
		dup2(full, r->journal.fd);
		live(r);
		live(r);
		dup2(kept, r->journal.fd);
		close(kept);
		assert_int_equal(r->journal.lost, 6);
		live(r);
		assert_int_equal(r->journal.lost, 0);
		assert_int_equal(r->journal.history.lost, 6 * round);
		assert_int_equal(check_files(r), 0);
	}
	close(full);
	assert_int_equal(history_worker(&r->journal.history, "a")->now.lives, 4);
}

static void limit_files(off_t size)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size < 0 ? limit.rlim_max : (rlim_t)size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk ends within a line, at each of many places; also within that which says so. */
static void half_a_line_is_skipped(void **state)
{
	struct rig *r = *state;
	uint64_t torn = 0;
	begin(r, 0);
	for (int room = 1; room < 1500; room += 37) {
		live(r);
		limit_files(file_size(r, 0) + room);
		live(r);
		live(r);
		torn += r->journal.torn;
		limit_files(-1);
		live(r);
		assert_false(r->journal.torn || r->journal.behind);
		assert_int_equal(r->journal.lost, 0);
		assert_true(check_files(r) >= torn);
	}
	assert_true(torn > 20);
}

static void append_bytes(const struct rig *r, const char *bytes, size_t size)
{
	char path[JOURNAL_PATH_SIZE];
	journal_path(r->folder, 0, path, sizeof(path));
	FILE *file = fopen(path, "ae");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

/* What a power cut leaves: half a line, zeroes, what was there before. */
static void damage_is_skipped_and_counted(void **state)
{
	struct rig *r = *state;
	static const char deep[] = "[[[[[[[[[[\n";
	begin(r, 0);
	live(r);
	append_bytes(r, "\0\0\0\0\0\0\n\xff\xfe{\"t\": 1\n", 17);
	append_bytes(r, deep, sizeof(deep) - 1);
	append_bytes(r, "\n5\n\"text\"\n{}\n", 13);
	live(r);
	append_bytes(r, "{\"t\":1,\"wall\":\"2026", 19);
	/* Two lines of zeroes and half an object, the brackets, a number and a text. */
	assert_int_equal(check_files(r), 6);
	journal_close(&r->journal);
	/* Who comes next ends the half line. */
	assert_int_equal(journal_open(&r->journal, r->folder, 1, 0), 0);
	assert_int_equal(journal_resume(&r->journal), 0);
	live(r);
	assert_int_equal(check_files(r), 6);
	assert_int_equal(history_worker(&r->journal.history, "a")->now.lives, 2);
}

/* ---- a reader that stays ---- */

static void read_on(struct journal_reader *reader, struct history *history)
{
	json_t *line;
	while (journal_read(reader, &line)) {
		assert_int_equal(history_fold(history, line), 0);
		json_decref(line);
	}
}

static void a_reader_follows_rotations(void **state)
{
	struct rig *r = *state;
	struct journal_reader reader;
	struct history history;
	uint64_t events = 0;
	json_t *line;
	history_init(&history, HISTORY_LATEST, 0);
	assert_int_equal(journal_reader_open(&reader, r->folder), TROUPE_E_NOT_FOUND);
	assert_false(journal_read(&reader, &line));
	begin(r, 20000);
	/* Now and then it comes so late that there were several rotations. */
	for (int i = 1; i <= 600; i++) {
		live(r);
		if (i % 3 && i % 200 > 70)
			continue;
		while (journal_read(&reader, &line)) {
			enum journal_event event = journal_event_find(
				json_string_value(json_object_get(line, "event")));
			events += event == JOURNAL_SPAWN;
			history_fold(&history, line);
			json_decref(line);
		}
		assert_int_equal(events, i);
		assert_same(&r->journal.history, &history);
	}
	assert_int_equal(reader.damaged + reader.gaps, 0);
	journal_reader_close(&reader);
	history_finish(&history);
}

static void one_that_comes_too_late_says_so(void **state)
{
	struct rig *r = *state;
	struct journal_reader reader;
	struct history history;
	begin(r, 20000);
	live(r);
	history_init(&history, HISTORY_LATEST, 0);
	assert_int_equal(journal_reader_open(&reader, r->folder), 0);
	read_on(&reader, &history);
	for (int i = 0; i < 400; i++)
		live(r);
	read_on(&reader, &history);
	assert_int_equal(reader.gaps, 1);
	assert_same(&r->journal.history, &history);
	journal_reader_close(&reader);
	history_finish(&history);
}

static void no_new_file_can_be_made(void **state)
{
	struct rig *r = *state;
	char name[JOURNAL_PATH_SIZE], busy[JOURNAL_PATH_SIZE + 8];
	begin(r, 4000);
	/* A folder in the way of the oldest file, with something in it. */
	journal_path(r->folder, 1, name, sizeof(name));
	snprintf(busy, sizeof(busy), "%s/x", name);
	assert_int_equal(mkdir(name, 0700), 0);
	assert_int_equal(mkdir(busy, 0700), 0);
	for (unsigned age = 2; age <= JOURNAL_OLD_FILES; age++) {
		journal_path(r->folder, age, name, sizeof(name));
		snprintf(busy, sizeof(busy), "%s/x", name);
		assert_int_equal(mkdir(name, 0700), 0);
		assert_int_equal(mkdir(busy, 0700), 0);
	}
	for (int i = 0; i < 100; i++)
		live(r);
	assert_int_equal(r->journal.lost, 0);
	assert_int_equal(check_files(r), 0);
	assert_int_equal(history_worker(&r->journal.history, "a")->now.lives, 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_are_folded_as_written),
		TEST(a_second_supervisor_goes_on),
		TEST(files_are_rotated),
		TEST(the_newest_file_is_enough),
		TEST(a_full_disk_loses_lines_and_says_so),
		TEST(half_a_line_is_skipped),
		TEST(damage_is_skipped_and_counted),
		TEST(a_reader_follows_rotations),
		TEST(one_that_comes_too_late_says_so),
		TEST(no_new_file_can_be_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
