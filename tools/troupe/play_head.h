/* Where a player is in a recording, and the ways it can go from there. Only the catalogue is read.
 */
#ifndef TROUPE_TOOLS_TROUPE_PLAY_HEAD_H
#define TROUPE_TOOLS_TROUPE_PLAY_HEAD_H

#include "workers/storer/recording.h"

#include <stdbool.h>
#include <stdint.h>

struct play_head {
	struct recording *recording; /* borrowed */
	char stream[NAME_SIZE];
	uint64_t only_run;    /* 0: all runs, one after another */
	struct index_row row; /* of the frame it is at */
};

enum direction { BACKWARDS = -1, FORWARDS = 1 };

/* The frame beside another one. TROUPE_E_ENDED: there is none (yet). */
int play_head_beside(const struct play_head *head, const struct index_row *from,
		     enum direction direction, struct index_row *row);

/* Each goes somewhere and returns 0, or stays and returns an error; TROUPE_E_ENDED: there is
 * nothing that way. */
int play_head_begin(struct play_head *head);
int play_head_end(struct play_head *head);
/* The first frame of a run with this number or a higher one, else its last. */
int play_head_seq(struct play_head *head, uint64_t run, uint64_t seq);
/* The first frame that the clock on the wall showed then or later, else the last one. */
int play_head_wall(struct play_head *head, int64_t wall);
/* Where the next event begins: something moves, a label, a prediction, a lost camera. */
int play_head_event(struct play_head *head, struct event *event);

#endif
