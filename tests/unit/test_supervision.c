/* The supervisor's smaller parts: slots and memory, last words, the meaning of an end, when
 * standing still is wrong, and the runtime folder. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "supervisor/plan.h"
#include "supervisor/reap.h"
#include "supervisor/runtime.h"
#include "supervisor/watch.h"
#include "supervisor/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- plan ---- */

static const struct top_settings top = {.hang_after = 3 * NS_PER_S, .bypass_after = NS_PER_S};

static void slots_follow_from_time(void **state)
{
	(void)state;
	/* 30 frames/s × (3 s + 0.2 s) = 96, two processors, four to spare */
	assert_int_equal(plan_slots(30, &top, 2), 102);
	assert_int_equal(plan_slots(10, &top, 2), 38);
	assert_int_equal(plan_slots(0.1, &top, 0), 8);
	assert_int_equal(plan_slots(1000, &top, 2), STREAM_SLOTS_MAX);
	/* A bypass that comes later than the end of a hung worker keeps no slot longer. */
	struct top_settings slow = {.hang_after = NS_PER_S, .bypass_after = 10 * NS_PER_S};
	assert_int_equal(plan_slots(10, &slow, 0), 16);
}

static void a_probe_is_read_or_refused(void **state)
{
	(void)state;
	struct probed p;
	char why[WHY_SIZE];
	const char *good = "width=769\nheight=576\nfps_num=10\nfps_den=1\nlive=1\nframes=795\n"
			   "labels=cat,dog\ndevice=/sys/devices/a#0 left eye\nnews=later\n";
	assert_int_equal(probe_parse(good, &p, why, sizeof(why)), 0);
	assert_int_equal(p.width, 768);
	assert_int_equal(p.frames, 795);
	assert_true(p.live);
	assert_string_equal(p.labels, "cat,dog");
	assert_string_equal(p.device, "/sys/devices/a#0 left eye");
	static const char *const bad[] = {"", "width=640\nheight=480\nfps_num=10\n", "width=x\n",
					  "width=640\nheight=480\nfps_num=10\nfps_den=0\n",
					  "width=99999\nheight=480\nfps_num=10\nfps_den=1\n"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(probe_parse(bad[i], &p, why, sizeof(why)), TROUPE_E_MALFORMED);
}

static void streams_are_planned(void **state)
{
	(void)state;
	struct section section = {.title = "a",
				  .settings = {.view_width = 320, .quality = 85, .record = true}};
	struct probed probed = {.width = 768, .height = 576, .fps_num = 10, .fps_den = 1};
	struct stream_plan plan;
	plan_stream(&section, &probed, &top, 2, true, &plan);
	assert_int_equal(plan.n_slots, 38);
	assert_int_equal(plan.view_width, 320);
	assert_int_equal(plan.view_height, 240);
	assert_int_equal(plan.taps_on, 1);
	section.settings.record_fps = 5;
	section.settings.slots = 20;
	section.settings.view_width = 9999;
	section.settings.keep = (struct keep_limit){.bytes = 5, .age = 7};
	plan_stream(&section, &probed, &top, 2, false, &plan);
	assert_int_equal(plan.n_slots, 20);
	assert_int_equal(plan.view_width, 768);
	assert_int_equal(plan.taps_on, 0);
	assert_int_equal(plan.tap_every_ns[0], NS_PER_S / 5);
	assert_true(plan.keep_bytes == 5 && plan.keep_age == 7);
}

static void too_little_memory_is_said(void **state)
{
	(void)state;
	char why[WHY_SIZE];
	struct stream_plan stream = {.name = "a",
				     .n_slots = 100,
				     .width = 1920,
				     .height = 1080,
				     .view_width = 320,
				     .view_height = 180,
				     .fps_num = 30,
				     .fps_den = 1};
	struct ledger_plan plan = {.pipeline = "p", .n_streams = 1, .streams = &stream};
	uint64_t size = ledger_plan_size(&plan);
	struct top_settings own = top;
	assert_int_equal(plan_check(&plan, &own, size, why, sizeof(why)), 0);
	assert_int_equal(plan_check(&plan, &own, size - 1, why, sizeof(why)), TROUPE_E_MEMORY);
	assert_non_null(strstr(why, "memory: 100 slots of 6."));
	own.memory = 1000000;
	assert_int_equal(plan_check(&plan, &own, size, why, sizeof(why)), TROUPE_E_MEMORY);
	assert_non_null(
		strstr(why, "1.0 MB is allowed: lower slots, size, hang_after or bypass_after"));
}

/* ---- words, ends, hangs ---- */

static void last_words(void **state)
{
	(void)state;
	static const struct {
		const char *said, *last;
	} cases[] = {
		{"", ""},
		{"2026-01-31T10:20:30.123Z info  ready\n", ""},
		{"2026-01-31T10:20:30.123Z error disk full\n2026-01-31T10:20:30.123Z info  bye\n",
		 "disk full"},
		{"2026-01-31T10:20:30.123Z warn  hm\n", "hm"},
		{"assertion failed\n2026-01-31T10:20:30.123Z info  x", "assertion failed"},
		{"half a line", "half a line"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct words words = {0};
		char out[128];
		words_add(&words, cases[i].said, strlen(cases[i].said));
		assert_string_equal(words_last(&words, out, sizeof(out)), cases[i].last);
		words_finish(&words);
	}
	struct words words = {0};
	char out[32], big[3 * WORDS_SIZE];
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 3; i++)
		words_add(&words, big, sizeof(big) - (size_t)i);
	words_add(&words, "\nend\n", 5);
	assert_int_equal(words.used, WORDS_SIZE);
	assert_string_equal(words_last(&words, out, sizeof(out)), "end");
	words_finish(&words);
}

static void ends_are_judged(void **state)
{
	(void)state;
	static const struct {
		int code, status;
		const char *killed_for;
		enum exit_kind kind;
		bool asked, out_of_memory, fault, clean;
		const char *cause;
	} cases[] = {
		{CLD_EXITED, 0, NULL, EXIT_ASKED, true, false, false, true, "ended as asked"},
		{CLD_EXITED, 0, NULL, EXIT_CODE, false, false, true, true, "exit 0, unasked"},
		{CLD_EXITED, 101, NULL, EXIT_CODE, true, false, true, false, "exit 101 (bug)"},
		{CLD_KILLED, SIGKILL, NULL, EXIT_OUTSIDE, false, false, false, false,
		 "killed from outside (SIGKILL)"},
		{CLD_KILLED, SIGKILL, "hung", EXIT_HUNG, false, false, true, false, "hung"},
		{CLD_KILLED, SIGKILL, NULL, EXIT_MEMORY, false, true, true, false,
		 "out of memory (killed by the kernel)"},
		{CLD_DUMPED, SIGSEGV, NULL, EXIT_SIGNAL, false, false, true, false,
		 "died of SIGSEGV"},
		{CLD_KILLED, SIGKILL, "was not ready in time", EXIT_LATE, false, false, true, false,
		 "was not ready in time"},
		{CLD_KILLED, SIGKILL, "plays another role", EXIT_REFUSED, false, false, true, false,
		 "plays another role"},
		{CLD_KILLED, SIGTERM, NULL, EXIT_SIGNAL, false, false, true, false,
		 "died of SIGTERM"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		siginfo_t info = {.si_code = cases[i].code};
		info.si_status = cases[i].status;
		struct ending end = ending_of(&info, cases[i].killed_for, cases[i].asked,
					      cases[i].out_of_memory);
		assert_string_equal(end.cause, cases[i].cause);
		assert_int_equal(end.kind, cases[i].kind);
		assert_int_equal(end.core, cases[i].code == CLD_DUMPED);
		assert_int_equal(end.signal, cases[i].code == CLD_EXITED ? 0 : cases[i].status);
		assert_int_equal(end.fault, cases[i].fault);
		assert_int_equal(end.clean, cases[i].clean);
	}
}

static void standing_still(void **state)
{
	(void)state;
	const int64_t now = 1000;
	assert_false(watch_should_move(&(struct sight){.due = CLOCK_NEVER}, now));
	assert_false(watch_should_move(&(struct sight){.due = now + 1, .holds = true}, now));
	assert_true(watch_should_move(&(struct sight){.due = now - 1}, now));
	assert_true(watch_should_move(&(struct sight){.due = CLOCK_NEVER, .holds = true}, now));
	assert_true(watch_should_move(&(struct sight){.due = CLOCK_NEVER, .bell = true}, now));
	assert_true(watch_should_move(&(struct sight){.due = CLOCK_NEVER, .stopped = true}, now));
	/* A drain ends with syncs and checkpoints, where nothing is counted and nobody listens. */
	struct sight ends = {.due = now - 1, .bell = true, .drains = true};
	assert_false(watch_should_move(&ends, now));
	ends.holds = true;
	assert_true(watch_should_move(&ends, now));
	assert_true(watch_should_move(&(struct sight){.drains = true, .stopped = true}, now));
}

/* ---- the runtime folder ---- */

static int make_root(void **state)
{
	char root[] = "/tmp/test_runtime.XXXXXX", inner[64];
	if (!mkdtemp(root))
		return -1;
	snprintf(inner, sizeof(inner), "%s/run", root);
	setenv("TROUPE_RUNTIME_DIR", inner, 1);
	snprintf(inner, sizeof(inner), "%s/state", root);
	setenv("TROUPE_STATE_DIR", inner, 1);
	*state = strdup(root);
	return *state ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", (char *)*state);
	free(*state);
	return system(command);
}

static void the_folder_comes_and_goes(void **state)
{
	(void)state;
	struct runtime a, b;
	char why[WHY_SIZE], path[256];
	struct stat st;
	assert_int_equal(runtime_open(&a, "p", 0, why, sizeof(why)), 0);
	assert_int_equal(runtime_announce(&a, 3), 0);
	assert_int_equal(stat(a.folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	/* A second one sees that the first lives, and says who it is. */
	assert_int_equal(runtime_open(&b, "p", 0, why, sizeof(why)), TROUPE_E_BUSY);
	snprintf(path, sizeof(path), "running already (pid %d)", (int)getpid());
	assert_non_null(strstr(why, path));
	pid_t pid;
	assert_int_equal(runtime_clean("p", 0, &pid, why, sizeof(why)), TROUPE_E_BUSY);
	assert_int_equal(pid, getpid());
	runtime_close(&a);
	assert_int_equal(stat(a.folder, &st), -1);
	assert_int_equal(runtime_open(&b, "p", 0, why, sizeof(why)), 0);
	runtime_close(&b);
	assert_int_equal(runtime_clean("p", 0, &pid, why, sizeof(why)), 0);
}

/* A worker that outlives its supervisor: it holds the lock, and its pid is written down. */
static pid_t leave_worker(const struct runtime *runtime)
{
	int ready[2];
	char byte;
	if (pipe(ready) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		close(runtime->own_lock); /* as an exec does */
		if (write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	struct remembered it = {.pid = pid, .start_time = process_start_time(pid)};
	assert_int_equal(runtime_remember(runtime, &it, 1), 0);
	return pid;
}

static void what_a_killed_supervisor_left_is_cleaned(void **state)
{
	(void)state;
	struct runtime a, b;
	char why[WHY_SIZE];
	int status;
	assert_int_equal(runtime_open(&a, "p", 0, why, sizeof(why)), 0);
	pid_t pid = leave_worker(&a);
	close(a.lock); /* the supervisor dies */
	close(a.own_lock);
	/* The worker's end frees the lock, but somebody must bury it for this process to see that.
	 */
	assert_int_equal(runtime_open(&b, "p", 0, why, sizeof(why)), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	runtime_close(&b);
}

static void folders_that_cannot_be(void **state)
{
	struct runtime r;
	char why[WHY_SIZE], deep[300];
	snprintf(deep, sizeof(deep), "%s/%0100d", (char *)*state, 1);
	setenv("TROUPE_RUNTIME_DIR", deep, 1);
	assert_int_equal(runtime_open(&r, "p", 0, why, sizeof(why)), TROUPE_E_OVERSIZED);
	assert_non_null(strstr(why, "TROUPE_RUNTIME_DIR"));
	setenv("TROUPE_RUNTIME_DIR", "/proc/nowhere", 1);
	assert_true(runtime_open(&r, "p", 0, why, sizeof(why)) < 0);
	assert_non_null(strstr(why, "/proc/nowhere"));
	assert_int_equal(runtime_open(&r, "../p", 0, why, sizeof(why)), TROUPE_E_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_follow_from_time),
		cmocka_unit_test(a_probe_is_read_or_refused),
		cmocka_unit_test(streams_are_planned),
		cmocka_unit_test(too_little_memory_is_said),
		cmocka_unit_test(last_words),
		cmocka_unit_test(ends_are_judged),
		cmocka_unit_test(standing_still),
		cmocka_unit_test_setup_teardown(the_folder_comes_and_goes, make_root, remove_root),
		cmocka_unit_test_setup_teardown(what_a_killed_supervisor_left_is_cleaned, make_root,
						remove_root),
		cmocka_unit_test_setup_teardown(folders_that_cannot_be, make_root, remove_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
