/* "/dev/video0" or "v4l2:PATH": a camera as a source. Its stream belongs to an open file that the
 * supervisor holds, and goes on while its capture is dead; a successor adopts it.
 *
 * A frame is in the driver's hands, in one buffer that is out, or in the ledger, at any
 * instruction: one buffer at a time is dequeued, and given back only after its frame was published
 * or counted. The driver's sequence number says which frame is in a buffer, so a successor knows of
 * the one that it finds out whether it was accounted for: if not, it is offered first of all.
 *
 * A buffer goes back when peek is called next: after the nap that follows the ring, not between
 * publishing and the ring, where the processor waits for us. The driver has all others meanwhile.
 */
#include "workers/capture/source.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/slots/record.h"
#include "workers/capture/v4l2_buffers.h"
#include "workers/capture/v4l2_controls.h"
#include "workers/capture/v4l2_modes.h"
#include "workers/capture/v4l2_pixels.h"
#include "workers/capture/v4l2_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The source's word in the stream's row: the index of the frame with sequence number 0 (its low 32
 * bits, as sequence numbers have no more), and whether the camera streams. */
#define WORD_STREAMS (UINT64_C(1) << 32)

/* After a start numbers begin at 0; what begins beyond this counts in another way. Later a jump of
 * so many is none either. */
#define FIRST_MAX 1000
#define JUMP_MAX  1000000

/* Buffers last so long without a capture. */
#define BRIDGE_SECONDS 0.5
#define BUFFERS_LEAST  4

/* A stream without frames is set up anew after so long, or after so many frames' time. */
#define SILENCE_MAX    (3 * NS_PER_S)
#define SILENCE_FRAMES 10

/* A buffer that cannot be given back is tried so often before the stream is set up anew, which
 * loses what is in the others. */
#define GIVE_TRIES 3

#define RETRY_FIRST (100 * NS_PER_MS)
#define RETRY_MAX   (5 * NS_PER_S)

struct v4l2 {
	struct source source;
	struct camera camera;
	struct camera_wish wish;
	struct camera_modes modes; /* [0] is ours */
	struct control_settings controls;
	struct camera_buffers buffers;
	struct pixels *pixels;
	struct v4l2_format format; /* that is in force */
	struct source_held held;
	_Atomic uint64_t own_word; /* where nothing is held for us */
	_Atomic int64_t own_origin;
	char device[PLACE_SIZE];
	int64_t n_buffers; /* 0: as many as are good */
	uint64_t next;	   /* index of the first frame that is not taken */
	bool streams;
	int current;	    /* the buffer that peek spoke of; -1: none */
	int64_t last_frame; /* when one came, or the stream began */
	int64_t retry_at, retry_wait;
	int failed;   /* errno of the last fault */
	bool damaged; /* the last frame was; said when it begins */
};

static struct v4l2 *v4l2_of(struct source *source)
{
	return (struct v4l2 *)source;
}

/* ---- faults ---- */

static void tell(const struct v4l2 *v, const char *text)
{
	log_warn("capture: %s", text);
	if (v->source.host.report)
		v->source.host.report(v->source.host.arg, text);
}

/* Before STREAMOFF: it makes every buffer look out. */
static void stop(struct v4l2 *v)
{
	atomic_store(v->held.word, 0);
	v->streams = false;
	v->current = -1;
	buffers_end(&v->buffers, &v->camera);
}

/* Whatever failed: the stream is set up anew, after a wait that grows until a frame comes. A camera
 * that is gone ends the source. */
static int fault(struct v4l2 *v, const char *what, const char *why, int errnum)
{
	char text[768];
	v->failed = errnum;
	if (camera_is_gone(errnum)) {
		snprintf(v->source.why, sizeof(v->source.why), "no device: %.160s (%s) is gone",
			 v->camera.path, v->camera.name);
		return TROUPE_E_NOT_FOUND;
	}
	stop(v);
	snprintf(text, sizeof(text), "camera %s: %s: %s; its stream is set up anew in %.1f s",
		 v->camera.path, what, why, (double)v->retry_wait / NS_PER_S);
	tell(v, text);
	v->retry_at = clock_now() + v->retry_wait;
	v->retry_wait = v->retry_wait * 2 < RETRY_MAX ? v->retry_wait * 2 : RETRY_MAX;
	return 0;
}

