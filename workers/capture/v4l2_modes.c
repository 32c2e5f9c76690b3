/* Asking a camera for its formats, sizes and rates, and putting them in order. */
#include "workers/capture/v4l2_modes.h"

#include "ipc/base/errors.h"
#include "workers/capture/v4l2_pixels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- asking ---- */

/* The size that is in force: cameras that list none (a grabber's picture is as large as what is
 * plugged into it) have just that. */
static void current_size(const struct camera *camera, size_fn *each, void *arg)
{
	struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
	if (camera_call(camera, VIDIOC_G_FMT, &format) == 0)
		each(arg, format.fmt.pix.width, format.fmt.pix.height);
}

static uint32_t stepped(uint32_t wanted, uint32_t min, uint32_t max, uint32_t step)
{
	if (wanted < min || wanted > max)
		return 0;
	return wanted - (wanted - min) % (step ? step : 1);
}

/* A camera that can scale to any size: the one that is asked for, else the one it has. Its largest
 * would be as good as made up. */
static void size_of_range(const struct camera *camera, const struct v4l2_frmsize_stepwise *range,
			  const struct camera_wish *wish, size_fn *each, void *arg)
{
	uint32_t w = stepped(wish->width, range->min_width, range->max_width, range->step_width);
	uint32_t h =
		stepped(wish->height, range->min_height, range->max_height, range->step_height);
	if (w && h)
		each(arg, w, h);
	else
		current_size(camera, each, arg);
}

void sizes_each(const struct camera *camera, uint32_t fourcc, const struct camera_wish *wish,
		size_fn *each, void *arg)
{
	struct v4l2_frmsizeenum size = {.pixel_format = fourcc};
	for (; camera_call(camera, VIDIOC_ENUM_FRAMESIZES, &size) == 0; size.index++) {
		if (size.type != V4L2_FRMSIZE_TYPE_DISCRETE) {
			size_of_range(camera, &size.stepwise, wish, each, arg);
			return;
		}
		each(arg, size.discrete.width, size.discrete.height);
	}
	if (size.index == 0)
		current_size(camera, each, arg);
}

/* The rate that is in force, of a camera that lists none. */
static void current_rate(const struct camera *camera, rate_fn *each, void *arg)
{
	struct v4l2_streamparm parm = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
	const struct v4l2_fract *time = &parm.parm.capture.timeperframe;
	if (camera_call(camera, VIDIOC_G_PARM, &parm) == 0 && time->numerator)
		each(arg, time->denominator, time->numerator);
	else
		each(arg, 0, 0);
}

static double seconds(const struct v4l2_fract *time)
{
	return time->denominator ? (double)time->numerator / time->denominator : 0;
}

/* Times of a range: the longest rate first is the shortest time. */
static void rates_of_range(const struct v4l2_frmival_stepwise *range, double wanted, rate_fn *each,
			   void *arg)
{
	each(arg, range->min.denominator, range->min.numerator);
	if (wanted * seconds(&range->min) < 1 && wanted * seconds(&range->max) > 1)
		each(arg, (uint32_t)(wanted * 1000 + 0.5), 1000);
	each(arg, range->max.denominator, range->max.numerator);
}

void rates_each(const struct camera *camera, uint32_t fourcc, uint32_t width, uint32_t height,
		double wanted, rate_fn *each, void *arg)
{
	struct v4l2_frmivalenum time = {.pixel_format = fourcc, .width = width, .height = height};
	for (; time.index < INTERVALS_MAX &&
	       camera_call(camera, VIDIOC_ENUM_FRAMEINTERVALS, &time) == 0;
	     time.index++) {
		if (time.type != V4L2_FRMIVAL_TYPE_DISCRETE) {
			rates_of_range(&time.stepwise, wanted, each, arg);
			return;
		}
		each(arg, time.discrete.denominator, time.discrete.numerator);
	}
	if (time.index == 0)
		current_rate(camera, each, arg);
}

