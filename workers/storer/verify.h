/* The oracle: whether a recording is whole, and whether it holds the same result as another one.
 * Never writes; may run while a storer does and then judges what was committed when it began. */
#ifndef TROUPE_WORKERS_STORER_VERIFY_H
#define TROUPE_WORKERS_STORER_VERIFY_H

#include <stdint.h>

/* Called for each fault with one line that names the place. */
typedef void verify_fault_fn(void *arg, const char *text);
/* Called for what is no fault, but should be known: something that the next start of a storer
 * takes care of. */
typedef void verify_note_fn(void *arg, const char *text);
/* Called often, with bytes. */
typedef void verify_progress_fn(void *arg, uint64_t done, uint64_t total);

struct verify_options {
	const char *folder;
	const char *against; /* another recording that must hold the same; NULL: none */
	verify_fault_fn *fault;
	verify_note_fn *note;
	verify_progress_fn *progress; /* all three may be NULL */
	void *arg;
};

struct verify_report {
	/* which runs are compared: in, 0: the newest; out, the one that was */
	uint64_t run, against_run;
	/* what was looked at */
	uint64_t segments;
	uint64_t bytes;	    /* of the segments */
	uint64_t records;   /* whole records in them */
	uint64_t rows;	    /* frames in the index */
	uint64_t h264;	    /* of those: coded so */
	uint64_t runs;	    /* with frames */
	uint64_t streams;   /* (run, stream) with frames */
	uint64_t forgotten; /* frames that were stored once and are known to be gone */
	uint64_t bypassed, quarantined;
	uint64_t uncommitted; /* records at the very end that no commit vouches for: no fault, the
			       * next start of a storer takes care of them */
	uint64_t notes;	      /* and other things that it does */
	/* the comparison */
	uint64_t compared;	    /* frames of both */
	uint64_t compared_bypassed; /* of those: bypassed in either, so without prediction */
	uint64_t compared_models; /* of those: predicted by different model versions, so without it
				     too */
	/* the verdict */
	uint64_t faults;
};

/* Checks every record's CRC, index against segments both ways, what the index says of segments,
 * order, gaps (the ordinals of each run and stream count from 1, those of forgotten frames
 * included), counts, events, and that no H.264 frame lacks its keyframe, of all runs. With
 * `against` also that one run of each folder has equal results: the same frames of the same streams
 * with equal pts, coded bytes, label and, where a processor saw both under the same model version,
 * prediction. Returns 0 when the judgement was made (report->faults says which), or an error when
 * it could not be (report->faults counts why, told by `fault`). */
int verify_recording(const struct verify_options *options, struct verify_report *report);

#endif
