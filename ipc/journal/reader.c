/* From file to file. A file is known by its inode: while it is open, no other can have that. */
#include "ipc/journal/reader.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void journal_path(const char *folder, unsigned age, char *out, size_t size)
{
	if (age)
		snprintf(out, size, "%s/" JOURNAL_NAME ".%u", folder, age);
	else
		snprintf(out, size, "%s/" JOURNAL_NAME, folder);
}

static bool is_file(FILE *file)
{
	struct stat about;
	return fstat(fileno(file), &about) == 0 && S_ISREG(about.st_mode);
}

/* Opens the oldest file whose age is at most `age`, in place of none. */
static int open_oldest(struct journal_reader *reader, int age)
{
	char path[JOURNAL_PATH_SIZE];
	int rc = TROUPE_E_NOT_FOUND;
	for (; age >= 0; age--) {
		journal_path(reader->folder, (unsigned)age, path, sizeof(path));
		reader->file = fopen(path, "re");
		if (reader->file && is_file(reader->file))
			return 0;
		if (reader->file)
			fclose(reader->file);
		else if (errno != ENOENT)
			rc = error_from_errno(errno);
		reader->file = NULL;
	}
	return rc;
}

int journal_reader_open(struct journal_reader *reader, const char *folder)
{
	*reader = (struct journal_reader){.file = NULL};
	snprintf(reader->folder, sizeof(reader->folder), "%s", folder);
	return open_oldest(reader, JOURNAL_OLD_FILES);
}

void journal_reader_close(struct journal_reader *reader)
{
	if (reader->file)
		fclose(reader->file);
	free(reader->text);
	*reader = (struct journal_reader){.file = NULL};
}

/* ---- one file ---- */

/* A line with its end; without one it is left for the next time. */
static bool next_text(struct journal_reader *reader)
{
	off_t at = ftello(reader->file);
	clearerr(reader->file);
	ssize_t length = getline(&reader->text, &reader->size, reader->file);
	if (length > 0 && reader->text[length - 1] == '\n') {
		reader->text[length - 1] = '\0';
		reader->length = (size_t)length - 1;
		return true;
	}
	fseeko(reader->file, at, SEEK_SET);
	return false;
}

bool journal_half_line(const struct journal_reader *reader)
{
	struct stat about;
	return reader->file && fstat(fileno(reader->file), &about) == 0 &&
	       ftello(reader->file) < about.st_size;
}

static json_t *parse(const struct journal_reader *reader)
{
	json_t *line = json_loadb(reader->text, reader->length, 0, NULL);
	if (json_is_object(line))
		return line;
	json_decref(line);
	return NULL;
}

/* ---- the next file ---- */

/* How old the file is by now, -1: it is gone. */
static int age_of(const struct journal_reader *reader)
{
	char path[JOURNAL_PATH_SIZE];
	struct stat own, other;
	if (fstat(fileno(reader->file), &own) < 0)
		return -1;
	for (int age = 0; age <= JOURNAL_OLD_FILES; age++) {
		journal_path(reader->folder, (unsigned)age, path, sizeof(path));
		if (stat(path, &other) == 0 && other.st_ino == own.st_ino &&
		    other.st_dev == own.st_dev)
			return age;
	}
	return -1;
}

/* Goes on with the file after one of that age. It may be given another name while we look. */
static bool next_file(struct journal_reader *reader, int age)
{
	FILE *old = reader->file;
	for (;;) {
		reader->file = NULL;
		bool found = open_oldest(reader, age < 0 ? JOURNAL_OLD_FILES : age - 1) == 0;
		FILE *next = reader->file;
		reader->file = old;
		int now = age_of(reader);
		if (!found)
			return false;
		if (now == age) {
			reader->gaps += age < 0;
			/* Nobody writes there any more. */
			reader->damaged += journal_half_line(reader);
			reader->file = next;
			fclose(old);
			return true;
		}
		fclose(next);
		age = now;
	}
}

/* The next text in any file. */
static bool find_text(struct journal_reader *reader)
{
	if (!reader->file && open_oldest(reader, JOURNAL_OLD_FILES) < 0)
		return false;
	while (!next_text(reader)) {
		int age = age_of(reader);
		if (age == 0)
			return false;
		/* The last line may have come just before the file got its other name. */
		if (next_text(reader))
			return true;
		if (!next_file(reader, age))
			return false;
	}
	return true;
}

bool journal_read(struct journal_reader *reader, json_t **line)
{
	while (find_text(reader)) {
		*line = parse(reader);
		if (*line)
			return true;
		reader->damaged += reader->length > 0;
	}
	return false;
}

int history_fold_folder(struct history *history, const char *folder, uint64_t *damaged)
{
	struct journal_reader reader;
	json_t *line;
	int rc = journal_reader_open(&reader, folder);
	while (rc == 0 && journal_read(&reader, &line)) {
		rc = history_fold(history, line);
		json_decref(line);
	}
	if (damaged)
		*damaged = reader.damaged + journal_half_line(&reader);
	journal_reader_close(&reader);
	return rc == TROUPE_E_NOT_FOUND ? 0 : rc;
}
