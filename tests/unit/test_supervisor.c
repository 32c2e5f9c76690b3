/* Whole pipelines of fake workers (fake_worker.c) under the real troupe-supervisor. */
#include "ipc/base/clock.h"
#include "ipc/links/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAKE	 BIN "/fake_worker"
#define PATIENCE (20 * NS_PER_S) /* nothing here takes so long unless it is broken */

struct stage {
	char root[64];
	pid_t pid;
	int ready_fd;
	struct links *links;
	struct link *control;
	const char *drain_timeout; /* NULL: 1s */
};

static int enter(void **state)
{
	struct stage *st = calloc(1, sizeof(*st));
	char path[100];
	strcpy(st->root, "/tmp/test_supervisor.XXXXXX");
	if (!mkdtemp(st->root))
		return -1;
	snprintf(path, sizeof(path), "%s/run", st->root);
	setenv("TROUPE_RUNTIME_DIR", path, 1);
	snprintf(path, sizeof(path), "%s/state", st->root);
	setenv("TROUPE_STATE_DIR", path, 1);
	*state = st;
	return 0;
}

static int leave(void **state)
{
	struct stage *st = *state;
	char command[128];
	if (st->pid > 0) {
		kill(st->pid, SIGKILL);
		waitpid(st->pid, NULL, 0);
	}
	links_destroy(st->links, 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", st->root);
	free(st);
	return system(command);
}

/* Writes the config, starts the supervisor. `extra` are keys of sections: stream, processor,
 * storer. */
static void up(struct stage *st, const char *stream, const char *processor, const char *storer)
{
	char file[100], fd[16];
	int ready[2];
	snprintf(file, sizeof(file), "%s/t.conf", st->root);
	FILE *out = fopen(file, "w");
	fprintf(out,
		"name = \"t\"\nsandbox = off\nhang_after = 1s\nbypass_after = 500ms\ndrain_timeout "
		"= %s\n"
		"stream \"a\" { exec = \"" FAKE "\"\n %s }\n"
		"processor { exec = \"" FAKE "\"\n %s }\n"
		"storer { exec = \"" FAKE "\"\n %s }\n"
		"trainer { enabled = no }\ndisplay { enabled = no }\n",
		st->drain_timeout ? st->drain_timeout : "1s", stream, processor, storer);
	fclose(out);
	assert_int_equal(pipe(ready), 0);
	snprintf(fd, sizeof(fd), "%d", ready[1]);
	st->pid = fork();
	if (st->pid == 0) {
		execl(BIN "/troupe-supervisor", "troupe-supervisor", "-c", file, "--ready-fd", fd,
		      NULL);
		_exit(127);
	}
	close(ready[1]);
	st->ready_fd = ready[0];
}

/* The line on the ready descriptor. */
static void await_line(struct stage *st, char *line, size_t size)
{
	size_t used = 0;
	int64_t deadline = clock_now() + PATIENCE;
	struct pollfd item = {.fd = st->ready_fd, .events = POLLIN};
	while (used < size - 1 && poll(&item, 1, clock_poll_ms(clock_now(), deadline)) > 0) {
		ssize_t n = read(st->ready_fd, line + used, size - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
		if (memchr(line, '\n', used))
			break;
	}
	line[used] = '\0';
	close(st->ready_fd);
}

static void await_ready(struct stage *st)
{
	char line[512], path[128];
	await_line(st, line, sizeof(line));
	assert_string_equal(line, "ready\n");
	snprintf(path, sizeof(path), "%s/run/t/control", st->root);
	st->links = links_create();
	assert_int_equal(ask_connect(st->links, path, &st->control), 0);
}

static Troupe__Reply *request(struct stage *st, Troupe__Request *r)
{
	Troupe__Reply *reply = NULL;
	assert_int_equal(ask(st->control, r, clock_now() + PATIENCE, &reply), 0);
	return reply;
}

static Troupe__Reply *ps(struct stage *st)
{
	Troupe__PsRequest what = TROUPE__PS_REQUEST__INIT;
	Troupe__Request r = TROUPE__REQUEST__INIT;
	r.what_case = TROUPE__REQUEST__WHAT_PS;
	r.ps = &what;
	return request(st, &r);
}

struct seen {
	int32_t pid;
	uint32_t incarnation, restarts;
	char state[32], program[256], last_exit[128];
};

static bool look(struct stage *st, const char *worker, struct seen *seen)
{
	Troupe__Reply *reply = ps(st);
	bool found = false;
	for (size_t i = 0; i < reply->n_worker; i++) {
		const Troupe__Worker *w = reply->worker[i];
		if (strcmp(w->name, worker) != 0)
			continue;
		found = true;
		*seen = (struct seen){
			.pid = w->pid, .incarnation = w->incarnation, .restarts = w->restarts};
		snprintf(seen->state, sizeof(seen->state), "%s", w->state);
		snprintf(seen->program, sizeof(seen->program), "%s", w->program);
		snprintf(seen->last_exit, sizeof(seen->last_exit), "%s", w->last_exit);
	}
	troupe__reply__free_unpacked(reply, NULL);
	return found;
}

/* Asks until the worker is in that state, in that incarnation or a later one. */
static struct seen await(struct stage *st, const char *worker, const char *state,
			 uint32_t incarnation)
{
	struct seen seen = {0};
	int64_t deadline = clock_now() + PATIENCE;
	while (!look(st, worker, &seen) || strcmp(seen.state, state) != 0 ||
	       seen.incarnation < incarnation) {
		if (clock_now() > deadline)
			fail_msg("%s is %s (incarnation %u), wanted %s", worker, seen.state,
				 seen.incarnation, state);
		poll(NULL, 0, 5);
	}
	return seen;
}

static int await_exit(struct stage *st)
{
	int status;
	assert_int_equal(waitpid(st->pid, &status, 0), st->pid);
	st->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int down(struct stage *st)
{
	kill(st->pid, SIGTERM);
	return await_exit(st);
}

static void set_act(struct stage *st, const char *worker, const char *act)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/state/t/%s.act", st->root, worker);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(act, out);
	fclose(out);
}

static char *read_state(struct stage *st, const char *name, char *out, size_t size)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/state/t/%s", st->root, name);
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	out[fread(out, 1, size - 1, in)] = '\0';
	fclose(in);
	return out;
}

static bool is_gone(const struct stage *st)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/run/t", st->root);
	return access(path, F_OK) < 0 && errno == ENOENT;
}

