/* "rtsp://…", "http://…" and whatever else libavformat opens by its URL: a live source. What the
 * receiver's thread brings is numbered and given times here, and what happens to the connection is
 * said here, once. Index and pts grow over connections, and over incarnations by resume(). */
#include "workers/capture/source.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/base/redact.h"
#include "ipc/slots/record.h"
#include "workers/capture/reader.h"
#include "workers/capture/receiver.h"
#include "workers/media/convert.h"
#include "workers/media/scale.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In open, which has no other way to show that it gets on. */
#define WAIT_STEP (NS_PER_S / 10)

/* A stream that is known needs no picture to begin with. It is waited for a little all the same:
 * when capture is exchanged for another, the new one should be connected before the old one goes.
 */
#define KNOWN_WAIT (2 * NS_PER_S)

/* A thread that is overdue for so many looks, of which there is one a second at least, is stuck:
 * one look alone may come right after everything was stopped for a while. */
#define OVERDUE_LOOKS 5

/* By how much delays may differ. */
#define MEET_WITHIN NS_PER_S

/* A reason that lasts shorter is not told beside the one before. */
#define WHY_QUIET (2 * NS_PER_S)

/* Whoever takes over has received what its predecessor still published, and knows the last of that
 * when it sees it: the same stream, decoded, is the same picture. */
struct meeting {
	uint8_t *picture;	   /* room to look at one; NULL: it has been met, or will not be */
	uint8_t thumb[THUMB_SIZE]; /* of the predecessor's last */
	int64_t until;		   /* what was due later is not it, nor before it */
	bool expected;		   /* we began to connect before it came */
	uint32_t connection;	   /* that it would come by */
};

struct network {
	struct source source;
	char name[256]; /* what is shown */
	char url[512];
	struct receiver *receiver;
	struct receiver_state state;	  /* as last looked at */
	struct receiver_state said;	  /* as last told */
	uint32_t said_width, said_height; /* that do not fit, as last told */
	int64_t size_quiet;		  /* nothing more is told of sizes before */
	char said_why[512];		  /* the camera is away, as last told */
	int64_t why_quiet;
	struct received received; /* what `item` says */
	struct source_item item;
	bool peeked;
	bool begun;	/* there was a frame, here or in a predecessor */
	uint64_t index; /* of the next item */
	int64_t origin; /* monotonic time of pts 0 */
	int64_t after;	/* frames that were due up to then were the predecessor's */
	struct meeting meeting;
	bool units;	       /* of pictures are wanted */
	struct unit last_unit; /* of the picture taken last, without its packet; group 0: none */
	uint32_t last_connection;
	int64_t dts_origin, last_dts; /* of the group; of the unit taken last */
	int64_t last_pts;
	int64_t overdue; /* what the thread is overdue with, and how often that was seen */
	uint32_t overdue_looks;
};

static struct network *network_of(struct source *source)
{
	return (struct network *)source;
}

/* ---- what is said ---- */

__attribute__((format(printf, 3, 4))) static void say(struct network *n, bool good,
						      const char *format, ...)
{
	char text[700];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(good ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "capture: %s", text);
	if (n->source.host.report)
		n->source.host.report(n->source.host.arg, text);
}

static void say_lost(struct network *n, const char *how)
{
	say(n, false, "camera %s: %s", how, n->state.why);
	memcpy(n->said_why, n->state.why, sizeof(n->said_why));
	n->why_quiet = clock_now() + WHY_QUIET;
}

/* A connection that came and went between two looks is said, too; and another reason why it does
 * not come back, for it may be one that a person has to do something about. */
