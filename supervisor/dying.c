/* A thread that waits for a robust mutex. */
#include "supervisor/dying.h"

#include "ipc/base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (128 << 10)
/* It waits in rounds: whatever is written over the mutex cannot keep it for ever. */
#define ROUND NS_PER_S

struct dying {
	pthread_t thread;
	pthread_mutex_t *alive;
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

static void *wait_for_it(void *arg)
{
	struct dying *dying = arg;
	int rc = ETIMEDOUT;
	while (rc == ETIMEDOUT && !atomic_load(&dying->stop)) {
		int64_t end = clock_now() + ROUND;
		struct timespec until = {.tv_sec = end / NS_PER_S, .tv_nsec = end % NS_PER_S};
		rc = pthread_mutex_clocklock(dying->alive, CLOCK_MONOTONIC, &until);
	}
	if (rc == EOWNERDEAD) {
		tell(dying);
		pthread_mutex_consistent(dying->alive);
	}
	/* Without a holder that died (rc 0) nobody held it, or it was let go of in good order. */
	if (rc == EOWNERDEAD || rc == 0)
		pthread_mutex_unlock(dying->alive);
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

struct dying *dying_watch(pthread_mutex_t *alive, int told)
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
	pthread_join(dying->thread, NULL);
	free(dying);
}
