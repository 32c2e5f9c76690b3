/* H.264 as a stream of bytes (Annex B): units behind start codes. Pure functions; any bytes may be
 * given. */
#ifndef TROUPE_WORKERS_MEDIA_ANNEXB_H
#define TROUPE_WORKERS_MEDIA_ANNEXB_H

#include <stddef.h>
#include <stdint.h>

enum annexb_part {
	ANNEXB_PARAMETERS, /* sequence and picture parameter sets */
	ANNEXB_PICTURE,	   /* all but those and access unit delimiters */
};

/* The most bytes that a part of so many can have: start codes of three become four. */
#define ANNEXB_ROOM(size) ((size) / 3 * 4 + 4)

/* Copies one part's units, each behind a start code of four bytes, to `out`, which has room for
 * ANNEXB_ROOM(size) bytes. Returns how many were written. */
size_t annexb_copy(const uint8_t *data, size_t size, enum annexb_part part, uint8_t *out);

#endif