static void say_connection(struct network *n)
{
	const struct receiver_state *now = &n->state, *said = &n->said;
	bool away = now->failed && !now->connected, knew_away = said->failed && !said->connected;
	bool other = now->connections != said->connections;
	if ((away != knew_away || other) && n->source.host.away)
		n->source.host.away(n->source.host.arg, away ? now->away_since : 0,
				    now->reconnects - said->reconnects);
	if (now->failed && !knew_away && (!now->connected || other))
		say_lost(n, "lost");
	else if (away && strcmp(now->why, n->said_why) != 0 && clock_now() >= n->why_quiet)
		say_lost(n, "still lost");
	if (now->failed && now->connected && (!said->connected || other)) {
		int64_t gap = now->back_since - now->away_since;
		say(n, true, "camera back after %.1f s: %s, reconnect %" PRIu32,
		    (double)gap / (double)NS_PER_S, n->name, now->reconnects);
	}
}

/* Sizes may change with every picture, which is not said as often. */
static void say_size(struct network *n)
{
	const struct receiver_state *now = &n->state;
	bool same = now->wrong_width == n->said_width && now->wrong_height == n->said_height;
	if (same || clock_now() < n->size_quiet)
		return;
	if (now->wrong_width) {
		say(n, false,
		    "%s sends %" PRIu32 "x%" PRIu32 " now, the stream is %" PRIu32 "x%" PRIu32
		    ": its frames are dropped until it does so again",
		    n->name, now->wrong_width, now->wrong_height, now->width, now->height);
	} else {
		say(n, true, "%s sends %" PRIu32 "x%" PRIu32 " again", n->name, now->width,
		    now->height);
	}
	n->said_width = now->wrong_width;
	n->said_height = now->wrong_height;
	n->size_quiet = clock_now() + NS_PER_S;
}

/* A camera that was set to another codec meanwhile is recorded all the same. */
static void say_codec(struct network *n)
{
	const struct receiver_state *now = &n->state, *said = &n->said;
	if (n->units && now->codec && !now->units && (!said->codec || said->units))
		say(n, false, "%s sends %s now, not H.264: it is stored as JPEG", n->name,
		    now->codec);
}

/* Looks at the thread. TROUPE_E_TIMEOUT: it does not come back from where it is. */
static int look(struct network *n)
{
	receiver_look(n->receiver, &n->state);
	say_connection(n);
	say_size(n);
	say_codec(n);
	n->said = n->state;
	int64_t overdue = receiver_overdue(n->receiver);
	n->overdue_looks = overdue && overdue == n->overdue ? n->overdue_looks + 1 : 0;
	n->overdue = overdue;
	if (n->overdue_looks < OVERDUE_LOOKS)
		return 0;
	log_error("capture: %s: the decoder does not come back", n->name);
	return TROUPE_E_TIMEOUT;
}

/* ---- numbers and times ---- */

static int64_t pts_of(struct network *n, const struct received *r)
{
	const struct source_held *held = n->source.host.held;
	if (!n->begun) {
		n->origin = r->due;
		if (held)
			atomic_store(held->origin, n->origin);
	}
	int64_t pts = r->due - n->origin;
	return n->begun && pts <= n->last_pts ? n->last_pts + 1 : pts;
}

static void describe(struct network *n)
{
	const struct received *r = &n->received;
	n->item = (struct source_item){
		.kind = r->lost ? SOURCE_IS_LOST : SOURCE_IS_FRAME,
		.reason = r->reason,
		.index = n->index,
		.pts = r->lost ? n->last_pts : pts_of(n, r),
		.captured = r->arrived,
		.label = -1,
	};
	n->begun |= !r->lost;
	n->peeked = true;
}

static void release_received(struct network *n)
{
	av_frame_free(&n->received.frame);
	av_packet_free(&n->received.unit.packet);
}

static void end_meeting(struct meeting *meeting)
{
	free(meeting->picture);
	meeting->picture = NULL;
}

