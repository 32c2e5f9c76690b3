/* `troupe play`: a recording forwards and back, while it goes on. Reads as any reader does: nobody
 * who records is asked or kept waiting. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/rows.h"
#include "tools/troupe/command.h"
#include "tools/troupe/interrupt.h"
#include "tools/troupe/output.h"
#include "tools/troupe/player.h"
#include "tools/troupe/range.h"
#include "tools/troupe/recordings.h"
#include "tools/troupe/when.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int pick_speed(const struct call *call, struct player *player)
{
	static const struct row speed = {
		.name = "--speed", .type = ROW_REAL, .min = SPEED_LEAST, .max = SPEED_MOST};
	char why[256];
	player->speed = 1;
	if (!call->speed || row_set(&speed, &player->speed, call->speed, why, sizeof(why)) == 0)
		return EXIT_DONE;
	out_error("play: %s", why);
	return EXIT_USAGE;
}

/* Without a word the newest run from its beginning. */
static int begin(const struct call *call, struct player *player)
{
	struct play_head *head = &player->head;
	struct index_row last;
	struct when from;
	char why[256];
	if (call->from) {
		if (when_parse(call->from, clock_wall(), &from, why, sizeof(why)) == 0)
			return play_head_wall(head, from.first);
		out_error("play: --from: %s", why);
		return TROUPE_E_ARGUMENT;
	}
	uint64_t run = head->only_run, seq = call->seq ? strtoull(call->seq, NULL, 10) : 1;
	if (call->seq && seq == 0) {
		out_error("play: --seq '%s' is no frame's number", call->seq);
		return TROUPE_E_ARGUMENT;
	}
	int rc = run ? 0 : recording_last_until(head->recording, head->stream, INT64_MAX, &last);
	if (rc < 0)
		return rc;
	return play_head_seq(head, run ? run : last.record.run, seq);
}

static int open_recording(const struct call *call, struct player *player)
{
	char folder[PATH_MAX], why[512];
	int rc = recording_pick(call, call->n_args ? call->arg[0] : NULL, folder, sizeof(folder));
	if (rc != EXIT_DONE)
		return rc;
	int error = frames_open(&player->frames, folder, why, sizeof(why));
	if (error < 0) {
		out_error("play: %s", why);
		return error == TROUPE_E_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED;
	}
	player->head.recording = frames_recording(player->frames);
	rc = range_pick_stream(call, player->head.recording, player->head.stream);
	return rc != EXIT_DONE
		       ? rc
		       : range_pick_run(call, player->head.recording, &player->head.only_run);
}

static int play(const struct call *call, struct player *player)
{
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !call->json;
	int rc = begin(call, player);
	if (rc == TROUPE_E_ARGUMENT)
		return EXIT_USAGE;
	if (rc == TROUPE_E_ENDED) {
		out_error("play: there is no such frame of %s", player->head.stream);
		return EXIT_FAILED;
	}
	if (rc == 0)
		rc = terminal ? play_in_terminal(player) : play_as_lines(player, call->json);
	if (rc == 0)
		return EXIT_DONE;
	out_error("play: %s", error_text(rc));
	return EXIT_FAILED;
}

int play_run(const struct call *call)
{
	struct player player = {.direction = FORWARDS};
	interrupt_watch();
	signal(SIGTSTP, SIG_IGN);
	int rc = pick_speed(call, &player);
	if (rc == EXIT_DONE)
		rc = open_recording(call, &player);
	if (rc == EXIT_DONE)
		rc = play(call, &player);
	frames_close(player.frames);
	interrupt_pass_on();
	return rc;
}
