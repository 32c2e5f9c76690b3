/* All video nodes, asked one after another. */
#include "workers/capture/v4l2_list.h"

#include "ipc/base/errors.h"
#include "ipc/links/json.h"
#include "workers/capture/v4l2_controls.h"
#include "workers/capture/v4l2_modes.h"
#include "workers/capture/v4l2_pixels.h"
#include "workers/capture/v4l2_place.h"

#include <glob.h>
#include <inttypes.h>

/* A menu with more entries is not listed. */
#define MENU_MAX 100

static const char *const type_names[] = {
	[V4L2_CTRL_TYPE_INTEGER] = "int",
	[V4L2_CTRL_TYPE_BOOLEAN] = "bool",
	[V4L2_CTRL_TYPE_MENU] = "menu",
	[V4L2_CTRL_TYPE_BUTTON] = "button",
	[V4L2_CTRL_TYPE_INTEGER64] = "int64",
	[V4L2_CTRL_TYPE_BITMASK] = "bitmask",
	[V4L2_CTRL_TYPE_INTEGER_MENU] = "intmenu",
};

struct context {
	const struct camera *camera;
	uint32_t fourcc;
	json_t *list; /* what is being filled */
};

/* ---- formats ---- */

static void on_rate(void *arg, uint32_t fps_num, uint32_t fps_den)
{
	struct context *c = arg;
	if (fps_den)
		json_array_append_new(c->list, json_real((double)fps_num / fps_den));
}

static void on_size(void *arg, uint32_t width, uint32_t height)
{
	struct context *c = arg;
	struct context rates = {.camera = c->camera, .list = json_array()};
	rates_each(c->camera, c->fourcc, width, height, FPS_USUAL, on_rate, &rates);
	json_array_append_new(c->list,
			      json_pack("{s:I, s:I, s:o}", "width", (json_int_t)width, "height",
					(json_int_t)height, "rates", rates.list));
}

/* The ends of a range, for a camera that scales; NULL for one that lists its sizes. */
static json_t *range_of_sizes(const struct camera *camera, uint32_t fourcc)
{
	struct v4l2_frmsizeenum size = {.pixel_format = fourcc};
	const struct v4l2_frmsize_stepwise *r = &size.stepwise;
	if (camera_call(camera, VIDIOC_ENUM_FRAMESIZES, &size) < 0 ||
	    size.type == V4L2_FRMSIZE_TYPE_DISCRETE)
		return NULL;
	return json_pack("{s:[I,I], s:[I,I], s:[I,I]}", "least", (json_int_t)r->min_width,
			 (json_int_t)r->min_height, "most", (json_int_t)r->max_width,
			 (json_int_t)r->max_height, "step", (json_int_t)r->step_width,
			 (json_int_t)r->step_height);
}

static json_t *list_format(const struct camera *camera, const struct v4l2_fmtdesc *format)
{
	char fourcc[FOURCC_SIZE];
	static const struct camera_wish anything = {0};
	struct context sizes = {
		.camera = camera, .fourcc = format->pixelformat, .list = json_array()};
	sizes_each(camera, format->pixelformat, &anything, on_size, &sizes);
	return json_pack("{s:s, s:s, s:b, s:o, s:o*}", "format",
			 camera_fourcc(format->pixelformat, fourcc), "description",
			 (const char *)format->description, "native",
			 pixels_rank(format->pixelformat) != PIXELS_UNKNOWN, "sizes", sizes.list,
			 "any_size", range_of_sizes(camera, format->pixelformat));
}

static json_t *list_formats(const struct camera *camera)
{
	json_t *formats = json_array();
	struct v4l2_fmtdesc format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
	for (; camera_call(camera, VIDIOC_ENUM_FMT, &format) == 0; format.index++)
		json_array_append_new(formats, list_format(camera, &format));
	return formats;
}

/* ---- controls ---- */

static json_t *list_menu(const struct camera *camera, const struct v4l2_query_ext_ctrl *control)
{
	char number[24], text[MENU_TEXT_SIZE];
	if ((control->type != V4L2_CTRL_TYPE_MENU &&
	     control->type != V4L2_CTRL_TYPE_INTEGER_MENU) ||
	    control->maximum - control->minimum > MENU_MAX)
		return NULL;
	json_t *menu = json_object();
	for (int64_t i = control->minimum; i <= control->maximum; i++) {
		snprintf(number, sizeof(number), "%" PRId64, i);
		if (*control_menu(camera, control, i, text))
			json_object_set_new(menu, number, json_string(text));
	}
	return menu;
}

static void on_control(void *arg, const struct v4l2_query_ext_ctrl *control)
{
	struct context *c = arg;
	char name[CONTROL_NAME_SIZE];
	json_t *entry = json_pack("{s:s, s:s, s:s?}", "name", control_name(control->name, name),
				  "title", control->name, "type", type_names[control->type]);
	if (control->type != V4L2_CTRL_TYPE_BUTTON) {
		json_object_update_new(entry,
				       json_pack("{s:I, s:I, s:I, s:I, s:I, s:o*}", "least",
						 (json_int_t)control->minimum, "most",
						 (json_int_t)control->maximum, "step",
						 (json_int_t)control->step, "default",
						 (json_int_t)control->default_value, "value",
						 (json_int_t)control_value(c->camera, control),
						 "menu", list_menu(c->camera, control)));
	}
	json_array_append_new(c->list, entry);
}

/* ---- cameras ---- */

static json_t *list_camera(const struct camera *camera)
{
	char place[PLACE_SIZE];
	struct context controls = {.camera = camera, .list = json_array()};
	controls_each(camera, on_control, &controls);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "path", camera->path, "name",
			 camera->name, "driver", camera->driver, "place", camera->place, "device",
			 camera_place(camera->path, place), "formats", list_formats(camera),
			 "controls", controls.list);
}

static void add_node(json_t *cameras, const char *path)
{
	struct camera camera;
	char why[640];
	int rc = camera_open(&camera, path, -1, why, sizeof(why));
	if (rc == TROUPE_E_CONFIG || rc == TROUPE_E_NOT_FOUND)
		return; /* it delivers no video */
	json_array_append_new(cameras, rc < 0 ? json_pack("{s:s, s:s}", "path", path, "error", why)
					      : list_camera(&camera));
	if (rc == 0)
		camera_close(&camera);
}

int cameras_list(FILE *out)
{
	glob_t found = {0};
	json_t *cameras = json_array();
	/* video10 comes after video9. */
	static const char *const patterns[] = {"/dev/video[0-9]", "/dev/video[0-9][0-9]",
					       "/dev/video[0-9][0-9][0-9]"};
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_node(cameras, found.gl_pathv[i]);
	globfree(&found);
	int rc = cameras && json_dumpf(cameras, out, JSON_INDENT(2)) == 0 ? 0 : TROUPE_E_MEMORY;
	fputc('\n', out);
	json_decref(cameras);
	return rc;
}
