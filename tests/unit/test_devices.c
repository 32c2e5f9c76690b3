/* From what a source says of its device to the node, over folders like those of sysfs. */
#include "ipc/base/errors.h"
#include "supervisor/devices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
	char folder[64];
};

static void put(const char *folder, const char *node, const char *file, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/video4linux/%s/%s", folder, node, file);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void add_node(const struct tree *t, const char *node, const char *index, const char *uevent)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/video4linux/%s", t->folder, node);
	assert_int_equal(mkdir(path, 0700), 0);
	if (index)
		put(t->folder, node, "index", index);
	if (uevent)
		put(t->folder, node, "uevent", uevent);
}

static int plant(void **state)
{
	static struct tree t;
	char path[256];
	strcpy(t.folder, "/tmp/trp-devices-XXXXXX");
	assert_non_null(mkdtemp(t.folder));
	snprintf(path, sizeof(path), "%s/video4linux", t.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	*state = &t;
	return 0;
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int fell(void **state)
{
	const struct tree *t = *state;
	return nftw(t->folder, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *node_of(const struct tree *t, const char *end, int expected)
{
	static char node[DEVICE_PATH_SIZE];
	char path[128];
	snprintf(path, sizeof(path), "%s%s", t->folder, end);
	node[0] = '\0';
	assert_int_equal(device_node(path, node, sizeof(node)), expected);
	return node;
}

static void a_path_is_itself(void **state)
{
	const struct tree *t = *state;
	char node[DEVICE_PATH_SIZE];
	static const char *const paths[] = {"/dev/v4l/by-id/usb-ACME_Cam_1-video-index0",
					    "/dev/video0", "/dev/odd#0", "camera"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(device_node(paths[i], node, sizeof(node)), 0);
		assert_string_equal(node, paths[i]);
	}
	node_of(t, "#", 0);
	node_of(t, "#one", 0);
	node_of(t, "#1x", 0);
}

static void the_index_tells_nodes_apart(void **state)
{
	const struct tree *t = *state;
	add_node(t, "video4", "1\n", "MAJOR=81\nMINOR=4\nDEVNAME=video4\n");
	add_node(t, "video7", "0\n", "MAJOR=81\nMINOR=7\nDEVNAME=odd/video7\n");
	assert_string_equal(node_of(t, "#0", 0), "/dev/odd/video7");
	assert_string_equal(node_of(t, "#1", 0), "/dev/video4");
	node_of(t, "#2", TROUPE_E_NOT_FOUND);
}

static void the_folder_names_it_where_nothing_else_does(void **state)
{
	const struct tree *t = *state;
	add_node(t, "video3", "0\n", NULL);
	add_node(t, "video5", "1\n", "MAJOR=81\nMINOR=4\n");
	add_node(t, "video6", NULL, "DEVNAME=video6\n");
	assert_string_equal(node_of(t, "#0", 0), "/dev/video3");
	assert_string_equal(node_of(t, "#1", 0), "/dev/video5");
}

/* One driver, several devices, and the first node of each is its number 0. */
static void the_name_tells_devices_apart(void **state)
{
	const struct tree *t = *state;
	static const char *const names[] = {"left cam\n", "right cam\n"};
	for (int i = 0; i < 2; i++) {
		const char *node = i ? "video4" : "video0";
		add_node(t, node, "0\n", NULL);
		put(t->folder, node, "name", names[i]);
	}
	assert_string_equal(node_of(t, "#0 left cam", 0), "/dev/video0");
	assert_string_equal(node_of(t, "#0 right cam", 0), "/dev/video4");
	node_of(t, "#0 cam", TROUPE_E_NOT_FOUND);
	node_of(t, "#1 left cam", TROUPE_E_NOT_FOUND);
}

/* While the driver is away, so is its folder. */
static void no_folder_is_no_device(void **state)
{
	const struct tree *t = *state;
	node_of(t, "/gone#0", TROUPE_E_NOT_FOUND);
	node_of(t, "#0", TROUPE_E_NOT_FOUND);
}

static void too_long_is_said(void **state)
{
	(void)state;
	char path[2 * DEVICE_PATH_SIZE], node[DEVICE_PATH_SIZE];
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(device_node(path, node, sizeof(node)), TROUPE_E_OVERSIZED);
	assert_int_equal(device_node("/dev/video0", node, 4), TROUPE_E_OVERSIZED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_path_is_itself, plant, fell),
		cmocka_unit_test_setup_teardown(the_index_tells_nodes_apart, plant, fell),
		cmocka_unit_test_setup_teardown(the_folder_names_it_where_nothing_else_does, plant,
						fell),
		cmocka_unit_test_setup_teardown(the_name_tells_devices_apart, plant, fell),
		cmocka_unit_test_setup_teardown(no_folder_is_no_device, plant, fell),
		cmocka_unit_test(too_long_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
