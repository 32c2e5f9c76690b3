/* What `troupe up` shows in the foreground: the plan, a live line, and at the end the summary. */
#ifndef TROUPE_SUPERVISOR_PROGRESS_H
#define TROUPE_SUPERVISOR_PROGRESS_H

#include "supervisor/supervisor.h"

#define PROGRESS_LINE 640 /* bytes of a live line */

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

/* The live line's text, for whoever else wants it: what flowed, at which rate since the last one
 * that was made of the same `progress`. False: out of memory. */
bool progress_text(struct progress *progress, struct supervisor *s, int64_t now, char *out,
		   size_t size);

/* A line of its own above the live line, for what a person should know now. Never waits: where
 * nobody watches, or nobody takes it, it is not written. */
void progress_say(struct supervisor *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void progress_summary(struct progress *progress, struct supervisor *s);

#endif
