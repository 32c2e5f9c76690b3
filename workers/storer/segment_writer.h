/* Appending to the segments of one stream. What was appended is in the kernel's hands until
 * segment_writer_sync() returned 0; only then is it in the recording for good. One thread. */
#ifndef TROUPE_WORKERS_STORER_SEGMENT_WRITER_H
#define TROUPE_WORKERS_STORER_SEGMENT_WRITER_H

#include "workers/storer/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment_writer {
	int folder;	   /* descriptor of segments/, the caller's */
	uint32_t *numbers; /* the highest number of the recording, shared by all its writers */
	int fd;		   /* -1: not open */
	struct segment_header header; /* of the segment that is written, or of the last one */
	bool started;	 /* a segment is being written; false: the next append makes a new one */
	bool torn;	 /* the file may hold more than `at` bytes: mended before the next append */
	uint64_t at;	 /* where the next record goes */
	uint64_t synced; /* up to here the disk has it */
	uint64_t handed; /* up to here the disk was told to begin */
	int64_t created; /* of the segment, monotonic ns */
	uint8_t *buffer;
	size_t capacity;
};

/* Nothing is opened yet. New segments are numbered ++*numbers. */
void segment_writer_init(struct segment_writer *writer, int folder, const char *stream,
			 uint32_t *numbers);

/* Goes on in an existing segment of the stream behind `at`, which is synced and the end of the
 * file. */
int segment_writer_resume(struct segment_writer *writer, uint32_t number, uint64_t at,
			  int64_t created_wall);

/* Appends one record; *offset and *length say where. On an error (TROUPE_E_NO_SPACE, TROUPE_E_IO,
 * …) nothing of it stays in the segment and the same call may be tried again later. */
int segment_writer_append(struct segment_writer *writer, const struct record *record,
			  const uint8_t *coded, uint64_t *offset, uint32_t *length);

/* Lets the disk begin with all of it, so that several segments are written at once before the first
 * of their syncs is waited for. Promises nothing. */
void segment_writer_begin_sync(struct segment_writer *writer);

/* Makes everything appended durable. After an error nothing since the last sync is to be believed:
 * the kernel may have thrown the dirty pages away and call the next fdatasync a success. So the
 * writer has gone back to the last synced end, and the caller appends those records again. */
int segment_writer_sync(struct segment_writer *writer);

/* Ends the segment, which is synced; the next append makes a new one. */
void segment_writer_next(struct segment_writer *writer);

/* Closes what is open. Records that were not synced are left to recovery. */
void segment_writer_finish(struct segment_writer *writer);

#endif
