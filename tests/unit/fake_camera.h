/* A camera's driver that is not there: libv4l2's functions, wrapped by the linker, on one piece of
 * shared memory, so that it goes on when a process that uses it is killed. It behaves as the
 * kernel's vivid was seen to. */
#ifndef TROUPE_TESTS_UNIT_FAKE_CAMERA_H
#define TROUPE_TESTS_UNIT_FAKE_CAMERA_H

#include <linux/videodev2.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_WIDTH   32
#define FAKE_HEIGHT  24
#define FAKE_BYTES   1536 /* YUYV */
#define FAKE_I420    1152 /* the same as a slot's image */
#define FAKE_BUFFERS 32

enum fake_state { FAKE_OUT, FAKE_QUEUED, FAKE_DONE };

struct fake_buffer {
	enum fake_state state;
	uint32_t order; /* of queueing, of being done */
	uint32_t sequence, used;
	int64_t stamp; /* us */
	bool damaged;
	uint8_t bytes[FAKE_BYTES];
};

/* A failure that is to come: the call of `request` after `after` others of its kind fails. */
struct fake_failure {
	unsigned long request; /* 0: none */
	uint32_t after;
	int errnum;
};

struct fake_camera {
	struct fake_buffer buffer[FAKE_BUFFERS];
	uint32_t n, order;
	bool streams, idle; /* idle: no frame comes by itself at DQBUF */
	bool fatal;	    /* after EIO: until STREAMOFF */
	bool busy;	    /* somebody else uses it */
	bool gone;
	uint32_t jpeg_size; /* its frames are MJPG, each these bytes; 0: YUYV */
	uint8_t jpeg[FAKE_BYTES];
	uint32_t ticks;	   /* frames that came since the beginning */
	uint32_t sequence; /* of the next frame */
	uint32_t start;	   /* sequence number after STREAMON */
	uint32_t lose;	   /* so many of the next frames */
	bool damage;	   /* the next one */
	uint32_t starts;   /* how often it was switched on */
	int32_t brightness;
	struct fake_failure failure;
	uint32_t calls;	  /* of all kinds, so far */
	uint32_t kill_at; /* the process that makes this call dies; 0: nobody */
	bool kill_after;  /* the call has had its effect */
};

/* The one camera, all zero at first; every process that is forked afterwards sees the same. */
struct fake_camera *fake_camera(void);

/* A frame comes. */
void fake_tick(struct fake_camera *camera);

/* What the first pixel's full-range luma of a frame is in a slot. */
uint8_t fake_luma(uint32_t sequence);

#endif
