/* H.264 that goes from a recording into a film as it is: nothing is decoded, nothing lost. Records
 * lie in the order of presentation and go into a film in that of decoding, which differs within
 * what belongs to a key picture: so much is collected at a time. */
#ifndef TROUPE_TOOLS_TROUPE_EXPORT_COPY_H
#define TROUPE_TOOLS_TROUPE_EXPORT_COPY_H

#include "tools/troupe/export.h"
#include "workers/media/movie.h"

#include <stdbool.h>
#include <stddef.h>

struct export_unit;

/* Takes a packet; its error is passed on. */
typedef int export_packet_fn(void *arg, const struct movie_packet *packet);

struct export_copy {
	struct export *export;
	export_packet_fn *put;
	void *arg;
	struct export_unit *units; /* since the last key picture */
	size_t n_units, units_room;
	uint8_t *bytes; /* theirs */
	size_t n_bytes, bytes_room;
	int64_t delay; /* ns that decoding is ahead of showing */
	int64_t dts;   /* of the last packet */
	bool begun;
};

/* Whether all frames are H.264 and can be decoded from the first one of each run on. */
bool export_can_copy(struct export *export);

/* Adds a frame. TROUPE_E_STATE: these packets do not go into a film as they are; others are those
 * of a format's put(). */
int export_copy_add(struct export_copy *copy, const struct index_row *row);

/* No more frames: what was collected goes out. */
int export_copy_end(struct export_copy *copy);
void export_copy_finish(struct export_copy *copy);

#endif
