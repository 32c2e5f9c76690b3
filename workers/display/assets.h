/* The files of page/, as the build embeds them (embed.cmake writes assets.c into the build folder).
 */
#ifndef TROUPE_WORKERS_DISPLAY_ASSETS_H
#define TROUPE_WORKERS_DISPLAY_ASSETS_H

#include <stddef.h>

struct asset {
	const char *name; /* "page.html" */
	const char *type; /* for Content-Type */
	const unsigned char *bytes;
	size_t size;
};

extern const struct asset assets[];
extern const size_t n_assets;

#endif
