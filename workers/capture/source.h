/* Where frames come from: one table of functions for each kind of source. A source says what comes
 * next (peek) as often as asked, and goes one further when told to (take). It knows nothing of
 * slots, pace or drops; capture.c does. */
#ifndef TROUPE_WORKERS_CAPTURE_SOURCE_H
#define TROUPE_WORKERS_CAPTURE_SOURCE_H

#include "ipc/slots/layout.h"
#include "workers/capture/capture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source_info {
	uint32_t width, height; /* pixels, both even */
	uint32_t fps_num, fps_den;
	bool live;		   /* cannot wait */
	uint64_t frames;	   /* 0: unknown or endless */
	const char *const *labels; /* names, NULL-terminated; the source's own */
};

enum source_kind {
	SOURCE_IS_FRAME, /* a picture */
	SOURCE_IS_LOST,	 /* a frame that cannot be had; `reason` says why */
	SOURCE_IS_OVER,	 /* the end: nothing follows */
};

/* What comes next. */
struct source_item {
	enum source_kind kind;
	enum drop_reason reason;
	uint64_t index; /* in the source, from 0, lost frames included; grows over loops */
	int64_t pts;	/* ns from the source's beginning; grows over loops */
	int label;	/* what is to be seen, as an index into info.labels; -1: unknown */
};

/* The frame a predecessor published last, and what it had done since. */
struct source_mark {
	bool published; /* false: nothing yet, the next three are void */
	uint64_t index;
	int64_t pts;
	const uint8_t *thumb; /* THUMB_SIZE bytes */
	uint64_t next;	      /* index of the first frame that nobody has accounted for */
};

struct source;

struct source_table {
	/* Says what comes next, the same until it is taken. */
	int (*peek)(struct source *source, struct source_item *item);
	/* Consumes what peek said; a picture goes to `i420` (tight planes), or nowhere when it is
	 * NULL. */
	int (*take)(struct source *source, uint8_t *i420);
	/* Goes on behind `mark`; called at most once, first of all. Lost frames before mark->next
	 * may be offered again. */
	int (*resume)(struct source *source, const struct source_mark *mark);
	void (*close)(struct source *source);
};

/* Called now and then from within long work, so that it is not taken for a hang. */
struct source_alive {
	void (*call)(void *arg);
	void *arg;
};

/* The head of every source's own struct. */
struct source {
	const struct source_table *table;
	struct source_info info;
	struct source_alive alive;
};

/* Opens what config->source names. An error is explained in `why`. `alive.call` may be NULL. */
int source_open(struct source **source, const struct capture_config *config,
		struct source_alive alive, char *why, size_t why_size);
void source_close(struct source *source); /* NULL is fine */

/* The kinds. `rest` is what follows the prefix. */
typedef int source_open_fn(struct source **source, const char *rest,
			   const struct capture_config *config, struct source_alive alive,
			   char *why, size_t why_size);
source_open_fn pattern_open; /* "pattern:[WIDTHxHEIGHT][@FPS]" */
source_open_fn file_open;    /* "file:PATH" or a path */

#endif
