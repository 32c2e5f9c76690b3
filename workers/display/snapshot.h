/* A display that writes the newest frame of each stream as JPEG files, now and then: for a web
 * server, a script, whoever wants a picture and no video. */
#ifndef TROUPE_WORKERS_DISPLAY_SNAPSHOT_H
#define TROUPE_WORKERS_DISPLAY_SNAPSHOT_H

#include "workers/display/display.h"

struct snapshot_config {
	struct display_config stock; /* first: the stock display's rows fill it */
	char folder[512];
	int64_t every; /* ns */
	bool overlay;
};

extern const struct worker_table snapshot_table;

#endif
