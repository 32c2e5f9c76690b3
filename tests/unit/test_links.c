/* Links between real processes: this program, started again, is the other side (links_stage.h). */
#include "ipc/links/ask.h"
#include "ipc/links/queue.h"

#include "ipc/base/errors.h"
#include "ipc/links/link_private.h"
#include "schemas/frame.pb-c.h"
#include "schemas/life.pb-c.h"
#include "schemas/report.pb-c.h"
#include "tests/unit/links_stage.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void expect(struct link *link, enum message_kind expected)
{
	enum message_kind kind;
	ProtobufCMessage *message = next_message(link, &kind);
	assert_non_null(message);
	assert_int_equal(kind, expected);
	message_free(message);
}

/* What came was thrown away, and for that reason. */
static void expect_refusal(struct link *link, int why)
{
	enum message_kind kind;
	ProtobufCMessage *message;
	uint64_t before = link_counts(link).rejected;
	assert_true(wait_for(link, clock_now() + LONG));
	assert_int_equal(link_receive(link, &kind, &message), why);
	assert_int_equal(link_counts(link).rejected, before + 1);
}

/* ---- the parts that the other process plays; their exit code is 0 when all went well ---- */

/* A worker's side of a pipe: says Hello, answers each Dump, says Finished when told to stop and
 * ends. */
static int play_worker(struct links *links, const char *path)
{
	struct link *pipe;
	enum message_kind kind;
	ProtobufCMessage *message;
	Troupe__Hello hello = TROUPE__HELLO__INIT;
	Troupe__Finished finished = TROUPE__FINISHED__INIT;
	hello.pid = getpid();
	if (pipe_connect(links, path, &pipe) < 0 || link_send(pipe, MESSAGE_HELLO, &hello.base) < 0)
		return 1;
	while ((message = next_message(pipe, &kind))) {
		Troupe__Dumped dumped = TROUPE__DUMPED__INIT;
		if (kind == MESSAGE_DUMP)
			dumped.id = ((Troupe__Dump *)(void *)message)->id;
		message_free(message);
		if (kind == MESSAGE_DUMP)
			link_send(pipe, MESSAGE_DUMPED, &dumped.base);
		if (kind ==
		    MESSAGE_STOP) /* the very last words: nothing is waited for after them */
			return link_send(pipe, MESSAGE_FINISHED, &finished.base) < 0;
	}
	return 1;
}

/* As a worker, but ends by SIGKILL at the first message. */
static int play_victim(struct links *links, const char *path)
{
	struct link *pipe;
	Troupe__Hello hello = TROUPE__HELLO__INIT;
	if (pipe_connect(links, path, &pipe) < 0 || link_send(pipe, MESSAGE_HELLO, &hello.base) < 0)
		return 1;
	wait_for(pipe, clock_now() + LONG);
	return raise(SIGKILL);
}

static int play_producer(struct links *links, const char *path)
{
	struct link *outbox;
	if (outbox_connect(links, path, &outbox) < 0)
		return 1;
	for (uint64_t i = 0; i < 20; i++) {
		Troupe__Announce announce = TROUPE__ANNOUNCE__INIT;
		announce.seq = i;
		announce.slot = (uint32_t)getpid();
		if (link_send(outbox, MESSAGE_ANNOUNCE, &announce.base) < 0)
			return 1;
	}
	return 0;
}

/* ---- pipe ---- */

