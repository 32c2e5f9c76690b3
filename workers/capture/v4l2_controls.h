/* A camera's controls by name, as v4l2-ctl names them: "exposure_time_absolute". */
#ifndef TROUPE_WORKERS_CAPTURE_V4L2_CONTROLS_H
#define TROUPE_WORKERS_CAPTURE_V4L2_CONTROLS_H

#include "workers/capture/v4l2_device.h"

#define CONTROL_NAME_SIZE 32
#define CONTROLS_SET_MAX  32

/* "Exposure Time, Absolute" becomes "exposure_time_absolute". Returns `out`. */
char *control_name(const char *title, char out[CONTROL_NAME_SIZE]);

/* Every control that is one number and can be set, in the camera's order. */
typedef void control_fn(void *arg, const struct v4l2_query_ext_ctrl *control);
void controls_each(const struct camera *camera, control_fn *each, void *arg);

/* The entries of a menu by their numbers. Returns `out`, "" for a number that it does not have. */
#define MENU_TEXT_SIZE 40
char *control_menu(const struct camera *camera, const struct v4l2_query_ext_ctrl *control,
		   int64_t index, char out[MENU_TEXT_SIZE]);

int64_t control_value(const struct camera *camera, const struct v4l2_query_ext_ctrl *control);

/* What a config sets, looked up and checked. */
struct control_settings {
	struct {
		uint32_t id, type;
		int64_t value;
		char name[CONTROL_NAME_SIZE];
	} set[CONTROLS_SET_MAX];
	size_t n;
};

/* Reads "NAME=VALUE, NAME=VALUE". TROUPE_E_CONFIG: `why` says what is wrong and what is valid. */
int controls_parse(const struct camera *camera, const char *text, struct control_settings *settings,
		   char *why, size_t why_size);

/* Sets them, in their order. On an error *failed is the name of the one that the camera refused. */
int controls_apply(const struct camera *camera, const struct control_settings *settings,
		   const char **failed);

#endif
