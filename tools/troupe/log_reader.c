/* Files of a log, one after another. */
#include "tools/troupe/log_reader.h"

#include "ipc/base/clock.h"
#include "ipc/base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TIME_LENGTH (LOG_TIME_SIZE - 1)
#define FILES_MAX   1000
#define BLOCK	    65536

static const char *const weights[] = {[WEIGHT_ERROR] = "error",
				      [WEIGHT_WARN] = "warn",
				      [WEIGHT_INFO] = "info",
				      [WEIGHT_DEBUG] = "debug"};

const char *log_weight_text(enum log_weight weight)
{
	return weights[weight];
}

void log_reader_init(struct log_reader *reader, const char *folder, const char *worker)
{
	*reader = (struct log_reader){0};
	snprintf(reader->worker, sizeof(reader->worker), "%s", worker);
	snprintf(reader->path, sizeof(reader->path), "%s/%s.log", folder, worker);
}

static void close_file(struct log_reader *reader)
{
	if (reader->file)
		fclose(reader->file);
	reader->file = NULL;
}

void log_reader_finish(struct log_reader *reader)
{
	close_file(reader);
	free(reader->line);
	reader->line = NULL;
}

/* ---- which file ---- */

/* 0: the one that is written; n: the n-th before it. */
static bool look_at(const struct log_reader *reader, unsigned number, struct stat *st)
{
	char path[sizeof(reader->path) + 16];
	snprintf(path, sizeof(path), number ? "%s.%u" : "%s", reader->path, number);
	return stat(path, st) == 0;
}

static FILE *open_number(const struct log_reader *reader, unsigned number)
{
	char path[sizeof(reader->path) + 16];
	snprintf(path, sizeof(path), number ? "%s.%u" : "%s", reader->path, number);
	return fopen(path, "re");
}

/* Goes on with that file; false: there is none (NULL). */
static bool take_file(struct log_reader *reader, FILE *file)
{
	struct stat st;
	if (!file)
		return false;
	close_file(reader);
	reader->file = file;
	reader->inode = fstat(fileno(file), &st) == 0 ? st.st_ino : 0;
	return true;
}

static bool open_file(struct log_reader *reader, unsigned number)
{
	return take_file(reader, open_number(reader, number));
}

static unsigned oldest(const struct log_reader *reader, int64_t since)
{
	unsigned n = 0;
	struct stat st;
	while (n < FILES_MAX && look_at(reader, n + 1, &st) &&
	       (int64_t)st.st_mtim.tv_sec >= since / NS_PER_S)
		n++;
	return n;
}

static bool is_number(const struct log_reader *reader, unsigned number)
{
	struct stat st;
	return look_at(reader, number, &st) && st.st_ino == reader->inode;
}

/* Which one is read, FILES_MAX: none of those that are there. While they get their new names, one
 * name is nobody's, and each file only moves to where we look next. */
static unsigned number_of(const struct log_reader *reader)
{
	unsigned missing = 0;
	for (unsigned n = 0; n < FILES_MAX && missing < 2; n++) {
		struct stat st;
		bool there = look_at(reader, n, &st);
		if (there && st.st_ino == reader->inode)
			return n;
		missing = there ? 0 : missing + 1;
	}
	return FILES_MAX;
}

/* Opens the file that follows the one that is read, if that has been rotated away. Older files get
 * their new names first: as long as ours has the same one after the next was opened, that is the
 * next. */
static bool open_next(struct log_reader *reader)
{
	for (;;) {
		struct stat st;
		unsigned n = number_of(reader);
		if (n == 0)
			return false;
		/* It is gone already, with files after it that nobody has read. */
		if (n == FILES_MAX)
			return look_at(reader, 0, &st) && open_file(reader, oldest(reader, 0));
		FILE *next = open_number(reader, n - 1);
		if (!next || is_number(reader, n))
			return take_file(reader, next);
		fclose(next);
	}
}

void log_reader_begin(struct log_reader *reader, int64_t since)
{
	if (!open_file(reader, oldest(reader, since)))
		open_file(reader, 0);
}

/* Where the last `lines` lines of a file begin; -1: it has no more than that. */
static off_t place_of_last(FILE *file, size_t lines)
{
	char block[BLOCK];
	fseeko(file, 0, SEEK_END);
	off_t end = ftello(file);
	for (off_t from = end; from > 0;) {
		size_t size = from < BLOCK ? (size_t)from : BLOCK;
		from -= (off_t)size;
		fseeko(file, from, SEEK_SET);
		if (fread(block, 1, size, file) != size)
			return -1;
		for (size_t i = size; i-- > 0;) /* the last line's own end counts, too */
			if (block[i] == '\n' && from + (off_t)i + 1 < end && lines-- == 1)
				return from + (off_t)i + 1;
	}
	return -1;
}

void log_reader_begin_at_end(struct log_reader *reader, size_t lines)
{
	off_t place = -1;
	if (lines > 0 && open_file(reader, 0))
		place = place_of_last(reader->file, lines);
	if (place >= 0)
		fseeko(reader->file, place, SEEK_SET);
	else
		log_reader_begin(reader, 0);
}

/* ---- lines ---- */

static bool starts_with_time(const char *line)
{
	return strlen(line) > TIME_LENGTH && line[4] == '-' && line[10] == 'T' &&
	       line[TIME_LENGTH - 1] == 'Z' && line[TIME_LENGTH] == ' ';
}

/* "TIME level text" is troupe's own; all else is text. */
static void take_apart(struct log_reader *reader)
{
	char *text = reader->line;
	reader->weight = WEIGHT_WARN;
	if (starts_with_time(text)) {
		memcpy(reader->time, text, TIME_LENGTH);
		text += TIME_LENGTH + 1;
		for (unsigned w = 0; w < N_WEIGHTS; w++) {
			size_t length = strlen(weights[w]);
			if (strncmp(text, weights[w], length) == 0 && text[length] == ' ') {
				reader->weight = w;
				text += length + strspn(text + length, " ");
				break;
			}
		}
	}
	reader->text = text;
	reader->has = true;
}

/* What is at the end without a line's end is left for the next time, unless nothing will follow. */
static bool read_line(struct log_reader *reader, bool is_last)
{
	off_t begin = ftello(reader->file);
	clearerr(reader->file);
	ssize_t n = getline(&reader->line, &reader->room, reader->file);
	if (n <= 0)
		return false;
	bool ends = reader->line[n - 1] == '\n';
	if (!ends && !is_last) {
		fseeko(reader->file, begin, SEEK_SET);
		return false;
	}
	/* What strangers write goes to terminals, and through pipes to others. */
	reader->line[utf8_tame_bytes(reader->line, (size_t)(ends ? n - 1 : n))] = '\0';
	take_apart(reader);
	return true;
}

bool log_reader_next(struct log_reader *reader)
{
	reader->has = false;
	if (!reader->file)
		log_reader_begin(reader, 0);
	while (reader->file) {
		if (read_line(reader, false))
			return true;
		if (is_number(reader, 0))
			return false;
		/* Rotated; but before that something may have been written to it. */
		if (read_line(reader, true))
			return true;
		if (!open_next(reader))
			return false;
	}
	return false;
}
