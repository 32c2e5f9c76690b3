/* The writer of a recording: takes frames, each stream's into a segment of its own, and commits
 * them in groups. Knows nothing of slots and workers, so that tests and tools can write a recording
 * too. One thread.
 *
 * A commit syncs all segments that have grown, then enters the whole batch into the index in one
 * transaction. Only what was committed is in the recording for good. */
#ifndef TROUPE_WORKERS_STORER_RECORDER_H
#define TROUPE_WORKERS_STORER_RECORDER_H

#include "workers/storer/event_book.h"
#include "workers/storer/folder.h"
#include "workers/storer/index.h"
#include "workers/storer/record.h"
#include "workers/storer/recovery.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recorder;

struct recorder_options {
	const char *folder;
	const char *pipeline;
	uint64_t run;		    /* names this run in the recording */
	int64_t segment_bytes;	    /* a new segment after so many bytes … */
	int64_t segment_ns;	    /* … or so long; both looked at after a commit */
	int64_t lock_wait;	    /* ns to wait for a predecessor's lock */
	struct event_rules events;  /* gap 0: the usual ones */
	struct event_notes *notes;  /* that commits enter and empty; may be NULL */
	folder_waiting_fn *waiting; /* called while it waits or recovers; may be NULL */
	void *arg;
};

/* What a recorder says about itself. */
struct recorder_state {
	uint32_t segment;     /* the newest one that is written */
	uint64_t offset;      /* where its next record goes */
	uint32_t open;	      /* segments that are written */
	uint64_t commits;     /* batches since recorder_open */
	uint64_t committed;   /* frames in them */
	uint32_t last_frames; /* of the last commit */
	uint64_t last_bytes;
	int64_t last_commit;	  /* when it ended, monotonic ns; 0: never */
	int64_t last_duration;	  /* ns: sync and index */
	struct recovery recovery; /* what was found at the start */
};

/* Makes the folder, takes the lock, recovers. On an error `why` is a line for people;
 * TROUPE_E_BUSY: another writer has the recording. */
int recorder_open(struct recorder **recorder, const struct recorder_options *options, char *why,
		  size_t why_size);

/* Lets go of everything; what was not committed is left to recovery. NULL is fine. */
void recorder_close(struct recorder *recorder);

/* Makes a stream of this run known. Returns its number here, to be used below, or an error. */
int recorder_add_stream(struct recorder *recorder, const char *name, uint32_t width,
			uint32_t height, uint32_t fps_num, uint32_t fps_den);

/* What the recording holds of a stream of this run for good. */
void recorder_tally(const struct recorder *recorder, int stream, struct index_tally *tally);

/* Takes one frame. run and stream of the record are filled in. Errors leave nothing behind and may
 * be tried again, but TROUPE_E_EXISTS: the stream has this number or a higher one already.
 * TROUPE_E_BUSY: a segment is to begin with this frame, a keyframe; commit, and append it again. */
int recorder_append(struct recorder *recorder, int stream, struct record *record,
		    const uint8_t *coded);

/* Whether the frame `seq` may be one that needs the one before it: that is the last that was taken,
 * it is H.264, and lies in the segment that is written. */
bool recorder_links(struct recorder *recorder, int stream, uint64_t seq);

/* Frames and bytes taken since the last commit. */
uint32_t recorder_pending(const struct recorder *recorder, uint64_t *bytes);

/* The last number of the stream that needs not be appended again: committed or pending. */
uint64_t recorder_taken(const struct recorder *recorder, int stream);

/* Commits what is pending, frames and notes. On an error nothing of it is for good. What still is
 * pending then will be tried again by the next call; what is not (the disk refused a stream's
 * segment, see segment_writer_sync) has to be appended again, behind recorder_taken. */
int recorder_commit(struct recorder *recorder);

/* Whether something lasts of which commits write how long it has lasted (a camera that is lost):
 * then a commit is due now and then without a frame, too. */
bool recorder_has_lasting(const struct recorder *recorder);
/* Whether a commit would enter anything: frames, notes, how long something has lasted. */
bool recorder_has_work(const struct recorder *recorder);

/* The index, for those who enter something of their own between two commits, or within one. It
 * stays the recorder's. */
struct index *recorder_index(struct recorder *recorder);
/* The folder of the segments (a descriptor). */
int recorder_segments(const struct recorder *recorder);
/* A number for a segment that somebody else makes; never used again. */
uint32_t recorder_new_number(struct recorder *recorder);

/* Ends an open segment before its time: at once, with the next commit, or (H.264) when a keyframe
 * comes. */
int recorder_end_segment(struct recorder *recorder, uint32_t number);

void recorder_state(const struct recorder *recorder, struct recorder_state *state);

/* The last error in more words than its code, for a log. Never NULL. */
const char *recorder_error(const struct recorder *recorder);

#endif
