/* `troupe devices`: asks the capture program, which knows what a camera is. */
#include "tools/troupe/output.h"
#include "tools/troupe/programs.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static int64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "640x480 at 25, 15" */
static void print_size(const json_t *size)
{
	size_t i;
	const json_t *rate;
	printf("      %" PRId64 "x%" PRId64, number_of(size, "width"), number_of(size, "height"));
	json_array_foreach(json_object_get(size, "rates"), i, rate)
		printf("%s%.4g", i ? ", " : " at ", json_real_value(rate));
	putchar('\n');
}

static int64_t side_of(const json_t *range, const char *end, size_t side)
{
	return json_integer_value(json_array_get(json_object_get(range, end), side));
}

static void print_range(const json_t *range)
{
	if (range) {
		printf("      any from %" PRId64 "x%" PRId64 " to %" PRId64 "x%" PRId64 "\n",
		       side_of(range, "least", 0), side_of(range, "least", 1),
		       side_of(range, "most", 0), side_of(range, "most", 1));
	}
}

static bool alike(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "sizes"), json_object_get(b, "sizes")) &&
	       json_is_true(json_object_get(a, "native")) ==
		       json_is_true(json_object_get(b, "native"));
}

/* Formats that have all of their sizes and rates in common share the lines of these. */
static void print_formats(const json_t *formats)
{
	size_t i, k;
	const json_t *format, *other;
	json_array_foreach(formats, i, format)
	{
		bool told = false;
		for (k = 0; k < i && !told; k++)
			told = alike(json_array_get(formats, k), format);
		if (told)
			continue;
		printf("    ");
		json_array_foreach(formats, k, other) if (alike(format, other))
			printf("%s%s", k > i ? " " : "", text_of(other, "format"));
		puts(json_is_true(json_object_get(format, "native")) ? ""
								     : " (emulated, if at all)");
		json_array_foreach(json_object_get(format, "sizes"), k, other) print_size(other);
		print_range(json_object_get(format, "any_size"));
	}
}

static void print_control(const json_t *control)
{
	const char *number;
	json_t *entry;
	const char *type = text_of(control, "type");
	printf("    %-32s ", text_of(control, "name"));
	if (strcmp(type, "button") == 0) {
		puts("button, any number presses it");
	} else {
		printf("%s %" PRId64 " to %" PRId64 ", step %" PRId64 ", default %" PRId64
		       ", now %" PRId64 "\n",
		       type, number_of(control, "least"), number_of(control, "most"),
		       number_of(control, "step"), number_of(control, "default"),
		       number_of(control, "value"));
	}
	json_object_foreach(json_object_get(control, "menu"), number, entry)
		printf("      %s: %s\n", number, json_string_value(entry));
}

static void print_camera(const json_t *camera)
{
	size_t i;
	const json_t *control;
	const char *error = text_of(camera, "error");
	printf("%s%s%s", paint_begin(stdout, PAINT_BOLD), text_of(camera, "path"),
	       paint_end(stdout, PAINT_BOLD));
	if (*error) {
		printf("  %s%s%s\n", paint_begin(stdout, PAINT_BAD), error,
		       paint_end(stdout, PAINT_BAD));
		return;
	}
	printf("  %s (driver %s, %s)\n", text_of(camera, "name"), text_of(camera, "driver"),
	       text_of(camera, "place"));
	printf("  is found again as %s\n  delivers, frames a second behind \"at\":\n",
	       text_of(camera, "device"));
	print_formats(json_object_get(camera, "formats"));
	puts("  controls:");
	json_array_foreach(json_object_get(camera, "controls"), i, control) print_control(control);
}

int devices_run(const struct call *call)
{
	struct arguments arguments = {0};
	arguments_add(&arguments, "troupe-capture");
	arguments_add(&arguments, "--devices");
	if (call->json)
		return program_become(arguments.word[0], &arguments);
	int code;
	char *text = program_ask(arguments.word[0], &arguments, &code);
	json_t *cameras = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	if (!json_is_array(cameras)) {
		json_decref(cameras);
		out_error("troupe-capture does not say which cameras there are");
		return EXIT_FAILED;
	}
	size_t i;
	const json_t *camera;
	json_array_foreach(cameras, i, camera) print_camera(camera);
	if (json_array_size(cameras) == 0)
		puts("no camera");
	json_decref(cameras);
	return code;
}
