/* v4l2_fd_open, v4l2_ioctl, v4l2_mmap, v4l2_munmap, v4l2_close as --wrap has them. */
#include "tests/unit/fake_camera.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The linker's names for them. */
int fake_open(int fd, int flags) __asm__("__wrap_v4l2_fd_open");
int fake_close(int fd) __asm__("__wrap_v4l2_close");
int fake_ioctl(int fd, unsigned long request, ...) __asm__("__wrap_v4l2_ioctl");
void *fake_mmap(void *start, size_t length, int prot, int flags, int fd,
		int64_t offset) __asm__("__wrap_v4l2_mmap");
int fake_munmap(void *start, size_t length) __asm__("__wrap_v4l2_munmap");

struct fake_camera *fake_camera(void)
{
	static struct fake_camera *camera; /* the one piece of shared memory */
	if (!camera) {
		camera = mmap(NULL, sizeof(*camera), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (camera == MAP_FAILED)
			abort();
	}
	return camera;
}

static uint8_t studio_luma(uint32_t sequence)
{
	return (uint8_t)(20 + sequence % 200);
}

uint8_t fake_luma(uint32_t sequence)
{
	return (uint8_t)((2 * 255 * (studio_luma(sequence) - 16) + 219) / (2 * 219));
}

static struct fake_buffer *oldest(struct fake_camera *c, enum fake_state state)
{
	struct fake_buffer *found = NULL;
	for (uint32_t i = 0; i < c->n; i++) {
		struct fake_buffer *b = &c->buffer[i];
		if (b->state == state && (!found || (int32_t)(b->order - found->order) < 0))
			found = b;
	}
	return found;
}

void fake_tick(struct fake_camera *c)
{
	uint32_t sequence = c->sequence;
	if (!c->streams || c->fatal)
		return;
	c->sequence++;
	c->ticks++;
	if (c->lose) {
		c->lose--;
		return;
	}
	struct fake_buffer *b = oldest(c, FAKE_QUEUED);
	if (!b)
		return;
	for (uint32_t i = 0; i < FAKE_BYTES; i += 2) {
		b->bytes[i] = studio_luma(sequence);
		b->bytes[i + 1] = 128;
	}
	if (c->jpeg_size)
		memcpy(b->bytes, c->jpeg, c->jpeg_size);
	b->state = FAKE_DONE;
	b->order = c->order++;
	b->sequence = sequence;
	b->used = c->jpeg_size ? c->jpeg_size : FAKE_BYTES;
	b->stamp = (int64_t)c->ticks * 40000;
	b->damaged = c->damage;
	c->damage = false;
}

static int fail(int errnum)
{
	errno = errnum;
	return -1;
}

/* ---- buffers ---- */

static int reqbufs(struct fake_camera *c, struct v4l2_requestbuffers *wanted)
{
	if (c->busy || (c->streams && wanted->count))
		return fail(EBUSY);
	if (wanted->count > FAKE_BUFFERS)
		wanted->count = FAKE_BUFFERS;
	c->n = wanted->count;
	c->streams = false;
	memset(c->buffer, 0, sizeof(c->buffer));
	return 0;
}

static void fill(const struct fake_camera *c, const struct fake_buffer *b, struct v4l2_buffer *to)
{
	static const uint32_t flags[] = {[FAKE_OUT] = 0,
					 [FAKE_QUEUED] = V4L2_BUF_FLAG_QUEUED,
					 [FAKE_DONE] = V4L2_BUF_FLAG_DONE};
	to->index = (uint32_t)(b - c->buffer);
	to->flags = flags[b->state] | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
	to->sequence = b->sequence;
	to->bytesused = b->used;
	to->timestamp = (struct timeval){b->stamp / 1000000, b->stamp % 1000000};
	to->length = FAKE_BYTES;
	to->m.offset = to->index * 4096;
}

static int querybuf(const struct fake_camera *c, struct v4l2_buffer *to)
{
	if (to->index >= c->n)
		return fail(EINVAL);
	fill(c, &c->buffer[to->index], to);
	return 0;
}

/* Even one that fails forgets which frame was in the buffer. */
static int qbuf(struct fake_camera *c, struct v4l2_buffer *given, bool fails)
{
	struct fake_buffer *b = &c->buffer[given->index];
	if (given->index >= c->n || b->state != FAKE_OUT)
		return fail(EINVAL);
	b->sequence = b->used = 0;
	b->stamp = 0;
	if (fails)
		return -1;
	b->state = FAKE_QUEUED;
	b->order = c->order++;
	return 0;
}

static int dqbuf(struct fake_camera *c, struct v4l2_buffer *to)
{
	if (!c->streams)
		return fail(EINVAL);
	if (c->fatal)
		return fail(EIO);
	if (!c->idle)
		fake_tick(c);
	struct fake_buffer *b = oldest(c, FAKE_DONE);
	if (!b)
		return fail(EAGAIN);
	b->state = FAKE_OUT;
	fill(c, b, to);
	if (b->damaged)
		to->flags |= V4L2_BUF_FLAG_ERROR;
	return 0;
}

static int stream(struct fake_camera *c, bool on)
{
	if (c->busy)
		return fail(EBUSY);
	if (on && !c->streams) {
		c->sequence = c->start;
		c->starts++;
	}
	for (uint32_t i = 0; !on && i < c->n; i++)
		c->buffer[i].state = FAKE_OUT;
	if (!on)
		c->fatal = false;
	c->streams = on;
	return 0;
}

/* ---- what it is ---- */

static int querycap(struct v4l2_capability *can)
{
	*can = (struct v4l2_capability){
		.driver = "fake",
		.card = "Fake Camera",
		.capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING,
	};
	return 0;
}

static int enum_format(const struct fake_camera *c, struct v4l2_fmtdesc *format)
{
	static const uint32_t formats[] = {V4L2_PIX_FMT_RGB24, V4L2_PIX_FMT_YUYV};
	if (format->index >= (c->jpeg_size ? 1 : 2))
		return fail(EINVAL);
	format->pixelformat = c->jpeg_size ? V4L2_PIX_FMT_MJPEG : formats[format->index];
	return 0;
}

static int enum_size(struct v4l2_frmsizeenum *size)
{
	if (size->index > 0)
		return fail(EINVAL);
	size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
	size->discrete = (struct v4l2_frmsize_discrete){FAKE_WIDTH, FAKE_HEIGHT};
	return 0;
}

static int enum_rate(struct v4l2_frmivalenum *time)
{
	static const uint32_t rates[] = {25, 5};
	if (time->index >= 2)
		return fail(EINVAL);
	time->type = V4L2_FRMIVAL_TYPE_DISCRETE;
	time->discrete = (struct v4l2_fract){1, rates[time->index]};
	return 0;
}

static int format(const struct fake_camera *c, struct v4l2_format *format, bool set)
{
	if (set && (c->busy || c->n))
		return fail(EBUSY);
	format->fmt.pix = (struct v4l2_pix_format){
		.width = FAKE_WIDTH,
		.height = FAKE_HEIGHT,
		.pixelformat = c->jpeg_size ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV,
		.bytesperline = FAKE_WIDTH * 2,
		.sizeimage = FAKE_BYTES,
		.colorspace = V4L2_COLORSPACE_SRGB,
	};
	return 0;
}

static int query_control(struct v4l2_query_ext_ctrl *control)
{
	if ((control->id & ~V4L2_CTRL_FLAG_NEXT_CTRL) >= V4L2_CID_BRIGHTNESS)
		return fail(EINVAL);
	*control = (struct v4l2_query_ext_ctrl){
		.id = V4L2_CID_BRIGHTNESS,
		.type = V4L2_CTRL_TYPE_INTEGER,
		.name = "Brightness, Fake",
		.minimum = -10,
		.maximum = 10,
		.step = 5,
	};
	return 0;
}

static int perform(struct fake_camera *c, unsigned long request, void *arg)
{
	switch (request) {
	case VIDIOC_QUERYCAP:
		return querycap(arg);
	case VIDIOC_ENUM_FMT:
		return enum_format(c, arg);
	case VIDIOC_ENUM_FRAMESIZES:
		return enum_size(arg);
	case VIDIOC_ENUM_FRAMEINTERVALS:
		return enum_rate(arg);
	case VIDIOC_G_FMT:
		return format(c, arg, false);
	case VIDIOC_S_FMT:
		return format(c, arg, true);
	case VIDIOC_S_PARM:
		return 0;
	case VIDIOC_QUERY_EXT_CTRL:
		return query_control(arg);
	case VIDIOC_S_EXT_CTRLS:
		c->brightness = ((struct v4l2_ext_controls *)arg)->controls[0].value;
		return 0;
	case VIDIOC_REQBUFS:
		return reqbufs(c, arg);
	case VIDIOC_QUERYBUF:
		return querybuf(c, arg);
	case VIDIOC_QBUF:
		return qbuf(c, arg, false);
	case VIDIOC_DQBUF:
		return dqbuf(c, arg);
	case VIDIOC_STREAMON:
		return stream(c, true);
	case VIDIOC_STREAMOFF:
		return stream(c, false);
	default:
		return fail(ENOTTY);
	}
}

/* Whether this call is to fail; then errno says how. */
static bool fails(struct fake_camera *c, unsigned long request, void *arg)
{
	struct fake_failure *f = &c->failure;
	if (f->request != request ||
	    (request == VIDIOC_REQBUFS && !((struct v4l2_requestbuffers *)arg)->count))
		return false;
	if (f->after-- > 0)
		return false;
	f->request = 0;
	if (request == VIDIOC_QBUF)
		qbuf(c, arg, true);
	c->fatal = f->errnum == EIO;
	errno = f->errnum;
	return true;
}

/* ---- as libv4l2 ---- */

int fake_open(int fd, int flags)
{
	(void)flags;
	return fd;
}

int fake_close(int fd)
{
	return close(fd);
}

int fake_ioctl(int fd, unsigned long request, ...)
{
	struct fake_camera *c = fake_camera();
	va_list args;
	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);
	(void)fd;
	bool dies = ++c->calls == c->kill_at;
	if (dies && !c->kill_after)
		_exit(9);
	int rc = c->gone ? fail(ENODEV) : fails(c, request, arg) ? -1 : perform(c, request, arg);
	if (dies)
		_exit(9);
	return rc;
}

void *fake_mmap(void *start, size_t length, int prot, int flags, int fd, int64_t offset)
{
	(void)start, (void)length, (void)prot, (void)flags, (void)fd;
	return fake_camera()->buffer[offset / 4096].bytes;
}

int fake_munmap(void *start, size_t length)
{
	(void)start, (void)length;
	return 0;
}