static int fault_of_call(struct v4l2 *v, const char *what)
{
	int errnum = errno;
	return fault(v, what, strerror(errnum), errnum);
}

/* ---- beginning ---- */

static const struct camera_mode *mode_of(const struct v4l2 *v)
{
	return &v->modes.mode[0];
}

static int set_format(struct v4l2 *v)
{
	const struct camera_mode *mode = mode_of(v);
	v->format = (struct v4l2_format){
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.fmt.pix = {.width = mode->width,
			    .height = mode->height,
			    .pixelformat = mode->fourcc,
			    .field = V4L2_FIELD_NONE},
	};
	return camera_call(&v->camera, VIDIOC_S_FMT, &v->format);
}

static bool has_format(const struct v4l2 *v)
{
	const struct camera_mode *mode = mode_of(v);
	const struct v4l2_pix_format *pix = &v->format.fmt.pix;
	return pix->width == mode->width && pix->height == mode->height &&
	       pix->pixelformat == mode->fourcc;
}

/* A camera that cannot be told a rate has one all the same. */
static void set_rate(struct v4l2 *v)
{
	const struct camera_mode *mode = mode_of(v);
	struct v4l2_streamparm parm = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.parm.capture.timeperframe = {mode->fps_den, mode->fps_num},
	};
	const struct v4l2_fract *time = &parm.parm.capture.timeperframe;
	if (!mode->fps_num || camera_call(&v->camera, VIDIOC_S_PARM, &parm) < 0)
		return;
	if ((uint64_t)time->numerator * mode->fps_num !=
	    (uint64_t)time->denominator * mode->fps_den)
		log_warn("capture: camera %s takes a frame every %" PRIu32 "/%" PRIu32 " s",
			 v->camera.path, time->numerator, time->denominator);
}

static uint32_t count_buffers(const struct v4l2 *v)
{
	if (v->n_buffers)
		return (uint32_t)v->n_buffers;
	double n = 2 + BRIDGE_SECONDS * v->source.info.fps_num / v->source.info.fps_den;
	return n < BUFFERS_LEAST ? BUFFERS_LEAST : n > BUFFERS_MAX ? BUFFERS_MAX : (uint32_t)n;
}

static int open_pixels(struct v4l2 *v)
{
	pixels_destroy(v->pixels);
	v->pixels = NULL;
	return pixels_create(&v->pixels, &v->format.fmt.pix, v->camera.fd);
}

static int in_force(struct v4l2 *v)
{
	v->streams = true;
	v->current = -1;
	v->last_frame = clock_now();
	return open_pixels(v);
}

/* Sets the stream up from nothing. Every error but a camera that is gone is a fault, and 0. */
static int set_up(struct v4l2 *v)
{
	const char *what;
	stop(v); /* what a predecessor may have left half-done */
	if (set_format(v) < 0)
		return fault_of_call(v, "s_fmt");
	if (!has_format(v))
		return fault(v, "s_fmt", "it takes another format than it offers", 0);
	set_rate(v);
	if (controls_apply(&v->camera, &v->controls, &what) < 0)
		log_warn("capture: camera %s refuses to set %s: %s", v->camera.path, what,
			 strerror(errno));
	if (buffers_begin(&v->buffers, &v->camera, count_buffers(v), &what) < 0)
		return fault_of_call(v, what);
	/* A predecessor that died here has left all buffers queued: nothing looks out. */
	atomic_store(v->held.word, WORD_STREAMS | (uint32_t)v->next);
	if (buffers_stream(&v->camera, true, &what) < 0)
		return fault_of_call(v, what);
	return in_force(v);
}

/* The index of a frame by its sequence number; what lies before `next` comes out as less. */
static uint64_t index_of(const struct v4l2 *v, uint32_t sequence)
{
	uint32_t base = (uint32_t)atomic_load(v->held.word);
	uint32_t expected = (uint32_t)v->next - base;
	return v->next + (uint64_t)(int64_t)(int32_t)(sequence - expected);
}

/* The oldest buffer that is out; -1: none. */
static int oldest_out(const struct v4l2 *v)
{
	int oldest = -1;
	for (uint32_t i = 0; i < v->buffers.n; i++) {
		const struct camera_buffer *b = &v->buffers.buffer[i];
		if (b->out &&
		    (oldest < 0 || (int32_t)(b->sequence - v->buffers.buffer[oldest].sequence) < 0))
			oldest = (int)i;
	}
	return oldest;
}

