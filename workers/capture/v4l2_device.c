/* Opening a camera, and the one place where its ioctls are made. */
#include "workers/capture/v4l2_device.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <libv4l2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int camera_call(const struct camera *camera, unsigned long request, void *argument)
{
	int rc;
	do {
		rc = v4l2_ioctl(camera->fd, request, argument);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? error_from_errno(errno) : 0;
}

bool camera_is_gone(int errnum)
{
	return errnum == ENODEV || errnum == ENXIO;
}

char *camera_fourcc(uint32_t fourcc, char out[FOURCC_SIZE])
{
	for (int i = 0; i < 4; i++) {
		uint32_t letter = fourcc >> 8 * i & 0x7f;
		out[i] = '\0';
		if (letter > ' ' && letter < 0x7f)
			out[i] = (char)letter;
	}
	out[4] = '\0';
	if (fourcc >> 31)
		memcpy(out + strlen(out), "-BE", 4);
	return out;
}

static int explain(const char *path, int errnum, char *why, size_t why_size)
{
	if (errnum == ENOENT || camera_is_gone(errnum)) {
		snprintf(why, why_size, "no device: %s is not there", path);
		return TROUPE_E_NOT_FOUND;
	}
	snprintf(why, why_size, "cannot open camera %s: %s", path, strerror(errnum));
	return error_from_errno(errnum);
}

/* The descriptor as libv4l2 shall have it. */
static int open_fd(const char *path, int fd)
{
	int own = fd < 0 ? open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
			 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int flags = own < 0 ? -1 : fcntl(own, F_GETFL);
	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(own, F_SETFL, flags | O_NONBLOCK);
	return own;
}

/* libv4l2 says on stderr what it dislikes, so what is no camera at all must not get there. */
static int ask_what_it_is(struct camera *camera, char *why, size_t why_size)
{
	struct v4l2_capability can = {0};
	if (camera_call(camera, VIDIOC_QUERYCAP, &can) < 0) {
		if (camera_is_gone(errno))
			return explain(camera->path, errno, why, why_size);
		snprintf(why, why_size, "%s is no camera", camera->path);
		return TROUPE_E_CONFIG;
	}
	uint32_t caps =
		can.capabilities & V4L2_CAP_DEVICE_CAPS ? can.device_caps : can.capabilities;
	snprintf(camera->name, sizeof(camera->name), "%s", (const char *)can.card);
	snprintf(camera->driver, sizeof(camera->driver), "%s", (const char *)can.driver);
	snprintf(camera->place, sizeof(camera->place), "%s", (const char *)can.bus_info);
	if (caps & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE) &&
	    caps & V4L2_CAP_STREAMING)
		return 0;
	snprintf(why, why_size, "%s (%s) delivers no video", camera->path, camera->name);
	return TROUPE_E_CONFIG;
}

int camera_open(struct camera *camera, const char *path, int fd, char *why, size_t why_size)
{
	*camera = (struct camera){.fd = open_fd(path, fd)};
	snprintf(camera->path, sizeof(camera->path), "%s", path);
	if (camera->fd < 0)
		return explain(path, errno, why, why_size);
	int rc = ask_what_it_is(camera, why, why_size);
	if (rc == 0 && v4l2_fd_open(camera->fd, V4L2_DISABLE_CONVERSION) < 0)
		rc = explain(path, errno, why, why_size);
	if (rc < 0) {
		close(camera->fd);
		camera->fd = -1;
	}
	return rc;
}

void camera_close(struct camera *camera)
{
	if (camera->fd >= 0)
		v4l2_close(camera->fd);
	camera->fd = -1;
}
