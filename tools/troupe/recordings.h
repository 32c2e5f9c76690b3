/* Which recording a call means. */
#ifndef TROUPE_TOOLS_TROUPE_RECORDINGS_H
#define TROUPE_TOOLS_TROUPE_RECORDINGS_H

#include "tools/troupe/command.h"

#include <stddef.h>

/* The folder of the recording: `given` when that is not NULL, else the one that the pipeline of the
 * call (-n, $TROUPE_NAME, or the only one that runs) records into. Returns EXIT_DONE or, having
 * said what is wrong, another exit code. */
int recording_pick(const struct call *call, const char *given, char *out, size_t size);

#endif
