/* The capture worker: fills the slots of one stream from a source, at the source's pace. A killed
 * capture goes on at exactly the next frame. */
#ifndef TROUPE_WORKERS_CAPTURE_CAPTURE_H
#define TROUPE_WORKERS_CAPTURE_CAPTURE_H

#include "ipc/worker/worker.h"

struct capture_config {
	char source[512];
	char pace[8];
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

extern const struct worker_table capture_table;

#endif
