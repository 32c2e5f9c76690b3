/* One record of a segment: a frame that describes itself, so that the index can always be made
 * again from the segments alone. Little-endian, starts at a multiple of 8 within the segment:
 *
 *   at    bytes  what
 *     0      4   magic "TREC"
 *     4      4   header length: 240 (JPEG) or 256 (H.264)
 *     8      4   total length: header, coded bytes, CRC and padding; a multiple of 8
 *    12      4   coded bytes (n)
 *    16      8   run: wall-clock ms of `up`
 *    24     32   stream, its name, filled up with zeros (at least one)
 *    56      8   seq: number within (run, stream)
 *    64      8   ordinal: number among the frames owed to the recording, from 1
 *    72      8   pts, ns
 *    80      8   captured, monotonic ns
 *    88      8   captured, wall clock ns since 1970
 *    96      8   published, monotonic ns
 *   104      8   finished by a processor, monotonic ns; 0: bypassed
 *   112      4   width of the coded frame, pixels
 *   116      4   height
 *   120     32   label, its text; empty: none
 *   152     32   prediction, its text; empty: none
 *   184      8   version of the model that predicted; 0: none
 *   192      4   probability of the prediction, IEEE 754 single
 *   196      4   motion, IEEE 754 single
 *   200     16   frames dropped just before this one, by reason: no slot, device, damaged, size
 *   216      4   marks: 1 bypassed, 2 quarantined
 *   220      4   coding: 0 JPEG, 1 H.264, 2 H.264 that needs no frame before it
 *   224      8   number of the frame in its source, from 0
 *   232      8   claimed by a processor, monotonic ns; 0: bypassed
 *   240      8   H.264 only: decode time, ns, on the scale of pts
 *   248      4   H.264 only: lacks, the frames that have to follow at least before this one and
 *                all before it can be shown (of a source with B-frames); 0: none
 *   252      4   H.264 only: 0
 *     h      n   behind the header: the coded frame, a JPEG or one access unit (Annex B)
 *   h+n      4   CRC-32C of everything before it
 * h+4+n      …   zeros up to the total length
 *
 * Pure functions; any thread. */
#ifndef TROUPE_WORKERS_STORER_RECORD_H
#define TROUPE_WORKERS_STORER_RECORD_H

#include "ipc/slots/layout.h"

#include <stddef.h>
#include <stdint.h>

#define RECORD_HEADER	  240 /* what every record begins with */
#define RECORD_HEADER_MAX 256
#define RECORD_MAX	  (256u << 20) /* total length; anything longer is damage */

/* How a frame is coded. A keyframe (CODING_H264_KEY) carries its SPS and PPS; a CODING_H264 needs
 * the frames since the keyframe before it. Numbers are part of the format. */
enum record_coding { CODING_JPEG = 0, CODING_H264 = 1, CODING_H264_KEY = 2, N_CODINGS };

/* A record's header, decoded. Texts end with a zero. */
struct record {
	uint64_t run;
	char stream[NAME_SIZE];
	uint64_t seq;
	uint64_t ordinal;
	uint64_t source_index;
	int64_t pts, captured, captured_wall, published, claimed, finished;
	uint32_t width, height;
	char label[NAME_SIZE];
	char prediction[NAME_SIZE];
	uint64_t model_version;
	float probability;
	float motion;
	uint32_t drops_before[N_DROP_REASONS];
	uint32_t marks; /* enum mark */
	uint32_t coded_bytes;
	uint32_t coding; /* enum record_coding */
	uint32_t lacks;	 /* H.264: frames that have to follow; 0 for JPEG */
	int64_t dts;	 /* H.264: decode time, ns; 0 for JPEG */
};

/* Bytes of a record's header: where its coded bytes begin. */
uint32_t record_header(uint32_t coding);

/* Total length of a record with so many coded bytes; 0 when it would exceed RECORD_MAX. */
uint32_t record_length(uint32_t coding, uint32_t coded_bytes);

/* Writes record->coded_bytes of `coded` and the record around them to `out`, which has room for
 * record_length(record->coding, record->coded_bytes) bytes. */
void record_encode(const struct record *record, const uint8_t *coded, uint8_t *out);

/* Reads the first RECORD_HEADER bytes of a header, and its total length. Every field is checked;
 * the CRC is not, and what lies behind (dts, lacks) is not there yet. TROUPE_E_CORRUPT. */
int record_decode_header(const uint8_t *data, struct record *record, uint32_t *length);

/* Reads a whole record. *coded (may be NULL) points into `data`. TROUPE_E_TRUNCATED: `size` bytes
 * are not all of it; TROUPE_E_CORRUPT: structure or CRC is wrong. */
int record_decode(const uint8_t *data, size_t size, struct record *record, const uint8_t **coded);

#endif
