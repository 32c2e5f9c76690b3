/* One line, one write. */
#include "ipc/base/log.h"

#include "ipc/base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

void log_line(enum log_level level, const char *format, ...)
{
	int saved = errno;
	if (level == LOG_LEVEL_DEBUG && !debug_wanted())
		return;
	char line[1024];
	char when[32];
	clock_format_wall(clock_wall(), when, sizeof(when));
	int used = snprintf(line, sizeof(line), "%s %-5s ", when, level_names[level]);
	va_list args;
	va_start(args, format);
	errno = saved; /* for %m */
	int more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
	va_end(args);
	size_t length = (size_t)used + (more < 0 ? 0 : (size_t)more);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line, length + 1);
	(void)ignored;
	errno = saved;
}
