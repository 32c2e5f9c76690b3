/* What `troupe up` shows in the foreground: the plan, a live line, and at the end the summary. */
#ifndef TROUPE_SUPERVISOR_PROGRESS_H
#define TROUPE_SUPERVISOR_PROGRESS_H

#include "supervisor/supervisor.h"

struct progress {
	bool wanted;
	bool terminal; /* one line that is written again and again; else a line every few seconds */
	int64_t due;
	uint64_t captured; /* when the last line was written, and … */
	int64_t time;	   /* … when that was */
};

void progress_begin(struct progress *progress, bool wanted, struct supervisor *s);

/* Writes the line if it is time; returns when it is time again. */
int64_t progress_tick(struct progress *progress, struct supervisor *s, int64_t now);

/* A line of its own above the live line, for what a person should know now. Never waits: where
 * nobody watches, or nobody takes it, it is not written. */
void progress_say(struct supervisor *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void progress_summary(struct progress *progress, struct supervisor *s);

#endif