/* Whether the predecessor had this picture as well. Delays differ, so time alone does not tell. */
static bool was_had(struct network *n, const struct received *r)
{
	const struct source_info *info = &n->source.info;
	struct meeting *m = &n->meeting;
	uint8_t thumb[THUMB_SIZE];
	if (!m->picture || r->due > m->until || r->connection > m->connection ||
	    convert_to_i420(r->frame, info->width, info->height, m->picture) < 0) {
		end_meeting(m);
		return r->due <= n->after;
	}
	scale_luma_to_thumb(m->picture, info->width, info->width, info->height, thumb);
	bool met = memcmp(thumb, m->thumb, sizeof(thumb)) == 0;
	if (!met && (m->expected || r->due <= n->after))
		return true;
	end_meeting(m);
	n->after = 0; /* all that follows is new */
	return met;
}

static int network_peek(struct source *source, struct source_item *item)
{
	struct network *n = network_of(source);
	while (!n->peeked) {
		int rc = receiver_take(n->receiver, &n->received);
		if (rc < 0) {
			*item = (struct source_item){.kind = SOURCE_IS_AWAITED, .label = -1};
			return look(n);
		}
		if (!n->received.lost && was_had(n, &n->received))
			release_received(n);
		else
			describe(n);
	}
	*item = n->item;
	return 0;
}

/* All of a group have the same distance from the stream's own scale: within it, what is decoded
 * later has the higher time, however pts follows the arrivals. */
static int64_t dts_of(const struct network *n, const struct unit *unit)
{
	const struct received *r = &n->received;
	if (!unit->key)
		return n->dts_origin + unit->dts;
	int64_t origin = n->item.pts - (r->stamp == READER_NO_PTS ? unit->dts : r->stamp);
	return origin + unit->dts > n->last_dts ? origin + unit->dts : n->last_dts + 1;
}

/* Pictures that were lost on the way from the receiver are counted, but not always where they were:
 * so a unit is only handed out right behind the one before it. */
static bool network_unit(struct source *source, struct source_unit *unit)
{
	const struct network *n = network_of(source);
	const struct unit *from = &n->received.unit, *last = &n->last_unit;
	if (n->item.kind != SOURCE_IS_FRAME || !from->packet)
		return false;
	if (!from->key && (from->group != last->group || from->position != last->position + 1 ||
			   n->received.connection != n->last_connection))
		return false;
	*unit = (struct source_unit){
		.bytes = from->packet->data,
		.size = (size_t)from->packet->size,
		.dts = dts_of(n, from),
		.lacks = from->lacks,
		.key = from->key,
	};
	return true;
}

/* The picture at hand is taken. */
static void note_unit(struct network *n)
{
	struct source_unit unit;
	bool chained = network_unit(&n->source, &unit);
	const struct unit *from = &n->received.unit;
	if (chained) {
		n->dts_origin = unit.dts - from->dts;
		if (unit.dts > n->last_dts)
			n->last_dts = unit.dts;
	}
	n->last_unit = chained ? *from : (struct unit){0};
	n->last_unit.packet = NULL;
	n->last_connection = n->received.connection;
}

static int network_take(struct source *source, uint8_t *i420)
{
	struct network *n = network_of(source);
	const struct source_info *info = &n->source.info;
	int rc = 0;
	n->peeked = false;
	n->index++;
	if (n->item.kind != SOURCE_IS_FRAME)
		return 0;
	n->last_pts = n->item.pts;
	if (i420)
		rc = convert_to_i420(n->received.frame, info->width, info->height, i420);
	note_unit(n);
	release_received(n);
	return rc;
}

/* The predecessor's last frame was due for us at about the same time; the one after it is due at
 * least most of a frame's time later. */
static void begin_meeting(struct network *n, const struct source_mark *mark)
{
	const struct source_info *info = &n->source.info;
	n->after = n->origin + mark->pts + NS_PER_S * info->fps_den / info->fps_num / 2;
	n->meeting = (struct meeting){
		.picture = malloc((size_t)info->width * info->height * 3 / 2),
		.until = n->after + MEET_WITHIN,
		.expected = n->state.tried_since <= mark->captured,
		.connection = n->state.connections + !n->state.connected,
	};
	memcpy(n->meeting.thumb, mark->thumb, sizeof(n->meeting.thumb));
}

