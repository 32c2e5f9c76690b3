/* Who died of which frame, what is kept of it and for how long, and what a person is told who
 * orders a worker about. */
#include "supervisor/quarantine.h"

#include "ipc/base/errors.h"
#include "ipc/base/folders.h"
#include "ipc/slots/seats.h"
#include "supervisor/orders.h"
#include "supervisor/shelf.h"
#include "tests/unit/small_ledger.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* As much of a supervisor as the quarantine looks at. */
struct rig {
	struct supervisor s;
	struct member member;
	struct part *part;
	char root[64];
};

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct stream_plan streams[2];
	struct ledger_plan plan = small_plan(streams);
	if (!r || ledger_create(&r->s.ledger, &plan) < 0)
		return -1;
	snprintf(r->root, sizeof(r->root), "/tmp/test_quarantine.XXXXXX");
	if (!mkdtemp(r->root))
		return -1;
	r->s.ledger.bell_base = -1;
	r->s.journal.fd = -1;
	r->s.config.top.quarantine_keep = 20;
	snprintf(r->s.config.top.name, sizeof(r->s.config.top.name), "test");
	snprintf(r->s.runtime.state, sizeof(r->s.runtime.state), "%s", r->root);
	snprintf(r->member.name, sizeof(r->member.name), "processor.1");
	r->member.supervisor = &r->s;
	r->part = r->member.lead = &r->member.parts[0];
	r->part->member = &r->member;
	*state = r;
	return quarantine_create(&r->s);
}

static int tear_down(void **state)
{
	struct rig *r = *state;
	char command[128];
	quarantine_destroy(&r->s);
	ledger_finish(&r->s.ledger);
	snprintf(command, sizeof(command), "rm -rf '%s'", r->root);
	free(r);
	return system(command);
}

/* A processor in a new seat claims the oldest frame; returns its slot. */
static uint32_t claim(struct rig *r)
{
	uint32_t slot;
	r->part->process.seat = (uint8_t)seat_assign(&r->s.ledger, r->member.name, 1);
	r->part->process.pid++;
	assert_int_equal(ledger_claim(&r->s.ledger, r->part->process.seat, &slot), 0);
	return slot;
}

static void accuse(struct rig *r)
{
	struct exit_note note = {.pid = r->part->process.pid, .cause = "died of SIGSEGV"};
	quarantine_accuse(r->part, &note);
}

static void give_back(struct rig *r)
{
	struct reclaimed what;
	seat_reclaim(&r->s.ledger, r->part->process.seat, true, &what);
	quarantine_judge(&r->s, &r->member, what.quarantined);
}

static uint32_t die(struct rig *r)
{
	uint32_t slot = claim(r);
	accuse(r);
	give_back(r);
	return slot;
}

static uint32_t counted(const struct rig *r)
{
	return atomic_load(&r->s.ledger.streams[LIVE_STREAM].quarantined);
}

static void folder_of(const struct rig *r, uint64_t seq, char *out, size_t size)
{
	assert_int_equal(folder_quarantined(r->root, r->s.ledger.header->run,
					    r->s.ledger.streams[LIVE_STREAM].name, seq, out, size),
			 0);
}

static bool is_there(const struct rig *r, uint64_t seq)
{
	char folder[256];
	folder_of(r, seq, folder, sizeof(folder));
	return access(folder, F_OK) == 0;
}

/* The pids that deaths.jsonl tells of, in its order; at most `max`. */
static int pids_told(const struct rig *r, uint64_t seq, int *pids, int max)
{
	char path[300], line[4096];
	int n = 0;
	folder_of(r, seq, path, sizeof(path));
	strncat(path, "/deaths.jsonl", sizeof(path) - strlen(path) - 1);
	FILE *in = fopen(path, "re");
	while (in && n < max && fgets(line, sizeof(line), in)) {
		const char *pid = strstr(line, "\"pid\":");
		assert_non_null(pid);
		pids[n++] = (int)strtol(pid + 6, NULL, 10);
	}
	if (in)
		fclose(in);
	return n;
}

