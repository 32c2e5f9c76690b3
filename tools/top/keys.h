/* What keys do. */
#ifndef TROUPE_TOOLS_TOP_KEYS_H
#define TROUPE_TOOLS_TOP_KEYS_H

#include "tools/top/screen.h"

/* `key` as curses' getch() gives it. Returns false when the program shall end. */
bool key_pressed(struct view *view, struct watched *w, int key);

/* Shows a text for a while. */
void view_say(struct view *view, const char *text);

#endif
