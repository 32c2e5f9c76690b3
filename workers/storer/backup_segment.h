/* Bringing one segment of a backup up to date: nothing is copied that is there already. */
#ifndef TROUPE_WORKERS_STORER_BACKUP_SEGMENT_H
#define TROUPE_WORKERS_STORER_BACKUP_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

/* What there is to do about one segment, and how far it is. */
struct segment_copy {
	int from;	/* descriptor of the recording's segments */
	int to;		/* of the backup's */
	int unfinished; /* of the folder for what is not whole yet */
	uint32_t number;
	int64_t created_wall;
	uint64_t bytes;	  /* that shall be there */
	uint64_t vouched; /* so many the backup before vouches for; 0: not known */

	/* Called with every piece that was copied; `false` ends it. */
	bool (*going)(void *arg, uint64_t bytes);
	void *arg;

	/* out */
	uint64_t copied; /* bytes */
	bool damaged;	 /* not every record of what was copied is whole */
};

/* How many bytes are missing at first sight; they may turn out to be all. */
uint64_t segment_copy_missing(const struct segment_copy *copy);

/* Copies and syncs. A segment appears under its name only as a whole, or grows where the backup
 * before it does not look. TROUPE_E_NOT_FOUND: the recording has it no more; TROUPE_E_TRUNCATED: it
 * is shorter there than its catalogue says; TROUPE_E_CLOSED: ended by `going`. */
int segment_copy_run(struct segment_copy *copy);

#endif
