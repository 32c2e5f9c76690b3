/* Log lines on stderr, one write(2) each, so that lines of several processes never mix and a reader
 * that does not keep up costs the line, never the process (stderr of a worker is a pipe that does
 * not block). What is lost so is counted, and the count is a line of its own as soon as there is
 * room. */
#ifndef TROUPE_IPC_BASE_LOG_H
#define TROUPE_IPC_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Writes "TIME LEVEL text\n". Debug lines appear only with TROUPE_LOG=debug in the environment.
 * Keeps errno. Any thread may call it. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Tells of lost lines if there are any and there is room by now: for whoever goes on without having
 * something to say. Costs a look at a number otherwise. */
void log_catch_up(void);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
