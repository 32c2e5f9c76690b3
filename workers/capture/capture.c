/* From source to slot: pace, drops, records, and where a successor goes on. */
#include "workers/capture/capture.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/base/redact.h"
#include "ipc/slots/record.h"
#include "workers/capture/source.h"
#include "workers/capture/v4l2_list.h"
#include "workers/media/model_file.h"
#include "workers/media/scale.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Later than this, a source that can wait goes on from now instead of bursting, and a live one has
 * lost what its device could not have kept. */
#define LATE_MAX NS_PER_S

static const struct row rows[] = {
	{.name = "source",
	 .type = ROW_TEXT,
	 ROW_AT(struct capture_config, source),
	 .fallback = "",
	 .help = "Where frames come from: a file (anything libavformat opens), a URL "
		 "(rtsp://…, http://…), a camera (/dev/video0), or "
		 "pattern:[WIDTHxHEIGHT][@FPS], a test card with moving, labelled shapes."},
	{.name = "pace",
	 .type = ROW_CHOICE,
	 ROW_AT(struct capture_config, pace),
	 .fallback = "real",
	 .choices = "real|max",
	 .help = "real: frames come at the times they were recorded; max: as fast as they are "
		 "taken."},
	{.name = "store",
	 .type = ROW_CHOICE,
	 ROW_AT(struct capture_config, store),
	 .fallback = "jpeg",
	 .choices = "jpeg|passthrough",
	 .help = "How a file or stream is stored: jpeg: each frame as a JPEG of its own; "
		 "passthrough: "
		 "H.264 as it comes, without coding it again, in a tenth of the space."},
	{.name = "loop",
	 .type = ROW_BOOL,
	 ROW_AT(struct capture_config, loop),
	 .fallback = "no",
	 .help = "Begin again at the end of the source; numbers and times go on."},
	{.name = "live",
	 .type = ROW_BOOL,
	 ROW_AT(struct capture_config, live),
	 .fallback = "no",
	 .help = "The pattern behaves like a camera: it cannot wait, a frame without a free slot "
		 "is "
		 "dropped."},
	{.name = "pattern_size",
	 .type = ROW_TEXT,
	 ROW_AT(struct capture_config, pattern_size),
	 .fallback = "640x480",
	 .help = "Width and height of the pattern, pixels, both even."},
	{.name = "pattern_fps",
	 .type = ROW_INT,
	 ROW_AT(struct capture_config, pattern_fps),
	 .min = 1,
	 .max = 240,
	 .fallback = "30",
	 .help = "Frames per second of the pattern."},
	{.name = "pattern_frames",
	 .type = ROW_INT,
	 ROW_AT(struct capture_config, pattern_frames),
	 .fallback = "0",
	 .help = "Frames after which the pattern ends; 0: never."},
	{.name = "size",
	 .type = ROW_TEXT,
	 ROW_AT(struct capture_config, size),
	 .fallback = "",
	 .help = "What a camera shall deliver: WIDTHxHEIGHT; empty: the largest that reaches 25 "
		 "frames/s."},
	{.name = "fps",
	 .type = ROW_REAL,
	 ROW_AT(struct capture_config, fps),
	 .max = 1000,
	 .fallback = "0",
	 .help = "Frames per second of a camera, the nearest it has; 0: about 30."},
	{.name = "format",
	 .type = ROW_TEXT,
	 ROW_AT(struct capture_config, format),
	 .fallback = "",
	 .help = "Pixel format of a camera by its four letters (`troupe devices` lists them); "
		 "empty: what is the least work."},
	{.name = "controls",
	 .type = ROW_TEXT,
	 ROW_AT(struct capture_config, controls),
	 .fallback = "",
	 .help = "Controls of a camera and their values, e.g. auto_exposure=1, "
		 "exposure_time_absolute=250."},
	{.name = "buffers",
	 .type = ROW_INT,
	 ROW_AT(struct capture_config, buffers),
	 .max = 32,
	 .fallback = "0",
	 .help = "Frames that the driver of a camera can keep while its capture is away; 0: half "
		 "a second of them."},
	{.name = "rtsp_transport",
	 .type = ROW_CHOICE,
	 ROW_AT(struct capture_config, rtsp_transport),
	 .fallback = "tcp",
	 .choices = "tcp|udp",
	 .help = "How an RTSP camera sends: tcp loses nothing on the way, udp is late less."},
	{.name = "open_timeout",
	 .type = ROW_DURATION,
	 ROW_AT(struct capture_config, open_timeout),
	 .min = 100e6,
	 .max = 60e9,
	 .fallback = "10s",
	 .help = "How long a camera in the network may take to answer and say what it sends."},
	{.name = "read_timeout",
	 .type = ROW_DURATION,
	 ROW_AT(struct capture_config, read_timeout),
	 .min = 100e6,
	 .max = 60e9,
	 .fallback = "5s",
	 .help = "A camera in the network that sends no picture for so long is lost, and "
		 "connected to again."},
	{.name = "seed",
	 .type = ROW_INT,
	 ROW_AT(struct capture_config, seed),
	 .fallback = "0",
	 .help = "Another seed, another order and way of the pattern's shapes."},
};