static void three_deaths_are_kept(void **state)
{
	struct rig *r = *state;
	int pids[4] = {0};
	small_publish(&r->s.ledger, LIVE_STREAM, 60, 0);
	die(r);
	die(r);
	assert_false(is_there(r, 1));
	assert_int_equal(counted(r), 0);
	die(r);
	assert_int_equal(counted(r), 1);
	assert_int_equal(pids_told(r, 1, pids, 4), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pids[i], i + 1);
}

/* The reasons are there before anybody can take the frame. */
static void reasons_come_before_the_frame_goes_on(void **state)
{
	struct rig *r = *state;
	small_publish(&r->s.ledger, LIVE_STREAM, 60, 0);
	die(r);
	die(r);
	uint32_t slot = claim(r);
	accuse(r);
	assert_int_equal(small_word(&r->s.ledger, slot).phase, PHASE_HELD);
	assert_true(is_there(r, 1));
	give_back(r);
	assert_int_equal(small_word(&r->s.ledger, slot).phase, PHASE_DONE);
}

/* Bypassed between the look at its word and the blame: it never went into quarantine. */
static void a_bypass_in_between_takes_it_back(void **state)
{
	struct rig *r = *state;
	small_publish(&r->s.ledger, LIVE_STREAM, 60, 0);
	die(r);
	die(r);
	uint32_t slot = claim(r);
	accuse(r);
	assert_int_equal(ledger_step(&r->s.ledger, slot, ledger_word(&r->s.ledger, slot),
				     CAUSE_BYPASS, &(struct word_args){0}, NULL),
			 0);
	give_back(r);
	assert_int_equal(counted(r), 0);
	assert_false(is_there(r, 1));
}

/* Deaths of a frame that got through do not stick to the next one in its slot. */
static void another_frame_is_another_suspect(void **state)
{
	struct rig *r = *state;
	struct ledger *l = &r->s.ledger;
	int pids[4] = {0};
	uint32_t slot = small_publish(l, LIVE_STREAM, 60, 0);
	die(r);
	die(r);
	claim(r);
	assert_int_equal(ledger_finish_frame(l, slot, r->part->process.seat), 0);
	for (uint8_t tap = 0; tap < 2; tap++)
		ledger_settle(l, LIVE_STREAM, tap, 1);
	uint64_t seq = 1;
	for (; small_publish(l, LIVE_STREAM, 60, (int64_t)seq) != slot; seq++) {
		claim(r);
		uint32_t last;
		ledger_last_seq(l, LIVE_STREAM, &last);
		ledger_finish_frame(l, last, r->part->process.seat);
		for (uint8_t tap = 0; tap < 2; tap++)
			ledger_settle(l, LIVE_STREAM, tap, seq + 1);
	}
	int before = r->part->process.pid;
	for (int i = 0; i < 3; i++)
		assert_int_equal(die(r), slot);
	assert_int_equal(pids_told(r, seq + 1, pids, 4), 3);
	assert_int_equal(pids[0], before + 1);
}

static void nothing_is_kept_where_nothing_shall_be(void **state)
{
	struct rig *r = *state;
	char shelf[128];
	quarantine_destroy(&r->s);
	r->s.config.top.quarantine_keep = 0;
	assert_int_equal(quarantine_create(&r->s), 0);
	small_publish(&r->s.ledger, LIVE_STREAM, 60, 0);
	for (int i = 0; i < 3; i++)
		die(r);
	assert_int_equal(counted(r), 1);
	snprintf(shelf, sizeof(shelf), "%s/" FOLDER_QUARANTINE, r->root);
	assert_int_not_equal(access(shelf, F_OK), 0);
}

/* ---- the shelf ---- */

