/* One function a request. Most answer at once; swap and inspect answer later. */
#include "supervisor/control.h"

#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/base/utf8.h"
#include "ipc/links/json.h"
#include "ipc/slots/record.h"
#include "supervisor/answers.h"
#include "supervisor/ended.h"
#include "supervisor/inspect.h"
#include "supervisor/member.h"
#include "supervisor/orders.h"
#include "supervisor/reload.h"
#include "supervisor/scale.h"
#include "supervisor/stages.h"
#include "supervisor/swap.h"
#include "supervisor/upgrade.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

struct call {
	struct supervisor *s;
	const struct asker *asker;
	const Troupe__Request *request;
	Troupe__Reply *reply;
	struct arena arena;
	bool later; /* the answer comes from somewhere else */
};

__attribute__((format(printf, 3, 4))) static void say(struct call *call, int code,
						      const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	call->reply->code = code;
	call->reply->text = arena_text(&call->arena, "%s", text);
}

static struct member *named(struct call *call, const char *name)
{
	char valid[1024];
	struct member *m = member_find(call->s, name);
	if (!m)
		say(call, TROUPE_E_NOT_FOUND, "no worker \"%.64s\", valid: %s", name,
		    members_list(call->s, valid, sizeof(valid)));
	return m;
}

static void do_ps(struct call *call)
{
	answer_workers(call->s, &call->arena, call->reply);
	answer_pipeline(call->s, &call->arena, call->reply);
}

static void do_inspect(struct call *call)
{
	struct member *m = named(call, call->request->inspect->worker);
	if (!m)
		return;
	call->later = true;
	inspect_begin(call->s, m, call->asker, call->request->id);
}

static void do_kill(struct call *call)
{
	struct member *m = named(call, call->request->kill->worker);
	int number = call->request->kill->signal ? call->request->kill->signal : SIGKILL;
	if (!m)
		return;
	if (number < 0 || number >= NSIG || !sigabbrev_np(number))
		say(call, TROUPE_E_ARGUMENT, "%d is no signal, valid: 1 to 31", number);
	else if (!m->lead->process.pid) {
		char why[WHY_SIZE];
		int rc = order_nobody(m, why, sizeof(why));
		say(call, rc, "%s", why);
	} else {
		ended_signal(m->lead->process.pidfd, m->lead->process.pid, number);
		say(call, 0, "SIG%s sent to %s (pid %d)", sigabbrev_np(number), m->name,
		    (int)m->lead->process.pid);
	}
}

/* Says what comes of an order that was given. */
static void obey(struct call *call, const struct member *m, enum order order,
		 enum life_state before)
{
	char text[2 * WHY_SIZE];
	int rc = order_answer(m, order, before, text, sizeof(text));
	say(call, rc, "%s", text);
}

static bool may_start(struct call *call, const struct member *m)
{
	if (call->s->stage == STAGE_STOPPING)
		say(call, TROUPE_E_STATE, "the pipeline is draining");
	else if (m->lead->life.state == LIFE_FINISHED)
		say(call, TROUPE_E_STATE, "%s: its source has ended", m->name);
	else if (m->swap.stage != SWAP_NONE)
		say(call, TROUPE_E_BUSY, "%s: a swap is under way", m->name);
	else
		return true;
	return false;
}

static void do_restart(struct call *call)
{
	struct member *m = named(call, call->request->restart->worker);
	if (!m || !may_start(call, m))
		return;
	enum life_state before = m->lead->life.state;
	part_event(m->lead, EVENT_RESTART);
	part_event(m->next, EVENT_DRAIN); /* whatever was new to be loaded, its spare loads, too */
	obey(call, m, ORDER_RESTART, before);
}

static void do_stop(struct call *call)
{
	struct member *m = named(call, call->request->stop->worker);
	if (!m)
		return;
	enum life_state before = m->lead->life.state;
	swap_cancel(m, "it was told to stop");
	part_event(m->lead, EVENT_DRAIN);
	part_event(m->next, EVENT_DRAIN);
	obey(call, m, ORDER_STOP, before);
}

static void do_start(struct call *call)
{
	struct member *m = named(call, call->request->start->worker);
	if (!m || !may_start(call, m))
		return;
	enum life_state before = m->lead->life.state;
	bool without_spares = m->next->life.state == LIFE_GAVE_UP;
	part_event(m->lead, EVENT_START);
	if (without_spares)
		part_event(m->next, EVENT_DRAIN);
	obey(call, m, ORDER_START, before);
	if (without_spares && before == LIFE_READY)
		say(call, 0, "%s runs already; its spares get another try", m->name);
}

