/* A display for the terminal: the newest view of each stream in half blocks and colours, side by
 * side, with a line below that says what their records say. */
#ifndef TROUPE_WORKERS_DISPLAY_TERMINAL_H
#define TROUPE_WORKERS_DISPLAY_TERMINAL_H

#include "workers/display/display.h"

struct terminal_config {
	struct display_config stock; /* first: the stock display's rows fill it */
	char terminal[256];
	char colours[16];
	int64_t fps, columns, lines;
};

extern const struct worker_table terminal_table;

#endif
