/* What the hop is compared with, written as plainly as can be: one futex between two processes, and
 * ZeroMQ PUSH/PULL of a small descriptor. Maker and takers are processes of their own; the maker
 * fills a whole frame in shared memory before it hands it on, at the same pace as a capture. */
#include "tools/bench/hop.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define SAMPLES_MAX 65536

/* Shared by maker, takers and the bench. */
struct plain {
	_Atomic uint32_t published; /* frames so far; the futex */
	_Atomic int ready;	    /* takers that wait for frames */
	_Atomic int64_t origin;	    /* when the maker began */
	uint32_t sender_cpu;
	int64_t at[SAMPLES_MAX]; /* when each frame was published */
	struct hop_sample sample[SAMPLES_MAX];
	uint8_t frames[];
};

#define PLAIN_SIZE (sizeof(struct plain) + (size_t)HOP_SLOTS * HOP_FRAME_SIZE)

/* One mechanism. `link` is what open_* returned; all run in the process that uses it. */
struct plain_kind {
	void *(*open_maker)(struct bench *bench);
	void *(*open_taker)(struct bench *bench);
	void (*publish)(void *link, struct plain *plain, uint32_t index);
	uint32_t (*take)(void *link, struct plain *plain, uint32_t next); /* its index */
};

/* ---- maker and taker, whatever lies between them ---- */

static void fill(struct plain *plain, uint32_t index, const uint8_t *picture)
{
	memcpy(plain->frames + (size_t)(index % HOP_SLOTS) * HOP_FRAME_SIZE, picture,
	       HOP_FRAME_SIZE);
}

