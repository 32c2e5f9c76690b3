/* Finding, holding and missing devices. */
#include "supervisor/devices.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "supervisor/member.h"
#include "supervisor/progress.h"
#include "supervisor/swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* The bell may be deaf: there may be no inotify for us, or a folder that nothing is told of. */
#define LOOK_EVERY NS_PER_S
/* Where sysfs lists the nodes of a device whose kind has several of them. */
#define NODES "video4linux"

/* ---- from a path to a node ---- */

/* The first line of a small file, without its end. False: there is none. */
static bool read_line(int folder, const char *name, const char *file, char *out, size_t size)
{
	char path[NAME_MAX + 32];
	snprintf(path, sizeof(path), "%s/%s", name, file);
	int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* What the kernel calls the node; its own folder's name if it does not say. */
static int name_node(int folder, const char *entry, char *node, size_t size)
{
	static const char key[] = "DEVNAME=";
	char text[1024];
	const char *name = entry;
	if (read_line(folder, entry, "uevent", text, sizeof(text))) {
		char *at = strstr(text, key);
		name = at ? at + sizeof(key) - 1 : entry;
		if (at)
			at[strcspn(at, "\n")] = '\0';
	}
	int length = snprintf(node, size, "/dev/%s", name);
	return length > 0 && (size_t)length < size ? 0 : TROUPE_E_OVERSIZED;
}

/* Which of a device's nodes is meant. */
struct wanted {
	long index;
	const char *name; /* NULL: whatever its name */
};

static bool is_wanted(int folder, const char *entry, const struct wanted *wanted)
{
	char text[128];
	if (entry[0] == '.' || !read_line(folder, entry, "index", text, sizeof(text)) ||
	    strtol(text, NULL, 10) != wanted->index)
		return false;
	if (!wanted->name)
		return true;
	read_line(folder, entry, "name", text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, wanted->name) == 0;
}

static int find_node(const char *folder, const struct wanted *wanted, char *node, size_t size)
{
	char path[DEVICE_PATH_SIZE + sizeof(NODES) + 1];
	snprintf(path, sizeof(path), "%s/%s", folder, NODES);
	DIR *dir = opendir(path);
	struct dirent *entry;
	int rc = TROUPE_E_NOT_FOUND;
	while (dir && rc == TROUPE_E_NOT_FOUND && (entry = readdir(dir)))
		if (is_wanted(dirfd(dir), entry->d_name, wanted))
			rc = name_node(dirfd(dir), entry->d_name, node, size);
	if (dir)
		closedir(dir);
	return rc;
}

/* "FOLDER#INDEX" or "FOLDER#INDEX NAME": cuts the folder off. False: it is a plain path. */
static bool parse_node(char *path, struct wanted *wanted)
{
	char *mark = strncmp(path, "/dev/", 5) == 0 ? NULL : strchr(path, '#'), *end;
	if (!mark)
		return false;
	wanted->index = strtol(mark + 1, &end, 10);
	if (end == mark + 1 || (*end && *end != ' '))
		return false;
	wanted->name = *end ? end + 1 : NULL;
	*mark = '\0';
	return true;
}

int device_node(const char *path, char *node, size_t size)
{
	char folder[DEVICE_PATH_SIZE];
	struct wanted wanted;
	size_t length = strlen(path) + 1;
	if (length > sizeof(folder) || length > size)
		return TROUPE_E_OVERSIZED;
	memcpy(folder, path, length);
	if (parse_node(folder, &wanted))
		return find_node(folder, &wanted, node, size);
	memcpy(node, path, length);
	return 0;
}

/* ---- one device ---- */

/* Asked for POLLHUP alone, which is always told. A question for frames would make some drivers
 * begin to read. */
static bool hung_up(int fd)
{
	struct pollfd item = {.fd = fd};
	return poll(&item, 1, 0) > 0 && (item.revents & (POLLHUP | POLLNVAL));
}

/* What is told of the same device again is told once. */
static void cannot(struct device *device, const char *why)
{
	snprintf(device->why, sizeof(device->why), "%s", why);
}

/* The node's path in `node`. Returns the descriptor, or -1 and device->why. */
static int try_open(struct device *device, char *node, size_t size)
{
	if (device_node(device->path, node, size) < 0) {
		cannot(device, strerror(ENODEV));
		return -1;
	}
	int fd = open(node, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0 && !hung_up(fd)) {
		device->why[0] = '\0';
		return fd;
	}
	cannot(device, strerror(fd < 0 ? errno : ENODEV));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void release(struct member *m)
{
	if (m->handed_fd >= 0)
		close(m->handed_fd);
	m->handed_fd = -1;
}

int device_open(struct member *m, const char *path, char *why, size_t why_size)
{
	char node[DEVICE_PATH_SIZE];
	if (strlen(path) >= sizeof(m->device.path)) {
		snprintf(why, why_size, "%s: the path of the device is too long", m->name);
		return TROUPE_E_OVERSIZED;
	}
	memcpy(m->device.path, path, strlen(path) + 1);
	m->handed_fd = try_open(&m->device, node, sizeof(node));
	if (m->handed_fd >= 0)
		return 0;
	snprintf(why, why_size, "%s: no device: %s: %s", m->name, path, m->device.why);
	return TROUPE_E_NOT_FOUND;
}

static void note(struct member *m, const char *what, const char *detail)
{
	struct supervisor *s = m->supervisor;
	journal_write(&s->journal, JOURNAL_DEVICE, m->name,
		      json_pack("{s:s, s:s, s:s}", "device", m->device.path, "what", what, "detail",
				detail));
}

bool device_here(struct member *m)
{
	char node[DEVICE_PATH_SIZE];
	if (!*m->device.path)
		return true;
	if (m->handed_fd >= 0 && !hung_up(m->handed_fd))
		return true;
	release(m);
	m->handed_fd = try_open(&m->device, node, sizeof(node));
	if (m->handed_fd < 0)
		return false;
	log_info("%s: %s is opened as %s", m->name, m->device.path, node);
	note(m, "opened", node);
	return true;
}

bool device_gone(const struct member *m)
{
	return *m->device.path && (m->handed_fd < 0 || hung_up(m->handed_fd));
}

void device_lose(struct member *m)
{
	struct supervisor *s = m->supervisor;
	bool told = m->handed_fd < 0;
	release(m);
	/* One that stands by could only use the old descriptor. */
	if (m->swap.stage == SWAP_WAITING || m->swap.stage == SWAP_PREPARING ||
	    m->swap.stage == SWAP_PROBATION)
		swap_cancel(m, "its device is gone");
	part_event(m->next, EVENT_DRAIN);
	if (told)
		return;
	s->devices.look = 0;
	cannot(&m->device, strerror(ENODEV));
	log_warn("%s: no device: %s", m->name, m->device.path);
	progress_say(s, "%s: no device: %s; it goes on by itself when that is back", m->name,
		     m->device.path);
	note(m, "gone", "");
}

/* ---- waiting for devices ---- */

static void on_bell(void *arg, int fd, short revents)
{
	struct supervisor *s = arg;
	char events[4096];
	(void)revents;
	while (read(fd, events, sizeof(events)) > 0)
		;
	s->devices.look = 0;
}

/* The folder of the path, or what there is of it: below it the next part will appear. */
static void watch_folder(int bell, const char *path)
{
	char folder[DEVICE_PATH_SIZE];
	snprintf(folder, sizeof(folder), "%s", path);
	for (char *slash; (slash = strrchr(folder, '/')) && slash != folder;) {
		*slash = '\0';
		if (inotify_add_watch(bell, folder, IN_CREATE | IN_ATTRIB | IN_MOVED_TO) >= 0)
			return;
	}
}

static void listen_for(struct supervisor *s, const struct member *m)
{
	if (s->devices.bell < 0) {
		s->devices.bell = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (s->devices.bell >= 0)
			loop_watch_fd(s->loop, s->devices.bell, POLLIN, on_bell, s);
	}
	if (s->devices.bell < 0)
		return;
	watch_folder(s->devices.bell, m->device.path);
	watch_folder(s->devices.bell, "/dev/"); /* where the nodes of sysfs appear */
}

static void stop_listening(struct supervisor *s)
{
	if (s->devices.bell < 0)
		return;
	loop_watch_fd(s->loop, s->devices.bell, 0, NULL, NULL);
	close(s->devices.bell);
	s->devices.bell = -1;
}

/* Told to stop by a person, who may want the device for something else. */
static bool is_unused(const struct member *m)
{
	return m->handed_fd >= 0 && m->was_ready && m->swap.stage == SWAP_NONE &&
	       m->lead->life.state == LIFE_DOWN && !m->next->process.pid && !m->last->process.pid;
}

static void look_for(struct supervisor *s, struct member *m)
{
	/* First the watch, then the look: what comes in between is seen by one of them. */
	listen_for(s, m);
	if (!device_here(m))
		return;
	progress_say(s, "%s: %s is back", m->name, m->device.path);
	part_event(m->lead, EVENT_DEVICE);
}

int64_t devices_advance(struct supervisor *s, int64_t now)
{
	bool due = now >= s->devices.look, missed = false;
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		if (!*m->device.path)
			continue;
		if (is_unused(m)) {
			release(m);
			note(m, "released", "");
		}
		if (m->lead->life.state == LIFE_NO_DEVICE && !m->was_ready)
			supervisor_fail(s, "%s: no device: %s: %s", m->name, m->device.path,
					m->device.why);
		if (m->lead->life.state == LIFE_NO_DEVICE && due)
			look_for(s, m);
		missed |= m->lead->life.state == LIFE_NO_DEVICE;
	}
	if (!missed) {
		stop_listening(s);
		s->devices.look = 0;
		return CLOCK_NEVER;
	}
	if (due)
		s->devices.look = now + LOOK_EVERY;
	return s->devices.look;
}

void devices_finish(struct supervisor *s)
{
	stop_listening(s);
}
