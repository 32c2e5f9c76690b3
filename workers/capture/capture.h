/* The capture worker: fills the slots of one stream from a source, at the source's pace. A killed
 * capture goes on at exactly the next frame. */
#ifndef TROUPE_WORKERS_CAPTURE_CAPTURE_H
#define TROUPE_WORKERS_CAPTURE_CAPTURE_H

#include "ipc/worker/worker.h"

#include <string.h>

struct capture_config {
	char source[512];
	char pace[8];
	char store[16]; /* "jpeg", "passthrough" */
	bool loop;
	bool live;
	char pattern_size[16];
	int64_t pattern_fps;
	int64_t pattern_frames;
	int64_t seed;
	char rtsp_transport[8];
	int64_t open_timeout, read_timeout;
	char size[16], format[8], controls[512];
	double fps;
	int64_t buffers;
};

/* Whether H.264 is to be stored as it comes. */
static inline bool capture_passes_through(const struct capture_config *config)
{
	return strcmp(config->store, "passthrough") == 0;
}

extern const struct worker_table capture_table;

#endif
