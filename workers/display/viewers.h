/* Viewers: each reads one endless multipart response. One that is ready gets the newest frame it
 * has not had; frames it was too slow for are skipped and counted; one that has had the newest
 * sleeps (its connection is suspended) until the next. */
#ifndef TROUPE_WORKERS_DISPLAY_VIEWERS_H
#define TROUPE_WORKERS_DISPLAY_VIEWERS_H

#include "workers/display/feed.h"
#include "workers/display/http.h"

struct viewers;

struct viewer_counts {
	uint64_t watching, sent, skipped; /* now; frames since the start */
};

/* At most `limit` at once. NULL: out of memory. */
struct viewers *viewers_create(struct feed *feed, uint32_t limit);

/* After all responses are gone, that is, after http_destroy(). NULL is fine. */
void viewers_destroy(struct viewers *viewers);

/* Answers the request with the frames of `count` streams from `first` on, in one response; with 503
 * when there are too many viewers. */
void viewers_join(struct viewers *viewers, struct request *request, uint32_t first, uint32_t count,
		  enum feed_kind kind);

/* A stream has a newer frame: wakes who waits for it. http_turn() has to follow. */
void viewers_wake(struct viewers *viewers, uint32_t stream);

/* Ends every response; http_turn() or http_destroy() then sees them off. */
void viewers_dismiss(struct viewers *viewers);

/* Sees off sleepers whose client is gone: libmicrohttpd does not look at a suspended connection.
 * Returns when to look again. */
int64_t viewers_sweep(struct viewers *viewers, int64_t now);

struct viewer_counts viewers_counts(const struct viewers *viewers);

#endif
