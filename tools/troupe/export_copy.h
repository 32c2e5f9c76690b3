/* H.264 that goes from a recording into a film as it is: nothing is decoded, nothing lost. */
#ifndef TROUPE_TOOLS_TROUPE_EXPORT_COPY_H
#define TROUPE_TOOLS_TROUPE_EXPORT_COPY_H

#include "tools/troupe/export.h"
#include "workers/media/movie.h"

#include <stdbool.h>

struct export_copy {
	bool broken; /* a frame is missing: what follows needs the next key picture */
	bool begun;
	int64_t dts; /* of the last packet, ns */
};

/* Whether all frames are H.264 and can be decoded from the first one of each run on. The range
 * begins anew. */
bool export_can_copy(struct export *export);

/* The packet of a frame; its bytes are valid until the next call. Errors as of a format's put():
 * TROUPE_E_STATE: the frames are not stored in the order in which they are decoded. */
int export_copy_next(struct export *export, struct export_copy *copy, const struct index_row *row,
		     struct movie_packet *packet);

#endif
