/* The keyboard of a terminal, key by key. */
#ifndef TROUPE_TOOLS_TROUPE_PLAY_KEYS_H
#define TROUPE_TOOLS_TROUPE_PLAY_KEYS_H

#include <stdbool.h>
#include <termios.h>

/* Characters are themselves. */
enum key {
	KEY_NONE = 0,
	KEY_ENTER = '\n',
	KEY_RUBOUT = 0x7f,
	KEY_ESCAPE = 256,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_UP,
	KEY_DOWN,
	KEY_HOME,
	KEY_END
};

struct play_keys {
	int fd;
	struct termios before;
	char bytes[64];
	int at, n;
};

/* Takes keys one by one from standard input, which is a terminal; Ctrl-C goes on to be a signal.
 * TROUPE_E_SYSTEM. */
int play_keys_open(struct play_keys *keys);
/* Gives the terminal back as it was. */
void play_keys_close(struct play_keys *keys);

/* The next key, without waiting; KEY_NONE: there is none, and *gone (may be set) says whether there
 * will never be one. */
int play_keys_next(struct play_keys *keys, bool *gone);

#endif
