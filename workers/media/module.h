/* Finds what libavcodec does for us, which is in a file of its own beside the program: it comes
 * with a hundred more libraries, which take ten times as long to load as all the rest, so only what
 * needs it loads it. It stays loaded. Any thread. */
#ifndef TROUPE_WORKERS_MEDIA_MODULE_H
#define TROUPE_WORKERS_MEDIA_MODULE_H

#include <stddef.h>

#define MEDIA_MODULE_FILE "troupe-h264.so"

/* *table is the module's `symbol`. TROUPE_E_SYSTEM, explained in `why`. */
int media_module(const char *symbol, const void **table, char *why, size_t why_size);

#endif