static int network_resume(struct source *source, const struct source_mark *mark)
{
	struct network *n = network_of(source);
	n->index = mark->next;
	receiver_begin(n->receiver);
	receiver_look(n->receiver, &n->state);
	if (!n->state.connected && source->host.away)
		source->host.away(source->host.arg, clock_now(), 0);
	if (!mark->published)
		return 0;
	n->begun = true;
	n->last_pts = mark->pts;
	n->origin = source->host.held ? record_time(atomic_load(source->host.held->origin)) : 0;
	if (!n->origin)
		n->origin = mark->captured - mark->pts;
	begin_meeting(n, mark);
	return 0;
}

static int network_awaits(struct source *source)
{
	return receiver_fd(network_of(source)->receiver);
}

static void network_close(struct source *source)
{
	struct network *n = network_of(source);
	receiver_destroy(n->receiver);
	release_received(n);
	end_meeting(&n->meeting);
	free(n);
}

static void network_dump(struct source *source, FILE *out)
{
	const struct network *n = network_of(source);
	const struct receiver_state *s = &n->state;
	if (s->connected)
		fprintf(out, "camera: connected, %" PRIu32 " reconnects\n", s->reconnects);
	else
		fprintf(out, "camera: away: %s\n", s->why);
}

static const struct source_table network_table = {
	.peek = network_peek,
	.take = network_take,
	.unit = network_unit,
	.resume = network_resume,
	.awaits = network_awaits,
	.close = network_close,
	.dump = network_dump,
};

/* ---- beginning ---- */

/* Waits for the first picture or the news that there will be none soon. */
static void wait_for_picture(struct network *n, int64_t limit)
{
	int64_t until = clock_now() + limit;
	while (!receiver_wait(n->receiver, WAIT_STEP) && clock_now() < until)
		if (n->source.host.alive)
			n->source.host.alive(n->source.host.arg);
	receiver_look(n->receiver, &n->state);
}

/* Without a stream to fit in, a camera that is away is an error; with one it is awaited. */
static int learn(struct network *n, char *why, size_t why_size)
{
	const struct receiver_state *s = &n->state;
	n->source.info = (struct source_info){
		.width = s->width,
		.height = s->height,
		.fps_num = s->connected ? s->fps_num : 25,
		.fps_den = s->connected ? s->fps_den : 1,
		.live = true,
	};
	if (n->units && s->codec && !s->units && !n->source.host.width)
		return source_explain_codec(n->name, s->codec, why, why_size);
	if (s->width && s->height)
		return 0;
	snprintf(why, why_size, "%s%s", s->failed ? s->why : n->name,
		 s->failed ? "" : ": no picture came in time");
	return s->failed && s->why_code < 0 ? s->why_code : TROUPE_E_TIMEOUT;
}

int network_open(struct source **source, const char *rest, const struct capture_config *config,
		 struct source_host host, char *why, size_t why_size)
{
	struct network *n = calloc(1, sizeof(*n));
	if (!n) {
		snprintf(why, why_size, "%s", error_text(TROUPE_E_MEMORY));
		return TROUPE_E_MEMORY;
	}
	n->source.table = &network_table;
	n->source.host = host;
	snprintf(n->url, sizeof(n->url), "%s", rest);
	redact(rest, n->name, sizeof(n->name));
	n->units = capture_passes_through(config);
	struct receiver_options options = {
		.url = n->url,
		.rtsp_transport = config->rtsp_transport,
		.open_timeout = config->open_timeout,
		.read_timeout = config->read_timeout,
		.width = host.width,
		.height = host.height,
		.units = n->units,
	};
	int rc = receiver_create(&n->receiver, &options, why, why_size);
	if (rc == 0) {
		bool known = host.width && host.height;
		wait_for_picture(n,
				 known ? KNOWN_WAIT : config->open_timeout + config->read_timeout);
		rc = learn(n, why, why_size);
	}
	if (rc < 0) {
		network_close(&n->source);
		return rc;
	}
	*source = &n->source;
	return 0;
}
