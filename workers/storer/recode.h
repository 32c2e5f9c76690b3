/* One segment of JPEG, coded anew as H.264 into another file beside it: segments/NNNNNN.new, which
 * the storer gives its name once it has looked at it (archive.h). Reads and writes files only, so
 * it can be done by a process of its own. The records are the same but for coding, dts and the
 * coded bytes, and lie in the same order. */
#ifndef TROUPE_WORKERS_STORER_RECODE_H
#define TROUPE_WORKERS_STORER_RECODE_H

#include <stddef.h>
#include <stdint.h>

struct recode_job {
	int segments;	  /* descriptor of the folder */
	uint32_t from;	  /* the segment that is read … */
	uint64_t bytes;	  /* … up to here: all its frames lie before */
	uint32_t to;	  /* the number of the new one */
	uint32_t quality; /* constant rate factor */
	int64_t gop_ns;	  /* a key picture at least so often */
};

/* Writes and syncs the new file, which must not be there. TROUPE_E_UNSUPPORTED and TROUPE_E_SYSTEM:
 * there is no H.264 here at all; TROUPE_E_NO_SPACE, TROUPE_E_IO: the disk; anything else: it cannot
 * be done with this segment. Explained in `why`; what there is of the file is the caller's. */
int recode_segment(const struct recode_job *job, char *why, size_t why_size);

/* Whether the new file, read from the disk, holds exactly the frames of the old one, each with a
 * picture that looks like the old one. TROUPE_E_CORRUPT: no. */
int recode_check(const struct recode_job *job, char *why, size_t why_size);

#endif