/* ---- tests ---- */

static void it_starts_and_drains_along_the_data(void **state)
{
	struct stage *st = *state;
	char order[256];
	up(st, "", "count = 2", "");
	await_ready(st);
	assert_int_equal(await(st, "capture.a", "ready", 1).incarnation, 1);
	assert_int_equal(down(st), 0);
	read_state(st, "order", order, sizeof(order));
	assert_int_equal(strncmp(order, "capture.a\nprocessor.", 20), 0);
	assert_non_null(strstr(order, "processor.1\n"));
	assert_non_null(strstr(order, "processor.2\n"));
	assert_string_equal(order + strlen(order) - 7, "storer\n");
	assert_true(is_gone(st));
}

static void sources_that_end_end_the_pipeline(void **state)
{
	struct stage *st = *state;
	up(st, "act = finish", "", "");
	char line[64];
	await_line(st, line, sizeof(line));
	assert_string_equal(line, "ready\n");
	assert_int_equal(await_exit(st), 0);
	assert_true(is_gone(st));
}

static void a_killed_worker_is_back_at_once(void **state)
{
	struct stage *st = *state;
	up(st, "", "max_restarts = 1", "");
	await_ready(st);
	for (uint32_t i = 1; i < 6; i++) { /* more often than max_restarts: it is not its fault */
		struct seen it = await(st, "processor.1", "ready", i);
		kill(it.pid, SIGKILL);
	}
	struct seen it = await(st, "processor.1", "ready", 6);
	assert_int_equal(it.restarts, 5);
	assert_non_null(strstr(it.last_exit, "killed from outside (SIGKILL)"));
	assert_int_equal(down(st), 0);
}