struct capture {
	const struct capture_config *config;
	char shown[256]; /* the source's name without its credentials */
	struct source *source;
	struct stream_row *stream;
	struct source_held held;
	bool paced;
	bool passes; /* H.264 is to be stored as it comes */
	uint64_t with_unit, without_unit;
	int watched; /* the descriptor that the loop watches for the source; -1: none */
	bool peeked; /* `next` is valid, and to be taken */
	struct source_item next;
	uint64_t accounted;		/* lost frames before this index are counted already */
	uint64_t drops[N_DROP_REASONS]; /* as in the record of the frame published last */
	uint8_t thumb[THUMB_SIZE];	/* of the frame published last */
};

/* How long a source that has nothing yet is left to its descriptor: it may have to say that it is
 * away. */
#define LOOK_AGAIN NS_PER_S
#define LOOK_SOON  (5 * NS_PER_MS) /* where there is no loop to watch descriptors */

static void still_alive(void *arg)
{
	worker_progress(arg);
}

static void pass_on(void *arg, const char *text)
{
	worker_report(arg, "%s", text);
}

static void note_away(void *arg, int64_t since, uint32_t returns)
{
	const struct worker *w = arg;
	struct stream_row *stream = &worker_ledger(w)->streams[worker_stream(w)];
	atomic_store(&stream->away_since, since);
	atomic_fetch_add(&stream->reconnects, returns);
}

/* The worker's last words. */
static void explain(const struct capture *c, const char *what, int rc)
{
	if (*c->source->why)
		log_error("%s", c->source->why);
	else
		log_error("capture: %s %s: %s", what, c->shown, error_text(rc));
}

static int capture_open(struct worker *w, void **self)
{
	struct capture *c = calloc(1, sizeof(*c));
	if (!c)
		return TROUPE_E_MEMORY;
	c->config = worker_config(w);
	redact(c->config->source, c->shown, sizeof(c->shown));
	c->watched = -1;
	c->stream = &worker_ledger(w)->streams[worker_stream(w)];
	char why[512];
	c->held = (struct source_held){worker_handed_fd(w), &c->stream->source_word,
				       &c->stream->pace_origin};
	struct source_host host = {
		.alive = still_alive,
		.report = pass_on,
		.away = note_away,
		.arg = w,
		.width = c->stream->width,
		.height = c->stream->height,
		.held = &c->held,
	};
	int rc = source_open(&c->source, c->config, host, why, sizeof(why));
	if (rc < 0) {
		log_error("capture: %s", why);
		free(c);
		return rc;
	}
	const struct source_info *info = &c->source->info;
	if (info->width != c->stream->width || info->height != c->stream->height) {
		log_error("capture: %s is %" PRIu32 "x%" PRIu32 " now, the stream is %" PRIu32
			  "x%" PRIu32,
			  c->shown, info->width, info->height, c->stream->width, c->stream->height);
		source_close(c->source);
		free(c);
		return TROUPE_E_CONFIG;
	}
	c->passes = capture_passes_through(c->config);
	c->paced = info->live || strcmp(c->config->pace, "real") == 0;
	*self = c;
	return 0;
}