static void say_adopted(const struct v4l2 *v)
{
	int out = oldest_out(v);
	uint64_t index = out < 0 ? 0 : index_of(v, v->buffers.buffer[out].sequence);
	log_info("capture: goes on with the stream of %s, %" PRIu32 " of its %" PRIu32
		 " buffers are full",
		 v->camera.path, v->buffers.full, v->buffers.n);
	if (out >= 0 && (int64_t)(index - v->next) >= 0)
		log_info("capture: frame %" PRIu64 " was out and is salvaged", index);
}

/* Goes on with a stream that runs. 1: done; 0: there is none after all, or it is not ours to use.
 */
static int adopt(struct v4l2 *v)
{
	const char *what;
	v->format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	if (camera_call(&v->camera, VIDIOC_G_FMT, &v->format) < 0 || !has_format(v) ||
	    buffers_adopt(&v->buffers, &v->camera, &what) < 0 ||
	    buffers_stream(&v->camera, true, &what) < 0)
		return 0;
	say_adopted(v);
	int rc = in_force(v);
	return rc < 0 ? rc : 1;
}

/* Which mode it is, and what else there was. */
static void say_choice(const struct v4l2 *v)
{
	char others[512] = "", text[MODE_TEXT_SIZE];
	size_t used = 0, i = 1;
	for (; i < v->modes.n && used + sizeof(text) < sizeof(others); i++)
		used += (size_t)snprintf(others + used, sizeof(others) - used, "%s%s",
					 i > 1 ? ", " : "", mode_text(&v->modes.mode[i], text));
	log_info("capture: %s (%s) delivers %s%s; it could be %s%s", v->camera.path, v->camera.name,
		 mode_text(mode_of(v), text), mode_of(v)->emulated ? " (emulated)" : "",
		 used ? others : "nothing else", i < v->modes.n ? ", …" : "");
}

/* ---- the source ---- */

static int v4l2_resume(struct source *source, const struct source_mark *mark)
{
	struct v4l2 *v = v4l2_of(source);
	v->next = mark->next;
	say_choice(v);
	int rc = atomic_load(v->held.word) & WORD_STREAMS ? adopt(v) : 0;
	if (rc == 0)
		rc = set_up(v);
	if (rc < 0 || v->streams || v->next > 0 || v->failed != EBUSY)
		return rc < 0 ? rc : 0;
	snprintf(v->source.why, sizeof(v->source.why),
		 "camera %.160s (%s) is in use by another program", v->camera.path, v->camera.name);
	return TROUPE_E_BUSY;
}

static int give(struct v4l2 *v, uint32_t buffer)
{
	const char *what;
	char text[640];
	for (int tries = 1; buffers_give(&v->buffers, &v->camera, buffer, &what) < 0; tries++) {
		if (tries == GIVE_TRIES || camera_is_gone(errno))
			return fault_of_call(v, what);
		snprintf(text, sizeof(text), "camera %s: %s: %s; it is tried again", v->camera.path,
			 what, strerror(errno));
		tell(v, text);
	}
	return 0;
}

/* Lets go of what is accounted for. */
static int give_back(struct v4l2 *v)
{
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < v->buffers.n; i++) {
		const struct camera_buffer *b = &v->buffers.buffer[i];
		if (b->out && (int64_t)(index_of(v, b->sequence) - v->next) < 0)
			rc = give(v, i);
	}
	return rc;
}

/* A number that cannot be right: the driver counts in a way of its own, and this frame is the next.
 */
static void check_number(struct v4l2 *v, const struct camera_buffer *b)
{
	uint64_t word = atomic_load(v->held.word);
	bool first = (uint32_t)word == (uint32_t)v->next;
	int64_t jump = (int64_t)(index_of(v, b->sequence) - v->next);
	if (jump < 0 || jump > (first ? FIRST_MAX : JUMP_MAX))
		atomic_store(v->held.word, WORD_STREAMS | ((uint32_t)v->next - b->sequence));
}