static void a_stopped_worker_is_found_and_replaced(void **state)
{
	struct stage *st = *state;
	up(st, "", "", "");
	await_ready(st);
	kill(await(st, "storer", "ready", 1).pid, SIGSTOP);
	struct seen it = await(st, "storer", "ready", 2);
	assert_non_null(strstr(it.last_exit, "hung"));
	assert_int_equal(down(st), 0);
}

static void one_that_crashes_is_given_up(void **state)
{
	struct stage *st = *state;
	up(st, "", "max_restarts = 3\n backoff = 1ms\n backoff_max = 2ms", "");
	await_ready(st);
	set_act(st, "processor.1", "exit 101");
	kill(await(st, "processor.1", "ready", 1).pid, SIGSEGV);
	struct seen it = await(st, "processor.1", "gave up", 4);
	assert_int_equal(it.restarts, 3);
	assert_non_null(strstr(it.last_exit, "exit 101 (bug)"));
	set_act(st, "processor.1", "ready");
	Troupe__WorkerRequest what = TROUPE__WORKER_REQUEST__INIT;
	Troupe__Request r = TROUPE__REQUEST__INIT;
	char name[] = "processor.1";
	what.worker = name;
	r.what_case = TROUPE__REQUEST__WHAT_START;
	r.start = &what;
	troupe__reply__free_unpacked(request(st, &r), NULL);
	await(st, "processor.1", "ready", 5);
	assert_int_equal(down(st), 0);
}

static void fails_to_start(struct stage *st, const char *wanted)
{
	char line[512];
	await_line(st, line, sizeof(line));
	print_message("%s", line);
	assert_int_equal(strncmp(line, "error: ", 7), 0);
	assert_non_null(strstr(line, wanted));
	assert_int_equal(await_exit(st), 1);
	assert_true(is_gone(st));
}

static void a_hopeless_start_fails_with_last_words(void **state)
{
	up(*state, "", "", "act = \"exit 111\"");
	fails_to_start(*state, "storer: the fake worker was told to end");
}

static void one_that_is_never_ready_fails_the_start(void **state)
{
	up(*state, "", "act = never\n ready_timeout = 200ms\n max_restarts = 1", "");
	fails_to_start(*state, "processor");
}

static void ready_from_another_pid_is_not_believed(void **state)
{
	up(*state, "", "", "act = liar\n ready_timeout = 200ms\n max_restarts = 0");
	fails_to_start(*state, "storer: does not start: was not ready in time");
}

static void a_missing_source_fails_the_start(void **state)
{
	up(*state, "source = missing", "", "");
	fails_to_start(*state, "stream a: missing: no such file");
}

static void a_flood_of_log_lines_blocks_nobody(void **state)
{
	struct stage *st = *state;
	up(st, "", "act = flood", "");
	await_ready(st);
	char log[64];
	read_state(st, "processor.1.log", log, sizeof(log));
	assert_int_equal(strncmp(log, "xxxx", 4), 0);
	assert_int_equal(down(st), 0);
}

static void one_that_does_not_drain_is_killed(void **state)
{
	struct stage *st = *state;
	char order[256];
	up(st, "act = stubborn", "", "");
	await_ready(st);
	assert_int_equal(down(st), 0);
	read_state(st, "order", order, sizeof(order));
	assert_null(strstr(order, "capture"));
	assert_non_null(strstr(order, "storer"));
}

/* A drain that is asked for before the worker is there to hear it: with a patience longer than the
 * test's, only hearing of it later ends the worker. */
static void one_that_comes_late_hears_of_the_drain(void **state)
{
	struct stage *st = *state;
	char name[] = "processor.1";
	st->drain_timeout = "600s";
	up(st, "", "ready_timeout = 600s", "");
	await_ready(st);
	set_act(st, name, "late");
	kill(await(st, name, "ready", 1).pid, SIGKILL);
	await(st, name, "starting", 2);
	Troupe__WorkerRequest what = TROUPE__WORKER_REQUEST__INIT;
	Troupe__Request r = TROUPE__REQUEST__INIT;
	what.worker = name;
	r.what_case = TROUPE__REQUEST__WHAT_STOP;
	r.stop = &what;
	troupe__reply__free_unpacked(request(st, &r), NULL);
	await(st, name, "draining", 2);
	set_act(st, name, "ready");
	struct seen it = await(st, name, "stopped", 2);
	assert_non_null(strstr(it.last_exit, "ended as asked"));
	assert_int_equal(down(st), 0);
}

