/* VIDIOC_REQBUFS, QUERYBUF, QBUF, DQBUF, STREAMON, STREAMOFF. */
#include "workers/capture/v4l2_buffers.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <errno.h>
#include <libv4l2.h>
#include <string.h>
#include <sys/mman.h>

#define QUERYBUF "querybuf"

static struct v4l2_buffer named(uint32_t index)
{
	return (struct v4l2_buffer){
		.index = index,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
}

static int map(struct camera_buffer *buffer, const struct camera *camera,
	       const struct v4l2_buffer *from)
{
	void *bytes = v4l2_mmap(NULL, from->length, PROT_READ | PROT_WRITE, MAP_SHARED, camera->fd,
				from->m.offset);
	if (bytes == MAP_FAILED)
		return error_from_errno(errno);
	buffer->bytes = bytes;
	buffer->length = from->length;
	return 0;
}

/* Takes over what the driver says of a frame that is out. QUERYBUF still says it of a buffer that
 * somebody else had dequeued, all but whether it was damaged. */
static void learn(struct camera_buffer *buffer, const struct v4l2_buffer *from)
{
	bool monotonic =
		(from->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
	buffer->out = true;
	buffer->used =
		from->bytesused < buffer->length ? from->bytesused : (uint32_t)buffer->length;
	buffer->sequence = from->sequence;
	buffer->captured = monotonic ? from->timestamp.tv_sec * NS_PER_S +
					       from->timestamp.tv_usec * NS_PER_S / 1000000
				     : 0;
	buffer->damaged = from->flags & V4L2_BUF_FLAG_ERROR;
}

void buffers_forget(struct camera_buffers *buffers)
{
	for (uint32_t i = 0; i < buffers->n; i++) {
		union {
			const uint8_t *from;
			void *to;
		} bytes = {.from = buffers->buffer[i].bytes};
		if (bytes.to)
			v4l2_munmap(bytes.to, buffers->buffer[i].length);
	}
	*buffers = (struct camera_buffers){0};
}

static int request(const struct camera *camera, uint32_t *count)
{
	struct v4l2_requestbuffers wanted = {
		.count = *count,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
	int rc = camera_call(camera, VIDIOC_REQBUFS, &wanted);
	*count = wanted.count;
	return rc;
}

/* Maps the buffer after those that there are. */
static int append(struct camera_buffers *buffers, const struct camera *camera,
		  struct v4l2_buffer *queried, const char **what)
{
	*queried = named(buffers->n);
	*what = QUERYBUF;
	int rc = camera_call(camera, VIDIOC_QUERYBUF, queried);
	if (rc < 0)
		return rc;
	*what = "mmap";
	rc = map(&buffers->buffer[buffers->n], camera, queried);
	if (rc == 0)
		buffers->n++;
	return rc;
}

int buffers_begin(struct camera_buffers *buffers, const struct camera *camera, uint32_t count,
		  const char **what)
{
	struct v4l2_buffer queried;
	*what = "reqbufs";
	int rc = request(camera, &count);
	if (rc == 0 && count == 0)
		rc = TROUPE_E_MEMORY;
	while (rc == 0 && buffers->n < count && buffers->n < BUFFERS_MAX)
		rc = append(buffers, camera, &queried, what);
	for (uint32_t i = 0; rc == 0 && i < buffers->n; i++)
		rc = buffers_give(buffers, camera, i, what);
	return rc;
}

int buffers_adopt(struct camera_buffers *buffers, const struct camera *camera, const char **what)
{
	struct v4l2_buffer queried;
	int rc = 0;
	while (rc == 0 && buffers->n < BUFFERS_MAX) {
		rc = append(buffers, camera, &queried, what);
		if (rc == 0 && !(queried.flags & (V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE)))
			learn(&buffers->buffer[buffers->n - 1], &queried);
		if (rc == 0 && queried.flags & V4L2_BUF_FLAG_DONE)
			buffers->full++;
	}
	/* The end of the list is told by an error. */
	if (rc < 0 && errno == EINVAL && strcmp(*what, QUERYBUF) == 0)
		rc = 0;
	return rc == 0 && buffers->n == 0 ? TROUPE_E_NOT_FOUND : rc;
}

int buffers_stream(const struct camera *camera, bool on, const char **what)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	*what = on ? "streamon" : "streamoff";
	return camera_call(camera, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type);
}

void buffers_end(struct camera_buffers *buffers, const struct camera *camera)
{
	const char *what;
	uint32_t none = 0;
	buffers_stream(camera, false, &what);
	buffers_forget(buffers);
	request(camera, &none);
}

int buffers_take(struct camera_buffers *buffers, const struct camera *camera, const char **what)
{
	struct v4l2_buffer taken = named(0);
	*what = "dqbuf";
	int rc = camera_call(camera, VIDIOC_DQBUF, &taken);
	if (rc < 0)
		return errno == EAGAIN ? TROUPE_E_AGAIN : rc == TROUPE_E_AGAIN ? TROUPE_E_IO : rc;
	if (taken.index >= buffers->n)
		return TROUPE_E_IO;
	learn(&buffers->buffer[taken.index], &taken);
	return 0;
}

int buffers_give(struct camera_buffers *buffers, const struct camera *camera, uint32_t index,
		 const char **what)
{
	struct v4l2_buffer given = named(index);
	*what = "qbuf";
	int rc = camera_call(camera, VIDIOC_QBUF, &given);
	if (rc == 0)
		buffers->buffer[index].out = false;
	return rc;
}
