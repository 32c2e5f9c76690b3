/* Pictures out of a recording, whatever they are coded in. Over recording.h, for tools, playback
 * and tests; never writes. A JPEG is there at once; an H.264 frame is decoded from the key picture
 * before it, within its segment. Going forwards each frame is decoded once; the last pictures are
 * kept, so that going back a step seldom decodes anew. One handle belongs to one thread. */
#ifndef TROUPE_WORKERS_STORER_FRAMES_H
#define TROUPE_WORKERS_STORER_FRAMES_H

#include "workers/storer/recording.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frames;

/* A frame and its picture, as JPEG, as tight I420 (full-range BT.601), or both. Valid until the
 * next call. */
struct frames_picture {
	struct record record;
	const uint8_t *jpeg; /* NULL: not as JPEG */
	size_t jpeg_bytes;
	const uint8_t *i420; /* NULL: not as I420 */
	uint32_t width, height;
	bool damaged; /* H.264 that lacked something when it was stored: made up in part */
};

/* Errors as of recording_open, explained in `why`. */
int frames_open(struct frames **frames, const char *folder, char *why, size_t why_size);
void frames_close(struct frames *frames); /* NULL is fine */

/* For questions; it stays the frames'. */
struct recording *frames_recording(struct frames *frames);

/* The picture of a frame in the form that costs nothing more: JPEG as it was stored, or I420 of
 * H.264. A row whose frame has moved since (archive) is found anew. TROUPE_E_NOT_FOUND: it is not
 * there any more; TROUPE_E_CORRUPT: damaged, or what it needs is; TROUPE_E_SYSTEM: the H.264 module
 * cannot be loaded (frames_error); TROUPE_E_MEMORY and others. */
int frames_show(struct frames *frames, const struct index_row *row, struct frames_picture *picture);

/* The same as I420. */
int frames_show_i420(struct frames *frames, const struct index_row *row,
		     struct frames_picture *picture);

/* The same as JPEG: as it was stored, else coded at `quality` 1..100. */
int frames_show_jpeg(struct frames *frames, const struct index_row *row, uint32_t quality,
		     struct frames_picture *picture);

/* The last error of the module in more words, else "". */
const char *frames_error(const struct frames *frames);

#endif
