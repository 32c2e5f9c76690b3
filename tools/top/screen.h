/* The screen: curses, and what of a pipeline is drawn where. */
#ifndef TROUPE_TOOLS_TOP_SCREEN_H
#define TROUPE_TOOLS_TOP_SCREEN_H

#include "tools/top/columns.h"

#define ROWS_MAX    256
#define FILTER_SIZE 32
#define SAY_SIZE    256

enum asking { ASKING_NOTHING, ASKING_KILL, ASKING_FILTER, ASKING_HELP };

/* What the person at the keyboard has made of it. */
struct view {
	struct worker_row rows[ROWS_MAX]; /* of the last reply, filtered and sorted */
	size_t n_rows;
	char selected[64];		  /* name of a worker; a name stays where a line does not */
	bool spare;			  /* … its spare */
	size_t top;			  /* the first row that is drawn */
	size_t page;			  /* how many rows there was room for */
	const struct worker_column *sort; /* NULL: as the supervisor has them */
	bool wide;
	char filter[FILTER_SIZE];
	enum asking asking;
	char target[64];     /* of the question … */
	int32_t target_pid;  /* … and its process when that was asked */
	char said[SAY_SIZE]; /* what came of the last order … */
	int64_t said_until;  /* … shown until then */
};

/* 0; or an error, and one line has said why this terminal cannot be drawn on. */
int screen_open(void);
void screen_close(void);

/* Makes the rows anew from what is watched; the selection stays on its worker, or near it. */
void view_update(struct view *view, const struct watched *w);

/* Where the selection is among the rows. */
size_t view_place(const struct view *view);
void view_select(struct view *view, size_t place);

void screen_draw(struct view *view, const struct watched *w);

#endif
