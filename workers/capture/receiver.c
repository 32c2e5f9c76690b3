/* The receiving thread and its ring. */
#include "workers/capture/receiver.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/redact.h"
#include "workers/capture/reader.h"
#include "workers/media/convert.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

/* Pictures that wait to be taken: a burst of packets that came late together, no more. */
#define RING_SIZE 8

#define BACK_OFF_FIRST (NS_PER_S / 4)
#define BACK_OFF_LAST  (8 * NS_PER_S)

/* A connection that held for so long was a good one: the next loss begins with a short wait. */
#define HEALTHY_AFTER (5 * NS_PER_S)

/* A stream's own times are even, those of its arrival are true, and never early. So what a picture
 * comes later than the quickest of its connection is its delay, and is not counted: neither a burst
 * nor a busy machine is seen in its time, and two who receive the same stream know the same picture
 * by it. For two clocks of different speed the quickest is forgotten by this part of the difference
 * a picture. Further apart than APART_MAX stamp and arrival have nothing to do with each other. */
#define FORGET	  256
#define APART_MAX NS_PER_S

/* How long a full ring may keep the thread waiting. */
#define PATIENCE (NS_PER_S / 4)

/* What a limit does not cover: a name server, the decoding of one picture. */
#define SLACK (20 * NS_PER_S)

/* How long destroy waits for the thread. */
#define JOIN_MAX (2 * NS_PER_S)

/* One in the ring. */
struct kept {
	AVFrame *frame;
	struct unit unit; /* without a packet: none */
	int64_t stamp, arrived;
	uint32_t connection;
};

struct receiver {
	struct receiver_options options; /* const while the thread runs */
	pthread_t thread;
	atomic_bool stop; /* set once; libavformat looks at it without the lock */
	int event;

	pthread_mutex_t lock; /* for everything below */
	pthread_cond_t changed;
	struct receiver_state state;
	struct kept ring[RING_SIZE];
	uint32_t head, count;
	bool ended;		       /* the thread does nothing more */
	bool taking;		       /* somebody does: what is lost from now on is their loss */
	uint32_t lost[N_DROP_REASONS]; /* not taken yet */
	int64_t quickest;	       /* least difference of arrival and stamp, */
	uint32_t quickest_of;	       /* in this connection; 0: none */
	int64_t moves_by;	       /* when the thread should be here again, at the latest */

	/* the thread's alone */
	struct reader *reader;
	bool units;	   /* of its pictures are kept */
	uint32_t failures; /* in a row */
};

