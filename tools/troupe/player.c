/* How time goes on in a recording; see player.h. */
#include "tools/troupe/player.h"

#include "ipc/base/clock.h"
#include "tools/troupe/film_clock.h"

/* How soon a later frame is looked for again. */
#define MORE_PAUSE (100 * NS_PER_MS)

/* Pauses between frames are not waited for longer; nor is made up for what was late by more. */
#define GAP_LONGEST  (2 * NS_PER_S)
#define LATE_LONGEST NS_PER_S

void player_settle(struct player *player)
{
	player->has_next = player->waits = false;
	player->shown_at = clock_now();
	player->fresh = true;
}

int64_t player_next_due(struct player *player)
{
	if (!player->has_next) {
		int rc = play_head_beside(&player->head, &player->head.row, player->direction,
					  &player->next);
		if (rc < 0) {
			player->fresh = player->fresh || !player->waits;
			player->waits = true;
			return CLOCK_NEVER;
		}
		player->has_next = true;
		/* It came late, and is shown at once. */
		if (player->waits) {
			player->waits = false;
			return player->shown_at = clock_now();
		}
	}
	const struct record *here = &player->head.row.record, *there = &player->next.record;
	int64_t step = player->direction == FORWARDS ? film_clock_between(here, there)
						     : film_clock_between(there, here);
	step = step < GAP_LONGEST ? step : GAP_LONGEST;
	return player->shown_at + (int64_t)((double)step / player->speed);
}

int64_t player_go_on(struct player *player, int64_t now)
{
	if (player->paused)
		return CLOCK_NEVER;
	for (;;) {
		int64_t due = player_next_due(player);
		if (due > now)
			return due == CLOCK_NEVER ? now + MORE_PAUSE : due;
		player->head.row = player->next;
		player->has_next = player->waits = false;
		player->shown_at = now - due > LATE_LONGEST ? now : due;
		player->moved = player->fresh = true;
	}
}
