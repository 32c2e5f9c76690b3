/* The display as a worker: its table, and the site in the worker's loop. */
#include "workers/display/display.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/display/site.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Descriptors beside those of connections. */
#define FDS_SPARE 256

struct display {
	struct site *site; /* NULL: no page is wanted */
	bool wanted;	   /* what the skeleton was told last */
	uint64_t frames, lost;
};

static const struct row display_rows[] = {DISPLAY_ROWS};

/* Every viewer is a descriptor; the soft limit is often 1024. */
static void raise_descriptor_limit(uint32_t viewers)
{
	struct rlimit limit;
	rlim_t needed = (rlim_t)viewers + FDS_SPARE;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == needed)
		return;
	log_warn("only %" PRIu64 " open files are allowed: fewer than %" PRIu32
		 " viewers can be served",
		 (uint64_t)limit.rlim_cur, viewers);
}

/* The loop calls display_tick after every wake-up, which does the work: to wake up is all there is
 * to do. */
static void on_http(struct worker *w, void *self, int fd, short revents)
{
	(void)w;
	(void)self;
	(void)fd;
	(void)revents;
}

static int open_site(struct worker *w, struct display *display)
{
	const struct display_config *config = worker_config(w);
	if (worker_handed_fd(w) < 0) {
		log_error("no listening socket was handed over for %s", config->listen);
		return TROUPE_E_STATE;
	}
	raise_descriptor_limit((uint32_t)config->viewers);
	int rc = site_create(&display->site, &(struct site_plan){
						     .ledger = worker_ledger(w),
						     .worker = w,
						     .control_path = worker_control_path(w),
						     .listen_fd = worker_handed_fd(w),
						     .viewers = (uint32_t)config->viewers,
						     .names = config->names,
					     });
	if (rc < 0) {
		log_error("the page on %s cannot be served: %s", config->listen, error_text(rc));
		return rc;
	}
	return 0;
}

static int display_open(struct worker *w, void **self)
{
	const struct display_config *config = worker_config(w);
	struct display *display = calloc(1, sizeof(*display));
	if (!display)
		return TROUPE_E_MEMORY;
	worker_want(w, false);
	int rc = config->listen[0] ? open_site(w, display) : 0;
	if (rc < 0) {
		site_destroy(display->site);
		free(display);
		return rc;
	}
	*self = display;
	return 0;
}

/* A predecessor that still lives answers on the same socket: only from now on are requests
 * listened to. */
static int display_ready(struct worker *w, void *self)
{
	struct display *display = self;
	return display->site ? worker_watch(w, site_fd(display->site), POLLIN, on_http) : 0;
}

static int display_frame(struct worker *w, void *self, struct frame *frame)
{
	struct display *display = self;
	struct shot *shot;
	if (!display->site)
		return 0;
	int rc = site_copy(display->site, frame, &shot);
	if (rc == 0 && worker_still(w, frame)) {
		site_show(display->site, shot);
		display->frames++;
		return 0;
	}
	if (rc == 0)
		shot_release(shot);
	/* The slot was taken for a newer frame half-way, which is then the one to show. */
	display->lost++;
	return rc == TROUPE_E_MEMORY ? rc : 0;
}

static int64_t display_tick(struct worker *w, void *self, int64_t now)
{
	struct display *display = self;
	if (!display->site)
		return CLOCK_NEVER;
	int64_t due = site_turn(display->site, now);
	bool wanted = site_viewers(display->site).watching > 0;
	if (wanted != display->wanted) {
		worker_want(w, wanted);
		display->wanted = wanted;
	}
	return due;
}

static void display_dump(struct worker *w, void *self, FILE *out)
{
	(void)w;
	const struct display *display = self;
	fprintf(out, "page: %s\n", display->site ? "served" : "none");
	if (!display->site)
		return;
	struct viewer_counts counts = site_viewers(display->site);
	fprintf(out, "viewers: %" PRIu64 "\n", counts.watching);
	fprintf(out, "frames copied: %" PRIu64 "\n", display->frames);
	fprintf(out, "copies thrown away: %" PRIu64 "\n", display->lost);
	fprintf(out, "frames sent: %" PRIu64 "\n", counts.sent);
	fprintf(out, "frames skipped for slow viewers: %" PRIu64 "\n", counts.skipped);
}

static void display_close(struct worker *w, void *self)
{
	struct display *display = self;
	if (display->site)
		worker_watch(w, site_fd(display->site), 0, on_http);
	site_destroy(display->site);
	free(display);
}

const struct worker_table display_table = {
	.name = "display",
	.version = TROUPE_VERSION,
	.summary = "shows the live video and the workers in a browser",
	.takes = WORKER_TAKES_LATEST,
	.rows = {.rows = display_rows,
		 .count = sizeof(display_rows) / sizeof(display_rows[0]),
		 .config_size = sizeof(struct display_config)},
	.open = display_open,
	.ready = display_ready,
	.frame = display_frame,
	.tick = display_tick,
	.close = display_close,
	.dump = display_dump,
};