static int64_t deadline_of(struct timespec *at, int64_t ns)
{
	int64_t until = clock_now() + ns;
	*at = (struct timespec){.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
	return until;
}

/* With the lock held, after every change. */
static void tell(struct receiver *r)
{
	uint64_t one = 1;
	ssize_t ignored = write(r->event, &one, sizeof(one));
	(void)ignored;
	pthread_cond_broadcast(&r->changed);
}

/* The reader begins something that has a limit of its own. */
static void still_moves(void *arg)
{
	struct receiver *r = arg;
	int64_t longest = r->options.open_timeout + r->options.read_timeout;
	pthread_mutex_lock(&r->lock);
	r->moves_by = clock_now() + longest + SLACK;
	pthread_mutex_unlock(&r->lock);
}

static void lose(struct receiver *r, enum drop_reason reason)
{
	pthread_mutex_lock(&r->lock);
	r->lost[reason]++;
	tell(r);
	pthread_mutex_unlock(&r->lock);
}

/* ---- the thread: pictures ---- */

/* Whether the picture has the stream's size; the first of all decides, if nobody has. */
static bool fits(struct receiver *r, const AVFrame *frame)
{
	struct receiver_state *s = &r->state;
	uint32_t width = (uint32_t)frame->width & ~1U, height = (uint32_t)frame->height & ~1U;
	if (!s->width && width && height) {
		s->width = width;
		s->height = height;
	}
	bool fit = s->width && width == s->width && height == s->height;
	s->wrong_width = fit ? 0 : (uint32_t)frame->width;
	s->wrong_height = fit ? 0 : (uint32_t)frame->height;
	return fit;
}

/* Takes the oldest away from the ring. */
static void ring_drop(struct receiver *r)
{
	struct kept *oldest = &r->ring[r->head];
	av_frame_free(&oldest->frame);
	av_packet_free(&oldest->unit.packet);
	r->head = (r->head + 1) % RING_SIZE;
	r->count--;
}

/* With the lock held. A burst waits for its turn, as the network can keep the rest of it for a
 * while; but then the oldest makes room: what is shown should be what is. */
static struct kept *ring_push(struct receiver *r)
{
	struct timespec until;
	deadline_of(&until, PATIENCE);
	while (r->count == RING_SIZE && r->taking && !atomic_load(&r->stop) &&
	       pthread_cond_timedwait(&r->changed, &r->lock, &until) != ETIMEDOUT)
		continue;
	if (r->count == RING_SIZE) {
		ring_drop(r);
		r->lost[DROP_DEVICE] += r->taking;
	}
	return &r->ring[(r->head + r->count++) % RING_SIZE];
}

/* With the lock held. */
static void note_delay(struct receiver *r, const struct kept *kept)
{
	if (kept->stamp == READER_NO_PTS)
		return;
	int64_t apart = kept->arrived - kept->stamp - r->quickest;
	if (r->quickest_of != kept->connection || apart < 0 || apart > APART_MAX)
		r->quickest += apart;
	else
		r->quickest += apart / FORGET;
	r->quickest_of = kept->connection;
}

static int64_t when_due(const struct receiver *r, const struct kept *kept)
{
	bool known = kept->stamp != READER_NO_PTS && kept->connection == r->quickest_of;
	int64_t due = known ? kept->stamp + r->quickest : kept->arrived;
	return due < kept->arrived ? due : kept->arrived;
}

/* The access unit of the picture at hand; without memory for it there is none. */
static struct unit own_unit(const struct receiver *r)
{
	const struct unit *from = reader_unit(r->reader);
	struct unit own = {0};
	if (from) {
		own = *from;
		own.packet = av_packet_clone(from->packet);
	}
	return own;
}

static void accept_picture(struct receiver *r, const AVFrame *frame, bool first)
{
	const struct reader_info *info = reader_info(r->reader);
	int64_t now = clock_now();
	AVFrame *own = av_frame_clone(frame);
	struct unit unit = own_unit(r);
	pthread_mutex_lock(&r->lock);
	struct receiver_state *s = &r->state;
	if (first) {
		s->connected = true;
		s->connections++;
		s->reconnects += s->failed;
		s->back_since = now;
		s->fps_num = info->fps_num;
		s->fps_den = info->fps_den;
		s->codec = info->codec;
		s->units = r->units;
	}
	if (!fits(r, frame)) {
		r->lost[DROP_SIZE]++;
	} else if (!own) {
		r->lost[DROP_DEVICE]++;
	} else {
		struct kept kept = {
			.frame = own,
			.unit = unit,
			.stamp = reader_pts(r->reader, frame),
			.arrived = now,
			.connection = s->connections,
		};
		note_delay(r, &kept);
		*ring_push(r) = kept;
		own = NULL;
		unit.packet = NULL;
	}
	tell(r);
	pthread_mutex_unlock(&r->lock);
	av_frame_free(&own);
	av_packet_free(&unit.packet);
}

/* Decodes until the connection ends; why it did is the error returned. What cannot be decoded
 * before the first picture is the middle of what we came into, and nothing was lost. */
static int receive_pictures(struct receiver *r)
{
	bool first = true;
	uint64_t garbage = 0;
	while (!atomic_load(&r->stop)) {
		const AVFrame *frame;
		int rc = reader_next(r->reader, &frame);
		if (!first && reader_garbage(r->reader) > garbage)
			lose(r, DROP_DAMAGED);
		garbage = reader_garbage(r->reader);
		if (rc < 0 && rc != TROUPE_E_CORRUPT)
			return rc;
		if (rc == 0 && !convert_supported(frame->format))
			return TROUPE_E_UNSUPPORTED;
		if (rc == 0)
			accept_picture(r, frame, first);
		else if (!first)
			lose(r, DROP_DAMAGED);
		first = first && rc < 0;
	}
	return TROUPE_E_CLOSED;
}

/* ---- the thread: connections ---- */

/* One clause that names the stream. */
static void explain_end(const struct receiver *r, int rc, char *why, size_t size)
{
	char name[256], what[64];
	double seconds = (double)r->options.read_timeout / (double)NS_PER_S;
	if (rc == TROUPE_E_ENDED)
		snprintf(what, sizeof(what), "it has closed the connection");
	else if (rc == TROUPE_E_TIMEOUT)
		snprintf(what, sizeof(what), "it has sent nothing for %.3g s", seconds);
	else if (rc == TROUPE_E_MALFORMED)
		snprintf(what, sizeof(what), "it has sent only garbage for %.3g s", seconds);
	else if (rc == TROUPE_E_IO)
		snprintf(what, sizeof(what), "the connection broke off");
	else if (rc == TROUPE_E_UNSUPPORTED)
		snprintf(what, sizeof(what), "its pixel format is not supported");
	else
		snprintf(what, sizeof(what), "%s", error_text(rc));
	snprintf(why, size, "%s: %s", redact(r->options.url, name, sizeof(name)), what);
}

static void say_away(struct receiver *r, int rc, const char *why)
{
	pthread_mutex_lock(&r->lock);
	struct receiver_state *s = &r->state;
	if (s->connected || !s->failed)
		s->away_since = clock_now();
	s->connected = false;
	s->failed = true;
	s->why_code = rc;
	snprintf(s->why, sizeof(s->why), "%s", why);
	tell(r);
	pthread_mutex_unlock(&r->lock);
}

static void connect_once(struct receiver *r)
{
	const struct receiver_options *o = &r->options;
	struct reader_address address = {
		.url = o->url,
		.rtsp_transport = o->rtsp_transport,
		.open_timeout = o->open_timeout,
		.read_timeout = o->read_timeout,
		.known = o->width && o->height,
		.stop = &r->stop,
		.host = {.alive = still_moves, .arg = r},
	};
	char why[512] = "";
	r->failures++;
	pthread_mutex_lock(&r->lock);
	r->state.tried_since = clock_now();
	pthread_mutex_unlock(&r->lock);
	int rc = reader_open_url(&r->reader, &address, why, sizeof(why));
	if (rc == 0) {
		int64_t begun = clock_now();
		r->units = o->units && reader_keep_units(r->reader) == 0;
		rc = receive_pictures(r);
		if (clock_now() - begun > HEALTHY_AFTER)
			r->failures = 1;
		explain_end(r, rc, why, sizeof(why));
		reader_close(r->reader);
		r->reader = NULL;
	}
	say_away(r, rc, why);
}

/* Twice as long each time, give or take a quarter: many captures that have lost the same camera, or
 * network, do not come back in step. */
static int64_t back_off(uint32_t failures)
{
	int64_t wait = BACK_OFF_LAST;
	if (failures < 6)
		wait = BACK_OFF_FIRST << (failures - 1);
	uint16_t chance = 0;
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != sizeof(chance))
		chance = 0;
	return wait * 3 / 4 + wait / 2 * chance / UINT16_MAX;
}

