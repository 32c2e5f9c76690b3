/* One worker's log, line by line: through its earlier files (WORKER.log.N, …, WORKER.log.1) and the
 * one that is written, and on as it grows and is rotated under the reader's eyes. */
#ifndef TROUPE_TOOLS_TROUPE_LOG_READER_H
#define TROUPE_TOOLS_TROUPE_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define LOG_TIME_SIZE 25 /* "2026-01-31T10:20:30.123Z" and its end */

/* In the order of their weight. */
enum log_weight { WEIGHT_ERROR, WEIGHT_WARN, WEIGHT_INFO, WEIGHT_DEBUG, N_WEIGHTS };

struct log_reader {
	char worker[64];
	char path[512]; /* of the file that is written */
	FILE *file;	/* that is read, NULL: none yet */
	ino_t inode;
	bool has;		  /* a line: */
	char *text;		  /* without its end and its time, and tame: see ipc/base/utf8.h */
	char time[LOG_TIME_SIZE]; /* of the line, or of one before it; "" not known */
	enum log_weight weight;	  /* a line that is not troupe's own weighs as much as a warning */
	char *line;		  /* as it is in the file; NULL before the first */
	size_t room;
};

void log_reader_init(struct log_reader *reader, const char *folder, const char *worker);
void log_reader_finish(struct log_reader *reader);

/* Begins with the oldest file that was still written at that wall time (0: with the oldest). */
void log_reader_begin(struct log_reader *reader, int64_t since);

/* Begins with the last `lines` lines of the file that is written, if it has as many; else like
 * log_reader_begin. */
void log_reader_begin_at_end(struct log_reader *reader, size_t lines);

/* Reads the next whole line; false: there is none yet. What was read before is gone then. */
bool log_reader_next(struct log_reader *reader);

/* "error", … */
const char *log_weight_text(enum log_weight weight);

#endif