/* Takes a frame out if none is. */
static int dequeue(struct v4l2 *v)
{
	const char *what;
	int64_t now = clock_now();
	v->current = oldest_out(v);
	if (v->current >= 0)
		return 0;
	int rc = buffers_take(&v->buffers, &v->camera, &what);
	if (rc == 0) {
		v->last_frame = now;
		v->current = oldest_out(v);
		check_number(v, &v->buffers.buffer[v->current]);
		return 0;
	}
	if (rc != TROUPE_E_AGAIN)
		return fault_of_call(v, what);
	int64_t frame = NS_PER_S * v->source.info.fps_den / v->source.info.fps_num;
	int64_t silence =
		SILENCE_FRAMES * frame > SILENCE_MAX ? SILENCE_FRAMES * frame : SILENCE_MAX;
	if (now - v->last_frame < silence)
		return 0;
	char why[64];
	snprintf(why, sizeof(why), "none for %.1f s", (double)(now - v->last_frame) / NS_PER_S);
	return fault(v, "frames", why, 0);
}

static void say_damaged(struct v4l2 *v, const struct camera_buffer *b)
{
	char text[640];
	if (v->damaged)
		return;
	v->damaged = true;
	snprintf(text, sizeof(text), "camera %s: frame %" PRIu64 " is damaged: %s", v->camera.path,
		 v->next, b->damaged ? "the driver says so" : "it is too short");
	tell(v, text);
}

static void describe(struct v4l2 *v, struct source_item *item)
{
	struct camera_buffer *b = &v->buffers.buffer[v->current];
	int64_t now = clock_now(), unknown = 0;
	/* Some drivers stamp the end of a frame that they deliver a little earlier. */
	if (b->captured <= 0 || b->captured > now + NS_PER_S)
		b->captured = now;
	atomic_compare_exchange_strong(v->held.origin, &unknown, b->captured);
	item->index = v->next;
	item->captured = b->captured;
	item->pts = b->captured - record_time(atomic_load(v->held.origin));
	item->kind = SOURCE_IS_LOST;
	if (index_of(v, b->sequence) != v->next)
		item->reason = DROP_DEVICE;
	else if (b->damaged || b->used < pixels_size(v->pixels) || b->used == 0)
		item->reason = DROP_DAMAGED;
	else
		item->kind = SOURCE_IS_FRAME;
	if (item->kind == SOURCE_IS_FRAME)
		v->damaged = false;
	else if (item->reason == DROP_DAMAGED)
		say_damaged(v, b);
}

static int v4l2_peek(struct source *source, struct source_item *item)
{
	struct v4l2 *v = v4l2_of(source);
	*item = (struct source_item){.kind = SOURCE_IS_AWAITED, .label = -1};
	v->current = -1;
	int rc = 0;
	if (!v->streams && clock_now() >= v->retry_at)
		rc = set_up(v);
	if (rc == 0 && v->streams)
		rc = give_back(v);
	if (rc == 0 && v->streams)
		rc = dequeue(v);
	if (rc == 0 && v->current >= 0)
		describe(v, item);
	return rc;
}

/* The buffer stays out until peek is called: then the frame is accounted for. */
static const struct camera_buffer *consume(struct v4l2 *v)
{
	v->next++;
	v->retry_wait = RETRY_FIRST;
	return &v->buffers.buffer[v->current];
}

static int v4l2_take(struct source *source, uint8_t *i420)
{
	struct v4l2 *v = v4l2_of(source);
	const struct camera_buffer *b = consume(v);
	if (!i420)
		return 0;
	int rc = pixels_convert(v->pixels, b->bytes, b->used, source->info.width,
				source->info.height, i420);
	return rc == TROUPE_E_TRUNCATED ? TROUPE_E_CORRUPT : rc;
}

static int v4l2_take_coded(struct source *source, struct source_coded *to)
{
	struct v4l2 *v = v4l2_of(source);
	const struct camera_buffer *b = consume(v);
	return pixels_copy_jpeg(v->pixels, b->bytes, b->used, source->info.width,
				source->info.height, to);
}

static int v4l2_awaits(struct source *source)
{
	const struct v4l2 *v = v4l2_of(source);
	return v->streams && v->current < 0 ? v->camera.fd : -1;
}

/* The stream goes on, if somebody else holds the camera open as well. */
static void v4l2_close_source(struct source *source)
{
	struct v4l2 *v = v4l2_of(source);
	buffers_forget(&v->buffers);
	pixels_destroy(v->pixels);
	camera_close(&v->camera);
	free(v);
}

static const struct source_table v4l2_table = {
	.peek = v4l2_peek,
	.take = v4l2_take,
	.take_coded = v4l2_take_coded,
	.resume = v4l2_resume,
	.awaits = v4l2_awaits,
	.close = v4l2_close_source,
};

