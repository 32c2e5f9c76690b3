/* What a camera can deliver, and which of it we take. Asking changes nothing of a camera, be it in
 * use or not. */
#ifndef TROUPE_WORKERS_CAPTURE_V4L2_MODES_H
#define TROUPE_WORKERS_CAPTURE_V4L2_MODES_H

#include "workers/capture/v4l2_device.h"

#define MODES_MAX      512
#define INTERVALS_MAX  64
#define MODE_TEXT_SIZE 80

/* Without a wish a picture is as large as it can be at this rate. */
#define FPS_ENOUGH 25.0
/* Without a wish a rate is as near to this as it can be. */
#define FPS_USUAL 30.0

/* One way to be filmed. */
struct camera_mode {
	uint32_t fourcc;
	uint32_t width, height;
	uint32_t fps_num, fps_den; /* 0/0: the camera does not say */
	bool emulated;		   /* only libv4lconvert can convert it */
};

/* What the config asks for; 0: anything. */
struct camera_wish {
	uint32_t fourcc;
	uint32_t width, height;
	double fps;
};

struct camera_modes {
	struct camera_mode mode[MODES_MAX];
	size_t n;
};

/* Lists modes: of each format and size the rate that is nearest to the wish. Formats that need
 * emulation only if `emulated`. */
void modes_list(const struct camera *camera, const struct camera_wish *wish, bool emulated,
		struct camera_modes *modes);

/* Puts the modes in order, the best first: native before emulated, the size that was asked for, a
 * rate that is enough, the larger picture, what becomes I420 for less work. */
void modes_sort(struct camera_modes *modes, const struct camera_wish *wish);

/* The best mode of a camera, with all others behind it in *modes. TROUPE_E_CONFIG: what was asked
 * for cannot be had; `why` names what can. */
int modes_choose(const struct camera *camera, const struct camera_wish *wish,
		 struct camera_modes *modes, char *why, size_t why_size);

/* Takes a format out. Returns how many modes are left. */
size_t modes_drop(struct camera_modes *modes, uint32_t fourcc);

/* "YUYV 640x480 at 25/s". Returns `out`. */
char *mode_text(const struct camera_mode *mode, char out[MODE_TEXT_SIZE]);

/* The sizes of a format, and the rates of a size, one by one. Where a camera has a range of sizes,
 * that which is asked for, else the one it has; of a range of times their ends and what is wanted.
 */
typedef void size_fn(void *arg, uint32_t width, uint32_t height);
void sizes_each(const struct camera *camera, uint32_t fourcc, const struct camera_wish *wish,
		size_fn *each, void *arg);
typedef void rate_fn(void *arg, uint32_t fps_num, uint32_t fps_den);
void rates_each(const struct camera *camera, uint32_t fourcc, uint32_t width, uint32_t height,
		double wanted, rate_fn *each, void *arg);

#endif
