/* A player where there is no terminal: a line a frame. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/interrupt.h"
#include "tools/troupe/play_show.h"
#include "tools/troupe/player.h"

#include <jansson.h>
#include <poll.h>
#include <stdio.h>

static int print_line(const struct record *record, bool json)
{
	char words[200];
	if (!json)
		return puts(play_show_describe(record, words, sizeof(words))) < 0;
	json_t *line = json_pack(
		"{s:s, s:I, s:I, s:I, s:s, s:s, s:f, s:f, s:b}", "stream", record->stream, "run",
		(json_int_t)record->run, "seq", (json_int_t)record->seq, "captured_wall",
		(json_int_t)record->captured_wall, "label", record->label, "prediction",
		record->prediction, "probability", (double)record->probability, "motion",
		(double)record->motion, "bypassed", (record->marks & MARK_BYPASSED) != 0);
	int rc = line ? json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) : -1;
	json_decref(line);
	return putchar('\n') < 0 ? -1 : rc;
}

int play_as_lines(struct player *player, bool json)
{
	int rc = 0;
	player_settle(player);
	while (rc == 0 && !interrupt_came(NULL)) {
		rc = print_line(&player->head.row.record, json);
		fflush(stdout);
		int64_t now = clock_now(), due = player_next_due(player);
		if (due == CLOCK_NEVER)
			break;
		if (due > now)
			poll(NULL, 0, clock_poll_ms(now, due));
		player->head.row = player->next;
		player->has_next = false;
		player->shown_at = due;
	}
	return rc ? TROUPE_E_IO : 0;
}
