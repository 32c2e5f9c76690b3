/* Looking controls up, checking and setting them. */
#include "workers/capture/v4l2_controls.h"

#include "ipc/base/errors.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *control_name(const char *title, char out[CONTROL_NAME_SIZE])
{
	size_t n = 0;
	bool gap = false;
	for (; *title && n + 2 < CONTROL_NAME_SIZE; title++) {
		if (!isalnum((unsigned char)*title)) {
			gap = n > 0;
			continue;
		}
		if (gap)
			out[n++] = '_';
		gap = false;
		out[n++] = (char)tolower((unsigned char)*title);
	}
	out[n] = '\0';
	return out;
}

static bool is_settable(const struct v4l2_query_ext_ctrl *control)
{
	switch (control->type) {
	case V4L2_CTRL_TYPE_INTEGER:
	case V4L2_CTRL_TYPE_INTEGER64:
	case V4L2_CTRL_TYPE_BOOLEAN:
	case V4L2_CTRL_TYPE_MENU:
	case V4L2_CTRL_TYPE_INTEGER_MENU:
	case V4L2_CTRL_TYPE_BITMASK:
	case V4L2_CTRL_TYPE_BUTTON:
		return !(control->flags & (V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_READ_ONLY)) &&
		       control->nr_of_dims == 0;
	default:
		return false;
	}
}

void controls_each(const struct camera *camera, control_fn *each, void *arg)
{
	const uint32_t next = V4L2_CTRL_FLAG_NEXT_CTRL;
	struct v4l2_query_ext_ctrl control = {.id = next};
	while (camera_call(camera, VIDIOC_QUERY_EXT_CTRL, &control) == 0) {
		if (is_settable(&control))
			each(arg, &control);
		control = (struct v4l2_query_ext_ctrl){.id = control.id | next};
	}
}

char *control_menu(const struct camera *camera, const struct v4l2_query_ext_ctrl *control,
		   int64_t index, char out[MENU_TEXT_SIZE])
{
	struct v4l2_querymenu entry = {.id = control->id, .index = (uint32_t)index};
	*out = '\0';
	if (camera_call(camera, VIDIOC_QUERYMENU, &entry) < 0)
		return out;
	if (control->type == V4L2_CTRL_TYPE_INTEGER_MENU)
		snprintf(out, MENU_TEXT_SIZE, "%lld", (long long)entry.value);
	else
		snprintf(out, MENU_TEXT_SIZE, "%s", (const char *)entry.name);
	return out;
}

static int call_one(const struct camera *camera, unsigned long request, uint32_t id, uint32_t type,
		    int64_t *value)
{
	bool wide = type == V4L2_CTRL_TYPE_INTEGER64;
	struct v4l2_ext_control control = {.id = id};
	if (wide)
		control.value64 = *value;
	else
		control.value = (int32_t)*value;
	struct v4l2_ext_controls controls = {
		.which = V4L2_CTRL_WHICH_CUR_VAL, .count = 1, .controls = &control};
	int rc = camera_call(camera, request, &controls);
	*value = wide ? control.value64 : control.value;
	return rc;
}

int64_t control_value(const struct camera *camera, const struct v4l2_query_ext_ctrl *control)
{
	int64_t value = control->default_value;
	if (!(control->flags & V4L2_CTRL_FLAG_WRITE_ONLY))
		call_one(camera, VIDIOC_G_EXT_CTRLS, control->id, control->type, &value);
	return control->type == V4L2_CTRL_TYPE_BITMASK ? (uint32_t)value : value;
}

/* ---- what the config says ---- */

struct search {
	const char *wanted;
	struct v4l2_query_ext_ctrl found;
	bool is_found;
	char names[512]; /* of all */
};

static void on_control(void *arg, const struct v4l2_query_ext_ctrl *control)
{
	struct search *search = arg;
	char name[CONTROL_NAME_SIZE];
	size_t used = strlen(search->names);
	control_name(control->name, name);
	if (strcmp(name, search->wanted) == 0) {
		search->found = *control;
		search->is_found = true;
	}
	if (used + strlen(name) + 3 < sizeof(search->names))
		snprintf(search->names + used, sizeof(search->names) - used, "%s%s",
			 used ? ", " : "", name);
}

