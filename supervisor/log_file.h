/* One log file of the state folder, FOLDER/NAME.log: appended to, begun anew when it has become too
 * large or too old (NAME.log.1 is the one before it, NAME.log.2 the one before that), and lines
 * that the disk does not take counted. Nothing here waits, and no error is the caller's: a log that
 * cannot be written costs lines. */
#ifndef TROUPE_SUPERVISOR_LOG_FILE_H
#define TROUPE_SUPERVISOR_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_limits {
	int64_t size;  /* bytes; 0: no limit */
	int64_t age;   /* of its first line, ns; 0: no limit */
	int64_t files; /* so many earlier ones are kept */
};

/* What is remembered between two writes; all 0 at first. */
struct log_file {
	int64_t begun;	/* monotonic; 0: not looked up yet */
	bool in_a_line; /* it does not end with a line's end */
	uint64_t lost;	/* lines that are not in it, and that nobody was told of yet */
	int why;	/* errno when the first of them was lost */
};

/* What a call has told of: lines that were lost before, and why. */
struct log_loss {
	uint64_t lines;
	char why[64];
};

/* Appends, after a line about what was lost before, if anything was. Between two files lines stay
 * whole. *loss says what that line told; 0 lines: there was none. */
void log_file_append(struct log_file *log, const char *folder, const char *name,
		     const struct log_limits *limits, const char *bytes, size_t size,
		     struct log_loss *loss);

/* Whether a file of that size, begun then, is to be followed by a new one. Pure. */
bool log_file_is_full(const struct log_limits *limits, int64_t size, int64_t begun, int64_t now);

/* When an open file was begun, as a monotonic time, as well as the file system knows. */
int64_t log_file_begun(int fd, int64_t now);

/* NAME.log becomes NAME.log.1, that .2, and so on; what is more than `files` of them goes. */
void log_file_rotate(const char *folder, const char *name, int64_t files);

#endif