/* Every frame behind the last published one that a predecessor consumed is in the stream's drop
 * counters, which it raised in the same order: so the difference says where it was. */
static int capture_ready(struct worker *w, void *self)
{
	struct capture *c = self;
	const struct slot_record *last = worker_last_record(w);
	struct source_mark mark = {.published = last != NULL};
	if (last) {
		mark.index = last->source_index;
		mark.pts = last->pts;
		mark.captured = last->captured;
		mark.thumb = c->thumb;
		mark.next = last->source_index + 1;
		memcpy(c->thumb, last->thumb, THUMB_SIZE);
		memcpy(c->drops, last->drops_total, sizeof(c->drops));
	}
	for (int i = 0; i < N_DROP_REASONS; i++)
		mark.next += atomic_load(&c->stream->drops[i]) - c->drops[i];
	c->accounted = mark.next;
	atomic_store(&c->stream->away_since, 0); /* whatever the predecessor saw */
	int rc = c->source->table->resume(c->source, &mark);
	if (rc < 0)
		explain(c, "cannot go on in", rc);
	return rc;
}

static int take(struct capture *c, uint8_t *i420)
{
	c->peeked = false;
	return c->source->table->take(c->source, i420);
}

/* Makes c->next a frame, the end or nothing yet; frames that cannot be had are counted on the way.
 */
