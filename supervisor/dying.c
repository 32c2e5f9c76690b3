/* A thread that waits for a robust futex, and never takes it: what it reads there is a number, so
 * whatever a worker writes over it does no harm here. Its form is part of the kernel's interface
 * (get_robust_list(2)): the thread that holds it, and two bits. */
#include "supervisor/dying.h"

#include "ipc/base/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (128 << 10)
/* How often one that is to stop is woken: it may have been about to fall asleep. */
#define WAKE_EVERY (NS_PER_MS / 20)

struct dying {
	pthread_t thread;
	_Atomic uint32_t *alive;
	int told;
	atomic_bool stop, seen;
};

static void tell(struct dying *dying)
{
	static const uint64_t one = 1;
	atomic_store(&dying->seen, true);
	ssize_t ignored = write(dying->told, &one, sizeof(one));
	(void)ignored;
}

/* Who lets go of it, by will or by death, wakes one if the bit says that somebody waits. */
static void sleep_over(_Atomic uint32_t *alive, uint32_t word)
{
	uint32_t waits = word | FUTEX_WAITERS;
	if (word == waits || atomic_compare_exchange_strong(alive, &word, waits))
		syscall(SYS_futex, alive, FUTEX_WAIT, waits, NULL, NULL, 0);
}

static void *wait_for_it(void *arg)
{
	struct dying *dying = arg;
	while (!atomic_load(&dying->stop)) {
		uint32_t word = atomic_load(dying->alive);
		if (word & FUTEX_OWNER_DIED) {
			tell(dying);
			break;
		}
		if (!(word & FUTEX_TID_MASK))
			break; /* nobody held it, or it was let go of in good order */
		sleep_over(dying->alive, word);
	}
	return NULL;
}

/* With all signals blocked: they are the loop's. */
static int start(struct dying *dying)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	int rc = pthread_create(&dying->thread, &attributes, wait_for_it, dying);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

struct dying *dying_watch(_Atomic uint32_t *alive, int told)
{
	struct dying *dying = calloc(1, sizeof(*dying));
	if (!dying)
		return NULL;
	dying->alive = alive;
	dying->told = told;
	if (start(dying) == 0)
		return dying;
	free(dying);
	return NULL;
}

bool dying_seen(const struct dying *dying)
{
	return dying && atomic_load(&dying->seen);
}

void dying_forget(struct dying *dying)
{
	if (!dying)
		return;
	atomic_store(&dying->stop, true);
	while (pthread_tryjoin_np(dying->thread, NULL) == EBUSY) {
		syscall(SYS_futex, dying->alive, FUTEX_WAKE, 1, NULL, NULL, 0);
		nanosleep(&(struct timespec){.tv_nsec = WAKE_EVERY}, NULL);
	}
	free(dying);
}