static void a_second_up_is_refused(void **state)
{
	struct stage *st = *state;
	char line[512], wanted[64];
	up(st, "", "", "");
	await_ready(st);
	struct stage second = {0};
	memcpy(second.root, st->root, sizeof(second.root));
	up(&second, "", "", "");
	await_line(&second, line, sizeof(line));
	snprintf(wanted, sizeof(wanted), "running already (pid %d)", (int)st->pid);
	assert_non_null(strstr(line, wanted));
	assert_int_equal(await_exit(&second), 1);
	await(st, "storer", "ready", 1);
	assert_int_equal(down(st), 0);
}

static Troupe__Reply *swap(struct stage *st, const char *worker, const char *exec)
{
	Troupe__SwapRequest what = TROUPE__SWAP_REQUEST__INIT;
	Troupe__Request r = TROUPE__REQUEST__INIT;
	char name[32], program[128];
	snprintf(name, sizeof(name), "%s", worker);
	snprintf(program, sizeof(program), "%s", exec);
	what.worker = name;
	what.exec = program;
	r.what_case = TROUPE__REQUEST__WHAT_SWAP;
	r.swap = &what;
	return request(st, &r);
}

static void swap_takes_over_or_goes_back(void **state)
{
	struct stage *st = *state;
	static const char *const workers[] = {"processor.1", "storer"};
	up(st, "", "", "");
	await_ready(st);
	for (int i = 0; i < 2; i++) {
		struct seen before = await(st, workers[i], "ready", 1);
		Troupe__Reply *reply = swap(st, workers[i], "");
		print_message("%s\n", reply->text);
		assert_int_equal(reply->code, 0);
		troupe__reply__free_unpacked(reply, NULL);
		struct seen after = await(st, workers[i], "ready", 2);
		assert_int_not_equal(after.pid, before.pid);
		/* One that does not come up never takes over. */
		set_act(st, workers[i], "exit 101");
		char act[64];
		snprintf(act, sizeof(act), "%s", workers[i]);
		reply = swap(st, workers[i], "/bin/false");
		print_message("%s\n", reply->text);
		assert_true(reply->code < 0);
		troupe__reply__free_unpacked(reply, NULL);
		set_act(st, workers[i], "ready");
		assert_int_equal(await(st, workers[i], "ready", 2).pid, after.pid);
	}
	assert_int_equal(down(st), 0);
}

static void a_newcomer_that_crashes_leaves_the_old_one(void **state)
{
	struct stage *st = *state;
	up(st, "", "", "");
	await_ready(st);
	struct seen before = await(st, "processor.2", "ready", 1);
	set_act(st, "processor.2", "exit 101");
	Troupe__Reply *reply = swap(st, "processor.2", FAKE);
	print_message("%s\n", reply->text);
	assert_true(reply->code < 0);
	assert_non_null(strstr(reply->text, "exit 101"));
	troupe__reply__free_unpacked(reply, NULL);
	struct seen after = await(st, "processor.2", "ready", 1);
	assert_int_equal(after.pid, before.pid);
	assert_int_equal(down(st), 0);
}

