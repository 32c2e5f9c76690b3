/* A player in a terminal: keys, picture, two lines of words. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/interrupt.h"
#include "tools/troupe/play_keys.h"
#include "tools/troupe/play_show.h"
#include "tools/troupe/player.h"
#include "tools/troupe/when.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How soon a terminal is looked at again that has not taken the last picture, or may have got
 * another size. */
#define BUSY_PAUSE (10 * NS_PER_MS)
#define IDLE_PAUSE (200 * NS_PER_MS)

#define HELP                                                                                       \
	"space pause  arrows . , step  [ ] speed  r back  g go to  Home End  e next event  q quit"

struct stage {
	struct player *player;
	struct play_keys keys;
	struct play_show *show;
	bool quit;
	char asked[48]; /* what was typed behind "go to" */
	bool asks;
	char message[200]; /* instead of the help, until the next key */
};

static void arrive(struct stage *stage)
{
	struct player *player = stage->player;
	player->moved = true;
	player_settle(player);
}

static void say(struct stage *stage, const char *what, int code)
{
	struct player *player = stage->player;
	if (code == TROUPE_E_ENDED)
		snprintf(stage->message, sizeof(stage->message), "%s", what);
	else
		snprintf(stage->message, sizeof(stage->message), "%s: %s", what, error_text(code));
	player->fresh = true;
}

/* ---- what keys do ---- */

static void step(struct stage *stage, enum direction direction)
{
	struct player *player = stage->player;
	struct index_row row;
	player->paused = true;
	int rc = play_head_beside(&player->head, &player->head.row, direction, &row);
	if (rc < 0) {
		say(stage,
		    direction == FORWARDS ? "that is the last frame" : "that is the first frame",
		    rc);
		return;
	}
	player->head.row = row;
	arrive(stage);
}

static void jump(struct stage *stage, int rc)
{
	if (rc < 0)
		say(stage, "there is nothing", rc);
	else
		arrive(stage);
}

static void change_speed(struct stage *stage, double by)
{
	struct player *player = stage->player;
	double speed = player->speed * by;
	player->speed = speed < SPEED_LEAST ? SPEED_LEAST : speed > SPEED_MOST ? SPEED_MOST : speed;
	player_settle(player);
}

static void next_event(struct stage *stage)
{
	struct player *player = stage->player;
	struct event event;
	int rc = play_head_event(&player->head, &event);
	if (rc < 0) {
		say(stage, "there is no later event", rc);
		return;
	}
	snprintf(stage->message, sizeof(stage->message), "%s%s%s", event_kind_text(event.kind),
		 *event.what ? ": " : "", event.what);
	arrive(stage);
}

/* "#123" is a number in this run; all else a time, of the day that is being shown. */
static void go_to_asked(struct stage *stage)
{
	struct player *player = stage->player;
	const struct record *here = &player->head.row.record;
	struct when when;
	stage->asks = false;
	player->fresh = true;
	if (*stage->asked == '#') {
		jump(stage,
		     play_head_seq(&player->head, here->run, strtoull(stage->asked + 1, NULL, 10)));
		return;
	}
	if (*stage->asked && when_parse(stage->asked, here->captured_wall, &when, stage->message,
					sizeof(stage->message)) == 0)
		jump(stage, play_head_wall(&player->head, when.first));
}

static void ask_key(struct stage *stage, int key)
{
	struct player *player = stage->player;
	size_t length = strlen(stage->asked);
	player->fresh = true;
	if (key == KEY_ENTER) {
		go_to_asked(stage);
	} else if (key == KEY_ESCAPE || (key == KEY_RUBOUT && length == 0)) {
		stage->asks = false;
	} else if (key == KEY_RUBOUT) {
		stage->asked[length - 1] = '\0';
	} else if (key >= ' ' && key < KEY_RUBOUT && length + 1 < sizeof(stage->asked)) {
		stage->asked[length] = (char)key;
		stage->asked[length + 1] = '\0';
	}
}

static void turn_round(struct stage *stage)
{
	struct player *player = stage->player;
	player->direction = player->direction == FORWARDS ? BACKWARDS : FORWARDS;
	player->paused = false;
	player_settle(player);
}

static void toggle_pause(struct stage *stage)
{
	stage->player->paused = !stage->player->paused;
	player_settle(stage->player);
}

static void step_on(struct stage *stage)
{
	step(stage, FORWARDS);
}

static void step_back(struct stage *stage)
{
	step(stage, BACKWARDS);
}

static void faster(struct stage *stage)
{
	change_speed(stage, 2);
}

static void slower(struct stage *stage)
{
	change_speed(stage, 0.5);
}

