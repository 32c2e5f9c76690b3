/* Hearing of the death of a main thread by the futex that it holds, and of nothing else. */
#include "ipc/slots/alive.h"
#include "supervisor/dying.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000 /* nothing here takes so long unless it is broken */

struct scene {
	_Atomic uint32_t *alive;
	int told;
	pid_t pid;
	struct dying *dying;
};

static int enter(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	scene->alive = mmap(NULL, sizeof(*scene->alive), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	scene->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*state = scene;
	return 0;
}

static int leave(void **state)
{
	struct scene *scene = *state;
	dying_forget(scene->dying);
	close(scene->told);
	munmap(scene->alive, sizeof(*scene->alive));
	free(scene);
	return 0;
}

/* A worker that holds its futex, or does not, until its standard input ends: then it lets go of it
 * and ends. */
static int start_worker(struct scene *scene, bool holds)
{
	int orders[2], ready[2];
	char byte;
	assert_int_equal(pipe(orders), 0);
	assert_int_equal(pipe(ready), 0);
	scene->pid = fork();
	if (scene->pid == 0) {
		struct alive alive = {0};
		if (holds && alive_take(&alive, scene->alive) < 0)
			_exit(1);
		close(orders[1]);
		if (write(ready[1], "r", 1) != 1 || read(orders[0], &byte, 1) < 0)
			_exit(1);
		alive_release(&alive);
		_exit(0);
	}
	close(orders[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return orders[1];
}

static bool is_told(const struct scene *scene, int wait_ms)
{
	struct pollfd item = {.fd = scene->told, .events = POLLIN};
	return poll(&item, 1, wait_ms) > 0;
}

static void a_death_is_heard_of(void **state)
{
	struct scene *scene = *state;
	int orders = start_worker(scene, true);
	scene->dying = dying_watch(scene->alive, scene->told);
	assert_non_null(scene->dying);
	assert_false(dying_seen(scene->dying));
	kill(scene->pid, SIGKILL);
	assert_true(is_told(scene, PATIENCE_MS));
	assert_true(dying_seen(scene->dying));
	waitpid(scene->pid, NULL, 0);
	close(orders);
}

static void a_death_before_anybody_listened_is_heard_of(void **state)
{
	struct scene *scene = *state;
	int orders = start_worker(scene, true);
	kill(scene->pid, SIGKILL);
	waitpid(scene->pid, NULL, 0);
	scene->dying = dying_watch(scene->alive, scene->told);
	assert_true(is_told(scene, PATIENCE_MS));
	close(orders);
}

/* In good order, or by one that never took it: whoever listens is through, and nobody is told. */
static void nobody_is_alarmed_without_need(void **state)
{
	for (int holds = 0; holds < 2; holds++) {
		struct scene *scene = *state;
		int orders = start_worker(scene, holds);
		struct dying *dying = dying_watch(scene->alive, scene->told);
		close(orders); /* it lets go and ends */
		waitpid(scene->pid, NULL, 0);
		dying_forget(dying);
		assert_false(is_told(scene, 0));
	}
}

/* The holder lives on: to be told to forget is enough. */
static void it_can_be_told_to_stop(void **state)
{
	struct scene *scene = *state;
	int orders = start_worker(scene, true);
	struct dying *dying = dying_watch(scene->alive, scene->told);
	dying_forget(dying);
	assert_false(is_told(scene, 0));
	kill(scene->pid, SIGKILL);
	waitpid(scene->pid, NULL, 0);
	close(orders);
}

/* It lies where a worker may write by mistake: whatever it writes, the supervisor lives on, and can
 * forget it. */
static void a_futex_that_was_written_over_harms_nobody(void **state)
{
	struct scene *scene = *state;
	for (int byte = 0; byte < 256; byte++) {
		atomic_store(scene->alive, 0);
		int orders = start_worker(scene, true);
		struct dying *dying = dying_watch(scene->alive, scene->told);
		atomic_store(scene->alive, (uint32_t)byte * 0x01010101u);
		kill(scene->pid, SIGKILL);
		waitpid(scene->pid, NULL, 0);
		dying_forget(dying);
		close(orders);
	}
}

/* The next process of a seat gets the word anew as soon as the last one is reaped: neither
 * the kernel nor our thread writes to it any more. */
static void nothing_is_written_after_the_end(void **state)
{
	struct scene *scene = *state;
	for (int i = 0; i < 100; i++) {
		atomic_store(scene->alive, 0);
		int orders = start_worker(scene, true);
		struct dying *dying = dying_watch(scene->alive, scene->told);
		kill(scene->pid, SIGKILL);
		waitpid(scene->pid, NULL, 0);
		dying_forget(dying);
		atomic_store(scene->alive, (uint32_t)i);
		poll(NULL, 0, 1);
		assert_int_equal(atomic_load(scene->alive), i);
		close(orders);
	}
}

static void to_forget_nothing_is_fine(void **state)
{
	(void)state;
	dying_forget(NULL);
	assert_false(dying_seen(NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(a_death_is_heard_of),
		TEST(a_death_before_anybody_listened_is_heard_of),
		TEST(nobody_is_alarmed_without_need),
		TEST(it_can_be_told_to_stop),
		TEST(a_futex_that_was_written_over_harms_nobody),
		TEST(nothing_is_written_after_the_end),
		TEST(to_forget_nothing_is_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
