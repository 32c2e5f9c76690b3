/* The word by which the end of a thread is known, whatever is written over it. */
#include "ipc/base/errors.h"
#include "ipc/slots/alive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* As in a seat row: what lies around it is written over as well. */
struct place {
	_Atomic uint32_t around[64];
};

#define WORD 32

static struct place *place_create(void)
{
	return mmap(NULL, sizeof(struct place), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
}

static void place_destroy(struct place *place)
{
	munmap(place, sizeof(*place));
}

/* What is left in the word by a process that takes it, finds garbage there (0: none), and ends:
 * killed, by exit, or after it has let go. */
enum end { KILLED, ENDS, LETS_GO };

static uint32_t left_by(struct place *place, uint32_t garbage, enum end end, int *status)
{
	struct alive alive;
	pid_t pid = fork();
	if (pid == 0) {
		if (alive_take(&alive, &place->around[WORD]) < 0 ||
		    place->around[WORD] != (uint32_t)getpid())
			_exit(1);
		for (int i = 0; garbage && i < 64; i++)
			place->around[i] = garbage;
		if (end == LETS_GO)
			alive_release(&alive);
		if (end == KILLED)
			kill(getpid(), SIGKILL);
		_exit(0);
	}
	waitpid(pid, status, 0);
	return place->around[WORD];
}

static void an_end_is_marked_by_the_kernel(void **state)
{
	struct place *place = place_create();
	int status;
	(void)state;
	for (int end = KILLED; end <= ENDS; end++) {
		place->around[WORD] = 0;
		assert_int_equal(left_by(place, 0, (enum end)end, &status), FUTEX_OWNER_DIED);
	}
	place->around[WORD] = 0;
	assert_int_equal(left_by(place, 0, LETS_GO, &status), 0);
	assert_int_equal(status, 0);
	place_destroy(place);
}

/* Nobody but whoever wrote it is harmed: who finds it goes on, and the kernel finds nothing. */
static void garbage_is_left_alone(void **state)
{
	static const uint32_t garbage[] = {1, UINT32_MAX, FUTEX_OWNER_DIED, FUTEX_WAITERS | 1,
					   0x41414141};
	struct place *place = place_create();
	int status;
	(void)state;
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		for (int end = KILLED; end <= LETS_GO; end++) {
			place->around[WORD] = 0;
			assert_int_equal(left_by(place, garbage[i], (enum end)end, &status),
					 garbage[i]);
			assert_int_equal(status, end == KILLED ? SIGKILL : 0);
		}
	}
	place_destroy(place);
}

static void what_somebody_has_is_not_taken(void **state)
{
	struct place *place = place_create();
	struct alive alive;
	(void)state;
	place->around[WORD] = 4711;
	assert_int_equal(alive_take(&alive, &place->around[WORD]), TROUPE_E_BUSY);
	assert_int_equal(place->around[WORD], 4711);
	alive_release(&alive); /* nothing */
	place_destroy(place);
}

/* Afterwards pthread's own robust mutexes work as ever. */
static void *dies_with_it(void *mutex)
{
	_Atomic uint32_t word = 0;
	struct alive alive;
	assert_int_equal(alive_take(&alive, &word), 0);
	alive_release(&alive);
	assert_int_equal(word, 0);
	pthread_mutex_lock(mutex);
	return NULL;
}

static void the_list_before_is_put_back(void **state)
{
	pthread_mutexattr_t robust;
	pthread_mutex_t mutex;
	pthread_t thread;
	(void)state;
	pthread_mutexattr_init(&robust);
	pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&mutex, &robust);
	pthread_create(&thread, NULL, dies_with_it, &mutex);
	pthread_join(thread, NULL);
	assert_int_equal(pthread_mutex_trylock(&mutex), EOWNERDEAD);
	pthread_mutex_consistent(&mutex);
	pthread_mutex_unlock(&mutex);
	pthread_mutex_destroy(&mutex);
	pthread_mutexattr_destroy(&robust);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_end_is_marked_by_the_kernel),
		cmocka_unit_test(garbage_is_left_alone),
		cmocka_unit_test(what_somebody_has_is_not_taken),
		cmocka_unit_test(the_list_before_is_put_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