static void ask(struct stage *stage)
{
	stage->asks = true;
	stage->asked[0] = '\0';
}

static void to_begin(struct stage *stage)
{
	jump(stage, play_head_begin(&stage->player->head));
}

static void to_end(struct stage *stage)
{
	jump(stage, play_head_end(&stage->player->head));
}

static void quit(struct stage *stage)
{
	stage->quit = true;
}

static const struct {
	int key;
	void (*act)(struct stage *stage);
} acts[] = {
	{' ', toggle_pause}, {KEY_RIGHT, step_on}, {'.', step_on},    {KEY_LEFT, step_back},
	{',', step_back},    {']', faster},	   {'[', slower},     {'r', turn_round},
	{'g', ask},	     {KEY_HOME, to_begin}, {KEY_END, to_end}, {'e', next_event},
	{'q', quit},
};

static void play_key(struct stage *stage, int key)
{
	stage->message[0] = '\0';
	stage->player->fresh = true;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (acts[i].key == key)
			acts[i].act(stage);
	}
}

static void take_keys(struct stage *stage)
{
	bool gone = false;
	int key;
	while (!stage->quit && (key = play_keys_next(&stage->keys, &gone)) != KEY_NONE) {
		if (stage->asks)
			ask_key(stage, key);
		else
			play_key(stage, key);
	}
	stage->quit = stage->quit || gone;
}

/* ---- what is shown ---- */

/* How far, of all there is of this stream. */
static int per_cent(const struct stage *stage)
{
	struct player *player = stage->player;
	struct index_row first, last;
	struct recording *recording = player->head.recording;
	const char *stream = player->head.stream;
	if (recording_first_since(recording, stream, 0, &first) < 0 ||
	    recording_last_until(recording, stream, INT64_MAX, &last) < 0)
		return 0;
	int64_t all = last.record.captured_wall - first.record.captured_wall;
	int64_t here = player->head.row.record.captured_wall - first.record.captured_wall;
	return all > 0 ? (int)((double)here / (double)all * 100) : 100;
}

static void write_status(const struct stage *stage, char *out, size_t size)
{
	struct player *player = stage->player;
	char words[200];
	const char *how = player->paused ? "||" : player->direction == BACKWARDS ? "<" : ">";
	const char *waits = !player->waits || player->paused ? ""
			    : player->direction == FORWARDS  ? "  the end so far, waiting for more"
							     : "  the beginning";
	snprintf(out, size, "%s %gx %d %%  %s%s", how, player->speed, per_cent(stage),
		 play_show_describe(&player->head.row.record, words, sizeof(words)), waits);
}

static void write_below(const struct stage *stage, char *out, size_t size)
{
	if (stage->asks)
		snprintf(out, size, "go to (10:00:05, -5min, #123): %s_", stage->asked);
	else
		snprintf(out, size, "%s", *stage->message ? stage->message : HELP);
}

/* A frame that cannot be shown leaves the picture before it. */
static int draw(struct stage *stage)
{
	struct player *player = stage->player;
	struct frames_picture picture;
	char status[320], below[240];
	bool resized = play_show_resized(stage->show);
	int rc = 0;
	bool has = player->moved || resized;
	if (has)
		rc = frames_show(player->frames, &player->head.row, &picture);
	if (rc < 0)
		say(stage, "this frame cannot be shown", rc);
	write_status(stage, status, sizeof(status));
	write_below(stage, below, sizeof(below));
	rc = play_show_draw(stage->show, has && rc == 0 ? &picture : NULL, status, below);
	player->fresh = player->moved = false;
	return rc == TROUPE_E_MEMORY ? rc : 0;
}

static void sleep_until(const struct stage *stage, int64_t now, int64_t due)
{
	struct pollfd keyboard = {.fd = stage->keys.fd, .events = POLLIN};
	poll(&keyboard, 1, clock_poll_ms(now, due < now + IDLE_PAUSE ? due : now + IDLE_PAUSE));
}

int play_in_terminal(struct player *player)
{
	struct stage place = {.player = player}, *stage = &place;
	int rc = play_keys_open(&stage->keys);
	if (rc < 0)
		return rc;
	rc = play_show_create(&stage->show);
	arrive(stage);
	while (rc == 0 && !stage->quit && !interrupt_came(NULL)) {
		int64_t now = clock_now(), due = player_go_on(player, now);
		take_keys(stage);
		bool ready = play_show_ready(stage->show);
		if (ready && (player->fresh || play_show_resized(stage->show)))
			rc = draw(stage);
		else
			sleep_until(stage, now, ready ? due : now + BUSY_PAUSE);
	}
	play_show_destroy(stage->show);
	play_keys_close(&stage->keys);
	return rc;
}
