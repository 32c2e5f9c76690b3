/* Keys, of which some come as several bytes; see play_keys.h. */
#include "tools/troupe/play_keys.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define ESCAPE '\033'

int play_keys_open(struct play_keys *keys)
{
	struct termios raw;
	*keys = (struct play_keys){.fd = STDIN_FILENO};
	if (tcgetattr(keys->fd, &keys->before) < 0)
		return TROUPE_E_SYSTEM;
	raw = keys->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	/* Neither would give the terminal back first. */
	raw.c_cc[VSUSP] = raw.c_cc[VQUIT] = _POSIX_VDISABLE;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	return tcsetattr(keys->fd, TCSADRAIN, &raw) < 0 ? TROUPE_E_SYSTEM : 0;
}

void play_keys_close(struct play_keys *keys)
{
	tcsetattr(keys->fd, TCSADRAIN, &keys->before);
}

/* What terminals send behind ESC [ or ESC O. */
static const struct {
	const char *bytes;
	int key;
} sequences[] = {
	{"D", KEY_LEFT}, {"C", KEY_RIGHT}, {"A", KEY_UP},    {"B", KEY_DOWN}, {"H", KEY_HOME},
	{"F", KEY_END},	 {"1~", KEY_HOME}, {"7~", KEY_HOME}, {"4~", KEY_END}, {"8~", KEY_END},
};

/* A whole sequence arrives at once. One that we do not know is no key. */
static int sequence(struct play_keys *keys)
{
	int begin = keys->at, length;
	while (keys->at < keys->n && (keys->bytes[keys->at] < '@' || keys->bytes[keys->at] > '~'))
		keys->at++;
	keys->at += keys->at < keys->n;
	length = keys->at - begin;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
		if ((int)strlen(sequences[i].bytes) == length &&
		    memcmp(sequences[i].bytes, keys->bytes + begin, (size_t)length) == 0)
			return sequences[i].key;
	}
	return KEY_NONE;
}

static bool refill(struct play_keys *keys, bool *gone)
{
	struct pollfd ready = {.fd = keys->fd, .events = POLLIN};
	if (poll(&ready, 1, 0) <= 0)
		return false;
	ssize_t n = read(keys->fd, keys->bytes, sizeof(keys->bytes));
	*gone = n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
	keys->at = 0;
	keys->n = n > 0 ? (int)n : 0;
	return n > 0;
}

int play_keys_next(struct play_keys *keys, bool *gone)
{
	while (keys->at < keys->n || refill(keys, gone)) {
		char byte = keys->bytes[keys->at++];
		bool more = keys->at < keys->n;
		if (byte == ESCAPE && more &&
		    (keys->bytes[keys->at] == '[' || keys->bytes[keys->at] == 'O')) {
			keys->at++;
			int key = sequence(keys);
			if (key != KEY_NONE)
				return key;
			continue;
		}
		if (byte == ESCAPE)
			return KEY_ESCAPE;
		if (byte == '\b')
			return KEY_RUBOUT;
		if (byte != '\0')
			return byte == '\r' ? KEY_ENTER : (unsigned char)byte;
	}
	return KEY_NONE;
}
