/* Devices that outlive those who use them: the supervisor opens what a source names by its
 * `device=PATH` line and hands the descriptor to each incarnation. What kind of device it is, is
 * the source's business; here it is something that can be opened, can go, and can come back. */
#ifndef TROUPE_SUPERVISOR_DEVICES_H
#define TROUPE_SUPERVISOR_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_PATH_SIZE 512

struct supervisor;
struct member;

/* The device of a member. Its descriptor is the member's handed_fd, -1 while there is none. */
struct device {
	char path[DEVICE_PATH_SIZE]; /* "": the member uses none */
	char why[128];		     /* what keeps it from being opened; "": nothing */
};

/* The watch for devices that shall come back; in the supervisor. */
struct device_watch {
	int bell;     /* inotify; -1: nobody is missed */
	int64_t look; /* when to look again at the latest, monotonic */
};

/* Where the node of PATH is just now. PATH is a file or a link, or FOLDER#INDEX: the device that
 * FOLDER (of sysfs) describes, the node of it that says so many in its file `index`. Where that is
 * not enough, because a driver made several devices there, FOLDER#INDEX NAME: and that says NAME in
 * its file `name`. 0, or
 * TROUPE_E_NOT_FOUND, TROUPE_E_OVERSIZED; whether the node is there is not said. */
int device_node(const char *path, char *node, size_t size);

/* At the start: gives the member its device and opens it. An error is one line in `why`. */
int device_open(struct member *m, const char *path, char *why, size_t why_size);

/* Whether an incarnation can be started: the device is open, or could be opened now. True for a
 * member that uses none. */
bool device_here(struct member *m);

/* Whether what its incarnations were given is gone. */
bool device_gone(const struct member *m);

/* Lets go of a device that is gone, and of whoever stands by with its descriptor. */
void device_lose(struct member *m);

/* Opens again what has come back, and starts who waits for it; lets go of what is not used any
 * more. Called after everything that happens; returns when to look again. */
int64_t devices_advance(struct supervisor *s, int64_t now);
void devices_finish(struct supervisor *s);

#endif
