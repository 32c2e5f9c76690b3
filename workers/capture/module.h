/* The part of the capture program that needs libavformat and libavcodec. They come with a hundred
 * more libraries, which take ten times as long to load as all the rest: a camera's successor would
 * come too late. So this part is a file of its own, beside the program, loaded by what needs it; a
 * program that is linked with it needs no file. */
#ifndef TROUPE_WORKERS_CAPTURE_MODULE_H
#define TROUPE_WORKERS_CAPTURE_MODULE_H

#include "workers/capture/source.h"

#define MODULE_FILE   "troupe-capture-media.so"
#define MODULE_SYMBOL "capture_module"

struct capture_module {
	source_open_fn *file, *network;
};

extern const struct capture_module capture_module __attribute__((visibility("default")));

#endif
