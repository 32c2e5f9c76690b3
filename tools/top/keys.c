/* Keys: orders to the supervisor, and what is shown. */
#include "tools/top/keys.h"

#include "ipc/base/clock.h"

#include <ctype.h>
#include <curses.h>
#include <stdlib.h>
#include <string.h>

#define SAID_FOR   (6 * NS_PER_S)
#define KEY_ESCAPE 27
#define KEY_RUBOUT 127
#define POOL	   "processor" /* whose number can be changed */

void view_say(struct view *view, const char *text)
{
	snprintf(view->said, sizeof(view->said), "%s", text);
	view->said_until = clock_now() + SAID_FOR;
}

/* ---- orders ---- */

/* Gives it, tells what came of it, and looks at once. */
static void give(struct view *view, struct watched *w, Troupe__Request *request)
{
	char text[SAY_SIZE];
	if (w->lost_at) {
		view_say(view, "nobody is there to do it");
		return;
	}
	watched_order(w, request, text, sizeof(text));
	watched_look(w);
	view_say(view, text);
}

static void order_worker(struct view *view, struct watched *w, Troupe__Request__WhatCase what)
{
	Troupe__WorkerRequest worker = TROUPE__WORKER_REQUEST__INIT;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	worker.worker = view->selected;
	request.what_case = what;
	request.restart = &worker; /* all three are in one union */
	give(view, w, &request);
}

static void kill_worker(struct view *view, struct watched *w)
{
	Troupe__KillRequest kill = TROUPE__KILL_REQUEST__INIT;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	kill.worker = view->target;
	request.what_case = TROUPE__REQUEST__WHAT_KILL;
	request.kill = &kill;
	give(view, w, &request);
}

static bool is_of_pool(const char *name)
{
	size_t length = strlen(POOL);
	return strncmp(name, POOL, length) == 0 && name[length] == '.';
}

static void scale_by(struct view *view, struct watched *w, int by)
{
	Troupe__ScaleRequest scale = TROUPE__SCALE_REQUEST__INIT;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	int count = by;
	if (!w->reply)
		return;
	for (size_t i = 0; i < w->reply->n_worker; i++)
		count += is_of_pool(w->reply->worker[i]->name);
	if (count < 0)
		return;
	scale.worker = request_text(POOL);
	scale.count = (uint32_t)count;
	request.what_case = TROUPE__REQUEST__WHAT_SCALE;
	request.scale = &scale;
	give(view, w, &request);
}

/* ---- one function a key ---- */

/* The selected worker, NULL: none is. Orders go by names, and a spare has that of who plays. */
static const Troupe__Worker *whom(struct view *view)
{
	char text[SAY_SIZE];
	if (view->n_rows == 0)
		return NULL;
	if (!view->spare)
		return view->rows[view_place(view)].worker;
	snprintf(text, sizeof(text), "a spare takes no orders: select %s itself", view->selected);
	view_say(view, text);
	return NULL;
}

static void ask_to_kill(struct view *view, struct watched *w)
{
	const Troupe__Worker *worker = whom(view);
	(void)w;
	if (!worker)
		return;
	memcpy(view->target, view->selected, sizeof(view->target));
	view->target_pid = worker->pid;
	view->asking = ASKING_KILL;
}

static void restart(struct view *view, struct watched *w)
{
	if (whom(view))
		order_worker(view, w, TROUPE__REQUEST__WHAT_RESTART);
}

/* Whichever of the two it can be. */
static void stop_or_start(struct view *view, struct watched *w)
{
	const Troupe__Worker *worker = whom(view);
	if (!worker)
		return;
	bool runs = worker->pid != 0;
	order_worker(view, w, runs ? TROUPE__REQUEST__WHAT_STOP : TROUPE__REQUEST__WHAT_START);
}

static void more(struct view *view, struct watched *w)
{
	scale_by(view, w, 1);
}

static void less(struct view *view, struct watched *w)
{
	scale_by(view, w, -1);
}

static void ask_for_filter(struct view *view, struct watched *w)
{
	(void)w;
	view->asking = ASKING_FILTER;
}

static void end_filter(struct view *view, struct watched *w)
{
	(void)w;
	view->filter[0] = '\0';
}