static void do_swap(struct call *call)
{
	const Troupe__SwapRequest *swap = call->request->swap;
	struct member *m = named(call, swap->worker);
	char why[WHY_SIZE];
	if (!m)
		return;
	int rc = swap_begin(m, swap, call->asker, call->request->id, why, sizeof(why));
	if (rc < 0)
		say(call, rc, "%s", why);
	call->later = rc == 0;
}

static void do_scale(struct call *call)
{
	const Troupe__ScaleRequest *request = call->request->scale;
	char why[WHY_SIZE];
	if (call->s->stage == STAGE_STOPPING) {
		say(call, TROUPE_E_STATE, "the pipeline is draining");
		return;
	}
	if (call->s->reload) {
		say(call, TROUPE_E_BUSY, "a reload is under way");
		return;
	}
	int rc = scale(call->s, request->worker, request->count, why, sizeof(why));
	say(call, rc, "%s", why);
}

int control_label(struct supervisor *s, const char *label)
{
	struct ledger_header *h = s->ledger.header;
	char known[NAME_SIZE];
	if (!*label)
		return 0;
	scrutiny_mend(s);
	uint32_t n = atomic_load(&h->n_labels);
	for (uint32_t i = 1; i < n && i < LABELS_MAX; i++)
		if (strcmp(ledger_label(&s->ledger, i, known), label) == 0)
			return (int)i;
	if (strlen(label) >= NAME_SIZE)
		return TROUPE_E_OVERSIZED;
	snprintf(known, sizeof(known), "%s", label);
	if (strcmp(utf8_tame(known), label) != 0)
		return TROUPE_E_ARGUMENT;
	if (n >= LABELS_MAX)
		return TROUPE_E_FULL;
	/* The name before the number that makes it seen. */
	strncpy(h->labels[n], label, NAME_SIZE - 1);
	atomic_store(&h->n_labels, n + 1);
	scrutiny_new_label(s, label);
	return (int)n;
}

typedef void stream_fn(struct stream_row *row, uint32_t value);

static void set_label(struct stream_row *row, uint32_t value)
{
	atomic_store(&row->label, (int32_t)value);
}

static void set_recording(struct stream_row *row, uint32_t value)
{
	if (value)
		atomic_fetch_or(&row->taps_on, 1U);
	else
		atomic_fetch_and(&row->taps_on, ~1U);
}

/* For one stream or, with "", all. False: there is none of that name, and the answer says so. */
static bool for_streams(struct call *call, const char *name, stream_fn *fn, uint32_t value)
{
	struct ledger *ledger = &call->s->ledger;
	char valid[STREAMS_MAX * (NAME_SIZE + 2)] = "";
	bool found = false;
	for (uint32_t i = 0; i < ledger->header->n_streams; i++) {
		struct stream_row *row = &ledger->streams[i];
		size_t used = strlen(valid);
		snprintf(valid + used, sizeof(valid) - used, "%s%s", used ? ", " : "", row->name);
		if (*name && strcmp(row->name, name) != 0)
			continue;
		fn(row, value);
		found = true;
	}
	if (!found)
		say(call, TROUPE_E_NOT_FOUND, "no stream \"%.64s\", valid: %s", name, valid);
	return found;
}

static void do_label(struct call *call)
{
	const Troupe__LabelRequest *request = call->request->label;
	int label = control_label(call->s, request->label);
	if (label == TROUPE_E_ARGUMENT) {
		say(call, label, "label: \"%.64s\" has characters that cannot be shown",
		    request->label);
	} else if (label < 0) {
		say(call, label, "label \"%.64s\": %s (%d names of up to %d bytes)", request->label,
		    error_text(label), LABELS_MAX - 1, NAME_SIZE - 1);
	} else if (for_streams(call, request->stream, set_label, (uint32_t)label)) {
		say(call, 0, "label: %s", label ? request->label : "none");
	}
}

static void do_record(struct call *call)
{
	const Troupe__RecordRequest *request = call->request->record;
	if (for_streams(call, request->stream, set_recording, request->on))
		say(call, 0, "recording: %s", request->on ? "on" : "off");
}

