/* The display: the page with the live video, MJPEG for everything else that shows pictures, and an
 * API. Peeks at the newest finished frames while somebody watches, and sleeps when nobody does. */
#ifndef TROUPE_WORKERS_DISPLAY_DISPLAY_H
#define TROUPE_WORKERS_DISPLAY_DISPLAY_H

#include "ipc/worker/worker.h"

struct display_config {
	char listen[64]; /* "" for no page */
	int64_t viewers;
	char names[256];
};

extern const struct worker_table display_table;

#endif