/* From the supervisor's own order through all columns that can be sorted by, and back. */
static void sort_by_next(struct view *view, struct watched *w)
{
	(void)w;
	const struct worker_column *next = view->sort ? view->sort + 1 : worker_columns;
	while (next->heading && !next->compare)
		next++;
	view->sort = next->heading ? next : NULL;
}

static void toggle_wide(struct view *view, struct watched *w)
{
	(void)w;
	view->wide = !view->wide;
}

static void show_help(struct view *view, struct watched *w)
{
	(void)w;
	view->asking = ASKING_HELP;
}

static void move_by(struct view *view, ptrdiff_t by)
{
	ptrdiff_t place = (ptrdiff_t)view_place(view) + by;
	view_select(view, place < 0 ? 0 : (size_t)place);
}

static void move_up(struct view *view, struct watched *w)
{
	(void)w;
	move_by(view, -1);
}

static void move_down(struct view *view, struct watched *w)
{
	(void)w;
	move_by(view, 1);
}

static void page_up(struct view *view, struct watched *w)
{
	(void)w;
	move_by(view, -(ptrdiff_t)view->page);
}

static void page_down(struct view *view, struct watched *w)
{
	(void)w;
	move_by(view, (ptrdiff_t)view->page);
}

static void to_begin(struct view *view, struct watched *w)
{
	(void)w;
	view_select(view, 0);
}

static void to_end(struct view *view, struct watched *w)
{
	(void)w;
	view_select(view, SIZE_MAX);
}

static const struct {
	int key;
	void (*act)(struct view *view, struct watched *w);
} acts[] = {
	{'k', ask_to_kill},    {'r', restart},
	{'s', stop_or_start},  {'+', more},
	{'=', more},	       {'-', less},
	{'/', ask_for_filter}, {KEY_ESCAPE, end_filter},
	{'o', sort_by_next},   {'w', toggle_wide},
	{'?', show_help},      {'h', show_help},
	{KEY_UP, move_up},     {KEY_DOWN, move_down},
	{KEY_PPAGE, page_up},  {KEY_NPAGE, page_down},
	{KEY_HOME, to_begin},  {KEY_END, to_end},
};

/* ---- questions ---- */

static bool is_still_there(const struct view *view)
{
	for (size_t i = 0; i < view->n_rows; i++)
		if (!view->rows[i].spare && strcmp(view->rows[i].worker->name, view->target) == 0)
			return view->rows[i].worker->pid == view->target_pid;
	return false;
}

/* Who was meant may have ended while the question stood there: its successor is not killed for it.
 */
static void answer_kill(struct view *view, struct watched *w, int key)
{
	char text[SAY_SIZE];
	view->asking = ASKING_NOTHING;
	if (key != 'y' && key != 'Y')
		return;
	if (is_still_there(view)) {
		kill_worker(view, w);
		return;
	}
	snprintf(text, sizeof(text), "%s is another process by now: nobody was killed",
		 view->target);
	view_say(view, text);
}

static void answer_filter(struct view *view, int key)
{
	size_t length = strlen(view->filter);
	if (key == KEY_ESCAPE)
		view->filter[0] = '\0';
	if (key == KEY_ESCAPE || key == '\n' || key == '\r' || key == KEY_ENTER)
		view->asking = ASKING_NOTHING;
	else if ((key == KEY_BACKSPACE || key == KEY_RUBOUT || key == '\b') && length)
		view->filter[length - 1] = '\0';
	else if (key > ' ' && key < KEY_RUBOUT && length + 1 < sizeof(view->filter)) {
		view->filter[length] = (char)key;
		view->filter[length + 1] = '\0';
	}
}

bool key_pressed(struct view *view, struct watched *w, int key)
{
	if (key == KEY_RESIZE)
		return true;
	switch (view->asking) {
	case ASKING_KILL:
		answer_kill(view, w, key);
		return true;
	case ASKING_FILTER:
		answer_filter(view, key);
		return true;
	case ASKING_HELP:
		view->asking = ASKING_NOTHING;
		return true;
	default:
		break;
	}
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (acts[i].key == key)
			acts[i].act(view, w);
	return key != 'q' && key != 'Q';
}
