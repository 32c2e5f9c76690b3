/* Where the same camera is found again when it has been away: its number changes. */
#ifndef TROUPE_WORKERS_CAPTURE_V4L2_PLACE_H
#define TROUPE_WORKERS_CAPTURE_V4L2_PLACE_H

#include <stddef.h>

#define PLACE_SIZE 512

/* Writes the lasting name of a node: its link below /dev/v4l/by-id, else by-path, else
 * "FOLDER#INDEX NAME" with the sysfs folder of what the node belongs to, and the node's index and
 * name there; the path itself for what has none of them. Returns `out`. */
char *camera_place(const char *path, char out[PLACE_SIZE]);

#endif
