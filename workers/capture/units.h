/* The H.264 access units that a decoder is fed with, each kept until the picture that it gives
 * comes out, so that a picture can be stored as it was sent.
 *
 * A group is what a decoder can begin with: an IDR picture and all up to the next one. In the order
 * of decoding its pictures have the numbers 0, 1, 2 …; nothing in it needs another group, and no
 * picture one with a higher number. In the order of presentation, which is that of our frames, a
 * group's pictures follow each other as well, the IDR picture first: of pictures before an IDR none
 * comes after it in either order. (A stream with open groups has key frames that are no IDR; only
 * IDR counts here.) So the frames from the IDR picture on, up to position p, can be decoded by
 * themselves exactly if their numbers are 0 … p, which is when the highest of them is p. What is
 * missing to that is a unit's `lacks`: 0 in all streams without B-frames.
 *
 * A unit is handed out only where this holds for sure: whatever was damaged, refused by the decoder
 * or gave no picture ends its group, and there are no more units before the next IDR. */
#ifndef TROUPE_WORKERS_CAPTURE_UNITS_H
#define TROUPE_WORKERS_CAPTURE_UNITS_H

#include <libavcodec/avcodec.h>
#include <stdbool.h>
#include <stdint.h>

/* Groups that are longer go on without units: to show a frame means to decode from its IDR on. */
#define GROUP_MAX 1000

struct unit {
	AVPacket *packet;  /* Annex B; of a key unit with its parameter sets */
	int64_t dts;	   /* ns on the scale of the reader, growing from unit to unit */
	uint64_t group;	   /* counted from 1 */
	uint32_t number;   /* in its group, by decoding, from 0 */
	uint32_t position; /* the same by presentation */
	uint16_t lacks; /* so many pictures at least have to follow for this and those before it */
	bool key;	/* IDR */
};

struct units;

/* `step`: ns from one picture to the next, where packets have no time. TROUPE_E_MEMORY,
 * TROUPE_E_CONFIG. */
int units_create(struct units **units, const AVCodecParameters *parameters, int64_t step);
void units_destroy(struct units *units); /* NULL is fine */

/* The packet goes to the decoder next. Returns the mark by which its picture will be known. `dts`
 * as the packet says, INT64_MIN: it does not. */
int64_t units_put(struct units *units, const AVPacket *packet, int64_t dts);

/* The decoder has refused the packet put last. */
void units_refused(struct units *units);

/* Everything on the way is forgotten; what comes next is anywhere in the stream. */
void units_flush(struct units *units);

/* The picture of that mark comes out of the decoder, the next one in the order of presentation;
 * `damaged`: it is not what was sent; `delay`: how many pictures the decoder may keep back. Its
 * unit, valid until the next call, or NULL. */
const struct unit *units_take(struct units *units, int64_t mark, bool damaged, int delay);

#endif
