/* The worker's end of the pipe, and its inbox: hello, ready, drain, look, stop, dump. */
#include "ipc/worker/worker_private.h"

#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/base/redact.h"
#include "ipc/links/queue.h"
#include "schemas/life.pb-c.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const takes_names[] = {
	[WORKER_TAKES_SOURCE] = "source", [WORKER_TAKES_QUEUE] = "queue",
	[WORKER_TAKES_TAP] = "tap",	  [WORKER_TAKES_LATEST] = "latest",
	[WORKER_TAKES_EACH] = "each",	  [WORKER_TAKES_NOTHING] = "nothing",
};

static void pipe_is_ready(void *arg, struct link *link)
{
	(void)link;
	((struct worker *)arg)->pipe_ready = true;
}

static void inbox_is_ready(void *arg, struct link *link)
{
	(void)link;
	((struct worker *)arg)->inbox_ready = true;
}

static int bind_inbox(struct worker *w)
{
	char path[LINK_PATH_SIZE];
	int length = snprintf(path, sizeof(path), "%s/%s.%u.in", w->runtime_folder, w->name,
			      w->row->incarnation);
	if (length >= (int)sizeof(path))
		return TROUPE_E_OVERSIZED;
	int rc = inbox_bind(w->links, path, &w->inbox);
	if (rc < 0)
		return rc;
	memcpy(w->row->inbox, path, sizeof(w->row->inbox));
	atomic_store(&w->row->inbox_set, 1);
	return loop_watch_link(w->loop, w->inbox, inbox_is_ready, w);
}

int pipe_side_open(struct worker *w, const char *pipe_path)
{
	int rc = pipe_connect(w->links, pipe_path, &w->pipe);
	if (rc == 0)
		rc = loop_watch_link(w->loop, w->pipe, pipe_is_ready, w);
	return rc == 0 ? bind_inbox(w) : rc;
}

void pipe_side_hello(struct worker *w)
{
	Troupe__Hello hello = TROUPE__HELLO__INIT;
	char program[NAME_SIZE], version[NAME_SIZE], takes[NAME_SIZE];
	snprintf(program, sizeof(program), "%s", w->table->name);
	snprintf(version, sizeof(version), "%s", w->table->version);
	snprintf(takes, sizeof(takes), "%s", takes_names[w->table->takes]);
	hello.schema = MESSAGE_SCHEMA;
	hello.pid = getpid();
	hello.seat = w->seat;
	hello.program = program;
	hello.version = version;
	hello.takes = takes;
	hello.draining = w->draining || w->orphan;
	link_send(w->pipe, MESSAGE_HELLO, &hello.base);
}

void pipe_side_prepared(struct worker *w)
{
	Troupe__Prepared prepared = TROUPE__PREPARED__INIT;
	prepared.pid = getpid();
	prepared.seat = w->seat;
	w->said_prepared = true;
	link_send(w->pipe, MESSAGE_PREPARED, &prepared.base);
}

void pipe_side_ready(struct worker *w)
{
	Troupe__Ready ready = TROUPE__READY__INIT;
	ready.pid = getpid();
	ready.seat = w->seat;
	w->said_ready = true;
	if (w->pipe)
		link_send(w->pipe, MESSAGE_READY, &ready.base);
}

void pipe_side_finished(struct worker *w)
{
	Troupe__Finished finished = TROUPE__FINISHED__INIT;
	finished.pid = getpid();
	if (w->pipe)
		link_send(w->pipe, MESSAGE_FINISHED, &finished.base);
}

/* Whether Finished was said too, the ledger knows. */
static void say_again(struct worker *w, const Troupe__SayAgain *asked)
{
	supervised_by(w, asked->supervisor);
	pipe_side_hello(w);
	if (w->said_prepared)
		pipe_side_prepared(w);
	if (w->said_ready)
		pipe_side_ready(w);
}

/* ---- dump ---- */

/* Cuts text into the lines of the reply, in place; returns how many. */
static size_t cut_lines(char *text, char **lines, size_t max)
{
	size_t n = 0;
	for (char *line = strtok(text, "\n"); line && n < max; line = strtok(NULL, "\n"))
		lines[n++] = line;
	return n;
}

#define DUMP_LINES 64
#define DUMP_ROWS  64
#define VALUE_SIZE 256

struct dump {
	Troupe__Dumped reply;
	char *lines[DUMP_LINES];
	char *messages[TRACES_KEPT];
	Troupe__Row rows[DUMP_ROWS];
	Troupe__Row *row_at[DUMP_ROWS];
	char names[DUMP_ROWS][NAME_SIZE];
	char values[DUMP_ROWS][VALUE_SIZE];
};