/* Menus with gaps have numbers within their range that are no entries. */
static bool is_valid(const struct camera *camera, const struct v4l2_query_ext_ctrl *control,
		     int64_t value)
{
	char entry[MENU_TEXT_SIZE];
	if (control->type == V4L2_CTRL_TYPE_BUTTON)
		return true;
	if (control->type == V4L2_CTRL_TYPE_BITMASK)
		return value >= 0 && (value & ~control->maximum) == 0;
	if (value < control->minimum || value > control->maximum)
		return false;
	if (control->type == V4L2_CTRL_TYPE_MENU || control->type == V4L2_CTRL_TYPE_INTEGER_MENU)
		return *control_menu(camera, control, value, entry) != '\0';
	return control->step < 2 || (value - control->minimum) % (int64_t)control->step == 0;
}

static void say_menu(const struct camera *camera, const struct v4l2_query_ext_ctrl *control,
		     char *why, size_t why_size)
{
	char entry[MENU_TEXT_SIZE];
	for (int64_t i = control->minimum; i <= control->maximum; i++) {
		size_t used = strlen(why);
		if (*control_menu(camera, control, i, entry) && used + 1 < why_size)
			snprintf(why + used, why_size - used, "%s%" PRId64 " (%s)",
				 i == control->minimum ? "" : ", ", i, entry);
	}
}

static void refuse_value(const struct camera *camera, const struct v4l2_query_ext_ctrl *control,
			 const char *name, const char *value, char *why, size_t why_size)
{
	int n = snprintf(why, why_size,
			 "controls: %s = \"%s\" is not valid for %s (%s), valid: ", name, value,
			 camera->path, camera->name);
	size_t used = n > 0 && (size_t)n < why_size ? (size_t)n : why_size;
	if (control->type == V4L2_CTRL_TYPE_MENU || control->type == V4L2_CTRL_TYPE_INTEGER_MENU) {
		say_menu(camera, control, why, why_size);
	} else if (control->type == V4L2_CTRL_TYPE_BITMASK) {
		snprintf(why + used, why_size - used, "bits of 0x%llx",
			 (unsigned long long)control->maximum);
	} else {
		snprintf(why + used, why_size - used, "%lld to %lld in steps of %llu",
			 (long long)control->minimum, (long long)control->maximum,
			 (unsigned long long)(control->step ? control->step : 1));
	}
}

static int parse_one(const struct camera *camera, char *setting, struct control_settings *settings,
		     char *why, size_t why_size)
{
	char *value = strchr(setting, '='), *end;
	if (!value || value == setting || !value[1] || settings->n == CONTROLS_SET_MAX) {
		snprintf(why, why_size, "controls: \"%s\" is not NAME=NUMBER%s", setting,
			 settings->n == CONTROLS_SET_MAX ? " of the first 32" : "");
		return TROUPE_E_CONFIG;
	}
	*value++ = '\0';
	struct search search = {.wanted = setting};
	controls_each(camera, on_control, &search);
	if (!search.is_found) {
		snprintf(why, why_size, "controls: %s (%s) has no \"%s\", valid: %s", camera->path,
			 camera->name, setting, search.names);
		return TROUPE_E_CONFIG;
	}
	errno = 0;
	int64_t number = strtoll(value, &end, 0);
	if (errno || *end || !is_valid(camera, &search.found, number)) {
		refuse_value(camera, &search.found, setting, value, why, why_size);
		return TROUPE_E_CONFIG;
	}
	size_t i = settings->n++;
	settings->set[i].id = search.found.id;
	settings->set[i].type = search.found.type;
	settings->set[i].value = number;
	control_name(setting, settings->set[i].name);
	return 0;
}

int controls_parse(const struct camera *camera, const char *text, struct control_settings *settings,
		   char *why, size_t why_size)
{
	char copy[1024], *rest = copy, *setting;
	settings->n = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	while ((setting = strsep(&rest, ", "))) {
		int rc = *setting ? parse_one(camera, setting, settings, why, why_size) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int controls_apply(const struct camera *camera, const struct control_settings *settings,
		   const char **failed)
{
	for (size_t i = 0; i < settings->n; i++) {
		int64_t value = settings->set[i].value;
		*failed = settings->set[i].name;
		int rc = call_one(camera, VIDIOC_S_EXT_CTRLS, settings->set[i].id,
				  settings->set[i].type, &value);
		if (rc < 0)
			return rc;
	}
	return 0;
}
