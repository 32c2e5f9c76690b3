/* What callbacks may call. */
#include "ipc/worker/worker_private.h"

#include "ipc/base/errors.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/record.h"

#include <string.h>

const void *worker_config(const struct worker *w)
{
	return w->config;
}

const char *worker_name(const struct worker *w)
{
	return w->name;
}

const char *worker_pipeline(const struct worker *w)
{
	return w->pipeline;
}

uint8_t worker_seat(const struct worker *w)
{
	return w->seat;
}

struct ledger *worker_ledger(const struct worker *w)
{
	return w->ledger;
}

uint32_t worker_stream(const struct worker *w)
{
	return w->number;
}

const char *worker_state_folder(const struct worker *w)
{
	return w->state_folder;
}

const char *worker_control_path(const struct worker *w)
{
	return w->control_path;
}

int worker_handed_fd(const struct worker *w)
{
	return w->handed_fd;
}

void worker_progress(struct worker *w)
{
	atomic_fetch_add_explicit(&w->row->progress, 1, memory_order_relaxed);
}

bool frame_put_coded(struct frame *frame, const void *data, size_t size)
{
	bool fits = size > 0 && size <= frame->stream->coded_size;
	if (fits)
		memcpy(frame->coded, data, size);
	frame->record->coded_bytes = fits ? (uint32_t)size : 0;
	return fits;
}

void worker_count(struct worker *w, uint64_t n)
{
	atomic_fetch_add_explicit(&w->row->counted, n, memory_order_relaxed);
}

void worker_drop(struct worker *w, enum drop_reason reason, uint32_t count)
{
	atomic_fetch_add(&w->ledger->streams[w->number].drops[reason], count);
}

const struct slot_record *worker_last_record(struct worker *w)
{
	uint32_t slot;
	ledger_last_seq(w->ledger, w->number, &slot);
	if (slot == SLOT_NONE)
		return NULL;
	record_copy(w->ledger, slot, ledger_word(w->ledger, slot), &w->last_record);
	return &w->last_record;
}

void worker_tap_start(struct worker *w, uint32_t stream, uint64_t last)
{
	w->seen[stream] = last;
	worker_settle(w, stream, last);
}

void worker_tap_again(struct worker *w, uint32_t stream, uint64_t last)
{
	w->seen[stream] = last;
}

void worker_settle(struct worker *w, uint32_t stream, uint64_t seq)
{
	if (w->number == RECORDING_TAP)
		atomic_store(&w->ledger->streams[stream].settled, seq);
	if (ledger_settle(w->ledger, stream, (uint8_t)w->number, seq) > 0)
		bells_freed(w->ledger);
}

uint32_t worker_free_percent(const struct worker *w, uint32_t stream)
{
	uint32_t n = w->ledger->streams[stream].n_slots;
	return ledger_count(w->ledger, stream, PHASE_FREE) * 100 / n;
}

bool worker_still(const struct worker *w, const struct frame *frame)
{
	return ledger_still(w->ledger, frame->slot, frame->word);
}

void worker_want(struct worker *w, bool wanted)
{
	w->unwanted = !wanted;
}

static void watch_is_ready(void *arg, int fd, short revents)
{
	struct watch *watch = arg;
	struct worker *w = watch->worker;
	if (w->opened)
		watch->ready(w, w->self, fd, revents);
}

/* The row of a descriptor, else a free one, else NULL. */
static struct watch *find_watch(struct worker *w, int fd)
{
	struct watch *empty = NULL;
	for (int i = 0; i < WATCHES_MAX; i++) {
		if (w->watches[i].ready && w->watches[i].fd == fd)
			return &w->watches[i];
		if (!w->watches[i].ready && !empty)
			empty = &w->watches[i];
	}
	return empty;
}

int worker_watch(struct worker *w, int fd, short events, worker_watch_fn *ready)
{
	struct watch *watch = find_watch(w, fd);
	if (!w->loop)
		return TROUPE_E_UNSUPPORTED;
	if (!watch)
		return TROUPE_E_FULL;
	*watch = (struct watch){.fd = fd, .ready = events ? ready : NULL, .worker = w};
	return loop_watch_fd(w->loop, fd, events, watch_is_ready, watch);
}