static void dump_rows(const struct worker *w, struct dump *d)
{
	const struct row_table *table = &w->table->rows;
	size_t n = table->count < DUMP_ROWS ? table->count : DUMP_ROWS;
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &table->rows[i];
		char value[1024];
		row_format(row, w->config, value, sizeof(value));
		redact(value, d->values[i], VALUE_SIZE);
		d->rows[i] = (Troupe__Row)TROUPE__ROW__INIT;
		snprintf(d->names[i], NAME_SIZE, "%s", row->name);
		d->rows[i].name = d->names[i];
		d->rows[i].value = d->values[i];
		d->rows[i].is_default = strcmp(value, row->fallback) == 0;
		d->row_at[i] = &d->rows[i];
	}
	d->reply.row = d->row_at;
	d->reply.n_row = n;
}

static void dump_messages(struct worker *w, struct dump *d)
{
	uint32_t n = w->n_traces < TRACES_KEPT ? w->n_traces : TRACES_KEPT;
	for (uint32_t i = 0; i < n; i++)
		d->messages[i] = w->traces[(w->n_traces - n + i) % TRACES_KEPT];
	d->reply.message = d->messages;
	d->reply.n_message = n;
}

static void send_dump(struct worker *w, uint64_t id)
{
	struct dump *d = calloc(1, sizeof(*d));
	char *text = NULL;
	size_t size = 0;
	FILE *out = d ? open_memstream(&text, &size) : NULL;
	if (!out) {
		free(d);
		return;
	}
	if (w->table->dump && w->self)
		w->table->dump(w, w->self, out);
	asking_dump(w, out);
	fclose(out);
	d->reply = (Troupe__Dumped)TROUPE__DUMPED__INIT;
	d->reply.id = id;
	d->reply.line = d->lines;
	d->reply.n_line = cut_lines(text, d->lines, DUMP_LINES);
	dump_messages(w, d);
	dump_rows(w, d);
	link_send(w->pipe, MESSAGE_DUMPED, &d->reply.base);
	free(text);
	free(d);
}

/* ---- reading ---- */

static void keep_trace(struct worker *w, const ProtobufCMessage *message)
{
	message_trace(message, w->traces[w->n_traces++ % TRACES_KEPT], TRACE_SIZE);
}

static void drain_because(struct worker *w, const char *why)
{
	if (!w->draining)
		log_info("draining: %s", *why ? why : "asked to");
	w->draining = true;
}

/* Whether it may have given the worker something to do. */
static bool obey(struct worker *w, enum message_kind kind, const ProtobufCMessage *message)
{
	switch (kind) {
	case MESSAGE_ANNOUNCE:
	case MESSAGE_DONE:
		return false; /* whoever is awake looks anyway */
	case MESSAGE_DRAIN:
		drain_because(w, ((const Troupe__Drain *)message)->why);
		break;
	case MESSAGE_STOP:
		w->stop = true;
		break;
	case MESSAGE_SAY_AGAIN:
		say_again(w, (const Troupe__SayAgain *)message);
		break;
	case MESSAGE_DUMP:
		send_dump(w, ((const Troupe__Dump *)message)->id);
		break;
	case MESSAGE_ANSWER:
		asking_answered(w, (const Troupe__Answer *)message);
		return true;
	default:
		if (!w->table->message || !w->opened)
			return false;
		w->table->message(w, w->self, kind, message);
		return true;
	}
	return false;
}

static bool is_of_workers(enum message_kind kind)
{
	return kind == MESSAGE_ANNOUNCE || kind == MESSAGE_DONE || kind == MESSAGE_QUESTION ||
	       kind == MESSAGE_ANSWER;
}

static bool read_all(struct worker *w, struct link *link)
{
	bool heard = false;
	enum message_kind kind;
	ProtobufCMessage *message;
	int rc;
	while ((rc = link_receive(link, &kind, &message)) != TROUPE_E_AGAIN) {
		if (rc < 0)
			continue; /* undecodable: counted and thrown away by the link */
		keep_trace(w, message);
		/* Anybody can write to an inbox; only the supervisor's pipe tells us how to live.
		 */
		if (link == w->pipe || is_of_workers(kind))
			heard |= obey(w, kind, message);
		message_free(message);
	}
	return heard;
}

bool pipe_side_read(struct worker *w)
{
	bool heard = w->pipe_ready && read_all(w, w->pipe);
	heard |= w->inbox_ready && read_all(w, w->inbox);
	w->pipe_ready = w->inbox_ready = false;
	return heard;
}