/* ---- listing ---- */

static double rate_of(const struct camera_mode *mode)
{
	return mode->fps_den ? (double)mode->fps_num / mode->fps_den : 0;
}

static double wanted_rate(const struct camera_wish *wish)
{
	return wish->fps > 0 ? wish->fps : FPS_USUAL;
}

struct listing {
	const struct camera *camera;
	const struct camera_wish *wish;
	struct camera_modes *modes;
	struct camera_mode next;
};

static double distance(double a, double b)
{
	return a > b ? a - b : b - a;
}

/* Keeps the rate that is nearest to the wish, of two equally near the higher. */
static void on_rate(void *arg, uint32_t fps_num, uint32_t fps_den)
{
	struct listing *l = arg;
	struct camera_mode other = l->next;
	other.fps_num = fps_num;
	other.fps_den = fps_den;
	double wanted = wanted_rate(l->wish);
	double now = distance(rate_of(&l->next), wanted), then = distance(rate_of(&other), wanted);
	if (then < now || (!(now < then) && rate_of(&other) > rate_of(&l->next)))
		l->next = other;
}

static void on_size(void *arg, uint32_t width, uint32_t height)
{
	struct listing *l = arg;
	if (l->modes->n == MODES_MAX || width < 2 || height < 2)
		return;
	/* A JPEG is not cut: an odd size stays odd, and slots have even ones. */
	if (pixels_are_jpeg(l->next.fourcc) && (width | height) % 2)
		return;
	l->next.width = width;
	l->next.height = height;
	l->next.fps_num = l->next.fps_den = 0;
	rates_each(l->camera, l->next.fourcc, width, height, wanted_rate(l->wish), on_rate, l);
	l->modes->mode[l->modes->n++] = l->next;
}

void modes_list(const struct camera *camera, const struct camera_wish *wish, bool emulated,
		struct camera_modes *modes)
{
	struct v4l2_fmtdesc format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
	modes->n = 0;
	for (; camera_call(camera, VIDIOC_ENUM_FMT, &format) == 0; format.index++) {
		bool native = pixels_rank(format.pixelformat) != PIXELS_UNKNOWN;
		if (!native && !emulated)
			continue;
		struct listing listing = {
			.camera = camera,
			.wish = wish,
			.modes = modes,
			.next = {.fourcc = format.pixelformat, .emulated = !native},
		};
		sizes_each(camera, format.pixelformat, wish, on_size, &listing);
	}
}

/* ---- choosing ---- */

/* Each says by its sign whether a (negative) or b (positive) comes first. */
static int compare(double a, double b)
{
	return (a > b) - (a < b);
}

static bool has_size(const struct camera_mode *mode, const struct camera_wish *wish)
{
	return !wish->width || (mode->width == wish->width && mode->height == wish->height);
}

static bool is_fast_enough(const struct camera_mode *mode, const struct camera_wish *wish)
{
	double least = wish->fps > 0 ? wish->fps : FPS_ENOUGH;
	return rate_of(mode) >= least * 0.99; /* 29.97 is 30 */
}

static int by_preference(const void *a_arg, const void *b_arg, void *wish_arg)
{
	const struct camera_mode *a = a_arg, *b = b_arg;
	const struct camera_wish *wish = wish_arg;
	bool enough = is_fast_enough(a, wish) && is_fast_enough(b, wish);
	int order = compare(a->emulated, b->emulated);
	if (!order)
		order = compare(has_size(b, wish), has_size(a, wish));
	if (!order)
		order = compare(is_fast_enough(b, wish), is_fast_enough(a, wish));
	if (!order && !enough)
		order = compare(rate_of(b), rate_of(a));
	if (!order)
		order = compare((double)b->width * b->height, (double)a->width * a->height);
	if (!order)
		order = compare(pixels_rank(a->fourcc), pixels_rank(b->fourcc));
	return order ? order : compare(a->fourcc, b->fourcc);
}