static void make(const char *root, const char *folder, int64_t time)
{
	char path[256], file[300];
	snprintf(path, sizeof(path), "%s/%s", root, folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(file, sizeof(file), "%s/frame.i420", path);
	int fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	struct timespec times[2] = {{.tv_sec = time}, {.tv_sec = time}};
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool has(const char *root, const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", root, name);
	return access(path, F_OK) == 0;
}

static void the_oldest_go_first(void **state)
{
	const struct rig *r = *state;
	make(r->root, "9-cam1-1", 100);
	make(r->root, "9-cam1-10", 300);
	make(r->root, "9-cam1-9", 300);
	make(r->root, "1-cam1-2", 200);
	shelf_prune(r->root, 3);
	assert_false(has(r->root, "9-cam1-1"));
	shelf_prune(r->root, 1);
	assert_false(has(r->root, "1-cam1-2"));
	assert_false(has(r->root, "9-cam1-9"));
	assert_true(has(r->root, "9-cam1-10"));
}

static void links_are_not_followed(void **state)
{
	const struct rig *r = *state;
	char shelf[128], link[160];
	make(r->root, "elsewhere", 100);
	snprintf(shelf, sizeof(shelf), "%s/shelf", r->root);
	assert_int_equal(mkdir(shelf, 0700), 0);
	make(shelf, "1-cam1-1", 100);
	snprintf(link, sizeof(link), "%s/link", shelf);
	assert_int_equal(symlink("../elsewhere", link), 0);
	shelf_prune(shelf, 0);
	assert_false(has(shelf, "1-cam1-1"));
	assert_true(has(r->root, "elsewhere/frame.i420"));
	shelf_prune("/nowhere/at/all", 0);
}

/* ---- orders ---- */

/* Whatever state an order meets, the answer begins with the worker's name and says something of
 * its own; a start of what has ended is refused before. */
static void every_order_has_its_answer(void **state)
{
	struct rig *r = *state;
	static const struct role role = {.tap = -1};
	char text[512];
	r->member.role = &role;
	for (int order = ORDER_STOP; order <= ORDER_RESTART; order++) {
		for (int before = 0; before < N_LIFE_STATES; before++) {
			if (before == LIFE_FINISHED && order != ORDER_STOP)
				continue;
			r->part->life.state = LIFE_STARTING;
			assert_int_equal(order_answer(&r->member, (enum order)order,
						      (enum life_state)before, text, sizeof(text)),
					 0);
			assert_memory_equal(text, "processor.1 ", 12);
			assert_string_not_equal(text + 12, life_state_text(LIFE_STARTING));
		}
	}
	r->part->life.state = LIFE_NO_DEVICE;
	assert_int_equal(order_answer(&r->member, ORDER_START, LIFE_DOWN, text, sizeof(text)),
			 TROUPE_E_STATE);
	assert_non_null(strstr(text, "cannot be started: no device"));
	r->part->life.state = LIFE_BACK_OFF;
	snprintf(r->part->program, sizeof(r->part->program), "/nowhere/at/all");
	assert_int_equal(order_answer(&r->member, ORDER_START, LIFE_DOWN, text, sizeof(text)),
			 TROUPE_E_SYSTEM);
	assert_non_null(strstr(text, "/nowhere/at/all: No such file"));
}

static void nobody_to_kill_is_explained(void **state)
{
	struct rig *r = *state;
	static const struct {
		enum life_state state;
		const char *says;
	} cases[] = {{LIFE_DOWN, "is stopped; `troupe -n test start processor.1` starts it"},
		     {LIFE_GAVE_UP, "was given up; `troupe -n test start processor.1` tries again"},
		     {LIFE_BACK_OFF, "started again in"},
		     {LIFE_NO_DEVICE, "no device: /dev/eye; it starts by itself when that is back"},
		     {LIFE_FINISHED, "its source has ended"}};
	char text[512];
	snprintf(r->member.device.path, sizeof(r->member.device.path), "/dev/eye");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r->part->life.state = cases[i].state;
		assert_int_equal(order_nobody(&r->member, text, sizeof(text)), TROUPE_E_STATE);
		assert_non_null(strstr(text, cases[i].says));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(three_deaths_are_kept),
		TEST(reasons_come_before_the_frame_goes_on),
		TEST(a_bypass_in_between_takes_it_back),
		TEST(another_frame_is_another_suspect),
		TEST(nothing_is_kept_where_nothing_shall_be),
		TEST(the_oldest_go_first),
		TEST(links_are_not_followed),
		TEST(every_order_has_its_answer),
		TEST(nobody_to_kill_is_explained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
