/* The buffers that a camera's driver fills, and the stream of them. They belong to the open file
 * and outlive who mapped them. */
#ifndef TROUPE_WORKERS_CAPTURE_V4L2_BUFFERS_H
#define TROUPE_WORKERS_CAPTURE_V4L2_BUFFERS_H

#include "workers/capture/v4l2_device.h"

#define BUFFERS_MAX 32 /* as many as the kernel has of one queue */

struct camera_buffer {
	const uint8_t *bytes; /* mapped; NULL: not */
	size_t length;
	bool out; /* ours just now: it holds a frame, and the driver does not fill it */
	/* of a buffer that is out */
	uint32_t used; /* bytes of the frame */
	uint32_t sequence;
	int64_t captured; /* monotonic ns, 0: the driver does not say */
	bool damaged;	  /* the driver says so */
};

struct camera_buffers {
	struct camera_buffer buffer[BUFFERS_MAX];
	uint32_t n;
	uint32_t full; /* of those that were adopted: frames that waited for us */
};

/* Every function returns 0 or an error with its errno, and in *what the name of the step that
 * failed. */

/* Asks for so many, maps them and queues them all. */
int buffers_begin(struct camera_buffers *buffers, const struct camera *camera, uint32_t count,
		  const char **what);
/* Maps those that there are, and learns which of them are out; none: TROUPE_E_NOT_FOUND. */
int buffers_adopt(struct camera_buffers *buffers, const struct camera *camera, const char **what);
/* Unmaps and forgets them. */
void buffers_forget(struct camera_buffers *buffers);

int buffers_stream(const struct camera *camera, bool on, const char **what);
/* Stops the stream and gives up the buffers, whatever there is of them. */
void buffers_end(struct camera_buffers *buffers, const struct camera *camera);

/* Takes the next frame out. TROUPE_E_AGAIN: none yet. */
int buffers_take(struct camera_buffers *buffers, const struct camera *camera, const char **what);
/* Lets the driver have a buffer. */
int buffers_give(struct camera_buffers *buffers, const struct camera *camera, uint32_t index,
		 const char **what);

#endif