static void wait_a_while(struct receiver *r)
{
	struct timespec until;
	pthread_mutex_lock(&r->lock);
	r->moves_by = deadline_of(&until, back_off(r->failures)) + SLACK;
	while (!atomic_load(&r->stop) &&
	       pthread_cond_timedwait(&r->changed, &r->lock, &until) != ETIMEDOUT)
		continue;
	pthread_mutex_unlock(&r->lock);
}

static void *receive(void *arg)
{
	struct receiver *r = arg;
	while (!atomic_load(&r->stop)) {
		connect_once(r);
		wait_a_while(r);
	}
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	tell(r);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- the owner ---- */

static void release(struct receiver *r)
{
	while (r->count)
		ring_drop(r);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	if (r->event >= 0)
		close(r->event);
	free(r);
}

int receiver_create(struct receiver **receiver, const struct receiver_options *options, char *why,
		    size_t why_size)
{
	struct receiver *r = calloc(1, sizeof(*r));
	if (!r) {
		snprintf(why, why_size, "%s", error_text(TROUPE_E_MEMORY));
		return TROUPE_E_MEMORY;
	}
	r->options = *options;
	r->state.width = options->width;
	r->state.height = options->height;
	r->moves_by = CLOCK_NEVER;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&r->lock, NULL);
	r->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int failed = r->event < 0 ? errno : pthread_create(&r->thread, NULL, receive, r);
	if (failed) {
		snprintf(why, why_size, "a thread to receive with: %s", strerror(failed));
		release(r);
		return error_from_errno(failed);
	}
	*receiver = r;
	return 0;
}

