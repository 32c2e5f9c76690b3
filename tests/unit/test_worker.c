/* The skeleton as a process at the end of a real pipe. Started with a seat in its environment this
 * program is that worker. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/links/loop.h"
#include "ipc/links/pipe.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/seats.h"
#include "ipc/worker/contract.h"
#include "schemas/life.pb-c.h"
#include "tests/unit/worker_toys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct rig {
	struct ledger ledger;
	struct links *links;
	struct loop *loop;
	struct link *pipe;
	char folder[64], pipe_path[80];
	int seat, pidfd;
	pid_t pid;
	bool readable;
};

static void pipe_readable(void *arg, struct link *link)
{
	(void)link;
	((struct rig *)arg)->readable = true;
}

static void exec_as_worker(struct rig *rig, const char *config, int ledger_fd)
{
	char seat[16], parent[16], reports[96];
	snprintf(seat, sizeof(seat), "%d", rig->seat);
	snprintf(parent, sizeof(parent), "%d", getppid());
	snprintf(reports, sizeof(reports), "%s/reports", rig->folder);
	const char *const env[][2] = {
		{CONTRACT_ENV_PIPELINE, "test"},
		{CONTRACT_ENV_WORKER, "queue.1"},
		{CONTRACT_ENV_SEAT, seat},
		{CONTRACT_ENV_STREAM, ""},
		{CONTRACT_ENV_TAP, ""},
		{CONTRACT_ENV_RUNTIME, rig->folder},
		{CONTRACT_ENV_STATE, rig->folder},
		{CONTRACT_ENV_PIPE, rig->pipe_path},
		{CONTRACT_ENV_CONTROL, rig->folder},
		{CONTRACT_ENV_REPORTS, reports},
		{CONTRACT_ENV_SUPERVISOR, parent},
	};
	for (size_t i = 0; i < sizeof(env) / sizeof(env[0]); i++)
		setenv(env[i][0], env[i][1], 1);
	int file = memfd_create("config", 0);
	if (pwrite(file, config, strlen(config), 0) != (ssize_t)strlen(config))
		_exit(126);
	dup2(file, CONTRACT_FD_CONFIG);
	dup2(ledger_fd, CONTRACT_FD_LEDGER);
	for (int s = SEATS_MAX - 1; s >= 0; s--)
		dup2(rig->ledger.bell_base + s, CONTRACT_FD_BELLS + s);
	execl("/proc/self/exe", "troupe: test queue.1", (char *)NULL);
	_exit(127);
}

static void rig_start_as(struct rig *rig, const char *config, bool standby)
{
	*rig = (struct rig){0};
	toy_ledger(&rig->ledger);
	assert_int_equal(bells_create(&rig->ledger, 200), 0);
	rig->seat = seat_assign(&rig->ledger, "queue.1", 1);
	if (standby)
		seat_stand_by(&rig->ledger, (uint8_t)rig->seat);
	strcpy(rig->folder, "/tmp/troupe-test-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->pipe_path, sizeof(rig->pipe_path), "%s/pipe", rig->folder);
	rig->links = links_create();
	rig->loop = loop_create();
	assert_int_equal(pipe_bind(rig->links, rig->pipe_path, &rig->pipe), 0);
	assert_int_equal(loop_watch_link(rig->loop, rig->pipe, pipe_readable, rig), 0);
	int ledger_fd = fcntl(rig->ledger.fd, F_DUPFD, 300);
	rig->pid = fork();
	if (rig->pid == 0)
		exec_as_worker(rig, config, ledger_fd);
	close(ledger_fd);
	assert_true(rig->pid > 0);
	rig->pidfd = pidfd_open(rig->pid, 0);
}

static void rig_start(struct rig *rig, const char *config)
{
	rig_start_as(rig, config, false);
}

/* The next message of that kind from the worker, within 10 s. */
static ProtobufCMessage *rig_expect(struct rig *rig, enum message_kind want)
{
	int64_t deadline = clock_now() + 10 * NS_PER_S;
	while (clock_now() < deadline) {
		enum message_kind kind;
		ProtobufCMessage *message;
		if (link_receive(rig->pipe, &kind, &message) == 0) {
			if (kind == want)
				return message;
			message_free(message);
			continue;
		}
		loop_wait(rig->loop, deadline);
	}
	fail_msg("no %s came", message_name(want));
	return NULL;
}

