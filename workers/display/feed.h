/* The newest frame of each stream, as viewers get it. A frame is copied out of its slot once (a
 * shot); from the newest shot the parts of the kinds are made when the first viewer asks for
 * them. Shots and parts are counted references: a viewer that stalls keeps one part alive and slows
 * nobody.
 *
 * All functions belong to one thread. */
#ifndef TROUPE_WORKERS_DISPLAY_FEED_H
#define TROUPE_WORKERS_DISPLAY_FEED_H

#include "ipc/worker/worker.h"

enum feed_kind {
	FEED_PLAIN,   /* MJPEG of the clean frame */
	FEED_LIVE,    /* the same, each part with the frame's record in X-Frame */
	FEED_VIEW,    /* as FEED_LIVE, but of the view: what models look at, processors draw on */
	FEED_OVERLAY, /* MJPEG of the view with the record drawn into it */
	N_FEED_KINDS
};

#define FEED_BOUNDARY "troupe-frame"
/* What a response begins with, before its first part. */
#define FEED_OPENING "--" FEED_BOUNDARY "\r\n"

/* A copy of one finished frame. */
struct shot {
	struct slot_record record;
	uint64_t serial; /* counts the shots of the stream from 1 */
	int64_t taken;	 /* when it was copied */
	size_t jpeg_size, view_size;
	const uint8_t *jpeg, *view; /* into the same block */
	unsigned refs;
	uint32_t stream;
	bool bypassed, quarantined;
};

/* One part of a multipart response: head, then the JPEG, then the boundary that ends it. */
struct part {
	unsigned refs;
	uint64_t serial; /* of its shot */
	struct shot *shot;
	char *head;
	size_t head_size;
	const uint8_t *jpeg; /* of the shot, or drawn */
	size_t jpeg_size;
	uint8_t *drawn;
};

struct feed;

/* NULL: out of memory. The ledger must stay. */
struct feed *feed_create(const struct ledger *ledger);
void feed_destroy(struct feed *feed); /* NULL is fine; references that are out stay good */

/* Copies a frame that is being peeked at. A bypassed one has neither JPEG nor view, one that is
 * stored as it came no JPEG: what is missing is made from its image. The caller then makes sure
 * that the slot still shows that frame, and publishes the shot or lets go. */
int feed_copy(struct feed *feed, const struct frame *frame, struct shot **shot);
/* Makes it the stream's newest; takes the reference over. */
void feed_publish(struct feed *feed, struct shot *shot);
/* The same with the question at its end: TROUPE_E_LOST if the slot went to another frame meanwhile.
 */
int feed_peek(struct feed *feed, const struct worker *w, const struct frame *frame,
	      struct shot **shot);
void shot_release(struct shot *shot);

/* The stream's newest part of that kind, if it is newer than shot `after`, with a reference for the
 * caller; NULL: none yet. */
struct part *feed_newest(struct feed *feed, uint32_t stream, enum feed_kind kind, uint64_t after);
void part_release(struct part *part); /* NULL is fine */

/* Copies up to `size` bytes of the part from `at`; 0 at its end. */
size_t part_read(const struct part *part, size_t at, char *out, size_t size);

/* The stream of that name, or TROUPE_E_NOT_FOUND. */
int feed_stream(const struct feed *feed, const char *name);

#endif
