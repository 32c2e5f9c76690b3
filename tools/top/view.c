/* Which rows there are, and which one is selected. */
#include "tools/top/screen.h"

#include <string.h>

size_t view_place(const struct view *view)
{
	for (size_t i = 0; i < view->n_rows; i++) {
		if (strcmp(view->rows[i].worker->name, view->selected) == 0 &&
		    view->rows[i].spare == view->spare)
			return i;
	}
	return 0;
}

void view_select(struct view *view, size_t place)
{
	if (view->n_rows == 0)
		return;
	if (place >= view->n_rows)
		place = view->n_rows - 1;
	snprintf(view->selected, sizeof(view->selected), "%s", view->rows[place].worker->name);
	view->spare = view->rows[place].spare;
}

void view_update(struct view *view, const struct watched *w)
{
	view->n_rows =
		w->reply ? rows_of(w->reply, view->filter, view->sort, view->rows, ROWS_MAX) : 0;
	view_select(view, view_place(view));
}