static int rig_end(struct rig *rig)
{
	struct pollfd ended = {.fd = rig->pidfd, .events = POLLIN};
	int status = -1;
	assert_int_equal(poll(&ended, 1, 10000), 1);
	assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
	close(rig->pidfd);
	link_close(rig->pipe);
	loop_destroy(rig->loop);
	links_destroy(rig->links, 0);
	struct reclaimed what;
	seat_reclaim(&rig->ledger, (uint8_t)rig->seat, false, &what);
	bells_destroy(&rig->ledger);
	ledger_finish(&rig->ledger);
	char command[96];
	snprintf(command, sizeof(command), "rm -r %s", rig->folder);
	assert_int_equal(system(command), 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void rig_send(struct rig *rig, enum message_kind kind, const ProtobufCMessage *message)
{
	assert_int_equal(link_send(rig->pipe, kind, message), 0);
	bell_ring(&rig->ledger, (uint8_t)rig->seat);
}

static void worker_says_hello_and_ready_and_drains(void **state)
{
	struct rig rig;
	(void)state;
	rig_start(&rig, "frames=7\n");
	Troupe__Hello *hello = (void *)rig_expect(&rig, MESSAGE_HELLO);
	assert_int_equal(hello->pid, rig.pid);
	assert_int_equal(hello->schema, MESSAGE_SCHEMA);
	assert_string_equal(hello->takes, "queue");
	message_free(&hello->base);
	Troupe__Ready *ready = (void *)rig_expect(&rig, MESSAGE_READY);
	assert_int_equal(ready->pid, rig.pid);
	message_free(&ready->base);

	Troupe__Dump dump = TROUPE__DUMP__INIT;
	dump.id = 17;
	rig_send(&rig, MESSAGE_DUMP, &dump.base);
	Troupe__Dumped *dumped = (void *)rig_expect(&rig, MESSAGE_DUMPED);
	assert_int_equal(dumped->id, 17);
	assert_int_equal(dumped->n_row, 2);
	assert_string_equal(dumped->row[0]->value, "7");
	assert_false(dumped->row[0]->is_default);
	assert_string_equal(dumped->line[0], "toy: yes");
	message_free(&dumped->base);

	Troupe__Drain drain = TROUPE__DRAIN__INIT;
	rig_send(&rig, MESSAGE_DRAIN, &drain.base);
	assert_int_equal(rig_end(&rig), CONTRACT_EXIT_ASKED);
}

/* An idle worker is woken by the bell of PUBLISH alone; nobody sends it anything. */
static void worker_claims_when_its_bell_rings(void **state)
{
	struct rig rig;
	uint32_t slot, waited;
	uint64_t last = 0;
	(void)state;
	rig_start(&rig, "");
	message_free(rig_expect(&rig, MESSAGE_READY));
	int64_t deadline = clock_now() + 10 * NS_PER_S;
	while (!atomic_load(&rig.ledger.header->idle) && clock_now() < deadline)
		usleep(1000);
	assert_int_equal(ledger_take(&rig.ledger, 0, 60, &slot), 0);
	ledger_image(&rig.ledger, slot)[0] = 42;
	assert_int_equal(ledger_publish(&rig.ledger, slot, 60), 0);
	assert_int_equal(bells_published(&rig.ledger), rig.seat);
	while (ledger_next_owed(&rig.ledger, 0, 0, &last, &waited) != 0)
		assert_true(clock_now() < deadline);
	assert_int_equal(ledger_coded(&rig.ledger, slot)[0], 42);
	ledger_settle(&rig.ledger, 0, 0, 1);
	kill(rig.pid, SIGTERM);
	assert_int_equal(rig_end(&rig), CONTRACT_EXIT_ASKED);
}

static void worker_exits_by_the_contract(void **state)
{
	struct rig rig;
	(void)state;
	rig_start(&rig, "framse=1\n");
	assert_int_equal(rig_end(&rig), CONTRACT_EXIT_CONFIG);
	rig_start(&rig, "fail=yes\n");
	assert_int_equal(rig_end(&rig), CONTRACT_EXIT_ENVIRONMENT);
	rig_start(&rig, "");
	message_free(rig_expect(&rig, MESSAGE_READY));
	Troupe__Stop stop = TROUPE__STOP__INIT;
	rig_send(&rig, MESSAGE_STOP, &stop.base);
	assert_int_equal(rig_end(&rig), CONTRACT_EXIT_ASKED);
}

static void orphan_ends(void **state)
{
	struct rig rig;
	(void)state;
	rig_start(&rig, "");
	message_free(rig_expect(&rig, MESSAGE_READY));
	kill(rig.pid, SIGHUP); /* what PDEATHSIG sends */
	assert_int_equal(rig_end(&rig), CONTRACT_EXIT_ASKED);
}

/* A capture that lives may not know yet what the orphan knows: what it still publishes is taken. */
static void orphan_waits_for_a_living_capture(void **state)
{
	struct rig rig;
	uint32_t slot, waited;
	uint64_t last = 0;
	(void)state;
	rig_start(&rig, "");
	message_free(rig_expect(&rig, MESSAGE_READY));
	uint8_t capture = (uint8_t)seat_assign(&rig.ledger, "capture.a", 1);
	atomic_store(&rig.ledger.seats[capture].pid, getpid());
	assert_int_equal(owner_take(&rig.ledger.streams[0].owner, capture), 0);
	_Atomic uint64_t *turns = &rig.ledger.seats[rig.seat].turns;
	uint64_t before = atomic_load(turns);
	kill(rig.pid, SIGHUP);
	/* It hears of it in one turn; by the next one it has decided to stay. */
	struct pollfd ended = {.fd = rig.pidfd, .events = POLLIN};
	int64_t deadline = clock_now() + 10 * NS_PER_S;
	while (atomic_load(turns) < before + 2 && clock_now() < deadline)
		assert_int_equal(poll(&ended, 1, 1), 0);
	assert_int_equal(ledger_take(&rig.ledger, 0, capture, &slot), 0);
	assert_int_equal(ledger_publish(&rig.ledger, slot, capture), 0);
	bells_published(&rig.ledger);
	while (ledger_next_owed(&rig.ledger, 0, 0, &last, &waited) != 0)
		assert_true(clock_now() < deadline);
	ledger_settle(&rig.ledger, 0, 0, 1);
	owner_release(&rig.ledger.streams[0].owner, capture);
	bells_ring_all(&rig.ledger);
	assert_int_equal(rig_end(&rig), CONTRACT_EXIT_ASKED);
}

static void publish_one(struct rig *rig, uint32_t *slot)
{
	assert_int_equal(ledger_take(&rig->ledger, 0, 60, slot), 0);
	assert_int_equal(ledger_publish(&rig->ledger, *slot, 60), 0);
	bell_ring(&rig->ledger, (uint8_t)rig->seat);
}

static enum phase phase_of(const struct rig *rig, uint32_t slot)
{
	return word_unpack(ledger_word(&rig->ledger, slot)).phase;
}

/* However often it is rung; then one bell is enough. */
static void a_standby_is_prepared_and_waits(void **state)
{
	struct rig rig;
	uint32_t slot;
	(void)state;
	rig_start_as(&rig, "", true);
	message_free(rig_expect(&rig, MESSAGE_PREPARED));
	publish_one(&rig, &slot);
	_Atomic uint64_t *turns = &rig.ledger.seats[rig.seat].turns;
	int64_t deadline = clock_now() + 10 * NS_PER_S;
	for (uint64_t before = atomic_load(turns); atomic_load(turns) < before + 3;) {
		bell_ring(&rig.ledger, (uint8_t)rig.seat);
		assert_true(clock_now() < deadline);
		usleep(1000);
	}
	assert_int_equal(phase_of(&rig, slot), PHASE_QUEUED);
	seat_charge(&rig.ledger, (uint8_t)rig.seat);
	message_free(rig_expect(&rig, MESSAGE_READY));
	while (phase_of(&rig, slot) != PHASE_DONE)
		assert_true(clock_now() < deadline);
	kill(rig.pid, SIGTERM);
	assert_int_equal(rig_end(&rig), CONTRACT_EXIT_ASKED);
}

/* Nobody is left to tell it. */
static void an_orphaned_standby_does_what_is_left(void **state)
{
	struct rig rig;
	uint32_t slot;
	(void)state;
	rig_start_as(&rig, "", true);
	message_free(rig_expect(&rig, MESSAGE_PREPARED));
	publish_one(&rig, &slot);
	kill(rig.pid, SIGHUP);
	struct pollfd ended = {.fd = rig.pidfd, .events = POLLIN};
	assert_int_equal(poll(&ended, 1, 10000), 1);
	assert_int_equal(phase_of(&rig, slot), PHASE_DONE);
	assert_int_equal(rig_end(&rig), CONTRACT_EXIT_ASKED);
}

/* Its word tells of its end: its own from Hello on, let go of in good order, or marked by the
 * kernel. */
static void its_id_stands_there_while_it_lives(void **state)
{
	(void)state;
	for (int killed = 0; killed < 2; killed++) {
		struct rig rig;
		rig_start(&rig, "");
		_Atomic uint32_t *alive = &rig.ledger.seats[rig.seat].alive;
		message_free(rig_expect(&rig, MESSAGE_HELLO));
		assert_int_equal(atomic_load(alive), rig.pid);
		kill(rig.pid, killed ? SIGKILL : SIGTERM);
		struct pollfd ended = {.fd = rig.pidfd, .events = POLLIN};
		assert_int_equal(poll(&ended, 1, 10000), 1);
		assert_int_equal(atomic_load(alive), killed ? FUTEX_OWNER_DIED : 0);
		assert_int_equal(rig_end(&rig), killed ? -SIGKILL : CONTRACT_EXIT_ASKED);
	}
}

int main(int argc, char **argv)
{
	if (getenv(CONTRACT_ENV_SEAT))
		return worker_main(argc, argv, &toy_queue);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worker_says_hello_and_ready_and_drains),
		cmocka_unit_test(worker_claims_when_its_bell_rings),
		cmocka_unit_test(worker_exits_by_the_contract),
		cmocka_unit_test(a_standby_is_prepared_and_waits),
		cmocka_unit_test(an_orphaned_standby_does_what_is_left),
		cmocka_unit_test(its_id_stands_there_while_it_lives),
		cmocka_unit_test(orphan_ends),
		cmocka_unit_test(orphan_waits_for_a_living_capture),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