/* "It is asked": what came of that, generation and upgrade_failed in `status` say. */
static void do_upgrade(struct call *call)
{
	char why[WHY_SIZE];
	int rc = upgrade_begin(call->s, call->request->upgrade->exec, why, sizeof(why));
	say(call, rc, "%s", rc < 0 ? why : "another program is asked whether it can go on");
}

static void do_reload(struct call *call)
{
	char why[WHY_SIZE];
	int rc = reload_begin(call->s, call->request->reload, call->asker, call->request->id, why,
			      sizeof(why));
	if (rc < 0)
		say(call, rc, "%s", why);
	call->later = rc == 0;
}

static void do_down(struct call *call)
{
	stages_stop(call->s, "down");
	say(call, 0, "draining");
}

static const struct {
	const char *name;
	void (*handle)(struct call *call);
	bool changes; /* goes into the journal */
} handlers[] = {
	[TROUPE__REQUEST__WHAT_PS] = {"ps", do_ps, false},
	[TROUPE__REQUEST__WHAT_STATUS] = {"status", do_ps, false},
	[TROUPE__REQUEST__WHAT_INSPECT] = {"inspect", do_inspect, false},
	[TROUPE__REQUEST__WHAT_KILL] = {"kill", do_kill, true},
	[TROUPE__REQUEST__WHAT_RESTART] = {"restart", do_restart, true},
	[TROUPE__REQUEST__WHAT_STOP] = {"stop", do_stop, true},
	[TROUPE__REQUEST__WHAT_START] = {"start", do_start, true},
	[TROUPE__REQUEST__WHAT_SWAP] = {"swap", do_swap, true},
	[TROUPE__REQUEST__WHAT_SCALE] = {"scale", do_scale, true},
	[TROUPE__REQUEST__WHAT_LABEL] = {"label", do_label, true},
	[TROUPE__REQUEST__WHAT_RECORD] = {"record", do_record, true},
	[TROUPE__REQUEST__WHAT_RELOAD] = {"reload", do_reload, false}, /* it writes its own line */
	[TROUPE__REQUEST__WHAT_DOWN] = {"down", do_down, true},
	[TROUPE__REQUEST__WHAT_UPGRADE] = {"upgrade", do_upgrade, true},
};

/* Whom a request is about, NULL: no one worker. */
static const char *worker_of(const Troupe__Request *request)
{
	switch (request->what_case) {
	case TROUPE__REQUEST__WHAT_KILL:
		return request->kill->worker;
	case TROUPE__REQUEST__WHAT_RESTART:
		return request->restart->worker;
	case TROUPE__REQUEST__WHAT_STOP:
		return request->stop->worker;
	case TROUPE__REQUEST__WHAT_START:
		return request->start->worker;
	case TROUPE__REQUEST__WHAT_SWAP:
		return request->swap->worker;
	default:
		return NULL;
	}
}

static void handle(struct call *call)
{
	size_t what = (size_t)call->request->what_case;
	if (what >= sizeof(handlers) / sizeof(handlers[0]) || !handlers[what].handle) {
		say(call, TROUPE_E_UNSUPPORTED, "the supervisor (%s) does not know this request",
		    TROUPE_VERSION);
		return;
	}
	handlers[what].handle(call);
	if (handlers[what].changes) {
		journal_write(&call->s->journal, JOURNAL_CONTROL, worker_of(call->request),
			      json_pack("{s:s, s:i, s:o}", "request", handlers[what].name, "code",
					call->reply->code, "text", json_text(call->reply->text)));
	}
}

void control_on_request(void *arg, struct link *link)
{
	struct supervisor *s = arg;
	struct asker asker;
	Troupe__Request *request;
	for (int i = 0; i < 64; i++) {
		int rc = answer_receive(link, &asker, &request);
		if (rc == TROUPE_E_AGAIN || rc == TROUPE_E_CLOSED)
			return;
		if (rc < 0)
			continue;
		Troupe__Reply reply = TROUPE__REPLY__INIT;
		struct call call = {.s = s, .asker = &asker, .request = request, .reply = &reply};
		reply.id = request->id;
		handle(&call);
		if (!call.later)
			answer_send(link, &asker, &reply);
		arena_finish(&call.arena);
		troupe__request__free_unpacked(request, NULL);
	}
}
