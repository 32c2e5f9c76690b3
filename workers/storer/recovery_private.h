/* What recovery.c (the order of things, one segment) and recovery_survey.c (what there is) share;
 * nobody else includes it. */
#ifndef TROUPE_WORKERS_STORER_RECOVERY_PRIVATE_H
#define TROUPE_WORKERS_STORER_RECOVERY_PRIVATE_H

#include "workers/storer/recovery.h"

/* One segment that needs care: unknown to the index, not closed, or not there. All others are as
 * they should be and are not looked at, for there may be very many. */
struct patient {
	struct index_segment segment; /* as the index has it; else as its header says */
	bool known;		      /* to the index */
	bool there;		      /* in the folder … */
	uint64_t size;		      /* … so large */
	int why;   /* its header cannot be read; 0: it can, or was not looked at */
	bool last; /* the newest file of its stream, of those written by a storer: the only one that
		    * may end with records that nobody vouched for */
	bool gone; /* taken out of the folder by this recovery */
};

/* One run of recovery. */
struct rescue {
	struct index *index;
	struct event_book *events;
	bool remake; /* the events, of all frames: there are none, or some of their frames went */
	bool made;
	bool touched; /* names or segments in the folder changed, or are first believed now */
	int segments;
	struct recovery *done;
	folder_waiting_fn *waiting;
	void *arg;
	uint32_t *files; /* the numbers of all segments in the folder */
	int n_files;
	struct patient *patients; /* by number */
	size_t n_patients;
};

/* Finds all segments there are, and those that need care. */
int recovery_survey(struct rescue *rescue);
/* Gives back what it took. */
void recovery_survey_finish(struct rescue *rescue);

/* NULL: it is none. */
struct patient *recovery_patient(const struct rescue *rescue, uint32_t number);

/* Whether the index knows of a newer segment whose file is there, written by a storer, of a stream
 * (NULL: of any). 1, 0, or an error. */
int recovery_has_newer(const struct rescue *rescue, uint32_t number, const char *stream);

/* Takes a segment's file away. */
int recovery_unlink(struct rescue *rescue, struct patient *patient);

/* Throws away what was being made when its maker died: files *.new, and segments that are to
 * replace one that is still there. */
int recovery_throw_away(struct rescue *rescue);

#endif
