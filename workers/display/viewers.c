/* Viewers: each reads one endless multipart response; see viewers.h. */
#include "workers/display/viewers.h"

#include "ipc/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SWEEP_EVERY NS_PER_S

/* How much libmicrohttpd asks for at most at a time; the connection's own buffer limits it further.
 */
#define BLOCK_SIZE (64 << 10)

static const char opening[] = FEED_OPENING;
#define OPENING_SIZE (sizeof(opening) - 1)

struct viewer {
	struct viewer *next, **link; /* of all viewers */
	struct viewers *all;
	struct MHD_Connection *connection;
	uint32_t stream, count; /* watches so many streams from that one on */
	uint32_t turn;		/* whose frame comes next if there is one: 0 .. count - 1 */
	enum feed_kind kind;
	struct part *part;	      /* being sent, or NULL */
	size_t at;		      /* how far */
	uint64_t serial[STREAMS_MAX]; /* of the shot of each stream that it got last */
	bool asleep;		      /* suspended until the stream's next frame */
	bool begun;		      /* the opening boundary was sent */
	bool leaving;
};

struct viewers {
	struct feed *feed;
	struct viewer *first;
	uint32_t limit;
	int64_t sweep_due;
	bool dismissed;
	struct viewer_counts counts;
};

struct viewers *viewers_create(struct feed *feed, uint32_t limit)
{
	struct viewers *viewers = calloc(1, sizeof(*viewers));
	if (!viewers)
		return NULL;
	viewers->feed = feed;
	viewers->limit = limit;
	return viewers;
}

void viewers_destroy(struct viewers *viewers)
{
	free(viewers);
}

struct viewer_counts viewers_counts(const struct viewers *viewers)
{
	return viewers->counts;
}

/* ---- one viewer ---- */

/* Begins with the newest frame of one stream that the viewer has not had. */
static bool begin_part(struct viewer *viewer, uint32_t stream)
{
	struct viewers *all = viewer->all;
	uint64_t *serial = &viewer->serial[stream];
	viewer->part = feed_newest(all->feed, stream, viewer->kind, *serial);
	if (!viewer->part)
		return false;
	if (*serial > 0)
		all->counts.skipped += viewer->part->serial - *serial - 1;
	*serial = viewer->part->serial;
	viewer->at = 0;
	return true;
}

/* The streams take turns, so that a slow viewer sees all of them. */
static bool next_part(struct viewer *viewer)
{
	for (uint32_t i = 0; i < viewer->count; i++) {
		uint32_t turn = viewer->turn;
		viewer->turn = (turn + 1) % viewer->count;
		if (begin_part(viewer, viewer->stream + turn))
			return true;
	}
	return false;
}

static ssize_t on_read(void *arg, uint64_t pos, char *out, size_t size)
{
	(void)pos; /* of the whole response; of interest is where in the part we are */
	struct viewer *viewer = arg;
	if (viewer->leaving || viewer->all->dismissed)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!viewer->begun && size >= OPENING_SIZE) {
		viewer->begun = true;
		memcpy(out, opening, OPENING_SIZE);
		return OPENING_SIZE;
	}
	for (;;) {
		if (!viewer->part && !next_part(viewer)) {
			viewer->asleep = true;
			MHD_suspend_connection(viewer->connection);
			return 0;
		}
		size_t n = part_read(viewer->part, viewer->at, out, size);
		if (n > 0) {
			viewer->at += n;
			return (ssize_t)n;
		}
		part_release(viewer->part);
		viewer->part = NULL;
		viewer->all->counts.sent++;
	}
}

static void on_gone(void *arg)
{
	struct viewer *viewer = arg;
	*viewer->link = viewer->next;
	if (viewer->next)
		viewer->next->link = viewer->link;
	viewer->all->counts.watching--;
	part_release(viewer->part);
	free(viewer);
}

static struct viewer *viewer_create(struct viewers *viewers, struct MHD_Connection *connection,
				    uint32_t first, uint32_t count, enum feed_kind kind)
{
	struct viewer *viewer = calloc(1, sizeof(*viewer));
	if (!viewer)
		return NULL;
	viewer->all = viewers;
	viewer->connection = connection;
	viewer->stream = first;
	viewer->count = count;
	viewer->kind = kind;
	viewer->next = viewers->first;
	viewer->link = &viewers->first;
	if (viewer->next)
		viewer->next->link = &viewer->next;
	viewers->first = viewer;
	viewers->counts.watching++;
	return viewer;
}

void viewers_join(struct viewers *viewers, struct request *request, uint32_t first, uint32_t count,
		  enum feed_kind kind)
{
	if (viewers->counts.watching >= viewers->limit) {
		request_say(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			    "%u viewers are watching already, which is the limit; see `viewers` in "
			    "the display section of the configuration.",
			    viewers->limit);
		return;
	}
	struct viewer *viewer =
		viewer_create(viewers, request_connection(request), first, count, kind);
	struct MHD_Response *response =
		viewer ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_read,
							   viewer, on_gone)
		       : NULL;
	if (!response) {
		if (viewer)
			on_gone(viewer);
		request_say(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			    "There is no memory for another viewer.");
		return;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"multipart/x-mixed-replace; boundary=" FEED_BOUNDARY);
	request_respond(request, MHD_HTTP_OK, response);
}

/* ---- all of them ---- */

static void wake(struct viewer *viewer)
{
	if (!viewer->asleep)
		return;
	viewer->asleep = false;
	MHD_resume_connection(viewer->connection);
}

void viewers_wake(struct viewers *viewers, uint32_t stream)
{
	for (struct viewer *viewer = viewers->first; viewer; viewer = viewer->next)
		if (stream >= viewer->stream && stream - viewer->stream < viewer->count)
			wake(viewer);
}

void viewers_dismiss(struct viewers *viewers)
{
	viewers->dismissed = true;
	for (struct viewer *viewer = viewers->first; viewer; viewer = viewer->next)
		wake(viewer);
}

static bool client_is_gone(const struct viewer *viewer)
{
	char byte;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(viewer->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return info && recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

int64_t viewers_sweep(struct viewers *viewers, int64_t now)
{
	if (!viewers->first) {
		viewers->sweep_due = now + SWEEP_EVERY;
		return CLOCK_NEVER;
	}
	if (now < viewers->sweep_due)
		return viewers->sweep_due;
	viewers->sweep_due = now + SWEEP_EVERY;
	for (struct viewer *viewer = viewers->first; viewer; viewer = viewer->next) {
		if (viewer->asleep && client_is_gone(viewer)) {
			viewer->leaving = true;
			wake(viewer);
		}
	}
	return viewers->sweep_due;
}
