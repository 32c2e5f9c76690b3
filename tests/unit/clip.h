/* Writes small video files for tests, by libavcodec: the test card, so that each frame tells its
 * number. */
#ifndef TROUPE_TESTS_UNIT_CLIP_H
#define TROUPE_TESTS_UNIT_CLIP_H

#include <stdint.h>

struct clip {
	const char *codec;  /* an encoder of libavcodec: "mpeg4", "mjpeg", "rawvideo" */
	const char *format; /* NULL: by the path's ending; a muxer: "avi", "matroska", "m4v" */
	uint32_t width, height, fps, frames;
	int gop, b_frames;
	/* From this frame on the pictures have half the size (mjpeg only); 0: never. */
	uint32_t shrink_at;
	/* This frame's packet is garbage; 0: none. */
	uint32_t damage_at;
};

/* 0, or -1 when the clip could not be written. */
int clip_write(const char *path, const struct clip *clip);

#endif
