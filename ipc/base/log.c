/* One line, one write. What found no room is counted, and said with the next line that finds some.
 */
#include "ipc/base/log.h"

#include "ipc/base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 1024
#define NOTE_SIZE 128 /* of the line about lost ones; with it less than a pipe takes whole */

#define TORN 0x80000000U

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static bool debug_wanted(void)
{
	const char *level = getenv("TROUPE_LOG");
	return level && strcmp(level, "debug") == 0;
}

/* Lines of this process that found no room and were not told of yet; TORN: a piece of the last one
 * is there, without an end. It belongs to descriptor 2, which is the whole process's, too. */
static _Atomic unsigned *lost_lines(void)
{
	static _Atomic unsigned lost;
	return &lost;
}

static size_t begin_line(enum log_level level, char *out, size_t size)
{
	char when[32];
	clock_format_wall(clock_wall(), when, sizeof(when));
	return (size_t)snprintf(out, size, "%s %-5s ", when, level_names[level]);
}

/* "TIME warn  17 lines dropped: …"; nothing where none was. */
static size_t note_lost(unsigned lost, char *out, size_t size)
{
	if (!lost)
		return 0;
	size_t torn = lost & TORN ? 1 : 0;
	out[0] = '\n';
	lost &= ~TORN;
	size_t used = torn + begin_line(LOG_LEVEL_WARN, out + torn, size - torn);
	return used + (size_t)snprintf(out + used, size - used,
				       "%u line%s dropped: nobody took them in time, or the disk "
				       "is full\n",
				       lost, lost == 1 ? "" : "s");
}

/* Writes `line` (whole, or "" only to catch up) behind the note about what was lost before it. A
 * pipe takes both or none; a file on a full disk may take a piece, which counts as none. */
static void put(const char *line, size_t length)
{
	char text[NOTE_SIZE + LINE_SIZE];
	unsigned lost = atomic_exchange_explicit(lost_lines(), 0, memory_order_relaxed);
	size_t used = note_lost(lost, text, NOTE_SIZE);
	memcpy(text + used, line, length);
	used += length;
	ssize_t n = used ? write(STDERR_FILENO, text, used) : 0;
	if (n == (ssize_t)used)
		return;
	atomic_fetch_add_explicit(lost_lines(), (lost & ~TORN) + (length > 0),
				  memory_order_relaxed);
	if (n > 0 || (lost & TORN))
		atomic_fetch_or_explicit(lost_lines(), TORN, memory_order_relaxed);
}

void log_line(enum log_level level, const char *format, ...)
{
	int saved = errno;
	if (level == LOG_LEVEL_DEBUG && !debug_wanted())
		return;
	char line[LINE_SIZE];
	size_t used = begin_line(level, line, sizeof(line));
	va_list args;
	va_start(args, format);
	errno = saved; /* for %m */
	int more = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	va_end(args);
	size_t length = used + (more < 0 ? 0 : (size_t)more);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length] = '\n';
	put(line, length + 1);
	errno = saved;
}

void log_catch_up(void)
{
	int saved = errno;
	if (atomic_load_explicit(lost_lines(), memory_order_relaxed))
		put("", 0);
	errno = saved;
}
