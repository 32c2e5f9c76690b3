/* Segments: the append-only files of a recording, segments/NNNNNN.seg, numbered from 1. A segment
 * is a header and then records (record.h), nothing between or behind them. Little-endian:
 *
 *   at    bytes  what
 *     0      8   magic "troupseg"
 *     8      4   format version: 1
 *    12      4   segment number, as in the file's name
 *    16      8   created, wall clock ns since 1970
 *    24     36   reserved, 0
 *    60      4   CRC-32C of the 60 bytes before it
 *    64      …   records
 *
 * This file finds and reads segments and never writes; segment_writer.h writes. A reader belongs to
 * one thread; it may read a segment that another process is appending to. */
#ifndef TROUPE_WORKERS_STORER_SEGMENT_H
#define TROUPE_WORKERS_STORER_SEGMENT_H

#include "workers/storer/record.h"

#include <stddef.h>
#include <stdint.h>

#define SEGMENT_VERSION	  1
#define SEGMENT_HEADER	  64
#define SEGMENT_NAME_SIZE 16 /* "4294967295.seg" */

/* Writes the file's name to `out` (SEGMENT_NAME_SIZE bytes) and returns it. */
char *segment_name(uint32_t number, char *out);

/* The numbers of all segments in a folder (an open descriptor), ascending. Returns how many;
 * *numbers is the caller's to free(). */
int segment_list(int folder, uint32_t **numbers);

/* Writes SEGMENT_HEADER bytes. */
void segment_encode_header(uint32_t number, int64_t created_wall, uint8_t *out);

/* TROUPE_E_CORRUPT, TROUPE_E_SCHEMA: a version that this program does not know. */
int segment_decode_header(const uint8_t *data, uint32_t *number, int64_t *created_wall);

struct segment_reader {
	int fd;
	uint32_t number;
	int64_t created_wall;
	uint8_t *buffer;
	size_t capacity;
};

/* Opens a segment and checks its header. TROUPE_E_NOT_FOUND: no such file; TROUPE_E_TRUNCATED:
 * shorter than its header; TROUPE_E_CORRUPT, TROUPE_E_SCHEMA. To be closed only when it returned 0.
 */
int segment_open(struct segment_reader *reader, int folder, uint32_t number);
void segment_close(struct segment_reader *reader);

/* Bytes in the file now, or an error. */
int64_t segment_size(const struct segment_reader *reader);

/* Reads and checks the record at `offset`. *coded (may be NULL) is valid until the next call;
 * *length leads to the next record. TROUPE_E_ENDED: the file ends right there; TROUPE_E_TRUNCATED:
 * within the record; TROUPE_E_CORRUPT; TROUPE_E_IO and others: could not be read. */
int segment_read(struct segment_reader *reader, uint64_t offset, struct record *record,
		 const uint8_t **coded, uint32_t *length);

/* Past a damaged record: the offset of the next whole one behind `offset`, or TROUPE_E_ENDED. */
int64_t segment_resync(struct segment_reader *reader, uint64_t offset);

#endif
