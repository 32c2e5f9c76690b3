/* A camera as one open descriptor, by way of libv4l2 without its conversions: then libv4l2 asks
 * what the camera is (QUERYCAP, G_FMT, G_PARM) and passes everything else on, so that adopting a
 * stream that runs changes nothing of it. One thread. */
#ifndef TROUPE_WORKERS_CAPTURE_V4L2_DEVICE_H
#define TROUPE_WORKERS_CAPTURE_V4L2_DEVICE_H

#include <linux/videodev2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct camera {
	int fd;		 /* never blocks */
	char path[512];	 /* as it was named */
	char name[32];	 /* what it says it is */
	char driver[16]; /* its kernel module */
	char place[32];	 /* where it is plugged in */
};

/* Opens `path`, or, with fd >= 0, a descriptor of the same open file (fd stays the caller's).
 * Errors are explained in `why`: TROUPE_E_NOT_FOUND (gone), TROUPE_E_DENIED, TROUPE_E_BUSY,
 * TROUPE_E_CONFIG: not a camera. */
int camera_open(struct camera *camera, const char *path, int fd, char *why, size_t why_size);
void camera_close(struct camera *camera);

/* One ioctl. 0, or a code that fits errno, which is kept: TROUPE_E_AGAIN for EAGAIN. */
int camera_call(const struct camera *camera, unsigned long request, void *argument);

/* Whether errno, after a call that failed, says that the camera is not there any more. */
bool camera_is_gone(int errnum);

/* The four letters of a pixel format, trailing blanks cut. Returns `out`. */
#define FOURCC_SIZE 8
char *camera_fourcc(uint32_t fourcc, char out[FOURCC_SIZE]);

#endif