static void make(const struct plain_kind *kind, struct bench *bench, struct plain *plain,
		 const struct hop_setting *setting)
{
	void *link = kind->open_maker(bench);
	uint8_t *picture = mmap(NULL, HOP_FRAME_SIZE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (picture == MAP_FAILED)
		return;
	memset(picture, 128, HOP_FRAME_SIZE);
	while (atomic_load(&plain->ready) < setting->receivers)
		bench_sleep_until(clock_now() + NS_PER_MS);
	int64_t origin = clock_now();
	atomic_store(&plain->origin, origin);
	for (uint32_t index = 0; index < SAMPLES_MAX; index++) {
		int64_t due = origin + (int64_t)(index + 1) * NS_PER_S / setting->fps;
		struct timespec until = {.tv_sec = due / NS_PER_S, .tv_nsec = due % NS_PER_S};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		fill(plain, index, picture);
		plain->sender_cpu = (uint32_t)sched_getcpu();
		plain->at[index] = clock_now();
		kind->publish(link, plain, index);
	}
}

static void hold(const struct hop_setting *setting, uint32_t receiver, uint32_t index)
{
	if (receiver != 0 || setting->hold == 0)
		return;
	struct timespec span = {.tv_nsec = hop_hold(index, setting->hold)};
	nanosleep(&span, NULL);
}

static void take(const struct plain_kind *kind, struct bench *bench, struct plain *plain,
		 const struct hop_setting *setting, uint32_t receiver)
{
	void *link = kind->open_taker(bench);
	atomic_fetch_add(&plain->ready, 1);
	for (uint32_t next = 0;; next++) {
		uint32_t index = kind->take(link, plain, next);
		struct hop_sample sample = {.claimed = clock_now(),
					    .published = plain->at[index],
					    .receiver = receiver,
					    .cpu = (uint32_t)sched_getcpu(),
					    .sender_cpu = plain->sender_cpu};
		hold(setting, receiver, index);
		sample.ended = clock_now();
		plain->sample[index] = sample;
	}
}

/* Starts maker (-1) or taker as a process at its place. */
static pid_t start(const struct plain_kind *kind, struct bench *bench, struct plain *plain,
		   const struct hop_setting *setting, int receiver)
{
	pid_t pid = children_fork(&bench->children);
	if (pid != 0)
		return pid;
	int cpu = receiver < 0 ? setting->sender_cpu : setting->receiver_cpu;
	if (cpu >= 0)
		machine_pin(0, cpu);
	if (receiver < 0)
		make(kind, bench, plain, setting);
	else
		take(kind, bench, plain, setting, (uint32_t)receiver);
	_exit(0);
}

/* All that was taken, but for the first frames. */
static int collect(struct plain *plain, const struct hop_setting *setting, struct hop_samples *out)
{
	int64_t from = atomic_load(&plain->origin) + hop_warm_up(setting);
	int rc = 0;
	for (uint32_t i = 0; i < SAMPLES_MAX && rc == 0; i++)
		if (plain->sample[i].ended > 0 && plain->at[i] >= from)
			rc = hop_samples_add(out, &plain->sample[i]);
	return rc;
}

static int await_maker(struct plain *plain, int64_t *begun)
{
	int64_t deadline = clock_now() + 10 * NS_PER_S;
	while ((*begun = atomic_load(&plain->origin)) == 0) {
		if (clock_now() > deadline)
			return TROUPE_E_TIMEOUT;
		int rc = bench_sleep_until(clock_now() + NS_PER_MS);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int measure(const struct plain_kind *kind, struct bench *bench,
		   const struct hop_setting *setting, struct hop_samples *out)
{
	pid_t pids[1 + HOP_RECEIVERS_MAX];
	int n = 0, rc = 0;
	int64_t begun = 0;
	struct plain *plain =
		mmap(NULL, PLAIN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (plain == MAP_FAILED)
		return bench_error(bench, TROUPE_E_MEMORY, "no memory for %d frames", HOP_SLOTS);
	memset(plain, 0, PLAIN_SIZE); /* every page is there before it is measured */
	for (int receiver = -1; receiver < setting->receivers && rc == 0; receiver++) {
		pids[n] = start(kind, bench, plain, setting, receiver);
		rc = pids[n] < 0 ? error_from_errno(errno) : 0;
		n += rc == 0;
	}
	if (rc == 0)
		rc = await_maker(plain, &begun);
	if (rc == 0)
		rc = bench_sleep_until(begun + hop_warm_up(setting) + setting->span);
	while (n > 0)
		children_kill(&bench->children, pids[--n]);
	if (rc == 0)
		rc = collect(plain, setting, out);
	munmap(plain, PLAIN_SIZE);
	return rc;
}

/* ---- a futex ---- */

static void *futex_open(struct bench *bench)
{
	return bench; /* the word is in the shared memory already */
}

static void futex_publish(void *link, struct plain *plain, uint32_t index)
{
	(void)link;
	atomic_store(&plain->published, index + 1);
	syscall(SYS_futex, &plain->published, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint32_t futex_take(void *link, struct plain *plain, uint32_t next)
{
	(void)link;
	while (atomic_load(&plain->published) <= next)
		syscall(SYS_futex, &plain->published, FUTEX_WAIT, next, NULL, NULL, 0);
	return next;
}

int hop_futex(struct bench *bench, const struct hop_setting *setting, struct hop_samples *out)
{
	static const struct plain_kind kind = {futex_open, futex_open, futex_publish, futex_take};
	return measure(&kind, bench, setting, out);
}

/* ---- ZeroMQ PUSH/PULL ---- */

/* NULL: it does not work, and no frame will come. */
static void *push_open(struct bench *bench, int type, int (*join)(void *, const char *))
{
	char endpoint[128];
	void *context = zmq_ctx_new();
	void *socket = context ? zmq_socket(context, type) : NULL;
	snprintf(endpoint, sizeof(endpoint), "ipc://%s/push", bench->folder);
	return socket && join(socket, endpoint) == 0 ? socket : NULL;
}

static void *push_open_maker(struct bench *bench)
{
	return push_open(bench, ZMQ_PUSH, zmq_bind);
}

static void *push_open_taker(struct bench *bench)
{
	return push_open(bench, ZMQ_PULL, zmq_connect);
}

static void push_publish(void *link, struct plain *plain, uint32_t index)
{
	(void)plain;
	zmq_send(link, &index, sizeof(index), 0);
}

static uint32_t push_take(void *link, struct plain *plain, uint32_t next)
{
	uint32_t index;
	(void)plain;
	(void)next;
	while (zmq_recv(link, &index, sizeof(index), 0) != (int)sizeof(index) ||
	       index >= SAMPLES_MAX) {
	}
	return index;
}

int hop_push(struct bench *bench, const struct hop_setting *setting, struct hop_samples *out)
{
	static const struct plain_kind kind = {push_open_maker, push_open_taker, push_publish,
					       push_take};
	return measure(&kind, bench, setting, out);
}
