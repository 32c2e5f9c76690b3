/* Drawing by curses: a head, the streams, the workers, a line of keys. */
#include "tools/top/screen.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/utf8.h"

#include <curses.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

#define LEAST_LINES   4
#define LEAST_COLUMNS 24
#define LEAST_CELL    6 /* of the last column, where the line ends in it */

#define KEYS "q quit  ? help  k kill  r restart  s stop  + - scale  / filter  o sort  w wide"

static const char *const help[] = {
	"up, down, PgUp, PgDn, Home, End   select a worker",
	"k       kill it (asks first)",
	"r       drain it and start it again",
	"s       stop it, or start it again",
	"+ -     one processor more, one less",
	"/       show only what contains a word; Esc ends that",
	"o       sort by the next column",
	"w       more columns",
	"q       quit",
	"",
	"WAIT, WORK, DISK: 50 and 99 of 100 frames of the last seconds",
	"waited for a processor, were processed, and were in the",
	"recording (since they were captured) within that time.",
	"TAKE (wide): from the source to the queue.",
};
#define HELP_LINES (sizeof(help) / sizeof(help[0]))

/* ---- the terminal ---- */

static bool can_be_drawn_on(const char *term)
{
	int error;
	if (!term || !*term || setupterm(term, STDOUT_FILENO, &error) != OK)
		return false;
	/* tigetstr takes no const for historical reasons. */
	char capability[] = "cup";
	bool moves = tigetstr(capability) != NULL;
	del_curterm(cur_term); /* newterm has one of its own */
	return moves;
}

