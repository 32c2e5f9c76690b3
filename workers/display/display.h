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

/* Rows of the struct above, for a table whose config begins with it: a program that is swapped in
 * must know every row that a config may set. */
#define DISPLAY_ROWS                                                                               \
	{.name = "listen",                                                                         \
	 .type = ROW_LISTEN,                                                                       \
	 ROW_AT(struct display_config, listen),                                                    \
	 .fallback = "127.0.0.1:8080",                                                             \
	 .help = "Address and port of the page; \"\" for none. Whoever can reach it sees the "     \
		 "video and can kill workers."},                                                   \
		{.name = "viewers",                                                                \
		 .type = ROW_INT,                                                                  \
		 ROW_AT(struct display_config, viewers),                                           \
		 .min = 1,                                                                         \
		 .max = 10000,                                                                     \
		 .fallback = "1000",                                                               \
		 .help = "How many may watch at once."},                                           \
	{                                                                                          \
		.name = "names", .type = ROW_TEXT, ROW_AT(struct display_config, names),           \
		.fallback = "",                                                                    \
		.help = "Further names under which the page is reached, separated by commas; "     \
			"addresses, localhost and this machine's own name need not be listed.",    \
	}

extern const struct worker_table display_table;

#endif
