/* The lines of a pipeline's journal, oldest first: STATE/journal.jsonl and the files that it was
 * rotated into (.1 is the youngest of them). A reader may stay and go on as lines are written, also
 * across a rotation. What is no whole JSON object (power was cut, the disk was full) is skipped and
 * counted. */
#ifndef TROUPE_IPC_JOURNAL_READER_H
#define TROUPE_IPC_JOURNAL_READER_H

#include "ipc/journal/history.h"

#include <stdint.h>
#include <stdio.h>

#define JOURNAL_NAME "journal.jsonl"
/* Files that are kept beside the one that is written. */
#define JOURNAL_OLD_FILES 4
#define JOURNAL_PATH_SIZE 600

struct journal_reader {
	char folder[512];
	FILE *file; /* NULL: none was there yet */
	char *text; /* the last line as it stands in the file, without its end */
	size_t size;
	size_t length;	  /* of it */
	uint64_t damaged; /* lines that were none */
	uint64_t gaps;	  /* times that whole files were gone before they were read */
};

/* "FOLDER/journal.jsonl" for 0, ".1" … for the older ones. */
void journal_path(const char *folder, unsigned age, char *out, size_t size);

/* Begins with the oldest file. TROUPE_E_NOT_FOUND: there is no journal (yet; the reader may stay
 * and ask again), or an error of opening it. */
int journal_reader_open(struct journal_reader *reader, const char *folder);
void journal_reader_close(struct journal_reader *reader);

/* The next line: *line is it, a new reference, and reader->text what it was parsed from. False:
 * there is no more now. */
bool journal_read(struct journal_reader *reader, json_t **line);

/* Whether the last file ends with a part of a line: it is being written, or never will be whole. */
bool journal_half_line(const struct journal_reader *reader);

/* Folds the whole journal of a state folder. *damaged (may be NULL): lines that were skipped. 0,
 * also where there is no journal, or an error. */
int history_fold_folder(struct history *history, const char *folder, uint64_t *damaged);

#endif