static void scale_and_inspect(void **state)
{
	struct stage *st = *state;
	char pool[] = "processor", one[] = "processor.4", nobody[] = "nobody";
	up(st, "", "", "");
	await_ready(st);
	Troupe__ScaleRequest to = TROUPE__SCALE_REQUEST__INIT;
	Troupe__Request r = TROUPE__REQUEST__INIT;
	to.worker = pool;
	to.count = 4;
	r.what_case = TROUPE__REQUEST__WHAT_SCALE;
	r.scale = &to;
	troupe__reply__free_unpacked(request(st, &r), NULL);
	await(st, "processor.4", "ready", 1);
	Troupe__InspectRequest at = TROUPE__INSPECT_REQUEST__INIT;
	at.worker = one;
	r.what_case = TROUPE__REQUEST__WHAT_INSPECT;
	r.inspect = &at;
	Troupe__Reply *reply = request(st, &r);
	assert_int_equal(reply->code, 0);
	assert_string_equal(reply->inspection->line[0], "fake: yes");
	assert_string_equal(reply->inspection->command_line[0], "troupe: t processor.4");
	/* The ledger by its purpose, and the 64 bells as one line. */
	bool ledger = false, bells = false;
	for (size_t i = 0; i < reply->inspection->n_descriptor; i++) {
		ledger |= strstr(reply->inspection->descriptor[i], ", the ledger") != NULL;
		bells |= strstr(reply->inspection->descriptor[i], "8-71 the bells") != NULL;
	}
	assert_true(ledger && bells);
	assert_true(reply->inspection->n_descriptor < 60);
	troupe__reply__free_unpacked(reply, NULL);
	at.worker = nobody;
	reply = request(st, &r);
	assert_true(reply->code < 0);
	assert_non_null(strstr(reply->text, "no worker \"nobody\", valid: storer, processor.1"));
	troupe__reply__free_unpacked(reply, NULL);
	to.count = 1;
	r.what_case = TROUPE__REQUEST__WHAT_SCALE;
	r.scale = &to;
	troupe__reply__free_unpacked(request(st, &r), NULL);
	struct seen seen;
	int64_t deadline = clock_now() + PATIENCE;
	while (look(st, "processor.4", &seen) && clock_now() < deadline)
		poll(NULL, 0, 5);
	assert_false(look(st, "processor.4", &seen));
	assert_true(look(st, "processor.1", &seen));
	assert_int_equal(down(st), 0);
}

/* It dies of the question: its successor is asked, and nothing is told of one that another said. */
static void who_follows_is_inspected(void **state)
{
	struct stage *st = *state;
	char name[] = "processor.1";
	Troupe__InspectRequest at = TROUPE__INSPECT_REQUEST__INIT;
	Troupe__Request r = TROUPE__REQUEST__INIT;
	up(st, "", "", "");
	await_ready(st);
	set_act(st, name, "shy");
	kill(await(st, name, "ready", 1).pid, SIGKILL);
	struct seen shy = await(st, name, "ready", 2);
	at.worker = name;
	r.what_case = TROUPE__REQUEST__WHAT_INSPECT;
	r.inspect = &at;
	Troupe__Reply *reply = request(st, &r);
	assert_string_equal(reply->text, "");
	assert_int_not_equal(reply->inspection->worker->pid, shy.pid);
	assert_int_equal(reply->inspection->worker->incarnation, 3);
	assert_int_equal(reply->inspection->n_line, 1);
	assert_string_equal(reply->inspection->line[0], "fake: yes");
	troupe__reply__free_unpacked(reply, NULL);
	assert_int_equal(down(st), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_starts_and_drains_along_the_data),
		TEST(sources_that_end_end_the_pipeline),
		TEST(a_killed_worker_is_back_at_once),
		TEST(a_stopped_worker_is_found_and_replaced),
		TEST(one_that_crashes_is_given_up),
		TEST(a_hopeless_start_fails_with_last_words),
		TEST(one_that_is_never_ready_fails_the_start),
		TEST(ready_from_another_pid_is_not_believed),
		TEST(a_missing_source_fails_the_start),
		TEST(a_flood_of_log_lines_blocks_nobody),
		TEST(one_that_does_not_drain_is_killed),
		TEST(one_that_comes_late_hears_of_the_drain),
		TEST(a_second_up_is_refused),
		TEST(swap_takes_over_or_goes_back),
		TEST(a_newcomer_that_crashes_leaves_the_old_one),
		TEST(scale_and_inspect),
		TEST(who_follows_is_inspected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
