/* Segments: the append-only files of a recording, segments/NNNNNN.seg, numbered from 1. A segment
 * is a header and then records (record.h) of one stream, nothing between or behind them.
 * Little-endian:
 *
 *   at    bytes  what
 *     0      8   magic "troupseg"
 *     8      4   format version: 2
 *    12      4   segment number, as in the file's name
 *    16      8   created, wall clock ns since 1970
 *    24     32   stream, its name, filled up with zeros (at least one)
 *    56      4   the segment that it replaces, re-coded; 0: none
 *    60      4   CRC-32C of the 60 bytes before it
 *    64      …   records
 *
 * In version 1 bytes 24 to 59 are 0, and a segment has records of several streams.
 *
 * This file finds and reads segments and never writes; segment_writer.h writes. A reader belongs to
 * one thread; it may read a segment that another process is appending to. */
#ifndef TROUPE_WORKERS_STORER_SEGMENT_H
#define TROUPE_WORKERS_STORER_SEGMENT_H

#include "workers/storer/record.h"

#include <stddef.h>
#include <stdint.h>

#define SEGMENT_VERSION	  2
#define SEGMENT_HEADER	  64
#define SEGMENT_NAME_SIZE 16	 /* "4294967295.seg" */
#define SEGMENT_DRAFT	  ".new" /* ends the name of a segment that is not one yet */

/* Writes the file's name to `out` (SEGMENT_NAME_SIZE bytes) and returns it. */
char *segment_name(uint32_t number, char *out);

/* The name under which a segment is made that is to replace another one. */
char *segment_draft_name(uint32_t number, char *out);

/* The numbers of all segments in a folder (an open descriptor), ascending. Returns how many;
 * *numbers is the caller's to free(). */
int segment_list(int folder, uint32_t **numbers);

/* What a segment's header says. */
struct segment_header {
	uint32_t number;
	char stream[NAME_SIZE]; /* "": of several streams (version 1) */
	uint32_t replaces;	/* the segment it was re-coded from; 0: none */
	int64_t created_wall;	/* ns since 1970 */
};

/* Writes SEGMENT_HEADER bytes, in the newest version. */
void segment_encode_header(const struct segment_header *header, uint8_t *out);

/* TROUPE_E_CORRUPT, TROUPE_E_SCHEMA: a version that this program does not know. */
int segment_decode_header(const uint8_t *data, struct segment_header *header);

struct segment_reader {
	int fd;
	struct segment_header header;
	uint8_t *buffer;
	size_t capacity;
};

/* Opens a segment and checks its header. TROUPE_E_NOT_FOUND: no such file; TROUPE_E_TRUNCATED:
 * shorter than its header; TROUPE_E_CORRUPT, TROUPE_E_SCHEMA. To be closed only when it returned 0.
 */
int segment_open(struct segment_reader *reader, int folder, uint32_t number);
/* The same of a file with any name, whose header may have any number. */
int segment_open_file(struct segment_reader *reader, int folder, const char *name);
void segment_close(struct segment_reader *reader);

/* Bytes in the file now, or an error. */
int64_t segment_size(const struct segment_reader *reader);

/* Reads and checks the record at `offset`. *coded (may be NULL) is valid until the next call;
 * *length leads to the next record. TROUPE_E_ENDED: the file ends right there; TROUPE_E_TRUNCATED:
 * within the record; TROUPE_E_CORRUPT, also for a record of another stream; TROUPE_E_IO and others:
 * could not be read. */
int segment_read(struct segment_reader *reader, uint64_t offset, struct record *record,
		 const uint8_t **coded, uint32_t *length);

/* Past a damaged record: the offset of the next whole one behind `offset`, or TROUPE_E_ENDED. */
int64_t segment_resync(struct segment_reader *reader, uint64_t offset);

#endif