/* ---- opening: asks, and changes nothing ---- */

static int parse_wish(const struct capture_config *config, struct camera_wish *wish, char *why,
		      size_t why_size)
{
	int used = 0;
	*wish = (struct camera_wish){.fps = config->fps};
	if (*config->size && (sscanf(config->size, "%5" SCNu32 "x%5" SCNu32 "%n", &wish->width,
				     &wish->height, &used) != 2 ||
			      config->size[used] || !wish->width || !wish->height)) {
		snprintf(why, why_size, "size = \"%s\" is not WIDTHxHEIGHT", config->size);
		return TROUPE_E_CONFIG;
	}
	size_t letters = strlen(config->format);
	if (letters > 4) {
		snprintf(why, why_size, "format = \"%s\" is not the four letters of a format",
			 config->format);
		return TROUPE_E_CONFIG;
	}
	for (size_t i = 0; letters && i < 4; i++)
		wish->fourcc |= (uint32_t)(i < letters ? config->format[i] : ' ') << 8 * i;
	return 0;
}

static void fill_info(struct v4l2 *v)
{
	const struct camera_mode *mode = mode_of(v);
	bool rate = mode->fps_num && mode->fps_den;
	v->source.info = (struct source_info){
		.width = mode->width & ~1U,
		.height = mode->height & ~1U,
		.fps_num = rate ? mode->fps_num : (uint32_t)FPS_USUAL,
		.fps_den = rate ? mode->fps_den : 1,
		.live = true,
		.coded = pixels_are_jpeg(mode->fourcc),
		.device = v->device,
	};
}

/* Whether libv4lconvert knows a format shows only when it is tried. */
static bool is_convertible(const struct v4l2 *v, const struct camera_mode *mode)
{
	struct v4l2_format format = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.fmt.pix = {.width = mode->width,
			    .height = mode->height,
			    .pixelformat = mode->fourcc},
	};
	struct pixels *pixels = NULL;
	bool is = camera_call(&v->camera, VIDIOC_TRY_FMT, &format) == 0 &&
		  pixels_create(&pixels, &format.fmt.pix, v->camera.fd) == 0;
	pixels_destroy(pixels);
	return is;
}

static int choose(struct v4l2 *v, char *why, size_t why_size)
{
	char fourcc[FOURCC_SIZE];
	int rc = modes_choose(&v->camera, &v->wish, &v->modes, why, why_size);
	while (rc == 0 && mode_of(v)->emulated && !is_convertible(v, mode_of(v))) {
		snprintf(why, why_size, "format %s of %s (%s) is none that can be converted",
			 camera_fourcc(mode_of(v)->fourcc, fourcc), v->camera.path, v->camera.name);
		rc = modes_drop(&v->modes, mode_of(v)->fourcc) ? 0 : TROUPE_E_CONFIG;
	}
	return rc;
}

static void hold(struct v4l2 *v, const struct source_held *held)
{
	v->held = (struct source_held){-1, &v->own_word, &v->own_origin};
	if (held)
		v->held = *held;
}

int v4l2_source_open(struct source **source, const char *rest, const struct capture_config *config,
		     struct source_host host, char *why, size_t why_size)
{
	struct v4l2 *v = calloc(1, sizeof(*v));
	if (!v) {
		snprintf(why, why_size, "%s", error_text(TROUPE_E_MEMORY));
		return TROUPE_E_MEMORY;
	}
	v->source.table = &v4l2_table;
	v->source.host = host;
	v->current = -1;
	v->retry_wait = RETRY_FIRST;
	v->n_buffers = config->buffers;
	hold(v, host.held);
	const char *path = strncmp(config->source, "/dev/", 5) == 0 ? config->source : rest;
	camera_place(path, v->device);
	int rc = camera_open(&v->camera, path, v->held.fd, why, why_size);
	if (rc == 0)
		rc = parse_wish(config, &v->wish, why, why_size);
	if (rc == 0)
		rc = choose(v, why, why_size);
	if (rc == 0)
		rc = controls_parse(&v->camera, config->controls, &v->controls, why, why_size);
	if (rc < 0) {
		v4l2_close_source(&v->source);
		return rc;
	}
	fill_info(v);
	*source = &v->source;
	return 0;
}