void receiver_destroy(struct receiver *r)
{
	struct timespec until;
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	atomic_store(&r->stop, true);
	tell(r);
	deadline_of(&until, JOIN_MAX);
	while (!r->ended && pthread_cond_timedwait(&r->changed, &r->lock, &until) != ETIMEDOUT)
		continue;
	bool ended = r->ended;
	pthread_mutex_unlock(&r->lock);
	if (!ended)
		return;
	pthread_join(r->thread, NULL);
	release(r);
}

int receiver_fd(const struct receiver *r)
{
	return r->event;
}

int receiver_take(struct receiver *r, struct received *received)
{
	uint64_t rung;
	ssize_t ignored = read(r->event, &rung, sizeof(rung));
	(void)ignored;
	*received = (struct received){0};
	pthread_mutex_lock(&r->lock);
	int rc = TROUPE_E_AGAIN;
	for (int i = 0; i < N_DROP_REASONS && rc < 0; i++) {
		if (!r->lost[i])
			continue;
		r->lost[i]--;
		*received = (struct received){.lost = true, .reason = (enum drop_reason)i};
		rc = 0;
	}
	if (rc < 0 && r->count) {
		const struct kept *kept = &r->ring[r->head];
		received->frame = kept->frame;
		received->unit = kept->unit;
		received->stamp = kept->stamp;
		received->arrived = kept->arrived;
		received->due = when_due(r, kept);
		received->connection = kept->connection;
		r->head = (r->head + 1) % RING_SIZE;
		r->count--;
		rc = 0;
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void receiver_begin(struct receiver *r)
{
	pthread_mutex_lock(&r->lock);
	r->taking = true;
	memset(r->lost, 0, sizeof(r->lost));
	pthread_mutex_unlock(&r->lock);
}

void receiver_look(struct receiver *r, struct receiver_state *state)
{
	pthread_mutex_lock(&r->lock);
	*state = r->state;
	pthread_mutex_unlock(&r->lock);
}

bool receiver_wait(struct receiver *r, int64_t ns)
{
	struct timespec until;
	deadline_of(&until, ns);
	pthread_mutex_lock(&r->lock);
	while (!r->state.connected && !r->state.failed &&
	       pthread_cond_timedwait(&r->changed, &r->lock, &until) != ETIMEDOUT)
		continue;
	bool known = r->state.connected || r->state.failed;
	pthread_mutex_unlock(&r->lock);
	return known;
}

int64_t receiver_overdue(struct receiver *r)
{
	pthread_mutex_lock(&r->lock);
	int64_t by = r->moves_by;
	pthread_mutex_unlock(&r->lock);
	return clock_now() > by ? by : 0;
}
