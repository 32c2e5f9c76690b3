/* What the parts of `troupe play` share: a player, which is somewhere in a recording and goes on at
 * some speed, and the two ways to show what it is at. */
#ifndef TROUPE_TOOLS_TROUPE_PLAYER_H
#define TROUPE_TOOLS_TROUPE_PLAYER_H

#include "tools/troupe/play_head.h"
#include "workers/storer/frames.h"

#include <stdbool.h>
#include <stdint.h>

#define SPEED_LEAST 0.25
#define SPEED_MOST  16.0

struct player {
	struct frames *frames;
	struct play_head head;
	double speed;
	enum direction direction;
	bool paused;
	bool waits;	       /* there is nothing more that way */
	bool fresh;	       /* something else is to be shown */
	bool moved;	       /* another frame */
	struct index_row next; /* the frame beside, if has_next */
	bool has_next;
	int64_t shown_at; /* when the current frame was due, monotonic */
};

/* From now on time goes on from the current frame: after anything was changed. */
void player_settle(struct player *player);

/* When the next frame is due, which is in player->next then; CLOCK_NEVER: there is none yet. */
int64_t player_next_due(struct player *player);

/* Goes on by all frames that are due; the last of them is the current one. Returns when to call
 * again; CLOCK_NEVER: it is paused. */
int64_t player_go_on(struct player *player, int64_t now);

/* In the terminal of this process, with its keys, until somebody ends it. */
int play_in_terminal(struct player *player);

/* On standard output a line a frame, at the times of the frames, to the end that there is now. */
int play_as_lines(struct player *player, bool json);

#endif
