/* Hints from worker to worker over the queues: "a frame is coming", "a frame is done". They carry
 * no authority: late, doubled or lost, they do no harm. */
#include "ipc/worker/worker_private.h"

#include "ipc/links/queue.h"
#include "schemas/frame.pb-c.h"
#include "schemas/report.pb-c.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <stdarg.h>
#include <string.h>

/* Closes the outboxes to workers that are gone: libzmq would go on trying to reach each of them, up
 * to 50 times a second. Done whenever a new one is opened, so there are never more of them than
 * there were deaths since then. */
static void close_stale(struct worker *w)
{
	for (int seat = 0; seat < SEATS_MAX; seat++) {
		struct outbox *box = &w->outbox[seat];
		if (!box->link || atomic_load(&w->ledger->seats[seat].state) == SEAT_LIVE)
			continue;
		link_close(box->link);
		box->link = NULL;
	}
}

/* The outbox to whoever has the seat now, NULL when it has no inbox. */
static struct link *outbox_to(struct worker *w, uint8_t seat)
{
	struct seat_row *row = &w->ledger->seats[seat];
	struct outbox *box = &w->outbox[seat];
	if (!w->links || seat == w->seat || !atomic_load(&row->inbox_set))
		return NULL;
	char path[LINK_PATH_SIZE];
	memcpy(path, row->inbox, sizeof(path));
	path[sizeof(path) - 1] = '\0';
	if (box->link && strcmp(box->path, path) == 0)
		return box->link;
	link_close(box->link);
	box->link = NULL;
	close_stale(w);
	if (outbox_connect(w->links, path, &box->link) < 0)
		return NULL;
	memcpy(box->path, path, sizeof(box->path));
	return box->link;
}

void note_announce(struct worker *w, uint32_t slot)
{
	uint64_t idle = atomic_load(&w->ledger->header->idle);
	if (!idle)
		return;
	/* The idle bit is not taken: the ring of PUBLISH decides who is woken. */
	struct link *box = outbox_to(w, (uint8_t)__builtin_ctzll(idle));
	if (!box)
		return;
	Troupe__Announce note = TROUPE__ANNOUNCE__INIT;
	note.stream = w->number;
	note.slot = slot;
	note.seq = ledger_last_seq(w->ledger, w->number, NULL) + 1;
	link_send(box, MESSAGE_ANNOUNCE, &note.base);
}

void note_done(struct worker *w, uint32_t slot, uint64_t word)
{
	struct slot_word parts = word_unpack(word);
	for (uint32_t t = 0; t < w->ledger->header->n_taps; t++) {
		uint64_t owner = atomic_load(&w->ledger->taps[t].owner);
		if (!(parts.owed >> t & 1) || owner == 0 || owner >= SEATS_MAX)
			continue;
		struct link *box = outbox_to(w, (uint8_t)owner);
		if (!box)
			continue;
		Troupe__Done note = TROUPE__DONE__INIT;
		note.stream = ledger_stream_of(w->ledger, slot);
		note.slot = slot;
		note.seq = parts.seq;
		link_send(box, MESSAGE_DONE, &note.base);
	}
}

int worker_send(struct worker *w, uint8_t seat, enum message_kind kind,
		const ProtobufCMessage *message)
{
	struct link *box = seat < SEATS_MAX ? outbox_to(w, seat) : NULL;
	return box ? link_send(box, kind, message) : TROUPE_E_NOT_FOUND;
}

void notes_close(struct worker *w)
{
	for (int seat = 0; seat < SEATS_MAX; seat++) {
		link_close(w->outbox[seat].link);
		w->outbox[seat].link = NULL;
	}
}

/* Who never has anything to report connects to nobody: each connection takes 20 KB of the
 * supervisor's memory. */
void worker_report(struct worker *w, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!w->links ||
	    (!w->reports && outbox_connect(w->links, w->reports_path, &w->reports) < 0))
		return;
	Troupe__Report report = TROUPE__REPORT__INIT;
	report.worker = w->name;
	report.seat = w->seat;
	report.time = clock_now();
	report.text = text;
	link_send(w->reports, MESSAGE_REPORT, &report.base);
}
