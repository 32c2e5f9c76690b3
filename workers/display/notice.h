/* What a browser is told while a display without a page plays: one line, where the page would be.
 */
#ifndef TROUPE_WORKERS_DISPLAY_NOTICE_H
#define TROUPE_WORKERS_DISPLAY_NOTICE_H

#include "ipc/worker/worker.h"
#include "workers/display/display.h"

struct notice;

/* Answers on the socket that was handed over, if there is one, with a line of text, which is
 * copied. To be called when the worker is in charge; the worker's loop watches it. *created is NULL
 * when nothing is to be served. */
int notice_create(struct notice **created, struct worker *w, const struct display_config *config,
		  const char *text);
void notice_destroy(struct notice *notice); /* NULL is fine */

/* Does what can be done; returns when it wants to run again. NULL is fine. */
int64_t notice_turn(struct notice *notice, int64_t now);

#endif
