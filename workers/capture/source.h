/* Where frames come from: one table of functions for each kind of source. A source says what comes
 * next (peek) as often as asked, and goes one further when told to (take). It knows nothing of
 * slots, pace or drops; capture.c does. All calls come from one thread and return soon: a source
 * whose frames come by themselves says that there is none yet, and which descriptor will tell. */
#ifndef TROUPE_WORKERS_CAPTURE_SOURCE_H
#define TROUPE_WORKERS_CAPTURE_SOURCE_H

#include "ipc/base/errors.h"
#include "ipc/slots/layout.h"
#include "workers/capture/capture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct source_info {
	uint32_t width, height; /* pixels, both even */
	uint32_t fps_num, fps_den;
	bool live;		   /* cannot wait */
	bool coded;		   /* frames are JPEG: take_coded instead of take */
	uint64_t frames;	   /* 0: unknown or endless */
	const char *const *labels; /* names, NULL-terminated; the source's own */
	const char *device; /* what the supervisor shall keep open for it, the source's own; NULL */
};

enum source_kind {
	SOURCE_IS_FRAME,   /* a picture */
	SOURCE_IS_LOST,	   /* a frame that cannot be had; `reason` says why */
	SOURCE_IS_OVER,	   /* the end: nothing follows */
	SOURCE_IS_AWAITED, /* nothing yet: the descriptor of `awaits` will be readable */
};

/* What comes next. */
struct source_item {
	enum source_kind kind;
	enum drop_reason reason;
	uint64_t index;	  /* in the source, from 0, lost frames included; grows over loops */
	int64_t pts;	  /* ns from the source's beginning; grows over loops */
	int label;	  /* what is to be seen, as an index into info.labels; -1: unknown */
	int64_t captured; /* when it came, monotonic ns; 0: when it is taken */
};

/* The frame a predecessor published last, and what it had done since. */
struct source_mark {
	bool published; /* false: nothing yet, the next four are void */
	uint64_t index;
	int64_t pts;
	int64_t captured;     /* monotonic ns */
	const uint8_t *thumb; /* THUMB_SIZE bytes */
	uint64_t next;	      /* index of the first frame that nobody has accounted for */
};

/* The H.264 access unit that gives a picture. It needs those of the frames before it, back to a key
 * unit, and `lacks` more; see units.h. */
struct source_unit {
	const uint8_t *bytes; /* Annex B; the source's, until the picture is taken */
	size_t size;
	int64_t dts; /* on the scale of pts, growing by the order of decoding since the key unit */
	uint16_t lacks; /* as in slot_record */
	bool key;
};

/* Where a frame goes that is coded at its source. */
struct source_coded {
	uint8_t *jpeg;
	size_t capacity, size; /* bytes; size is what take_coded sets */
	uint8_t *thumb;	       /* THUMB_SIZE bytes */
};

struct source;

struct source_table {
	/* Says what comes next, the same until it is taken. What was taken before has been
	 * published or counted when this is called: nobody will ask for it again. */
	int (*peek)(struct source *source, struct source_item *item);
	/* Consumes what peek said; a picture goes to `i420` (tight planes), or nowhere when it is
	 * NULL. TROUPE_E_CORRUPT: it is consumed, and was damaged after all. */
	int (*take)(struct source *source, uint8_t *i420);
	/* The same for a picture where info.coded says so; else NULL. */
	int (*take_coded)(struct source *source, struct source_coded *to);
	/* The access unit of the picture that peek has described; false: it has none. One that is
	 * no key unit is of the same coding as that of index - 1: whoever decodes a file gets the
	 * same units, who is connected to a camera anew may get others. NULL: this kind of source
	 * has none. */
	bool (*unit)(struct source *source, struct source_unit *unit);
	/* Goes on behind `mark`; called at most once, first of all. Lost frames before mark->next
	 * may be offered again. A source that outlives its worker is begun here. */
	int (*resume)(struct source *source, const struct source_mark *mark);
	/* Readable when there may be something after SOURCE_IS_AWAITED; -1: not now. NULL: this
	 * kind of source always has an answer. */
	int (*awaits)(struct source *source);
	/* "key: value" lines about how it stands, for `inspect`. May be NULL. */
	void (*dump)(struct source *source, FILE *out);
	void (*close)(struct source *source);
};

/* What a source finds again when it is opened by a successor. */
struct source_held {
	int fd;			 /* what the supervisor keeps open; -1: nothing */
	_Atomic uint64_t *word;	 /* the source's own, see stream_row */
	_Atomic int64_t *origin; /* monotonic time of pts 0; 0: not known yet */
};

/* Who has opened a source: what it may call, from the thread that it is called by, and what is
 * known of the stream. All may be NULL or 0. */
struct source_host {
	void (*alive)(void *arg); /* now and then in long work, so that it is no hang */
	void (*report)(void *arg, const char *text); /* what people watching should know */
	/* The source is lost since then (0: it is not), and has come back so often since this was
	 * called last. By who is in charge only. */
	void (*away)(void *arg, int64_t since, uint32_t returns);
	void *arg;
	uint32_t width, height;		/* that the stream has; 0: not planned yet */
	const struct source_held *held; /* while the source is open */
};

/* The head of every source's own struct. */
struct source {
	const struct source_table *table;
	struct source_info info;
	struct source_host host;
	char why[256]; /* the last error in words; "": its code says it */
};

/* Opens what config->source names. An error is explained in `why`. */
int source_open(struct source **source, const struct capture_config *config,
		struct source_host host, char *why, size_t why_size);
void source_close(struct source *source); /* NULL is fine */

/* Says that a source's video is no H.264, which alone can be stored as it comes. */
static inline int source_explain_codec(const char *name, const char *codec, char *why,
				       size_t why_size)
{
	snprintf(why, why_size,
		 "%s cannot be stored as it comes: its video is %s, and store = \"passthrough\" is "
		 "for H.264; set store = \"jpeg\"",
		 name, codec);
	return TROUPE_E_CONFIG;
}

/* The kinds. `rest` is what follows the prefix. */
typedef int source_open_fn(struct source **source, const char *rest,
			   const struct capture_config *config, struct source_host host, char *why,
			   size_t why_size);
source_open_fn pattern_open;	 /* "pattern:[WIDTHxHEIGHT][@FPS]" */
source_open_fn v4l2_source_open; /* "v4l2:PATH", "/dev/…" */
source_open_fn network_open;	 /* any other URL */
source_open_fn file_open;	 /* "file:PATH" or a path */
/* The last two by way of their module, see module.h. */
source_open_fn module_open_network;
source_open_fn module_open_file;

#endif