static int look_ahead(struct worker *w, struct capture *c)
{
	while (!c->peeked) {
		int rc = c->source->table->peek(c->source, &c->next);
		if (rc < 0) {
			explain(c, "cannot read", rc);
			return rc;
		}
		if (c->next.kind == SOURCE_IS_AWAITED)
			return 0;
		c->peeked = true;
		if (c->next.kind != SOURCE_IS_LOST)
			break;
		if (c->next.index >= c->accounted)
			worker_drop(w, c->next.reason, 1);
		worker_progress(w);
		rc = take(c, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A live source that nobody asked for long has lost frames as a driver with full buffers does. */
static int lose_overdue(struct worker *w, struct capture *c, int64_t late)
{
	const struct source_info *info = &c->source->info;
	int64_t lost = late * info->fps_num / (NS_PER_S * info->fps_den);
	for (int64_t i = 0; i < lost; i++) {
		int rc = look_ahead(w, c);
		if (rc < 0 || c->next.kind == SOURCE_IS_OVER)
			return rc;
		worker_drop(w, DROP_DEVICE, 1);
		rc = take(c, NULL);
		if (rc < 0)
			return rc;
	}
	return look_ahead(w, c);
}

static void woken(struct worker *w, void *self, int fd, short revents)
{
	(void)w, (void)self, (void)fd, (void)revents; /* the turn that follows looks */
}

/* When to look for a frame of a source whose frames come by themselves, at their own times. */
static int64_t arrival(struct worker *w, struct capture *c)
{
	int fd = c->source->table->awaits(c->source);
	if (fd != c->watched) {
		if (c->watched >= 0)
			worker_watch(w, c->watched, 0, woken);
		c->watched = fd >= 0 && worker_watch(w, fd, POLLIN, woken) == 0 ? fd : -1;
	}
	if (c->next.kind != SOURCE_IS_AWAITED)
		return 0;
	return clock_now() + (c->watched >= 0 ? LOOK_AGAIN : LOOK_SOON);
}

/* The pace lives in the stream's row: a successor keeps its predecessor's time. */
static int64_t capture_due(struct worker *w, void *self)
{
	struct capture *c = self;
	int rc = look_ahead(w, c);
	if (rc < 0)
		return rc;
	if (c->source->table->awaits)
		return arrival(w, c);
	if (!c->paced || c->next.kind == SOURCE_IS_OVER)
		return 0;
	int64_t now = clock_now();
	int64_t origin = record_time(atomic_load(&c->stream->pace_origin));
	if (origin == 0) {
		origin = now - c->next.pts;
		atomic_store(&c->stream->pace_origin, origin);
	}
	int64_t late = now - (origin + c->next.pts);
	if (late <= LATE_MAX)
		return origin + c->next.pts;
	if (c->source->info.live) {
		rc = lose_overdue(w, c, late);
		return rc < 0 ? rc : origin + c->next.pts;
	}
	atomic_store(&c->stream->pace_origin, origin + late);
	return now;
}

/* What `troupe label` said, else what the source knows. */
static int32_t label_now(const struct worker *w, const struct capture *c)
{
	int32_t label = atomic_load(&c->stream->label);
	if (label != 0 || c->next.label < 0)
		return label;
	label = label_find(worker_ledger(w)->header, c->source->info.labels[c->next.label]);
	return label < 0 ? 0 : label;
}

/* Everything but the picture and its thumbnail. */
static void fill_record(struct worker *w, struct capture *c, struct slot_record *record,
			int64_t now)
{
	record->source_index = c->next.index;
	record->pts = c->next.pts;
	record->captured = c->next.captured ? c->next.captured : now;
	record->captured_wall = clock_wall() - (clock_now() - record->captured);
	record->label = label_now(w, c);
	for (int i = 0; i < N_DROP_REASONS; i++) {
		record->drops_total[i] = atomic_load(&c->stream->drops[i]);
		record->drops_before[i] = (uint32_t)(record->drops_total[i] - c->drops[i]);
		c->drops[i] = record->drops_total[i];
	}
	memcpy(record->thumb_before, c->thumb, THUMB_SIZE);
	memcpy(c->thumb, record->thumb, THUMB_SIZE);
}

/* The recording is tap 0. */
#define RECORDING 1U

/* A row of units that need each other is in slots at the same time: the first, those that it lacks,
 * and two that are not to be had, the last published one's and that which is filled. */
#define SLOTS_BESIDE 3U

/* Whether an access unit may go along with its frame. To show the frame takes all units back to the
 * key unit, so the frame before it, which needed all of those before it, must be stored with its
 * own: it was published with it, was owed to the recording, and nothing was lost in between. A
 * frame that goes without breaks the chain for those behind it, up to the next key unit.
 *
 * What is published after us cannot be known: that the frames which a unit lacks follow is the
 * storer's to see (workers/storer/chain.h), and so is, once more, all of the above. Here it saves
 * the processors' JPEG; there it keeps the promise. */
static bool unit_fits(struct worker *w, const struct capture *c, const struct source_unit *unit)
{
	const struct slot_record *last = worker_last_record(w);
	if (unit->size > c->stream->coded_size || unit->lacks + SLOTS_BESIDE > c->stream->n_slots ||
	    !(atomic_load(&c->stream->taps_on) & RECORDING))
		return false;
	return unit->key || (last && coded_is_unit(last->coded_at_source) &&
			     last->owed & RECORDING && last->source_index + 1 == c->next.index);
}

static void fill_unit(struct worker *w, struct capture *c, struct frame *frame)
{
	struct slot_record *record = frame->record;
	struct source_unit unit;
	if (!c->passes)
		return;
	if (!c->source->table->unit(c->source, &unit) || !unit_fits(w, c, &unit)) {
		c->without_unit++;
		return;
	}
	c->with_unit++;
	memcpy(frame->coded, unit.bytes, unit.size);
	record->coded_bytes = (uint32_t)unit.size;
	record->coded_at_source = unit.key ? CODED_KEY_UNIT : CODED_UNIT;
	record->lacks = unit.lacks;
	record->dts = unit.dts;
}

/* The picture and what is made of it. */
static int fill_areas(struct worker *w, struct capture *c, struct frame *frame)
{
	struct slot_record *record = frame->record;
	record->coded_bytes = 0;
	record->coded_at_source = c->source->info.coded ? CODED_PICTURE : CODED_NOT;
	record->lacks = 0;
	record->dts = 0;
	if (!c->source->info.coded) {
		fill_unit(w, c, frame);
		int rc = take(c, frame->image);
		scale_luma_to_thumb(frame->image, c->stream->width, c->stream->width,
				    c->stream->height, record->thumb);
		return rc;
	}
	struct source_coded to = {
		.jpeg = frame->coded,
		.capacity = c->stream->coded_size,
		.thumb = record->thumb,
	};
	c->peeked = false;
	int rc = c->source->table->take_coded(c->source, &to);
	record->coded_bytes = (uint32_t)to.size;
	return rc;
}

static int capture_frame(struct worker *w, void *self, struct frame *frame)
{
	struct capture *c = self;
	int rc = look_ahead(w, c);
	if (rc < 0)
		return rc;
	if (c->next.kind == SOURCE_IS_OVER)
		return SOURCE_ENDED;
	if (c->next.kind == SOURCE_IS_AWAITED)
		return SOURCE_NOTHING;
	int64_t now = clock_now();
	rc = fill_areas(w, c, frame);
	if (rc == TROUPE_E_CORRUPT) {
		worker_drop(w, DROP_DAMAGED, 1);
		return SOURCE_NOTHING;
	}
	if (rc < 0) {
		log_error("capture: frame %" PRIu64 " of %s: %s", c->next.index, c->shown,
			  error_text(rc));
		return rc;
	}
	fill_record(w, c, frame->record, now);
	return SOURCE_PUBLISH;
}

static int capture_drop(struct worker *w, void *self)
{
	struct capture *c = self;
	int rc = look_ahead(w, c);
	if (rc < 0 || c->next.kind != SOURCE_IS_FRAME)
		return rc == 0 && c->next.kind == SOURCE_IS_OVER ? SOURCE_ENDED : rc;
	worker_drop(w, DROP_NO_SLOT, 1);
	return take(c, NULL);
}

static void capture_close(struct worker *w, void *self)
{
	(void)w;
	struct capture *c = self;
	source_close(c->source);
	free(c);
}

static void capture_dump(struct worker *w, void *self, FILE *out)
{
	(void)w;
	const struct capture *c = self;
	const struct source_info *info = &c->source->info;
	fprintf(out, "source: %s, %" PRIu32 "x%" PRIu32 " at %" PRIu32 "/%" PRIu32 " fps%s\n",
		c->shown, info->width, info->height, info->fps_num, info->fps_den,
		info->live ? ", live" : "");
	if (c->source->table->dump)
		c->source->table->dump(c->source, out);
	if (c->passes) {
		fprintf(out,
			"passthrough: %" PRIu64 " frames as they came, %" PRIu64 " to be JPEG\n",
			c->with_unit, c->without_unit);
	}
	if (!c->peeked)
		return;
	fprintf(out, "next frame: %" PRIu64 " at %.3f s%s\n", c->next.index,
		(double)c->next.pts / (double)NS_PER_S,
		c->next.kind == SOURCE_IS_OVER ? " (the end)" : "");
}

static int capture_probe(const void *config, FILE *out, char *why, size_t why_size)
{
	struct source *source;
	int rc = source_open(&source, config, (struct source_host){0}, why, why_size);
	if (rc < 0)
		return rc;
	const struct source_info *info = &source->info;
	fprintf(out,
		"width=%" PRIu32 "\nheight=%" PRIu32 "\nfps_num=%" PRIu32 "\nfps_den=%" PRIu32 "\n",
		info->width, info->height, info->fps_num, info->fps_den);
	fprintf(out, "live=%d\nframes=%" PRIu64 "\nlabels=", info->live, info->frames);
	for (size_t i = 0; info->labels && info->labels[i]; i++)
		fprintf(out, "%s%s", i ? "," : "", info->labels[i]);
	fprintf(out, "\n");
	if (info->device)
		fprintf(out, "device=%s\n", info->device);
	source_close(source);
	return 0;
}

static const struct need needs[] = {
	{NEED_SOURCE, "source"},
};

const struct worker_table capture_table = {
	.name = "capture",
	.version = TROUPE_VERSION,
	.summary = "fills the slots of one stream from a file or a test pattern",
	.takes = WORKER_TAKES_SOURCE,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {rows, sizeof(rows) / sizeof(rows[0]), sizeof(struct capture_config)},
	.open = capture_open,
	.ready = capture_ready,
	.due = capture_due,
	.frame = capture_frame,
	.drop = capture_drop,
	.close = capture_close,
	.dump = capture_dump,
	.probe = capture_probe,
	.devices = cameras_list,
};
