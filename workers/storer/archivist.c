/* Between the worker and its archive. */
#include "workers/storer/archivist.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/storer/archive.h"
#include "workers/storer/settings.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct archivist {
	struct worker *w;
	struct archive *archive;
	int watched; /* the descriptor that the loop watches; -1: none */
};

static void tell(void *arg, const char *text)
{
	struct archivist *archivist = arg;

	log_warn("%s", text);
	worker_report(archivist->w, "%s", text);
}

int archivist_create(struct archivist **archivist, struct worker *w)
{
	const struct storer_config *config = worker_config(w);
	struct archivist *made;

	*archivist = NULL;
	/* In one process, as a reference: what is compared with it is JPEG. */
	if (strcmp(config->archive, "h264") != 0 || worker_control_path(w)[0] == '\0')
		return 0;
	made = calloc(1, sizeof(*made));
	if (made == NULL)
		return TROUPE_E_MEMORY;
	made->w = w;
	made->watched = -1;
	made->archive = archive_create(&(struct archive_options){
		.pipeline = worker_pipeline(w),
		.folder = config->folder,
		.after = config->archive_after,
		.quality = (uint32_t)config->archive_quality,
		.eager = strcmp(config->archive_priority, "normal") == 0,
		.tell = tell,
		.arg = made,
	});
	if (made->archive == NULL) {
		free(made);
		return TROUPE_E_MEMORY;
	}
	*archivist = made;
	return 0;
}

/* Its end wakes the loop, and every wake-up ends with a tick. */
static void on_child(struct worker *w, void *self, int fd, short revents)
{
	(void)w;
	(void)self;
	(void)fd;
	(void)revents;
}

static void unwatch(struct archivist *archivist)
{
	if (archivist->watched >= 0)
		worker_watch(archivist->w, archivist->watched, 0, on_child);
	archivist->watched = -1;
}

void archivist_destroy(struct archivist *archivist)
{
	if (archivist == NULL)
		return;
	archivist_stop(archivist);
	archive_destroy(archivist->archive);
	free(archivist);
}

int64_t archivist_tick(struct archivist *archivist, struct recorder *recorder, int64_t now)
{
	int64_t due;

	if (archivist == NULL)
		return CLOCK_NEVER;
	unwatch(archivist); /* before it may be closed */
	due = archive_turn(archivist->archive, recorder, now);
	archivist->watched = archive_fd(archivist->archive);
	if (archivist->watched >= 0 &&
	    worker_watch(archivist->w, archivist->watched, POLLIN, on_child) < 0)
		archivist->watched = -1; /* then it is looked at when it is due */
	return due;
}

void archivist_stop(struct archivist *archivist)
{
	if (archivist == NULL)
		return;
	unwatch(archivist);
	archive_stop(archivist->archive);
}

void archivist_dump(const struct archivist *archivist, FILE *out)
{
	if (archivist != NULL)
		archive_dump(archivist->archive, out);
}
