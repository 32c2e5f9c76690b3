/* The archive: frames that are old enough are coded anew as H.264, segment by segment, the oldest
 * first, by a child process that stands back for everybody (archive_child.h); then the new segment
 * takes the old one's place (archive_swap.h). A death at any moment leaves the old one or the new
 * one. A segment with which the child fails three times stays as it is. One thread, the recorder's;
 * no step takes longer than a commit. */
#ifndef TROUPE_WORKERS_STORER_ARCHIVE_H
#define TROUPE_WORKERS_STORER_ARCHIVE_H

#include "workers/storer/recorder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct archive;

/* What is to be told to people, once each. */
typedef void archive_tell_fn(void *arg, const char *text);

struct archive_options {
	const char *pipeline; /* its name */
	const char *folder;   /* of the recording */
	int64_t after;	      /* ns: frames older than that, by the wall clock */
	uint32_t quality;     /* constant rate factor */
	bool eager;	      /* the child does not stand back for others */
	int64_t hang_after; /* ns without a sign of life, and the child is killed; 0: ten minutes */
	archive_tell_fn *tell;
	void *arg;
};

/* NULL: out of memory. What the options point at is borrowed. */
struct archive *archive_create(const struct archive_options *options);
/* Ends the child at once. NULL is fine. */
void archive_destroy(struct archive *archive);

/* Goes on by a step; to be called between commits, when `archive_fd` is readable, and when it is
 * due. Returns when that is (monotonic ns). The recorder is the same until archive_stop. */
int64_t archive_turn(struct archive *archive, struct recorder *recorder, int64_t now);

/* Readable when there is something to do; changes from turn to turn. -1: none. */
int archive_fd(const struct archive *archive);

/* Gives up what is on its way, at once, or brings it to its end where that takes no longer; a later
 * turn begins anew. */
void archive_stop(struct archive *archive);

/* Adds "key: value" lines. */
void archive_dump(const struct archive *archive, FILE *out);

#endif