void modes_sort(struct camera_modes *modes, const struct camera_wish *wish)
{
	struct camera_wish copy = *wish;
	qsort_r(modes->mode, modes->n, sizeof(modes->mode[0]), by_preference, &copy);
}

char *mode_text(const struct camera_mode *mode, char out[MODE_TEXT_SIZE])
{
	char fourcc[FOURCC_SIZE];
	int n = snprintf(out, MODE_TEXT_SIZE, "%s %" PRIu32 "x%" PRIu32,
			 camera_fourcc(mode->fourcc, fourcc), mode->width, mode->height);
	if (mode->fps_den)
		snprintf(out + n, MODE_TEXT_SIZE - (size_t)n, " at %.4g/s", rate_of(mode));
	return out;
}

/* Adds a word to a list if it is not there yet and fits. */
static void add_word(char *list, size_t size, const char *word)
{
	size_t length = strlen(word), used = strlen(list);
	for (const char *at = list; (at = strstr(at, word)); at++)
		if ((at == list || at[-1] == ' ') && (at[length] == ',' || !at[length]))
			return;
	if (used + length + 3 < size)
		snprintf(list + used, size - used, "%s%s", used ? ", " : "", word);
}

static int refuse_format(const struct camera *camera, const struct camera_wish *wish, char *why,
			 size_t why_size)
{
	char valid[256] = "", fourcc[FOURCC_SIZE];
	struct v4l2_fmtdesc format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
	for (; camera_call(camera, VIDIOC_ENUM_FMT, &format) == 0; format.index++)
		add_word(valid, sizeof(valid), camera_fourcc(format.pixelformat, fourcc));
	snprintf(why, why_size, "format = \"%s\" is not what %s (%s) delivers, valid: %s",
		 camera_fourcc(wish->fourcc, fourcc), camera->path, camera->name, valid);
	return TROUPE_E_CONFIG;
}

static int refuse_size(const struct camera *camera, const struct camera_wish *wish,
		       const struct camera_modes *modes, char *why, size_t why_size)
{
	char valid[256] = "", size[32];
	for (size_t i = 0; i < modes->n; i++) {
		const struct camera_mode *m = &modes->mode[i];
		snprintf(size, sizeof(size), "%" PRIu32 "x%" PRIu32, m->width, m->height);
		add_word(valid, sizeof(valid), size);
	}
	snprintf(why, why_size,
		 "size = \"%" PRIu32 "x%" PRIu32 "\" is not what %s (%s) delivers, valid: %s",
		 wish->width, wish->height, camera->path, camera->name, valid);
	return TROUPE_E_CONFIG;
}

static size_t filter(struct camera_modes *modes, uint32_t fourcc, bool kept)
{
	size_t n = 0;
	for (size_t i = 0; i < modes->n; i++)
		if ((modes->mode[i].fourcc == fourcc) == kept)
			modes->mode[n++] = modes->mode[i];
	return modes->n = n;
}

size_t modes_drop(struct camera_modes *modes, uint32_t fourcc)
{
	return filter(modes, fourcc, false);
}

int modes_choose(const struct camera *camera, const struct camera_wish *wish,
		 struct camera_modes *modes, char *why, size_t why_size)
{
	modes_list(camera, wish, wish->fourcc && pixels_rank(wish->fourcc) == PIXELS_UNKNOWN,
		   modes);
	if (modes->n == 0)
		modes_list(camera, wish, true, modes);
	if (wish->fourcc) {
		if (filter(modes, wish->fourcc, true) == 0)
			return refuse_format(camera, wish, why, why_size);
	}
	if (modes->n == 0) {
		snprintf(why, why_size, "%s (%s) has no format", camera->path, camera->name);
		return TROUPE_E_CONFIG;
	}
	modes_sort(modes, wish);
	if (!has_size(&modes->mode[0], wish))
		return refuse_size(camera, wish, modes, why, why_size);
	return 0;
}
