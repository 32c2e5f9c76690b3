/* A terminal, a FIFO or a file to draw on; see screen.h. */
#include "workers/media/screen.h"

#include "ipc/base/errors.h"
#include "ipc/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_TERMINAL "/dev/tty"

/* How long the terminal may take to be given back. */
#define RESTORE_MS 200

/* A screen of its own, so that what was there comes back in the end; no cursor. */
static const char enter[] = "\033[?1049h\033[?25l\033[2J";
static const char leave[] = "\033[0m\033[?25h\033[?1049l";
static const char clear[] = "\033[2J";

enum target { TARGET_NONE, TARGET_TERMINAL, TARGET_FIFO, TARGET_FILE };

struct screen {
	struct screen_plan plan;
	const char *path; /* where it draws or tries to */
	enum target target;
	int fd;
	bool made;   /* the FIFO is ours */
	int refused; /* errno that was said already */
	char *pending;
	size_t size, done, room;
};

/* Whether this process has a terminal of its own: that of `troupe up`, whose session it is in. */
static bool has_own_terminal(void)
{
	int fd = open(OWN_TERMINAL, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int screen_create(struct screen **created, const struct screen_plan *plan)
{
	struct screen *screen = calloc(1, sizeof(*screen));
	if (!screen)
		return TROUPE_E_MEMORY;
	screen->plan = *plan;
	screen->fd = -1;
	screen->path = *plan->path ? plan->path : has_own_terminal() ? OWN_TERMINAL : plan->fifo;
	*created = screen;
	return 0;
}

const char *screen_name(const struct screen *screen)
{
	return screen->path;
}

/* ---- opening ---- */

static void say_refused(struct screen *screen)
{
	/* ENXIO: nobody reads the FIFO yet. */
	if (errno != screen->refused && errno != ENXIO)
		log_warn("cannot draw on %s: %s; trying on", screen->path, strerror(errno));
	screen->refused = errno;
}

static enum target target_of(int fd)
{
	struct stat status;
	if (isatty(fd))
		return TARGET_TERMINAL;
	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? TARGET_FILE : TARGET_FIFO;
}

static void append(struct screen *screen, const char *bytes, size_t size)
{
	memcpy(screen->pending + screen->size, bytes, size);
	screen->size += size;
}

static int reserve(struct screen *screen, size_t size)
{
	if (size <= screen->room)
		return 0;
	char *larger = realloc(screen->pending, size);
	if (!larger)
		return TROUPE_E_MEMORY;
	screen->pending = larger;
	screen->room = size;
	return 0;
}

static void try_open(struct screen *screen)
{
	if (screen->path == screen->plan.fifo && !screen->made)
		screen->made = mkfifo(screen->path, 0600) == 0 || errno == EEXIST;
	screen->fd = open(screen->path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (screen->fd < 0) {
		say_refused(screen);
		return;
	}
	screen->refused = 0;
	screen->target = target_of(screen->fd);
	screen->size = screen->done = 0;
	const char *first = screen->target == TARGET_TERMINAL ? enter : clear;
	if (screen->target != TARGET_FILE && reserve(screen, strlen(first)) == 0)
		append(screen, first, strlen(first));
}

static void drop(struct screen *screen)
{
	close(screen->fd);
	screen->fd = -1;
	screen->target = TARGET_NONE;
	screen->size = screen->done = 0;
}

/* ---- writing ---- */

static void go_on(struct screen *screen)
{
	while (screen->done < screen->size) {
		ssize_t n = write(screen->fd, screen->pending + screen->done,
				  screen->size - screen->done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* its reader or the whole terminal is gone */
			drop(screen);
			return;
		}
		screen->done += (size_t)n;
	}
}

bool screen_turn(struct screen *screen)
{
	if (screen->fd < 0)
		try_open(screen);
	if (screen->fd >= 0)
		go_on(screen);
	return screen->fd >= 0 && screen->done == screen->size;
}

bool screen_is_there(const struct screen *screen)
{
	return screen->fd >= 0;
}

int screen_put(struct screen *screen, const char *bytes, size_t size)
{
	int rc = reserve(screen, size);
	if (rc < 0)
		return rc;
	screen->size = screen->done = 0;
	append(screen, bytes, size);
	/* A file shows the newest picture and nothing else. */
	if (screen->target == TARGET_FILE &&
	    (lseek(screen->fd, 0, SEEK_SET) < 0 || ftruncate(screen->fd, 0) < 0)) {
		say_refused(screen);
		drop(screen);
		return 0;
	}
	go_on(screen);
	return 0;
}

void screen_size(const struct screen *screen, uint32_t *columns, uint32_t *lines)
{
	struct winsize size;
	*columns = screen->plan.columns;
	*lines = screen->plan.lines;
	if (screen->target == TARGET_TERMINAL && ioctl(screen->fd, TIOCGWINSZ, &size) == 0 &&
	    size.ws_col && size.ws_row) {
		*columns = size.ws_col;
		*lines = size.ws_row;
	}
}

/* ---- its end ---- */

/* The rest of a picture is left out: an escape sequence that was cut off ends where the next
 * begins. */
static void restore(struct screen *screen)
{
	struct pollfd wait = {.fd = screen->fd, .events = POLLOUT};
	if (reserve(screen, sizeof(leave)) < 0)
		return;
	screen->size = screen->done = 0;
	append(screen, leave, sizeof(leave) - 1);
	go_on(screen);
	if (screen->fd >= 0 && screen->done < screen->size && poll(&wait, 1, RESTORE_MS) > 0)
		go_on(screen);
}

void screen_destroy(struct screen *screen)
{
	if (!screen)
		return;
	if (screen->target == TARGET_TERMINAL)
		restore(screen);
	if (screen->fd >= 0)
		close(screen->fd);
	if (screen->made)
		unlink(screen->plan.fifo);
	free(screen->pending);
	free(screen);
}
