/* Decoding every frame of a recording, to see whether there is a picture in it. */
#ifndef TROUPE_TOOLS_TROUPE_DECODE_H
#define TROUPE_TOOLS_TROUPE_DECODE_H

#include <stddef.h>
#include <stdint.h>

/* What is called while it works; both as of verify. */
struct decode_calls {
	void (*fault)(void *arg, const char *text);
	void (*progress)(void *arg, uint64_t done, uint64_t total); /* frames */
	void *arg;
};

/* 0 when all were tried; *decoded of them have a picture. Frames that retention takes away
 * meanwhile are no faults. On an error `why` says more. */
int decode_recording(const char *folder, const struct decode_calls *calls, uint64_t *decoded,
		     char *why, size_t why_size);

#endif
