/* The folders of a pipeline are its owner's alone, unless some of its workers run as other users:
 * then they are opened to the one group that all of these have, and to nobody else. */
#ifndef TROUPE_SUPERVISOR_SHARE_H
#define TROUPE_SUPERVISOR_SHARE_H

#include "supervisor/config.h"
#include "supervisor/runtime.h"

/* Whether some workers run as others, and the group of these. */
bool share_group(const struct config *config, gid_t *gid);

/* All other users must have one group. TROUPE_E_CONFIG: `why` names file and line. */
int share_check(const struct config *config, char *why, size_t why_size);

/* Opens the folders, if that is to be. What is made in them from now on belongs to that group; who
 * made it, and nobody else, can remove it. */
int share_folders(const struct config *config, const struct runtime *runtime, char *why,
		  size_t why_size);

#endif
