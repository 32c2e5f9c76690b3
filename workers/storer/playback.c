/* The reading thread and its questions; see playback.h. */
#include "workers/storer/playback.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/slots/playback.h"
#include "workers/storer/answer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define QUESTIONS_MAX 64
#define NICENESS      10 /* frames that are to be stored come first */

/* How soon it looks again whether whoever has its share of slots has given some back. */
#define SLOT_WAIT (2 * NS_PER_MS)

/* An answer that is no frame, on its way to the main thread. */
struct told {
	struct told *next;
	uint8_t seat;
	Troupe__Answer *answer;
};

struct playback {
	struct worker *worker;
	struct answerer *answerer; /* the thread's own */
	int wake;		   /* eventfd: there is something to tell */
	pthread_t thread;
	bool started;

	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t changed;
	bool stop;
	uint64_t at; /* the question that the thread is at; 0: none */
	uint32_t n;
	struct question questions[QUESTIONS_MAX]; /* in the order in which they came */
	struct told *told;
	uint64_t answered, dropped;
};

/* ---- the thread ---- */

/* Takes the first question that can be answered now: a frame for somebody who has its share of the
 * slots has to wait, and keeps nobody else waiting. */
static bool next_question(struct playback *p, struct question *question)
{
	const struct ledger *ledger = worker_ledger(p->worker);

	for (uint32_t i = 0; i < p->n; i++) {
		*question = p->questions[i];
		if (question->which != TROUPE__WHICH__TIMELINE &&
		    question->deadline > clock_now() &&
		    playback_room(ledger, question->asker.seat) < 0)
			continue;
		p->n--;
		memmove(&p->questions[i], &p->questions[i + 1],
			(p->n - i) * sizeof(p->questions[0]));
		p->at = question->id;
		return true;
	}
	return false;
}

static void wait_for_change(struct playback *p)
{
	struct timespec until;
	int64_t at;

	if (p->n == 0) {
		pthread_cond_wait(&p->changed, &p->mutex);
		return;
	}
	at = clock_now() + SLOT_WAIT;
	until.tv_sec = at / NS_PER_S;
	until.tv_nsec = at % NS_PER_S;
	pthread_cond_timedwait(&p->changed, &p->mutex, &until);
}

/* Gives the answer to the main thread, which alone has links. */
static void tell(struct playback *p, const struct question *question, Troupe__Answer *answer)
{
	struct told *told = calloc(1, sizeof(*told));
	uint64_t one = 1;

	if (told == NULL) {
		answer_destroy(answer);
		return;
	}
	told->seat = question->asker.seat;
	told->answer = answer;
	pthread_mutex_lock(&p->mutex);
	told->next = p->told;
	p->told = told;
	pthread_mutex_unlock(&p->mutex);
	if (write(p->wake, &one, sizeof(one)) < 0)
		log_debug("playback: the main thread has been woken already");
}

static void answer(struct playback *p, const struct question *question)
{
	Troupe__Answer *words = NULL;

	if (question->deadline > clock_now())
		words = answerer_answer(p->answerer, question);
	if (words != NULL)
		tell(p, question, words);
}

static void *run(void *arg)
{
	struct playback *p = arg;
	struct question question;

	/* 0 is this thread alone. Refused, it is as important as the others. */
	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	pthread_mutex_lock(&p->mutex);
	while (!p->stop) {
		if (!next_question(p, &question)) {
			wait_for_change(p);
			continue;
		}
		pthread_mutex_unlock(&p->mutex);
		answer(p, &question);
		pthread_mutex_lock(&p->mutex);
		p->at = 0;
		p->answered++;
	}
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

/* ---- the main thread ---- */

static struct told *take_told(struct playback *p)
{
	struct told *told;

	pthread_mutex_lock(&p->mutex);
	told = p->told;
	p->told = NULL;
	pthread_mutex_unlock(&p->mutex);
	return told;
}

/* Sends what is to be told, or throws it away. */
static void empty(struct playback *p, bool send)
{
	struct told *told = take_told(p);

	while (told != NULL) {
		struct told *next = told->next;

		if (send)
			worker_send(p->worker, told->seat, MESSAGE_ANSWER, &told->answer->base);
		answer_destroy(told->answer);
		free(told);
		told = next;
	}
}

void playback_turn(struct playback *p)
{
	uint64_t rings;

	if (read(p->wake, &rings, sizeof(rings)) > 0)
		empty(p, true);
}

/* Copies it if it makes sense. */
static bool take(const Troupe__Question *from, struct question *to)
{
	*to = (struct question){
		.id = from->id,
		.deadline = from->deadline,
		.asker = {.seat = (uint8_t)from->seat, .incarnation = from->incarnation},
		.which = from->which,
		.run = from->run,
		.seq = from->seq,
		.wall = from->wall,
		.until = from->until,
	};
	snprintf(to->asker.worker, NAME_SIZE, "%s", from->worker);
	snprintf(to->stream, NAME_SIZE, "%s", from->stream);
	return from->id != 0 && from->seat != 0 && from->seat < SEATS_MAX &&
	       strlen(from->stream) < NAME_SIZE && from->run <= INT64_MAX && from->seq <= INT64_MAX;
}

/* Asked for a second time, it is known already. */
static bool is_known(const struct playback *p, uint64_t id)
{
	bool known = p->at == id;

	for (uint32_t i = 0; i < p->n && !known; i++)
		known = p->questions[i].id == id;
	return known;
}

static int start(struct playback *p)
{
	int rc;

	if (p->started)
		return 0;
	rc = pthread_create(&p->thread, NULL, run, p);
	p->started = rc == 0;
	return rc == 0 ? 0 : error_from_errno(rc);
}

void playback_question(struct playback *p, const Troupe__Question *asked)
{
	struct question question;
	bool taken = take(asked, &question);

	pthread_mutex_lock(&p->mutex);
	if (taken && !is_known(p, question.id)) {
		if (p->n < QUESTIONS_MAX && start(p) == 0)
			p->questions[p->n++] = question;
		else
			p->dropped++;
	}
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->mutex);
}

static void init_locks(struct playback *p)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&p->mutex, NULL);
}

int playback_open(struct playback **playback, struct worker *w, const char *folder)
{
	struct playback *p = calloc(1, sizeof(*p));

	*playback = NULL;
	if (p == NULL)
		return TROUPE_E_MEMORY;
	p->worker = w;
	p->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	p->answerer = answerer_create(folder, worker_ledger(w), worker_seat(w));
	init_locks(p);
	if (p->wake < 0 || p->answerer == NULL) {
		int rc = p->wake < 0 ? TROUPE_E_SYSTEM : TROUPE_E_MEMORY;

		playback_close(p);
		return rc;
	}
	*playback = p;
	return 0;
}

int playback_fd(const struct playback *p)
{
	return p->wake;
}

void playback_close(struct playback *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->mutex);
	if (p->started)
		pthread_join(p->thread, NULL);
	empty(p, false);
	if (p->wake >= 0)
		close(p->wake);
	answerer_destroy(p->answerer);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}

void playback_dump(struct playback *p, FILE *out)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->mutex);
	fprintf(out,
		"playback: %" PRIu64 " questions answered, %" PRIu32 " waiting, %" PRIu64
		" dropped\n",
		p->answered, p->n, p->dropped);
	pthread_mutex_unlock(&p->mutex);
}
