/* The processor of `troupe bench hop`: claims, writes down when, and lets go. A worker like any
 * other, by the worker SDK alone; only its work is left out, so that it is idle when a frame comes.
 */
#include "ipc/worker/worker.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/hop_sample.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct hop_config {
	char samples[128];
	char busy[NAME_SIZE];
	int64_t hold;
};

struct hop_processor {
	int samples;
	bool busy;     /* we are the one that keeps its frames */
	int stat;      /* /proc/PID/stat of the stream's capture */
	uint64_t seat; /* whose that is */
};

static const struct row rows[] = {
	{.name = "samples",
	 .type = ROW_TEXT,
	 ROW_AT(struct hop_config, samples),
	 .fallback = "",
	 .help = "The file that each frame's times are appended to."},
	{.name = "busy",
	 .type = ROW_TEXT,
	 ROW_AT(struct hop_config, busy),
	 .fallback = "",
	 .help = "The worker that keeps its frames for a while (processor.1)."},
	{.name = "hold",
	 .type = ROW_DURATION,
	 ROW_AT(struct hop_config, hold),
	 .max = 1e9,
	 .fallback = "0",
	 .help = "How long it keeps a frame at most."},
};

static int hop_open(struct worker *w, void **self)
{
	const struct hop_config *config = worker_config(w);
	struct hop_processor *p = calloc(1, sizeof(*p));
	if (!p)
		return TROUPE_E_MEMORY;
	p->stat = -1;
	p->busy = strcmp(config->busy, worker_name(w)) == 0;
	p->samples = open(config->samples, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (p->samples < 0) {
		free(p);
		return error_from_errno(errno);
	}
	*self = p;
	return 0;
}

/* The CPU on which the frame's capture ran last, which is where it rang: it sleeps since. */
static uint32_t capture_cpu(struct hop_processor *p, const struct ledger *ledger,
			    const struct frame *frame)
{
	char text[512];
	uint64_t owner = atomic_load(&frame->stream->owner);
	if (owner != p->seat && owner < SEATS_MAX) {
		snprintf(text, sizeof(text), "/proc/%d/stat",
			 (int)atomic_load(&ledger->seats[owner].pid));
		if (p->stat >= 0)
			close(p->stat);
		p->stat = open(text, O_RDONLY | O_CLOEXEC);
		p->seat = owner;
	}
	ssize_t n = p->stat < 0 ? 0 : pread(p->stat, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	/* Field 39; the second one is the name, in brackets, and may hold blanks. */
	const char *at = strrchr(text, ')');
	for (int field = 2; at && field < 39; field++)
		at = strchr(at + 1, ' ');
	return at ? (uint32_t)strtoul(at, NULL, 10) : UINT32_MAX;
}

static int hop_frame(struct worker *w, void *self, struct frame *frame)
{
	const struct hop_config *config = worker_config(w);
	struct hop_processor *p = self;
	int cpu = sched_getcpu();
	frame->record->coded_bytes = 0;
	struct hop_sample sample = {
		.published = frame->record->published,
		.claimed = frame->record->claimed,
		.receiver = worker_seat(w),
		.cpu = (uint32_t)cpu,
		.sender_cpu = capture_cpu(p, worker_ledger(w), frame),
	};
	if (p->busy) {
		struct timespec span = {
			.tv_nsec = hop_hold(frame->record->source_index, config->hold)};
		nanosleep(&span, NULL);
	}
	sample.ended = clock_now();
	return write(p->samples, &sample, sizeof(sample)) == (ssize_t)sizeof(sample)
		       ? 0
		       : error_from_errno(errno);
}

static void hop_close(struct worker *w, void *self)
{
	struct hop_processor *p = self;
	(void)w;
	close(p->samples);
	if (p->stat >= 0)
		close(p->stat);
	free(p);
}

static const struct need needs[] = {
	{NEED_WRITE, "samples"}, {NEED_READ_PATH, "/proc"}, /* on which CPU the capture ran */
};

static const struct worker_table hop_processor = {
	.name = "hop-processor",
	.version = TROUPE_VERSION,
	.summary = "claims frames and writes down when, for `troupe bench hop`",
	.takes = WORKER_TAKES_QUEUE,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {.rows = rows,
		 .count = sizeof(rows) / sizeof(rows[0]),
		 .config_size = sizeof(struct hop_config)},
	.open = hop_open,
	.frame = hop_frame,
	.close = hop_close,
};

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &hop_processor);
}
