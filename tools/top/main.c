/* troupe-top: what `troupe top` becomes. Takes the same options. */
#include "ipc/base/clock.h"
#include "tools/top/keys.h"
#include "tools/top/once.h"
#include "tools/troupe/interrupt.h"
#include "tools/troupe/output.h"

#include <curses.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY NS_PER_S
/* A signal that comes just before a sleep is noticed after it. */
#define SLEEP_MAX_MS 200

/* Two looks, for what is counted between them. */
static int print_once(struct watched *w, const struct call *call)
{
	for (int i = 0; i < 2 && !interrupt_came(NULL); i++) {
		if (i)
			poll(NULL, 0, (int)(LOOK_EVERY / NS_PER_MS));
		watched_look(w);
	}
	interrupt_pass_on();
	if (!w->reply) {
		out_error("%s: %s", w->pipeline.name, w->why);
		return EXIT_FAILED;
	}
	return call->json ? once_print_json(w) : once_print(w, call->wide);
}

/* False: there is no keyboard any more. */
static bool keyboard_is_there(void)
{
	struct pollfd keyboard = {.fd = STDIN_FILENO, .events = POLLIN};
	return poll(&keyboard, 1, 0) >= 0 && !(keyboard.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Sleeps for a key until `due`; takes all that have come. Returns false when it shall end. */
static bool take_keys(struct view *view, struct watched *w, int64_t due)
{
	int ms = clock_poll_ms(clock_now(), due);
	timeout(ms < SLEEP_MAX_MS ? ms : SLEEP_MAX_MS);
	for (int key = getch(); key != ERR; key = getch()) {
		view_update(view, w);
		if (!key_pressed(view, w, key))
			return false;
		timeout(0);
	}
	return true;
}

static void look(struct view *view, struct watched *w)
{
	watched_look(w);
	if (w->came_back)
		view_say(view, "the supervisor is there again");
}

static int live(struct watched *w, const struct call *call)
{
	struct view view = {.wide = call->wide};
	int64_t due = clock_now();
	if (screen_open() < 0)
		return EXIT_FAILED;
	do {
		int64_t now = clock_now();
		if (now >= due) {
			look(&view, w);
			due = now + LOOK_EVERY;
		}
		view_update(&view, w);
		screen_draw(&view, w);
	} while (!interrupt_came(NULL) && keyboard_is_there() && take_keys(&view, w, due));
	screen_close();
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct call call = {0};
	struct watched w;
	int rest = 0;
	int rc = call_parse(&call, command_find("top"), argc, argv, &rest);
	if (rc != EXIT_DONE)
		return rc;
	if (call.help) {
		call_help(call.command);
		return EXIT_DONE;
	}
	interrupt_watch();
	rc = watched_init(&w, &call);
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (rc == EXIT_DONE)
		rc = call.once || call.json || !terminal ? print_once(&w, &call) : live(&w, &call);
	watched_finish(&w);
	interrupt_pass_on();
	return rc;
}