static void converse(struct stage *stage, const char *path)
{
	struct link *pipe;
	Troupe__Stop stop = TROUPE__STOP__INIT;
	assert_int_equal(pipe_bind(stage->mine, path, &pipe), 0);
	pid_t pid = stage_start("worker", path);
	enum message_kind kind;
	ProtobufCMessage *message = next_message(pipe, &kind);
	assert_non_null(message);
	assert_int_equal(kind, MESSAGE_HELLO);
	assert_int_equal(((Troupe__Hello *)(void *)message)->pid, pid);
	message_free(message);
	for (uint64_t i = 1; i <= 50; i++) {
		Troupe__Dump dump = TROUPE__DUMP__INIT;
		dump.id = i;
		assert_int_equal(link_send(pipe, MESSAGE_DUMP, &dump.base), 0);
	}
	for (uint64_t i = 1; i <= 50; i++) {
		message = next_message(pipe, &kind);
		assert_non_null(message);
		assert_int_equal(kind, MESSAGE_DUMPED);
		assert_int_equal(((Troupe__Dumped *)(void *)message)->id, i);
		message_free(message);
	}
	assert_int_equal(link_send(pipe, MESSAGE_STOP, &stop.base), 0);
	assert_ended(pid);
	expect(pipe, MESSAGE_FINISHED);
	struct link_counts counts = link_counts(pipe);
	assert_int_equal(counts.sent, 51);
	assert_int_equal(counts.received, 52);
	assert_int_equal(counts.dropped + counts.rejected, 0);
	link_close(pipe);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_pipe_both_ways_to_the_last_word(void **state)
{
	struct stage *stage = *state;
	converse(stage, stage->path);
}

static void test_a_dead_peer_is_harmless(void **state)
{
	struct stage *stage = *state;
	struct link *pipe;
	int status;
	assert_int_equal(pipe_bind(stage->mine, stage->path, &pipe), 0);
	pid_t pid = stage_start("victim", stage->path);
	expect(pipe, MESSAGE_HELLO);
	assert_int_equal(send_look(pipe), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (int i = 0; i < 300; i++) {
		int rc = send_look(pipe);
		assert_true(rc == 0 || rc == TROUPE_E_AGAIN);
	}
	struct link_counts counts = link_counts(pipe);
	assert_int_equal(counts.sent + counts.dropped, 301);
	assert_true(counts.dropped >= 100);
	link_close(pipe);
	/* The successor's pipe. */
	converse(stage, stage->path);
}

/* ---- queue ---- */

static void test_many_producers(void **state)
{
	struct stage *stage = *state;
	struct link *inbox;
	pid_t producers[3];
	/* Two are there before the inbox is. */
	producers[0] = stage_start("producer", stage->path);
	producers[1] = stage_start("producer", stage->path);
	assert_int_equal(inbox_bind(stage->mine, stage->path, &inbox), 0);
	producers[2] = stage_start("producer", stage->path);
	uint64_t next[3] = {0};
	for (int i = 0; i < 60; i++) {
		enum message_kind kind;
		ProtobufCMessage *message = next_message(inbox, &kind);
		assert_non_null(message);
		Troupe__Announce *announce = (Troupe__Announce *)(void *)message;
		int who = 0;
		while (who < 2 && announce->slot != (uint32_t)producers[who])
			who++;
		assert_int_equal(announce->slot, producers[who]);
		assert_int_equal(announce->seq, next[who]++);
		message_free(message);
	}
	for (int i = 0; i < 3; i++)
		assert_ended(producers[i]);
}

static void test_a_full_queue_drops_and_counts(void **state)
{
	struct stage *stage = *state;
	struct link *inbox, *outbox;
	assert_int_equal(outbox_connect(stage->other, stage->path, &outbox), 0);
	for (int i = 0; i < 1000; i++) {
		int rc = send_look(outbox);
		assert_true(rc == 0 || rc == TROUPE_E_AGAIN);
	}
	struct link_counts counts = link_counts(outbox);
	assert_int_equal(counts.sent + counts.dropped, 1000);
	assert_true(counts.sent >= 1 && counts.sent <= 200);
	/* What was taken arrives once there is somebody. */
	assert_int_equal(inbox_bind(stage->mine, stage->path, &inbox), 0);
	for (uint64_t i = 0; i < counts.sent; i++)
		expect(inbox, MESSAGE_STOP);
	enum message_kind kind;
	ProtobufCMessage *message;
	assert_int_equal(link_receive(inbox, &kind, &message), TROUPE_E_AGAIN);
}

static void test_closing_one_of_two_leaves_the_other(void **state)
{
	struct stage *stage = *state;
	struct link *inbox, *one, *two;
	assert_int_equal(inbox_bind(stage->mine, stage->path, &inbox), 0);
	assert_int_equal(outbox_connect(stage->other, stage->path, &one), 0);
	assert_int_equal(outbox_connect(stage->other, stage->path, &two), 0);
	link_close(one);
	assert_int_equal(send_look(two), 0);
	expect(inbox, MESSAGE_STOP);
}

/* ---- paths ---- */

static void test_a_second_bind_is_refused(void **state)
{
	static int (*const bind[])(struct links *, const char *,
				   struct link **) = {pipe_bind, inbox_bind, answer_bind};
	struct stage *stage = *state;
	struct link *first, *second, *outbox;
	assert_int_equal(inbox_bind(stage->mine, stage->path, &first), 0);
	for (size_t i = 0; i < sizeof(bind) / sizeof(bind[0]); i++) {
		assert_int_equal(bind[i](stage->mine, stage->path, &second), TROUPE_E_EXISTS);
		assert_null(second);
		assert_int_equal(bind[i](stage->other, stage->path, &second), TROUPE_E_EXISTS);
	}
	/* The first still has it. */
	assert_int_equal(outbox_connect(stage->other, stage->path, &outbox), 0);
	assert_int_equal(send_look(outbox), 0);
	expect(first, MESSAGE_STOP);
}

static void test_what_is_no_socket_is_left_alone(void **state)
{
	struct stage *stage = *state;
	struct link *link;
	assert_int_equal(symlink("/nowhere", stage->path), 0);
	assert_int_equal(inbox_bind(stage->mine, stage->path, &link), TROUPE_E_EXISTS);
	assert_int_equal(unlink(stage->path), 0);
	/* Somebody put another file where our socket was: not ours to remove. */
	assert_int_equal(inbox_bind(stage->mine, stage->path, &link), 0);
	char aside[LINK_PATH_SIZE + 8];
	snprintf(aside, sizeof(aside), "%s.new", stage->path);
	FILE *file = fopen(aside, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(rename(aside, stage->path), 0);
	link_close(link);
	assert_int_equal(unlink(stage->path), 0);
}

static void test_paths(void **state)
{
	struct stage *stage = *state;
	struct link *link = NULL;
	char path[LINK_PATH_SIZE + 1];
	memset(path, 'x', sizeof(path));
	size_t folder = strlen(stage->folder);
	memcpy(path, stage->folder, folder);
	path[folder] = '/';
	path[LINK_PATH_SIZE] = '\0';
	assert_int_equal(inbox_bind(stage->mine, path, &link), TROUPE_E_OVERSIZED);
	assert_int_equal(outbox_connect(stage->mine, path, &link), TROUPE_E_OVERSIZED);
	assert_null(link);
	path[LINK_PATH_SIZE - 1] = '\0';
	struct link *outbox;
	assert_int_equal(inbox_bind(stage->mine, path, &link), 0);
	assert_int_equal(outbox_connect(stage->other, path, &outbox), 0);
	assert_int_equal(send_look(outbox), 0);
	expect(link, MESSAGE_STOP);
	assert_int_equal(inbox_bind(stage->mine, "", &link), TROUPE_E_ARGUMENT);
	assert_int_equal(inbox_bind(stage->mine, "@hidden", &link), TROUPE_E_ARGUMENT);
	assert_int_equal(inbox_bind(stage->mine, "*", &link), TROUPE_E_ARGUMENT);
	snprintf(path, sizeof(path), "%s/no/socket", stage->folder);
	assert_int_equal(inbox_bind(stage->mine, path, &link), TROUPE_E_NOT_FOUND);
	links_destroy(NULL, 0);
	link_close(NULL);
}

/* ---- rubbish ---- */

static void test_rubbish_is_thrown_away_by_name(void **state)
{
	struct stage *stage = *state;
	struct link *inbox, *outbox;
	static const char text[] = "GET / HTTP/1.1\r\n\r\n";
	Troupe__Stop stop = TROUPE__STOP__INIT;
	size_t size;
	uint8_t *bytes = message_pack(MESSAGE_STOP, &stop.base, &size);
	assert_non_null(bytes);
	assert_int_equal(inbox_bind(stage->mine, stage->path, &inbox), 0);
	assert_int_equal(outbox_connect(stage->other, stage->path, &outbox), 0);
	link_put(outbox, "", 0, 0);
	expect_refusal(inbox, TROUPE_E_TRUNCATED);
	link_put(outbox, text, strlen(text), 0);
	expect_refusal(inbox, TROUPE_E_MALFORMED);
	bytes[4] ^= 2;
	link_put(outbox, bytes, size, 0);
	expect_refusal(inbox, TROUPE_E_SCHEMA);
	bytes[4] ^= 2;
	link_put(outbox, bytes, size, ZMQ_SNDMORE);
	link_put(outbox, bytes, size, ZMQ_SNDMORE);
	link_put(outbox, bytes, size, 0);
	expect_refusal(inbox, TROUPE_E_MALFORMED);
	link_put(outbox, bytes, size, 0);
	expect(inbox, MESSAGE_STOP);
	/* ZeroMQ cuts off who sends more than any message may have, and lets him in again. */
	uint8_t *huge = calloc(1, 4u << 20);
	assert_non_null(huge);
	link_put(outbox, huge, 4u << 20, 0);
	free(huge);
	int64_t deadline = clock_now() + LONG;
	while (send_look(outbox) < 0 || !wait_for(inbox, clock_now() + NS_PER_MS))
		assert_true(clock_now() < deadline);
	expect(inbox, MESSAGE_STOP);
	free(bytes);
}

static void test_too_large_is_not_sent(void **state)
{
	struct stage *stage = *state;
	struct link *outbox;
	Troupe__Report report = TROUPE__REPORT__INIT;
	char text[5000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	report.text = text;
	assert_int_equal(outbox_connect(stage->mine, stage->path, &outbox), 0);
	assert_int_equal(link_send(outbox, MESSAGE_REPORT, &report.base), TROUPE_E_OVERSIZED);
	assert_int_equal(link_counts(outbox).dropped, 1);
}

/* ---- threads ---- */

/* The mask of blocked signals of a task of this process, as /proc tells it. */
static uint64_t blocked_signals(const char *task)
{
	char path[320], line[256];
	uint64_t mask = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "SigBlk:", 7) == 0)
			mask = strtoull(line + 7, NULL, 16);
	fclose(file);
	return mask;
}

/* A signal to the process must find the main thread. */
static void test_signals_reach_the_main_thread(void **state)
{
	struct stage *stage = *state;
	struct link *inbox;
	static const int wanted[] = {SIGTERM, SIGHUP, SIGINT, SIGCHLD, SIGUSR1};
	assert_int_equal(inbox_bind(stage->mine, stage->path, &inbox), 0);
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	int others = 0;
	for (struct dirent *entry; (entry = readdir(tasks));) {
		long task = strtol(entry->d_name, NULL, 10);
		if (task == 0 || task == getpid())
			continue;
		others++;
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			assert_true(blocked_signals(entry->d_name) >> (wanted[i] - 1) & 1);
	}
	closedir(tasks);
	assert_true(others >= 2); /* ZeroMQ's reaper and I/O thread */
	char self[32];
	snprintf(self, sizeof(self), "%d", (int)getpid());
	assert_int_equal(blocked_signals(self) >> (SIGTERM - 1) & 1, 0);
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{"worker", play_worker},
		{"victim", play_victim},
		{"producer", play_producer},
	};
	if (argc == 3)
		return stage_play(parts, sizeof(parts) / sizeof(parts[0]), argv);
	const struct CMUnitTest tests[] = {
		STAGE_TEST(test_pipe_both_ways_to_the_last_word),
		STAGE_TEST(test_a_dead_peer_is_harmless),
		STAGE_TEST(test_many_producers),
		STAGE_TEST(test_a_full_queue_drops_and_counts),
		STAGE_TEST(test_closing_one_of_two_leaves_the_other),
		STAGE_TEST(test_a_second_bind_is_refused),
		STAGE_TEST(test_what_is_no_socket_is_left_alone),
		STAGE_TEST(test_paths),
		STAGE_TEST(test_rubbish_is_thrown_away_by_name),
		STAGE_TEST(test_too_large_is_not_sent),
		STAGE_TEST(test_signals_reach_the_main_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