static void open_colours(void)
{
	static const short of_paint[] = {
		[PAINT_GOOD] = COLOR_GREEN, [PAINT_BUSY] = COLOR_YELLOW, [PAINT_BAD] = COLOR_RED};
	const char *none = getenv("NO_COLOR");
	if ((none && *none) || !has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	for (int paint = PAINT_GOOD; paint <= PAINT_BAD; paint++)
		init_pair((short)paint, of_paint[paint], -1);
}

int screen_open(void)
{
	const char *term = getenv("TERM");
	setlocale(LC_ALL, "");
	if (!can_be_drawn_on(term)) {
		out_error("top: a terminal of the kind '%s' ($TERM) cannot be drawn on; --once "
			  "prints one look",
			  term ? term : "");
		return TROUPE_E_UNSUPPORTED;
	}
	if (!newterm(NULL, stdout, stdin)) {
		out_error("top: curses cannot use this terminal; --once prints one look");
		return TROUPE_E_UNSUPPORTED;
	}
	open_colours();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	return 0;
}

void screen_close(void)
{
	endwin();
	delscreen(set_term(NULL));
}

static attr_t attributes(enum paint paint)
{
	switch (paint) {
	case PAINT_BOLD:
		return A_BOLD;
	case PAINT_DIM:
		return A_DIM;
	case PAINT_GOOD:
	case PAINT_BUSY:
	case PAINT_BAD:
		return (attr_t)COLOR_PAIR(paint) | (paint == PAINT_BAD ? A_BOLD : 0);
	default:
		return A_NORMAL;
	}
}

/* ---- text ---- */

/* Words of a dying process may be anything; at a tab curses would leave the column. */
static char *tame(char *text)
{
	for (char *c = utf8_tame(text); *c; c++)
		if (*c == '\t')
			*c = ' ';
	return text;
}

/* One line, cut at the right edge. */
static void put_line(int y, attr_t attribute, const char *text)
{
	if (y < 0 || y >= LINES)
		return;
	attrset(attribute);
	mvaddnstr(y, 0, text, COLS);
	clrtoeol();
	attrset(A_NORMAL);
}

/* A cell of a table at column *x; widths as in columns.h. False: there is no room for it. */
static bool put_cell(int y, int *x, int width, const char *text)
{
	bool left = width < 0;
	int room = COLS - *x;
	width = left ? -width : width;
	if (width > room) {
		if (!left || room < LEAST_CELL)
			return false;
		width = room;
	}
	/* Only a right-aligned cell has to stay within its column by itself. */
	mvprintw(y, *x, left ? "%-*.*s" : "%*.*s", width, width, text);
	*x += width + 1;
	return true;
}

/* ---- parts ---- */

static void draw_head(const struct watched *w)
{
	char line[512], age[32], now[32];
	if (!w->reply) {
		snprintf(line, sizeof(line), "%s", w->pipeline.name);
	} else {
		const Troupe__Pipeline *p = w->reply->pipeline;
		clock_format_wall(clock_wall(), now, sizeof(now));
		now[19] = '\0';
		snprintf(line, sizeof(line), "%s  %s for %s  %u restart%s  %s", p->name, p->state,
			 human_span(clock_now() - p->since, age, sizeof(age)), p->restarts,
			 p->restarts == 1 ? "" : "s", now + 11);
	}
	put_line(0, A_BOLD, line);
}

/* What a person should know first: that nobody answers, what came of an order, what there is too
 * little of. */
static void draw_news(const struct view *view, const struct watched *w)
{
	char line[SAY_SIZE + 128], age[32];
	int64_t now = clock_now();
	attr_t attribute = A_NORMAL;
	line[0] = '\0';
	if (w->lost_at) {
		snprintf(line, sizeof(line), "%s, for %s; this is what it said last", w->why,
			 human_span(now - w->lost_at, age, sizeof(age)));
		attribute = attributes(PAINT_BAD);
	} else if (now < view->said_until) {
		snprintf(line, sizeof(line), "%s", view->said);
		attribute = attributes(PAINT_BUSY);
	} else if (w->reply && *w->reply->pipeline->limit) {
		snprintf(line, sizeof(line), "%s", w->reply->pipeline->limit);
		attribute = attributes(PAINT_BAD);
	}
	put_line(1, attribute, tame(line));
}

static void draw_stream(const struct watched *w, uint32_t stream, int y, bool wide)
{
	char cell[CELL_SIZE];
	int x = 0;
	attrset(attributes(stream_paint(w->reply->pipeline->stream[stream])));
	for (const struct stream_column *c = stream_columns; c->heading; c++) {
		if (c->wide && !wide)
			continue;
		if (!put_cell(y, &x, c->width, tame(c->write(w, stream, cell))))
			break;
	}
	attrset(A_NORMAL);
}

/* Returns the line behind them. */
static int draw_streams(const struct view *view, const struct watched *w, int y)
{
	int n = (int)w->reply->pipeline->n_stream, room = (LINES - y - 4) / 2, x = 0;
	int most = n < room ? n : room;
	if (most < 1)
		return y;
	attrset(A_UNDERLINE);
	for (const struct stream_column *c = stream_columns; c->heading; c++)
		if ((view->wide || !c->wide) && !put_cell(y, &x, c->width, c->heading))
			break;
	attrset(A_NORMAL);
	for (int i = 0; i < most; i++)
		draw_stream(w, (uint32_t)i, y + 1 + i, view->wide);
	if (most < n)
		mvprintw(y + most, 0, "… and %d streams more", n - most + 1);
	return y + 1 + most + (LINES > 16);
}

static void draw_worker(const struct worker_row *row, int y, bool wide, bool selected)
{
	char cell[CELL_SIZE];
	int x = 0;
	for (const struct worker_column *c = worker_columns; c->heading; c++) {
		attr_t attribute = A_NORMAL;
		if (!wide && c->wide)
			continue;
		if (c->compare && strcmp(c->heading, "STATE") == 0)
			attribute = attributes(worker_paint(row));
		attrset(attribute | (selected ? A_REVERSE : 0));
		if (!put_cell(y, &x, c->width, tame(c->write(row, cell))))
			break;
		if (selected && x > 0 && x <= COLS)
			mvaddch(y, x - 1, ' ');
	}
	attrset(A_NORMAL);
}

static void draw_worker_headings(const struct view *view, int y)
{
	int x = 0;
	for (const struct worker_column *c = worker_columns; c->heading; c++) {
		attrset(c == view->sort ? A_UNDERLINE | A_BOLD | A_REVERSE : A_UNDERLINE);
		if ((view->wide || !c->wide) && !put_cell(y, &x, c->width, c->heading))
			break;
	}
	attrset(A_NORMAL);
}

/* As many as there is room for, the selected one among them. */
static void draw_workers(struct view *view, int y)
{
	size_t room = LINES - 1 > y + 1 ? (size_t)(LINES - 1 - y - 1) : 0, place = view_place(view);
	view->page = room;
	if (room == 0)
		return;
	draw_worker_headings(view, y);
	if (place < view->top)
		view->top = place;
	if (place >= view->top + room)
		view->top = place - room + 1;
	if (view->top + room > view->n_rows)
		view->top = view->n_rows > room ? view->n_rows - room : 0;
	for (size_t i = 0; i < room && view->top + i < view->n_rows; i++)
		draw_worker(&view->rows[view->top + i], y + 1 + (int)i, view->wide,
			    view->top + i == place);
	if (view->n_rows == 0)
		mvaddnstr(y + 1, 0, *view->filter ? "none of that name or state" : "no worker",
			  COLS);
}

static void draw_foot(const struct view *view)
{
	char line[SAY_SIZE];
	attr_t attribute = A_DIM;
	snprintf(line, sizeof(line), "%s", KEYS);
	if (view->asking == ASKING_KILL) {
		snprintf(line, sizeof(line), "kill %s? y/n", view->target);
		attribute = A_BOLD;
	} else if (view->asking == ASKING_FILTER) {
		snprintf(line, sizeof(line), "show only: %s_", view->filter);
		attribute = A_BOLD;
	} else if (*view->filter) {
		snprintf(line, sizeof(line), "only what contains \"%s\" (/ changes it)  %s",
			 view->filter, KEYS);
	}
	put_line(LINES - 1, attribute, line);
}

static void draw_help(void)
{
	for (size_t i = 0; i < HELP_LINES && (int)i < LINES - 1; i++)
		put_line((int)i, A_NORMAL, help[i]);
	put_line(LINES - 1, A_DIM, "any key goes back");
}

void screen_draw(struct view *view, const struct watched *w)
{
	erase();
	if (view->asking == ASKING_HELP) {
		draw_help();
	} else if (LINES < LEAST_LINES || COLS < LEAST_COLUMNS) {
		put_line(0, A_NORMAL, "too small");
	} else {
		draw_head(w);
		draw_news(view, w);
		if (w->reply)
			draw_workers(view, draw_streams(view, w, 2));
		draw_foot(view);
	}
	refresh();
}
