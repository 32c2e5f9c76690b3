/* Scaling a pool while frames flow. */
#ifndef TROUPE_SUPERVISOR_SCALE_H
#define TROUPE_SUPERVISOR_SCALE_H

#include "supervisor/supervisor.h"

/* Makes a pool `count` workers large; what was done, or why not, is one line in `why`. */
int scale(struct supervisor *s, const char *name, uint32_t count, char *why, size_t why_size);

#endif
