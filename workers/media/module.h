/* Finds what libavcodec and libavformat do for us, which is in files of their own beside the
 * program: they come with a hundred more libraries, which take ten times as long to load as all the
 * rest, so only what needs them loads them. They stay loaded. Any thread. */
#ifndef TROUPE_WORKERS_MEDIA_MODULE_H
#define TROUPE_WORKERS_MEDIA_MODULE_H

#include <stddef.h>

#define MEDIA_MODULE_H264  "troupe-h264.so"  /* libavcodec */
#define MEDIA_MODULE_MOVIE "troupe-movie.so" /* libavformat: twice as slow to load */

/* *table is the `symbol` of the module in `file`. TROUPE_E_SYSTEM, explained in `why`. */
int media_module(const char *file, const char *symbol, const void **table, char *why,
		 size_t why_size);

#endif
