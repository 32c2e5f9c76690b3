/* `--devices`: the cameras of this machine and what they can do, as JSON. */
#ifndef TROUPE_WORKERS_CAPTURE_V4L2_LIST_H
#define TROUPE_WORKERS_CAPTURE_V4L2_LIST_H

#include <stdio.h>

/* Writes an array with an object for each camera: path, name, driver, place, device (what lasts),
 * formats, controls; path and error for one that cannot be opened. TROUPE_E_MEMORY. */
int cameras_list(FILE *out);

#endif
