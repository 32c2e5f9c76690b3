/* The display that writes files; see snapshot.h. A file appears under its name by renaming, so it
 * is whole whenever somebody looks, whatever happens to the writer. */
#include "workers/display/snapshot.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/display/feed.h"
#include "workers/display/notice.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct snapshot {
	struct feed *feed;
	struct notice *notice;
	char folder[PATH_MAX];
	int64_t due[STREAMS_MAX];
	uint64_t written;
	bool failing; /* and that was said */
};

#define ROW(name_) .name = #name_, ROW_AT(struct snapshot_config, name_)

static const struct row rows[] = {
	DISPLAY_ROWS,
	{ROW(folder), .type = ROW_TEXT, .fallback = "",
	 .help = "Folder for STREAM.jpg and STREAM.overlay.jpg; \"\": `snapshots` in the state "
		 "folder."},
	{ROW(every), .type = ROW_DURATION, .min = 1e7, .max = 86400e9, .fallback = "1s",
	 .help = "How often each stream is written."},
	{ROW(overlay), .type = ROW_BOOL, .fallback = "yes",
	 .help = "Write also the view with the frame's record drawn into it."},
};

static_assert(offsetof(struct snapshot_config, stock) == 0, "the stock display's rows fit");

/* ---- its life ---- */

static void snapshot_close(struct worker *w, void *self)
{
	(void)w;
	struct snapshot *s = self;
	notice_destroy(s->notice);
	feed_destroy(s->feed);
	free(s);
}

static int snapshot_open(struct worker *w, void **self)
{
	const struct snapshot_config *config = worker_config(w);
	struct snapshot *s = calloc(1, sizeof(*s));
	if (!s)
		return TROUPE_E_MEMORY;
	int n = *config->folder ? snprintf(s->folder, sizeof(s->folder), "%s", config->folder)
				: snprintf(s->folder, sizeof(s->folder), "%s/snapshots",
					   worker_state_folder(w));
	s->feed = feed_create(worker_ledger(w));
	if (!s->feed || n >= (int)sizeof(s->folder)) {
		int rc = s->feed ? TROUPE_E_OVERSIZED : TROUPE_E_MEMORY;
		snapshot_close(w, s);
		return rc;
	}
	*self = s;
	return 0;
}

/* There is one folder and one socket: they are touched from here on. */
static int snapshot_ready(struct worker *w, void *self)
{
	const struct snapshot_config *config = worker_config(w);
	struct snapshot *s = self;
	char path[PATH_MAX], text[PATH_MAX + 128];
	if (mkdir(s->folder, 0700) < 0 && errno != EEXIST) {
		log_error("cannot make the folder for snapshots %s: %s", s->folder,
			  strerror(errno));
		return error_from_errno(errno);
	}
	const char *shown = realpath(s->folder, path) ? path : s->folder;
	snprintf(text, sizeof(text),
		 "There is no page now: troupe-display-snapshot writes pictures into %s.", shown);
	log_info("writes pictures into %s", shown);
	return notice_create(&s->notice, w, &config->stock, text);
}

/* ---- files ---- */

static bool write_whole(int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* Whether the file shows these bytes now; if not, it shows what it did, and errno says why. */
static bool replace_file(const char *folder, const char *name, const uint8_t *bytes, size_t size)
{
	char path[PATH_MAX + 2 * NAME_SIZE], part[PATH_MAX + 2 * NAME_SIZE];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(part, sizeof(part), "%s/.%s.part", folder, name);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	int why = write_whole(fd, bytes, size) ? 0 : errno;
	if (close(fd) < 0 && !why)
		why = errno;
	if (!why && rename(part, path) < 0)
		why = errno;
	if (why)
		unlink(part);
	errno = why;
	return !why;
}

static bool write_part(struct snapshot *s, const char *stream, uint32_t number, enum feed_kind kind)
{
	char name[NAME_SIZE + 16];
	struct part *part = feed_newest(s->feed, number, kind, 0);
	if (!part) {
		errno = ENOMEM;
		return false;
	}
	snprintf(name, sizeof(name), "%s%s.jpg", stream, kind == FEED_OVERLAY ? ".overlay" : "");
	bool written = replace_file(s->folder, name, part->jpeg, part->jpeg_size);
	part_release(part);
	return written;
}

/* A full disk is no reason to end: the next picture may fit. */
static void say_whether_it_works(struct snapshot *s, struct worker *w, bool works)
{
	if (works == !s->failing)
		return;
	s->failing = !works;
	if (works) {
		log_info("writing pictures into %s works again", s->folder);
		return;
	}
	log_warn("cannot write pictures into %s: %s; trying on", s->folder, strerror(errno));
	worker_report(w, "pictures cannot be written");
}

/* ---- frames ---- */

static int snapshot_frame(struct worker *w, void *self, struct frame *frame)
{
	const struct snapshot_config *config = worker_config(w);
	struct snapshot *s = self;
	struct shot *shot;
	int64_t now = clock_now();
	if (now < s->due[frame->stream_number])
		return 0;
	int rc = feed_peek(s->feed, w, frame, &shot);
	if (rc < 0)
		return rc == TROUPE_E_MEMORY ? rc : 0;
	feed_publish(s->feed, shot);
	bool works = write_part(s, frame->stream->name, frame->stream_number, FEED_PLAIN);
	if (works && config->overlay)
		works = write_part(s, frame->stream->name, frame->stream_number, FEED_OVERLAY);
	say_whether_it_works(s, w, works);
	s->written += works;
	s->due[frame->stream_number] = now + config->every;
	return 0;
}

/* Sleeps until the first stream is due. */
static int64_t snapshot_tick(struct worker *w, void *self, int64_t now)
{
	struct snapshot *s = self;
	int64_t page = notice_turn(s->notice, now), due = CLOCK_NEVER;
	for (uint32_t i = 0; i < worker_ledger(w)->header->n_streams; i++)
		due = s->due[i] < due ? s->due[i] : due;
	worker_want(w, now >= due);
	if (now >= due)
		return page;
	return page < due ? page : due;
}

static void snapshot_dump(struct worker *w, void *self, FILE *out)
{
	(void)w;
	const struct snapshot *s = self;
	fprintf(out, "writes into: %s%s\n", s->folder, s->failing ? " (cannot now)" : "");
	fprintf(out, "frames written: %" PRIu64 "\n", s->written);
}

static const struct need needs[] = {
	{NEED_WRITE, "folder"},
	{NEED_STATE, "snapshots"},
};

const struct worker_table snapshot_table = {
	.name = "display-snapshot",
	.version = TROUPE_VERSION,
	.summary = "a display that writes pictures into files",
	.takes = WORKER_TAKES_LATEST,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {rows, sizeof(rows) / sizeof(rows[0]), sizeof(struct snapshot_config)},
	.open = snapshot_open,
	.ready = snapshot_ready,
	.frame = snapshot_frame,
	.tick = snapshot_tick,
	.close = snapshot_close,
	.dump = snapshot_dump,
};
